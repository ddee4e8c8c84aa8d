package server_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"liaison/collections"
	"liaison/server"
	"liaison/stix"
)

// full is a store whose disk is full.
type full struct{ collections.Store }

func (full) Publish(context.Context, collections.Publication) (collections.Status, error) {
	return collections.Status{}, collections.ErrFull
}

func TestHealth(t *testing.T) {
	g := open(t, func(o *server.Options) { o.Desk.Store = full{o.Desk.Store} })
	if a := g.get(account{}, "/healthz"); a.status != 200 || string(a.body) != "ok\n" {
		t.Errorf("%d %s", a.status, a.body)
	}
	_, raw := indicator("x")
	a := g.ask(g.vendor, http.MethodPost, objects, body(envelopeOf(raw))).want(http.StatusServiceUnavailable)
	if a.header.Get("Retry-After") != "60" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	g.get(g.vn, objects).want(200) // reading goes on
	if a := g.get(account{}, "/healthz"); a.status != 503 {
		t.Errorf("after a write that was not taken: %d %s", a.status, a.body)
	}
	g.ahead.Add(int64(time.Minute))
	if a := g.get(account{}, "/healthz"); a.status != 200 {
		t.Errorf("a minute later: %d %s", a.status, a.body)
	}
}

func TestOptions(t *testing.T) {
	var whole server.Options
	open(t, func(o *server.Options) { whole = *o })
	for name, change := range map[string]option{
		"no URL":             func(o *server.Options) { o.URL = nil },
		"http":               func(o *server.Options) { u := *o.URL; u.Scheme = "http"; o.URL = &u },
		"path":               func(o *server.Options) { u := *o.URL; u.Path = "/a/"; o.URL = &u },
		"no desk":            func(o *server.Options) { o.Desk = nil },
		"no doors":           func(o *server.Options) { o.Doors = nil },
		"above the desk's":   func(o *server.Options) { o.MaxContent = 2 << 20 },
		"above its defaults": func(o *server.Options) { o.Desk = &collections.Desk{Limits: stix.Limits{}}; o.MaxContent = 1 << 30 },
	} {
		o := whole
		change(&o)
		if _, err := server.New(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if s, err := server.New(whole); err != nil || s == nil {
		t.Errorf("%v", err)
	}
}
