//go:build timing

package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"liaison/auth"
)

// Threat 15, by measurement: whether a client is known, and where a secret begins to differ, makes no
// difference that can be seen. Two classes of logins come in random order and are compared by Welch's
// t-test, over all of them and over those below each of several percentiles, as dudect does: |t| above
// 4.5 is its suspicion. It needs a quiet machine:
//
//	go test -tags timing -run TestThreat15 -v ./auth
func TestThreat15Timing(t *testing.T) {
	s := withKey(newHouse(t), jwt.SigningMethodEdDSA)
	secret := s.secret
	// wrong is the secret with other characters in this place: so many that no text comes often.
	wrong := func(from, to int) string {
		other := auth.NewInvitation() // 43 random characters
		return secret[:from] + other[from-4:to-4] + secret[to:]
	}
	basicOf := func(id auth.ClientID) func() login {
		return func() login { return login{Presented: authorization(basic(string(id), wrong(4, 47)))} }
	}
	basicToken := func(id auth.ClientID) func() login {
		return func() login {
			return login{Presented: authorization(basic(string(id), wrong(4, 47))), Form: map[string][]string{"grant_type": {"client_credentials"}}}
		}
	}
	bearerOf := func(secret func() string) func() login {
		return func() login { return login{Presented: bearer(secret())} }
	}
	// What somebody signs with a key that is nobody's, as a client that has one key, or as nobody.
	_, foreign, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.key = foreign
	assertion := func(id auth.ClientID, kid string) func() login {
		header := map[string]any{"alg": "EdDSA"}
		if kid != "" {
			header["kid"] = kid
		}
		return func() login {
			return login{Form: map[string][]string{"grant_type": {"client_credentials"}, "client_assertion_type": {auth.AssertionType},
				"client_assertion": {s.assert(header, with(s.claims(), "iss", string(id), "sub", string(id)))}}}
		}
	}
	nobody := func(c string) auth.ClientID { return auth.ClientID(strings.Replace(string(s.id), "acme", c, 1)) }
	for _, c := range []struct {
		name    string
		runs    int
		classes [2]func() login
	}{
		{"nobody and nobody else", 1_000_000, [2]func() login{basicOf(nobody("acmg")), basicOf(nobody("acmf"))}},
		{"known and unknown client", 1_000_000, [2]func() login{basicOf(s.id), basicOf(nobody("acmf"))}},
		{"known and unknown client at the token endpoint", 1_000_000, [2]func() login{basicToken(s.id), basicToken(nobody("acmf"))}},
		{"early and late mismatch", 1_000_000, [2]func() login{bearerOf(func() string { return wrong(4, 10) }), bearerOf(func() string { return wrong(41, 47) })}},
		{"near to a secret and far", 1_000_000, [2]func() login{bearerOf(func() string { return wrong(20, 26) }), bearerOf(func() string { return "lsn_" + auth.NewInvitation() })}},
		{"assertion of nobody and nobody else", 20_000, [2]func() login{assertion(nobody("acmg"), ""), assertion(nobody("acmf"), "")}},
		{"assertion of a known and an unknown client", 20_000, [2]func() login{assertion(s.id, ""), assertion(nobody("acmf"), "")}},
		{"assertion by a known and an unknown key", 20_000, [2]func() login{assertion(s.id, s.kid), assertion(s.id, foreignKID(t))}},
	} {
		worst := s.measure(c.runs, c.classes)
		t.Logf("%s: medians %.0f and %.0f ns, t = %.2f", c.name, worst.median[0], worst.median[1], worst.t)
		if math.Abs(worst.t) > 4.5 {
			t.Errorf("%s: t = %.2f", c.name, worst.t)
		}
	}
}

// foreignKID gives the name of a key that nobody registered.
func foreignKID(t *testing.T) string {
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := jose.JSONWebKey{Key: pub}
	keys, err := auth.ParseKeys(encode(t, k), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return keys[0].ID
}

type comparison struct {
	median [2]float64 // ns
	t      float64    // the largest over the percentiles
}

// login is one at the token endpoint when it has a form, else at a resource.
type login auth.TokenRequest

func (s *signing) knock(l *login) {
	if l.Form == nil {
		s.doors.Identify(context.Background(), l.Presented)
	} else {
		s.doors.Token(context.Background(), auth.TokenRequest(*l))
	}
}

// measure times two classes in random order. No login comes twice, so that what one text costs, or
// where it lies in memory, is not taken for the class.
func (s *signing) measure(runs int, classes [2]func() login) (out comparison) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	pool := make([]login, 4096)
	class, times := make([]byte, runs), make([]int64, runs)
	rand.Read(class)
	for i := range runs {
		class[i] &= 1
		times[i] = 1 // so that the page is there
	}
	for i := range runs {
		at := i % len(pool)
		if at == 0 {
			for j := range min(len(pool), runs-i) {
				pool[j] = classes[class[i+j]]()
			}
			runtime.GC()
			for j := range 100 { // warm again
				s.knock(&pool[j])
			}
		}
		l := &pool[at]
		begin := time.Now()
		s.knock(l)
		times[i] = int64(time.Since(begin))
	}
	var took [2][]float64
	for i, d := range times {
		took[class[i]] = append(took[class[i]], float64(d))
	}
	all := slices.Sorted(slices.Values(slices.Concat(took[0], took[1])))
	for i := range took {
		slices.Sort(took[i])
		out.median[i] = took[i][len(took[i])/2]
	}
	for _, part := range []float64{1, 0.99, 0.95, 0.9, 0.75, 0.5} {
		limit := all[int(part*float64(len(all)-1))]
		a, b := moments(took[0], limit), moments(took[1], limit)
		if t := (a.mean - b.mean) / math.Sqrt(a.variance/a.n+b.variance/b.n); math.Abs(t) > math.Abs(out.t) {
			out.t = t
		}
	}
	return out
}

type moment struct{ n, mean, variance float64 }

// moments are those of what does not exceed the limit.
func moments(sorted []float64, limit float64) (m moment) {
	for _, x := range sorted {
		if x > limit {
			break
		}
		m.n++
		d := x - m.mean
		m.mean += d / m.n
		m.variance += d * (x - m.mean)
	}
	m.variance /= m.n - 1
	return m
}
