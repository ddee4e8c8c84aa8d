package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"liaison/server/taxii"
)

// Waiting for a status to be complete.
const (
	firstLook = 200 * time.Millisecond
	lastLook  = 5 * time.Second
	stuck     = 10 * time.Minute // without any count changing
)

// follow reads the answer to a publication and asks until it is complete. It gives nil when the
// server has taken the objects and does not say what becomes of them.
func (p *Publisher) follow(ctx context.Context, resp *http.Response) (*taxii.Status, error) {
	st, err := readStatus(resp)
	if err != nil {
		return nil, err
	}
	if st == nil || st.Status == "" {
		p.Client.o.Notify("the server took the objects and gave no status: what became of them is not known")
		return nil, nil
	}
	if st.Status == "complete" {
		return st, nil
	}
	return p.poll(ctx, st)
}

// poll asks for a status that is pending.
func (p *Publisher) poll(ctx context.Context, st *taxii.Status) (*taxii.Status, error) {
	c, wait, still := p.Client, firstLook, time.Duration(0)
	unknown := func(why string) (*taxii.Status, error) {
		c.o.Notify(fmt.Sprintf("status %s: %s: what became of the objects is not known", clean(st.ID), why))
		return nil, nil
	}
	if st.ID == "" {
		return unknown("it is pending and has no id")
	}
	at := under(p.Root.URL, "status", st.ID)
	for still < stuck {
		if err := c.o.Sleep(ctx, wait); err != nil {
			return nil, err
		}
		resp, err := c.do(ctx, call{method: http.MethodGet, url: at})
		if e, ok := errors.AsType[*Error](err); ok && (e.Status == http.StatusNotFound || e.Status == http.StatusGone) {
			return unknown("the server does not have it any more")
		}
		if err != nil {
			return nil, err
		}
		asked := retryAfter(resp.Header.Get("Retry-After"), c.o.Now())
		now, err := readStatus(resp)
		switch {
		case err != nil:
			return nil, err
		case now == nil || now.Status == "":
			return unknown("the server answered without one")
		case now.Status == "complete":
			return now, nil
		}
		still += wait
		if now.SuccessCount != st.SuccessCount || now.FailureCount != st.FailureCount || now.PendingCount != st.PendingCount {
			still = 0
		}
		now.ID = st.ID
		st, wait = now, min(wait*3/2, lastLook)
		if asked > 0 {
			wait = min(asked, stuck/4)
		}
	}
	return unknown("nothing changed in it for " + stuck.String())
}

// readStatus reads a status resource and closes the answer; nil when there is none in it.
func readStatus(resp *http.Response) (*taxii.Status, error) {
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent || resp.ContentLength == 0 {
		return nil, nil
	}
	if err := checkType(resp, true); err != nil {
		return nil, err
	}
	var st taxii.Status
	if err := decode(resp, &st); err != nil {
		return nil, err
	}
	return &st, nil
}
