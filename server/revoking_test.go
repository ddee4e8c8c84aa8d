package server_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/server"
)

// A client that mints and revokes tokens waits behind its own few, not the others behind its many.
func TestRevocationsOfOneClientAreFew(t *testing.T) {
	g := open(t)
	const most, over = 4, 3
	var tokens []string
	for range most + over {
		tokens = append(tokens, g.token(g.vendor, ""))
	}
	others := g.token(g.rival, "")

	// The store commits nothing while it waits for done.
	entered, leave, wrote := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		line := auth.NewLine(time.Now(), "test", "test.line", nil)
		wrote <- g.store.Apply(t.Context(), nil, []auth.Line{line}, func() {
			close(entered)
			<-leave
		})
	}()
	<-entered
	answers, other := make(chan *answer, len(tokens)), make(chan *answer, 1)
	for _, token := range tokens {
		go func() { answers <- g.form(g.client, g.vendor, "/oauth2/revoke", url.Values{"token": {token}}) }()
	}
	for range over {
		if a := <-answers; a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
			t.Errorf("%d %v %s", a.status, a.header, a.body)
		}
	}
	go func() { other <- g.form(g.client, g.rival, "/oauth2/revoke", url.Values{"token": {others}}) }()
	close(leave)
	g.ok(<-wrote)
	for range most {
		if a := <-answers; a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if a := <-other; a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Requests about tokens count like all others of a client.
func TestTokenRequestsInFlight(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	g := open(t, func(o *server.Options) {
		o.MaxInFlight = 1
		o.Desk.Store = faulty{o.Desk.Store, func() (collections.Page, error) {
			entered <- struct{}{}
			<-leave
			return collections.Page{}, nil
		}}
	})
	token := g.token(g.vn, "")
	done := make(chan *answer)
	go func() { done <- g.get(g.vn, "/secure/collections/vn/objects/") }()
	<-entered
	for path, form := range map[string]url.Values{
		"/oauth2/token":      {"grant_type": {"client_credentials"}},
		"/oauth2/revoke":     {"token": {token}},
		"/oauth2/introspect": {"token": {token}},
	} {
		if a := g.form(g.client, g.vn, path, form); a.status != http.StatusTooManyRequests {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	leave <- struct{}{}
	(<-done).want(200)
}
