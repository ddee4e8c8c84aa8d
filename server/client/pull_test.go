package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/server/client"
)

// puller gives a pull of vn into name in a directory of its own.
func puller(t testing.TB, d *double, c *client.Client, name string) *client.Puller {
	out := filepath.Join(t.TempDir(), name)
	return &client.Puller{Client: c, Root: d.root(), Names: []string{"vn"}, Output: out, State: out + ".state", Format: client.FormatOf(out)}
}

// again is the same pull by another process.
func again(p *client.Puller) *client.Puller {
	return &client.Puller{Client: p.Client, Root: p.Root, Names: p.Names, Output: p.Output, State: p.State, Format: p.Format}
}

// envelopeOf reads an envelope's objects, byte for byte.
func envelopeOf(t testing.TB, data []byte) [][]byte {
	t.Helper()
	var env struct {
		Objects []json.RawMessage `json:"objects"`
	}
	if err := json.Unmarshal(data, &env); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	var out [][]byte
	for _, r := range env.Objects {
		out = append(out, r)
	}
	return out
}

// linesOf gives what the lines of an output ought to be.
func linesOf(objects [][]byte) string {
	var b strings.Builder
	for _, o := range objects {
		b.WriteString(strings.ReplaceAll(string(o), "\n", " ") + "\n")
	}
	return b.String()
}

