package server_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/server"
)

// The answer to joining was lost: the same key gets another one, and the first holds no more.
func TestRejoin(t *testing.T) {
	g := open(t)
	token := g.invite(g.vn.partner)
	key, post := g.request()
	ask := func(post string) *answer {
		return g.ask(account{}, http.MethodPost, "/join/"+token, header("Content-Type", "application/json"), body(post))
	}
	var first, second joined
	ask(post).json(&first)
	a := ask(post)
	a.json(&second)
	if a.status != 200 || second.ClientID != first.ClientID || second.Secret == first.Secret || second.Certificate == first.Certificate {
		t.Fatalf("again: %d %+v", a.status, second)
	}
	id := auth.ClientID(first.ClientID)
	g.get(account{id: id, secret: first.Secret}, "/secure/").want(401)
	g.get(account{id: id, secret: second.Secret}, "/secure/").want(200)
	for text, want := range map[string]int{first.Certificate: 401, second.Certificate: 200} {
		mine, err := tls.X509KeyPair([]byte(text), key)
		g.ok(err)
		g.askBy(g.dial(&mine), account{}, http.MethodGet, "/secure/").want(want)
	}
	if !g.onCRL(fmt.Sprintf("%040x", g.leaf(first.Certificate).SerialNumber)) {
		t.Error("the revocation list does not have the first certificate")
	}
	if lines := g.journal("client.rejoin"); len(lines) != 1 || !strings.Contains(lines[0], string(id)) {
		t.Errorf("journal: %v", lines)
	}
}

// Threat 22: an invitation that was used is nobody's but the key's, for ten minutes, until it was used.
func TestThreat22RejoinRefused(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(g *gateway, j joined)
		other  bool // another key
	}{
		"another key": {other: true},
		"late":        {change: func(g *gateway, _ joined) { g.ahead.Add(int64(10 * time.Minute)) }},
		"after use": {change: func(g *gateway, j joined) {
			g.get(account{id: auth.ClientID(j.ClientID), secret: j.Secret}, "/secure/").want(200)
		}},
		"after a token": {change: func(g *gateway, j joined) {
			g.token(account{g.vn.partner, auth.ClientID(j.ClientID), j.Secret}, "")
		}},
		"suspended": {change: func(g *gateway, _ joined) { g.apply(collections.Access(auth.SuspendPartner{ID: g.vn.partner})) }},
		"removed":   {change: func(g *gateway, _ joined) { g.apply(collections.Access(auth.RemovePartner{ID: g.vn.partner})) }},
		"revoked": {change: func(g *gateway, j joined) {
			g.apply(collections.Access(auth.RevokeClient{ID: auth.ClientID(j.ClientID)}))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, func(o *server.Options) { o.Doors.Uses = &auth.Uses{} })
			token := g.invite(g.vn.partner)
			_, post := g.request()
			ask := func(token, post string) *answer {
				return g.ask(account{}, http.MethodPost, "/join/"+token, header("Content-Type", "application/json"), body(post))
			}
			var j joined
			ask(token, post).json(&j)
			if row.other {
				_, post = g.request()
			}
			if row.change != nil {
				row.change(g, j)
			}
			a, never := ask(token, post), ask(auth.NewInvitation(), post)
			if a.status != 404 || string(a.body) != string(never.body) {
				t.Errorf("%d %s, want what is said of one that never was: %s", a.status, a.body, never.body)
			}
		})
	}
}

// The same request several times at once, as a client sends it that does not hear: all of them are
// answered, and the last one holds.
func TestRejoinAtTheSameMoment(t *testing.T) {
	g := open(t)
	token := g.invite(g.vn.partner)
	_, post := g.request()
	var all sync.WaitGroup
	got := make([]*answer, 3)
	for i := range got {
		all.Go(func() {
			got[i] = g.ask(account{}, http.MethodPost, "/join/"+token, header("Content-Type", "application/json"), body(post))
		})
	}
	all.Wait()
	held := 0
	for _, a := range got {
		var j joined
		a.json(&j)
		if a.status != 200 || j.ClientID != "vn-police_2" {
			t.Errorf("%d %s", a.status, a.body)
		}
		if g.get(account{id: auth.ClientID(j.ClientID), secret: j.Secret}, "/secure/").status == 200 {
			held++
		}
	}
	if held != 1 {
		t.Errorf("%d secrets hold, want one", held)
	}
}
