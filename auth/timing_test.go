//go:build timing

package auth_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"liaison/auth"
)

// Threat 15, by measurement: whether a client is known, and where a secret begins to differ, makes no
// difference that can be seen. Two classes of logins are interleaved and compared by Welch's t-test
// over what remains after the slowest tenth is cut, as dudect does. It needs a quiet machine:
//
//	go test -tags timing -run TestThreat15 ./auth
func TestThreat15Timing(t *testing.T) {
	const most = 10 // |t|; 4.5 is dudect's suspicion, a shared machine needs more
	h := newHouse(t)
	s := h.secret
	flip := func(i int) string {
		c := byte('A')
		if s[i] == c {
			c = 'B'
		}
		return s[:i] + string(c) + s[i+1:]
	}
	for name, classes := range map[string][2]auth.Presented{
		"known and unknown client": {authorization(basic(string(h.id), flip(40))), authorization(basic("acme_9", flip(40)))},
		"early and late mismatch":  {bearer(flip(5)), bearer(flip(46))},
		"secret of nobody":         {bearer(flip(20)), bearer("lsn_" + strings.Repeat("x", 43))},
	} {
		var took [2][]float64
		for i := range 400_000 {
			class := i & 1
			begin := time.Now()
			h.in(classes[class])
			took[class] = append(took[class], float64(time.Since(begin)))
		}
		a, b := moments(took[0]), moments(took[1])
		score := (a.mean - b.mean) / math.Sqrt(a.variance/a.n+b.variance/b.n)
		t.Logf("%s: %.1f and %.1f ns, t = %.2f", name, a.mean, b.mean, score)
		if math.Abs(score) > most {
			t.Errorf("%s: t = %.2f", name, score)
		}
	}
}

type moment struct{ n, mean, variance float64 }

func moments(v []float64) (m moment) {
	slices.Sort(v)
	v = v[:len(v)*9/10]
	m.n = float64(len(v))
	for _, x := range v {
		m.mean += x / m.n
	}
	for _, x := range v {
		m.variance += (x - m.mean) * (x - m.mean) / (m.n - 1)
	}
	return m
}