func run(t testing.TB, p *client.Puller) client.Pulled {
	t.Helper()
	got, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestPull(t *testing.T) {
	for _, noNext := range []bool{false, true} {
		for _, name := range []string{"out.json", "out.ndjson"} {
			t.Run(fmt.Sprint(name, noNext), func(t *testing.T) {
				d := newDouble(t)
				d.noNext, d.page = noNext, 7
				c, _ := d.dial(t)
				p := puller(t, d, c, name)
				same := func(want [][]byte) {
					t.Helper()
					data := read(t, p.Output)
					if name == "out.json" {
						if diff := cmp.Diff(want, envelopeOf(t, data)); diff != "" {
							t.Errorf("objects (-want +got):\n%s", diff)
						}
					} else if diff := cmp.Diff(linesOf(want), string(data)); diff != "" {
						t.Errorf("lines (-want +got):\n%s", diff)
					}
				}
				run(t, p) // nothing there
				same(nil)
				want := d.fill(vn, 25)
				if got := run(t, again(p)); got.Objects != 25 {
					t.Errorf("pulled %d objects, want 25", got.Objects)
				}
				same(want)
				if got := run(t, again(p)); got.Objects != 0 {
					t.Errorf("pulled %d objects again", got.Objects)
				}
				want = append(want, d.fill(vn, 14)...) // ends with a page
				run(t, again(p))
				same(want)
			})
		}
	}
}

func TestPullAllIntoAStream(t *testing.T) {
	d := newDouble(t)
	d.tokens = true
	want := append(d.fill(vn, 12), d.fill(lk, 3)...)
	want = append(want, d.fill(ro, 1)...)
	d.fill(wo, 5)
	c, _ := d.dial(t)
	var out bytes.Buffer
	p := &client.Puller{Client: c, Root: d.root(), Stream: &out, State: filepath.Join(t.TempDir(), "state")}
	run(t, p)
	if diff := cmp.Diff(linesOf(want), out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	out.Reset()
	p = &client.Puller{Client: c, Root: d.root(), Stream: &out, State: p.State}
	if run(t, p); out.Len() > 0 {
		t.Errorf("pulled again: %s", out.String())
	}
	if d.token != 1 {
		t.Errorf("asked for %d tokens", d.token)
	}
}

// An answer that breaks off, in whatever place, is asked for again, and nothing of it stays.
func TestPullBrokenOff(t *testing.T) {
	for _, at := range []int{0, 1, 10, 100, 500, 900} {
		d := newDouble(t)
		want := d.fill(vn, 25)
		broken := 0
		d.hook = func(n int, w http.ResponseWriter, r *http.Request) bool {
			if n%2 == 0 {
				return false
			}
			broken++
			rec := &recorder{header: w.Header()}
			d.get(rec, r)
			w.Header().Set("Content-Length", fmt.Sprint(rec.body.Len()))
			w.Write(rec.body.Bytes()[:min(at, rec.body.Len()-1)])
			if at > 0 {
				http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		}
		c, w := d.dial(t)
		p := puller(t, d, c, "out.json")
		run(t, p)
		if diff := cmp.Diff(want, envelopeOf(t, read(t, p.Output))); diff != "" {
			t.Errorf("cut at %d (-want +got):\n%s", at, diff)
		}
		// Before the first byte the transport itself may ask again.
		if broken != 3 || at > 0 && len(w.list) == 0 {
			t.Errorf("cut at %d: broken %d times, waited %v", at, broken, w.list)
		}
	}
}

type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
func (r *recorder) WriteHeader(int)             {}

func TestPullCursorForgotten(t *testing.T) {
	d := newDouble(t)
	want := d.fill(vn, 45)
	d.hook = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 3 && r.URL.Query().Has("next") {
			refuse(w, 400, "Invalid next")
			return true
		}
		return false
	}
	c, w := d.dial(t)
	p := puller(t, d, c, "out.ndjson")
	run(t, p)
	if diff := cmp.Diff(linesOf(want), string(read(t, p.Output))); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if len(w.said) != 1 || !strings.Contains(w.said[0], "cursor") {
		t.Errorf("said %q", w.said)
	}
}

// What is against the standard, or too strange to go on with, ends a pull with a clear word; what came
// before stays.
func TestPullOddAnswers(t *testing.T) {
	page := func(head map[string]string, body string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", taxiiType)
			for k, v := range head {
				w.Header().Set(k, v)
			}
			io.WriteString(w, body)
		}
	}
	last := map[string]string{"X-TAXII-Date-Added-Last": "2024-01-01T00:00:00.000000Z"}
	for name, tt := range map[string]struct {
		answer func(w http.ResponseWriter)
		says   string
	}{
		"a page for people": {page(map[string]string{"Content-Type": "text/html"}, "<html>"), "text/html"},
		"plain JSON":        {page(map[string]string{"Content-Type": "application/json"}, `{"objects":[{}]}`), "application/json"},
		"TAXII 2.0":         {page(map[string]string{"Content-Type": "application/taxii+json;version=2.0"}, `{}`), "version=2.0"},
		"no type":           {page(map[string]string{"Content-Type": ""}, `{}`), "no Content-Type"},
		"no date":           {page(nil, `{"objects":[{"id":"a"}]}`), "Date-Added-Last"},
		"no real date":      {page(map[string]string{"X-TAXII-Date-Added-Last": "undefined"}, `{"objects":[{"id":"a"}]}`), "undefined"},
		"more and no way":   {page(nil, `{"more":true}`), "no next"},
		"more for ever":     {page(last, `{"more":true,"objects":[{"id":"a"}]}`), "do not move on"},
		"the same empty":    {page(last, `{"more":true,"next":"x"}`), "same empty page"},
		"a list":            {page(last, `[]`), "does not start with {"},
		"objects no list":   {page(last, `{"objects":{}}`), "no list"},
		"a number":          {page(last, `{"objects":[1]}`), "no object"},
		"no JSON":           {page(last, `{"objects":[{"a":tru}]}`), "no JSON"},
		"two objects":       {page(last, `{"objects":[{}],"objects":[{}]}`), "second member objects"},
		"something after":   {page(last, `{"objects":[{}]} x`), "follows its end"},
		"an error":          {func(w http.ResponseWriter) { refuse(w, 403, "Forbidden\x1b[31m") }, "403 Forbidden"},
		"another server":    {func(w http.ResponseWriter) { w.Header().Set("Location", "https://example.org/"); w.WriteHeader(302) }, "another server"},
	} {
		d := newDouble(t)
		want := d.fill(vn, 10)
		d.noNext = true
		odd := false
		d.hook = func(n int, w http.ResponseWriter, r *http.Request) bool {
			if odd {
				tt.answer(w)
			}
			return odd
		}
		c, _ := d.dial(t)
		p := puller(t, d, c, "out.json")
		run(t, p)
		odd = true
		_, err := again(p).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%s: %v", name, err)
		}
		got := envelopeOf(t, read(t, p.Output))
		if name == "more for ever" || name == "the same empty" {
			got = got[:10] // its first page was as good as any
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
	}
}

func TestPullToleratesWhatIsHarmless(t *testing.T) {
	d := newDouble(t)
	d.hook = func(n int, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", `Application/TAXII+json; version="2.1"; charset=utf-8`)
		w.Header().Set("X-TAXII-Date-Added-Last", "2024-01-01T00:00:00.123456789Z")
		if n > 1 {
			io.WriteString(w, `{"more":false,"next":null,"objects":null}`)
			return true
		}
		io.WriteString(w, ` {"x":[{"objects":[]}], "objects" : [ {"id":"a"} , {} ] , "more":true, "n\u0065xt":"\u0061/+&=" } `)
		return true
	}
	c, _ := d.dial(t)
	p := puller(t, d, c, "out.ndjson")
	if got := run(t, p); got.Objects != 2 {
		t.Errorf("pulled %d objects", got.Objects)
	}
	if got := string(read(t, p.Output)); got != "{\"id\":\"a\"}\n{}\n" {
		t.Errorf("output %q", got)
	}
}

func TestPullSince(t *testing.T) {
	d := newDouble(t)
	want := d.fill(vn, 10)
	c, _ := d.dial(t)
	p := puller(t, d, c, "out.ndjson")
	since, err := client.ParseSince("2025-01-01T01:00:00.00006+01:00")
	if err != nil {
		t.Fatal(err)
	}
	p.Since = since
	run(t, p)
	if diff := cmp.Diff(linesOf(want[4:]), string(read(t, p.Output))); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	p = again(p)
	p.Since = since // the same command again is no contradiction
	run(t, p)
	p = again(p)
	p.Since = "2024-01-01T00:00:00.000000Z"
	if _, err := p.Run(t.Context()); !errors.Is(err, client.ErrState) {
		t.Errorf("another since: %v", err)
	}
	for _, bad := range []string{"", "yesterday", "2025-13-01", "2025-01-01T00:00:00", "-1"} {
		if got, err := client.ParseSince(bad); err == nil {
			t.Errorf("%q is %s", bad, got)
		}
	}
}

func TestPullRefusesWhatDoesNotFit(t *testing.T) {
	d := newDouble(t)
	d.fill(vn, 3)
	c, _ := d.dial(t)
	ready := func() *client.Puller {
		p := puller(t, d, c, "out.ndjson")
		run(t, p)
		return again(p)
	}
	for name, tt := range map[string]struct {
		change func(p *client.Puller) error
		want   error
	}{
		"state broken":       {func(p *client.Puller) error { return os.WriteFile(p.State, []byte("{"), 0o600) }, client.ErrState},
		"state not one":      {func(p *client.Puller) error { return os.WriteFile(p.State, []byte("{}"), 0o600) }, client.ErrState},
		"state newer":        {func(p *client.Puller) error { return os.WriteFile(p.State, []byte(`{"version":9}`), 0o600) }, client.ErrState},
		"state gone":         {func(p *client.Puller) error { return os.Remove(p.State) }, client.ErrOutput},
		"output gone":        {func(p *client.Puller) error { return os.Remove(p.Output) }, client.ErrOutput},
		"output shorter":     {func(p *client.Puller) error { return os.Truncate(p.Output, 5) }, client.ErrOutput},
		"another root":       {func(p *client.Puller) error { p.Root.URL += "x/"; return nil }, client.ErrState},
		"no such collection": {func(p *client.Puller) error { p.Names = []string{"xx"}; return nil }, client.ErrNotFound},
		"not readable":       {func(p *client.Puller) error { p.Names = []string{"wo"}; return nil }, client.ErrNotAllowed},
	} {
		p := ready()
		if err := tt.change(p); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Run(t.Context()); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A pull that fails before its first page leaves nothing behind.
func TestPullLeavesNothing(t *testing.T) {
	d := newDouble(t)
	c, _ := d.dial(t)
	p := puller(t, d, c, "out.json")
	p.Names = []string{"xx"}
	if _, err := p.Run(t.Context()); !errors.Is(err, client.ErrNotFound) {
		t.Error(err)
	}
	if list, err := os.ReadDir(filepath.Dir(p.Output)); err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// One state, and an output a day: each begins where the other ended.
func TestPullChangesOutput(t *testing.T) {
	d := newDouble(t)
	first := d.fill(vn, 12)
	c, _ := d.dial(t)
	p := puller(t, d, c, "one.json")
	run(t, p)
	if err := os.WriteFile(p.Output, append(read(t, p.Output), "half an obj"...), 0o600); err != nil {
		t.Fatal(err)
	}
	second := d.fill(vn, 5)
	q := again(p)
	q.Output = filepath.Join(filepath.Dir(p.Output), "two.json")
	run(t, q)
	if diff := cmp.Diff(first, envelopeOf(t, read(t, p.Output))); diff != "" {
		t.Errorf("the first output (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(second, envelopeOf(t, read(t, q.Output))); diff != "" {
		t.Errorf("the second output (-want +got):\n%s", diff)
	}
}

func TestPullTwiceAtOnce(t *testing.T) {
	d := newDouble(t)
	want := d.fill(vn, 30)
	c, _ := d.dial(t)
	p := puller(t, d, c, "out.ndjson")
	d.hook = func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 2 {
			if _, err := again(p).Run(t.Context()); !errors.Is(err, client.ErrBusy) {
				t.Errorf("a second pull: %v", err)
			}
		}
		return false
	}
	run(t, p)
	if diff := cmp.Diff(linesOf(want), string(read(t, p.Output))); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestFollow(t *testing.T) {
	d := newDouble(t)
	want := d.fill(vn, 3)
	ctx, cancel := context.WithCancel(t.Context())
	c, w := d.dial(t, func(_ *client.Account, o *client.Options) { o.Attempts = -1 })
	p := puller(t, d, c, "out.json")
	d.hook = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n == 3 || n == 4 {
			refuse(w, 503, "Busy")
		}
		return n == 3 || n == 4
	}
	rounds := 0
	w.after = func(int) {
		if w.list[len(w.list)-1] != 10*time.Second {
			return // not the pause between rounds
		}
		if diff := cmp.Diff(want, envelopeOf(t, read(t, p.Output))); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", rounds, diff)
		}
		if rounds++; rounds == 5 {
			cancel()
		}
		want = append(want, d.fill(vn, 4)...)
	}
	got, err := p.Follow(ctx, 10*time.Second)
	if err != nil || got.Objects != 19 || rounds != 5 {
		t.Errorf("%+v, %v after %d rounds", got, err, rounds)
	}
}

// A partner that is suspended while it follows is told so, and what it has stays good.
func TestFollowRefused(t *testing.T) {
	d := newDouble(t)
	d.tokens = true
	want := d.fill(vn, 25)
	d.hook = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n >= 2 {
			w.Header().Add("WWW-Authenticate", "Bearer")
			refuse(w, 401, "Unauthorized")
		}
		return n >= 2
	}
	c, _ := d.dial(t)
	p := puller(t, d, c, "out.json")
	if _, err := p.Follow(t.Context(), time.Second); !errors.Is(err, client.ErrRefused) {
		t.Errorf("ended with %v", err)
	}
	if d.token != 2 || d.requests != 3 {
		t.Errorf("%d tokens, %d requests: want one more try with a new token", d.token, d.requests)
	}
	if diff := cmp.Diff(want[:10], envelopeOf(t, read(t, p.Output))); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	d.hook = nil
	run(t, again(p))
	if diff := cmp.Diff(want, envelopeOf(t, read(t, p.Output))); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

// A collection that is closed to this partner for a while ends nothing while following.
func TestFollowForbidden(t *testing.T) {
	d := newDouble(t)
	want := d.fill(vn, 3)
	ctx, cancel := context.WithCancel(t.Context())
	c, w := d.dial(t)
	p := puller(t, d, c, "out.ndjson")
	d.hook = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n <= 2 {
			refuse(w, 403, "Forbidden")
		}
		return n <= 2
	}
	w.after = func(n int) {
		if n == 3 {
			cancel()
		}
	}
	if _, err := p.Follow(ctx, time.Second); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(linesOf(want), string(read(t, p.Output))); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
