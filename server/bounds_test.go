package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/server"
	"liaison/server/taxii"
	"liaison/stix"
)

// sent publishes a body in every way that a body may come, and wants the same answer each time.
func (g *gateway) sent(text string, want int, look func(*answer)) {
	g.Helper()
	zip := header("Content-Encoding", "gzip")
	for _, how := range [][]change{{body(text)}, {chunked(text)}, {zip, body(gzipped(g, text))}, {zip, chunked(gzipped(g, text))}} {
		look(g.ask(g.vendor, http.MethodPost, objects, how...).want(want))
	}
}

// with is an indicator with one more member.
func with(member string) string {
	_, raw := indicator("x")
	return raw[:len(raw)-1] + "," + member + "}"
}

// An object over its bounds fails alone, whatever way its body comes.
func TestBoundsOfAnObject(t *testing.T) {
	const most = 4096
	g := open(t, func(o *server.Options) { o.Desk.Limits = stix.Limits{Body: 1 << 20, Object: most} })
	nested := func(n int) string { return with(`"x_d":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1)) }
	for name, row := range map[string]struct {
		object string
		failed int
	}{
		"depth 63":        {nested(63), 0},
		"depth 64":        {nested(64), 0},
		"depth 65":        {nested(65), 1},
		"bytes below":     {sized(most - 1), 0},
		"bytes at":        {sized(most), 0},
		"bytes above":     {sized(most + 1), 1},
		"twice":           {with(`"x_a":1,"x_a":2`), 1},
		"twice, deep":     {with(`"x_a":{"b":[{"c":1,"c":1}]}`), 1},
		"case":            {with(`"Name":"y"`), 1},
		"case, deep":      {with(`"x_a":{"b":1,"B":2}`), 0},
		"UTF-8":           {with("\"x_a\":\"\xc3\x28\""), 1},
		"lone surrogate":  {with(`"x_a":"\ud800"`), 1},
		"whole surrogate": {with(`"x_a":"\ud83d\ude00"`), 0},
	} {
		_, good := indicator("good")
		g.sent(envelopeOf(good, row.object), http.StatusAccepted, func(a *answer) {
			var s taxii.Status
			a.json(&s)
			if diff := cmp.Diff([]int{2 - row.failed, row.failed}, []int{s.SuccessCount, s.FailureCount}); diff != "" {
				t.Errorf("%s (-want +got):\n%s%s", name, diff, a.body)
			}
		})
	}
}

// A body over its bounds fails whole, whatever way it comes.
func TestBoundsOfABody(t *testing.T) {
	g := open(t, func(o *server.Options) { o.Desk.Limits = stix.Limits{Body: 1 << 20, Objects: 3} })
	_, raw := indicator("x")
	for _, row := range []struct {
		body string
		want int
	}{
		{envelopeOf(raw)[1:], 400},
		{envelopeOf(raw) + "{}", 400},
		{`{"objects":[` + raw + `],"objects":[]}`, 400},
		{envelopeOf(raw, raw, raw, raw), 422},
	} {
		g.sent(row.body, row.want, func(*answer) {})
	}
	if got := g.get(g.vendor, objects).want(200).envelope(); len(got.Objects) != 0 {
		t.Errorf("%d objects of bodies that were refused", len(got.Objects))
	}
	for _, list := range [][]string{{raw, raw}, {raw, raw, raw}} {
		g.sent(envelopeOf(list...), 202, func(*answer) {})
	}
}
