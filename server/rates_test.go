package server_test

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/server"
	"liaison/server/taxii"
)

// rated opens a gateway that holds each client to a rate, by a clock that stands still but for what is
// added to it.
func rated(t *testing.T, perMinute, burst int) *gateway {
	begin := time.Now()
	return open(t, func(o *server.Options) {
		o.RatePerMinute, o.RateBurst = perMinute, burst
		now := o.Now
		o.Now = func() time.Time { return begin.Add(time.Until(now()).Round(time.Second)) }
	})
}

// drain sends what is charged until it is refused, and gives how often it was served.
func (g *gateway) drain(a account, send func() *answer) (served int, refused *answer) {
	g.Helper()
	for range 1000 {
		got := send()
		if got.status == http.StatusTooManyRequests {
			return served, got.want(429)
		}
		served++
	}
	g.Fatalf("%s was never refused", a.id)
	return 0, nil
}

func TestRateIsOff(t *testing.T) {
	g := open(t)
	for range 300 {
		g.get(g.vn, objects+"?limit=1").want(200)
	}
}

func TestRate(t *testing.T) {
	g := rated(t, 7, 3)
	read := func() *answer { return g.get(g.vn, objects) }
	served, refused := g.drain(g.vn, read)
	if served != 3 {
		t.Errorf("%d served, want the burst of 3", served)
	}
	var e taxii.Error
	refused.json(&e)
	wait, err := strconv.Atoi(refused.header.Get("Retry-After"))
	g.ok(err)
	if diff := cmp.Diff([]any{9, "rate_limited"}, []any{wait, e.ErrorCode}); diff != "" { // 60/7 seconds
		t.Errorf("refusal (-want +got):\n%s", diff)
	}
	g.get(g.lk, "/secure/collections/lk/objects/").want(200) // another client has its own
	g.get(g.vendor, objects).want(200)
	// What begins nothing is not counted.
	for _, path := range []string{"/taxii2/", "/secure/", "/secure/collections/", "/secure/collections/vn/"} {
		g.get(g.vn, path).want(200)
	}
	g.ahead.Add(int64(time.Duration(wait)*time.Second - 2*time.Second))
	read().want(429)
	g.ahead.Add(int64(2 * time.Second))
	read().want(200)
	read().want(429)
	g.ahead.Add(int64(time.Hour)) // it fills to the burst, not beyond
	if served, _ := g.drain(g.vn, read); served != 3 {
		t.Errorf("%d served after an hour, want 3", served)
	}
}

// The burst is the rate unless it is set, and everything that begins something is charged.
func TestRateOfEverything(t *testing.T) {
	t.Parallel()
	id, raw := indicator("x")
	for name, row := range map[string]struct{ method, path, body string }{
		"objects":  {http.MethodGet, objects, ""},
		"head":     {http.MethodHead, objects, ""},
		"manifest": {http.MethodGet, "/secure/collections/vn/manifest/", ""},
		"object":   {http.MethodGet, objects + id + "/", ""},
		"versions": {http.MethodGet, objects + id + "/versions/", ""},
		"publish":  {http.MethodPost, objects, envelopeOf(raw)},
		"delete":   {http.MethodDelete, objects + id + "/", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := rated(t, 2, 0)
			s := g.publish(g.vendor, "vn", raw)
			got := []int{g.ask(g.vendor, row.method, row.path, body(row.body)).status,
				g.ask(g.vendor, row.method, row.path, body(row.body)).status}
			if got[0] >= 300 || got[1] != 429 {
				t.Errorf("%v, want one that is served and one that is not", got)
			}
			for range 10 { // polling is not refused
				g.get(g.vendor, "/secure/status/"+s.ID+"/").want(200)
			}
		})
	}
}

// A sync of many pages is never refused, by next or by dates, with the bucket as empty as it may be.
func TestRateLetsASyncRun(t *testing.T) {
	t.Parallel()
	const pages = 30
	cut := func(layout string) func(answer) url.Values {
		return func(a answer) url.Values {
			at, err := time.Parse(time.RFC3339Nano, a.header.Get(taxii.HeaderLast))
			if err != nil {
				t.Fatal(err)
			}
			return url.Values{"added_after": {at.Format(layout)}}
		}
	}
	for name, then := range map[string]func(answer) url.Values{
		"next": func(a answer) url.Values { return url.Values{"next": {a.envelope().Next}} },
		"both": func(a answer) url.Values {
			return url.Values{"next": {a.envelope().Next}, "added_after": {longAgo}}
		},
		"dates":           cut("2006-01-02T15:04:05.000000Z"),
		"dates, trimmed":  cut("2006-01-02T15:04:05.999999Z"),
		"in milliseconds": cut("2006-01-02T15:04:05.000Z"),
	} {
		t.Run(name, func(t *testing.T) {
			g := rated(t, 1, 1)
			for range pages { // further apart than dates are cut
				_, raw := indicator("x")
				g.publish(g.vendor, "vn", raw)
				g.ahead.Add(int64(time.Minute))
			}
			a := g.get(g.vn, objects+"?limit=2").want(200)
			g.get(g.vn, objects).want(429) // the bucket is empty
			n := 1
			for ; a.envelope().More && n <= 2*pages; n++ {
				q := then(*a)
				q.Set("limit", "2")                                    // who cuts dates sees the last one again
				twice := g.get(g.vn, objects+"?"+q.Encode()).want(200) // its answer is lost
				a = g.get(g.vn, objects+"?"+q.Encode()).want(200)
				if diff := cmp.Diff(string(twice.body), string(a.body)); diff != "" {
					t.Fatalf("the same page (-first +second):\n%s", diff)
				}
			}
			if n < pages/2 || n > pages {
				t.Errorf("%d pages, want %d to %d", n, pages/2, pages)
			}
			// The end of it is no position that goes on, and nor is an invented one.
			for _, after := range []string{a.header.Get(taxii.HeaderLast), longAgo} {
				g.get(g.vn, objects+"?added_after="+after).want(429)
			}
		})
	}
}

// A position is that of one client and of one collection, for an hour.
func TestRatePositions(t *testing.T) {
	g := rated(t, 1, 1)
	other := g.partner("other-police", auth.Agency, auth.Rights{Read: true}, "vn", "lk")
	for range 2 {
		_, a := indicator("a")
		_, b := indicator("b")
		g.publish(g.vendor, "vn", a, b)
		g.ahead.Add(int64(time.Minute))
	}
	first := g.get(other, objects+"?limit=1").want(200)
	on := "?added_after=" + first.header.Get(taxii.HeaderLast)
	g.get(other, objects+on).want(200)
	g.get(other, "/secure/collections/lk/objects/"+on).want(429)
	g.get(g.vn, objects).want(200)
	g.get(g.vn, objects+on).want(429)
	// Another's cursor is none, nor is that of another collection.
	g.get(g.vn, objects+"?next="+first.envelope().Next).want(400)
	g.get(other, "/secure/collections/lk/objects/?next="+first.envelope().Next).want(429)

	g.ahead.Add(int64(2 * time.Hour))
	g.get(other, "/secure/collections/lk/objects/").want(200)
	g.get(other, objects+on).want(429)
}
