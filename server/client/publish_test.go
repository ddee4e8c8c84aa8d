package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/server/client"
	"liaison/server/taxii"
)

var toVN = taxii.Collection{ID: vn, Alias: "vn", CanWrite: true}

// stixObject gives an indicator of some size.
func stixObject(i, size int, name string) []byte {
	return fmt.Appendf(nil, `{ "type":"indicator", "id":"indicator--%08d-0000-4000-8000-000000000000", "modified":"2025-01-01T00:00:00.00Z", "name":%q, "x":%q}`,
		i, name, strings.Repeat("x", size))
}

// publish sends sources to vn and gives what came of it.
func publish(t *testing.T, c *client.Client, root client.Root, sources ...client.Source) (client.Outcome, []client.Failure, error) {
	t.Helper()
	var failed []client.Failure
	p := &client.Publisher{Client: c, Root: root, Failed: func(f client.Failure) { failed = append(failed, f) }}
	for _, s := range sources {
		if _, err := p.Check(s, nil); err != nil {
			t.Fatal(err)
		}
	}
	out, err := p.Publish(t.Context(), toVN, sources)
	return out, failed, err
}

func TestPublishKeepsBytesAndSplits(t *testing.T) {
	for _, most := range []int64{400, 1000, 5000, 1 << 20} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			d := newDouble(t)
			d.maxContent = most
			c, _ := d.dial(t)
			var want [][]byte
			for i := range 60 {
				want = append(want, stixObject(i, i, "good"))
			}
			out, failed, err := publish(t, c, d.root(),
				source("one", envelope(want[:25]...)), source("two", envelope(want[25:59]...)), source("three", want[59]))
			if err != nil || len(failed) > 0 {
				t.Fatalf("%v, %v", err, failed)
			}
			if diff := cmp.Diff(want, d.raw(vn)); diff != "" {
				t.Errorf("stored objects (-want +got):\n%s", diff)
			}
			want2 := client.Outcome{Collection: "vn", ID: vn, Requests: int64(len(d.posts)), Sent: 60, Accepted: 60}
			if diff := cmp.Diff(want2, out); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			for _, b := range d.posts {
				if int64(len(b)) > most {
					t.Errorf("a request of %d bytes, the server takes %d", len(b), most)
				}
			}
			if most == 1<<20 && len(d.posts) != 1 {
				t.Errorf("%d requests, want 1", len(d.posts))
			}
		})
	}
}

func TestPublishReportsFailures(t *testing.T) {
	d := newDouble(t)
	d.pending, d.maxContent = 3, 2000
	c, w := d.dial(t)
	body := envelope(stixObject(1, 0, "good"), stixObject(2, 0, "bad"), []byte(`17`), stixObject(3, 3000, "good"), stixObject(4, 0, "good"))
	out, failed, err := publish(t, c, d.root(), source("f.json", body))
	if err != nil {
		t.Fatal(err)
	}
	want := []client.Failure{
		{Source: "f.json", Message: "element 3 of objects is no JSON object"},
		{Source: "f.json", ID: "indicator--00000003-0000-4000-8000-000000000000", Version: "2025-01-01T00:00:00.00Z",
			Message: "object 4 has more than 1986 bytes, the most that the server takes (max_content_length)"},
		{Collection: "vn", ID: "indicator--00000002-0000-4000-8000-000000000000", Version: "2025-01-01T00:00:00.00Z", Message: "it is bad"},
	}
	if diff := cmp.Diff(want, failed); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(client.Outcome{Collection: "vn", ID: vn, Requests: 1, Sent: 3, Accepted: 2, Failed: 1}, out); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	if len(w.list) != 3 {
		t.Errorf("looked at a pending status after %v", w.list)
	}
}

func TestPublishRefusesBrokenFiles(t *testing.T) {
	d := newDouble(t)
	c, _ := d.dial(t)
	p := &client.Publisher{Client: c, Root: d.root()}
	good := string(stixObject(1, 0, "good"))
	for body, says := range map[string]string{
		`{"objects":[` + good:         "cut off",
		`{"objects":[` + good + `]}x`: "at byte",
		`{"objects":[]}`:              "empty",
		`{}`:                          "no member",
		`[]`:                          "no JSON object",
		`{"type":"bundle","id":"b"}`:  "no member",
		``:                            "cut off",
	} {
		_, err := p.Check(source("f.json", []byte(body)), nil)
		if !errors.Is(err, client.ErrInput) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "f.json") {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// A server that refuses a request whole for one bad object in it gets the others all the same.
func TestPublishSetsBadObjectsApart(t *testing.T) {
	for _, code := range []int{400, 422} {
		d := newDouble(t)
		d.hook = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			data, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(data))
			if bytes.Contains(data, []byte(`"bad"`)) {
				refuse(w, code, "Processing error")
				return true
			}
			return false
		}
		c, _ := d.dial(t)
		var body [][]byte
		for i := range 100 {
			name := "good"
			if i == 17 || i == 99 {
				name = "bad"
			}
			body = append(body, stixObject(i, 10, name))
		}
		out, failed, err := publish(t, c, d.root(), source("f", envelope(body...)))
		if err != nil || out.Accepted != 98 || out.Failed != 2 || len(failed) != 2 || len(d.raw(vn)) != 98 {
			t.Errorf("%d: %+v, %v, %v", code, out, failed, err)
		}
		for i, id := range []string{"00000017", "00000099"} {
			if !strings.Contains(failed[i].ID, id) || !strings.Contains(failed[i].Message, "Processing error") {
				t.Errorf("failure %+v", failed[i])
			}
		}
	}
}

// One that takes nothing is not asked about each of a million objects.
func TestPublishGivesUpOnAServerThatTakesNothing(t *testing.T) {
	d := newDouble(t)
	d.hook = func(n int, w http.ResponseWriter, _ *http.Request) bool { refuse(w, 400, "No"); return true }
	c, _ := d.dial(t)
	var body [][]byte
	for i := range 1000 {
		body = append(body, stixObject(i, 10, "x"))
	}
	_, _, err := publish(t, c, d.root(), source("f", envelope(body...)))
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 400 || d.requests > 60 {
		t.Errorf("%v after %d requests", err, d.requests)
	}
}

// A proxy between may take less than the server says.
func TestPublishFindsTheRealLimit(t *testing.T) {
	d := newDouble(t)
	root := d.root()
	root.MaxContentLength = 0
	d.maxContent = 3000
	c, _ := d.dial(t)
	var want [][]byte
	for i := range 200 {
		want = append(want, stixObject(i, 100, "good"))
	}
	out, failed, err := publish(t, c, root, source("f", envelope(want...)))
	if err != nil || len(failed) > 0 || out.Accepted != 200 {
		t.Fatalf("%+v, %v, %v", out, failed, err)
	}
	if diff := cmp.Diff(want, d.raw(vn)); diff != "" {
		t.Errorf("stored objects (-want +got):\n%s", diff)
	}
}

func TestPublishTriesAgain(t *testing.T) {
	d := newDouble(t)
	d.hook = func(n int, w http.ResponseWriter, r *http.Request) bool {
		switch n {
		case 1:
			w.Header().Set("Retry-After", "7")
			refuse(w, 503, "Busy")
		case 2:
			w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			refuse(w, 429, "Too many") // longer than anybody waits
			return true
		default:
			return false
		}
		return true
	}
	c, w := d.dial(t)
	_, _, err := publish(t, c, d.root(), source("f", stixObject(1, 0, "good")))
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 429 {
		t.Errorf("a wait of an hour: %v", err)
	}
	if diff := cmp.Diff([]time.Duration{7 * time.Second}, w.list); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	if len(w.said) != 1 || !strings.Contains(w.said[0], "503") || !strings.Contains(w.said[0], "trying again in 7s") {
		t.Errorf("said %q", w.said)
	}
}

// An answer that is lost after the server has stored everything costs a request, never a duplicate.
func TestPublishLostAnswer(t *testing.T) {
	d := newDouble(t)
	d.hook = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 || n == 3 {
			d.add(lost{}, r)
			panic(http.ErrAbortHandler)
		}
		return false
	}
	c, w := d.dial(t)
	out, _, err := publish(t, c, d.root(), source("f", stixObject(1, 0, "good")), source("g", stixObject(2, 0, "good")))
	if err != nil || out.Accepted != 2 || len(d.raw(vn)) != 2 || len(w.list) != 1 {
		t.Errorf("%+v, %v, %d stored, waited %v", out, err, len(d.raw(vn)), w.list)
	}
}

type lost struct{}

func (lost) Header() http.Header         { return http.Header{} }
func (lost) Write(b []byte) (int, error) { return len(b), nil }
func (lost) WriteHeader(int)             {}

func TestPublishUnreachable(t *testing.T) {
	d := newDouble(t)
	c, w := d.dial(t)
	if _, err := c.APIRoot(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	d.Server.Close()
	_, _, err := publish(t, c, d.root(), source("f", stixObject(1, 0, "good")))
	if err == nil || !strings.Contains(err.Error(), "nothing listens there") || len(w.list) != 9 {
		t.Errorf("%v after %d waits", err, len(w.list))
	}
	stranger, w := d.dial(t)
	if _, err := stranger.APIRoot(t.Context(), ""); err == nil || len(w.list) != 2 {
		t.Errorf("%v after %d waits", err, len(w.list))
	}
}

func TestPublishWithoutStatus(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"nothing":    func(w http.ResponseWriter) { w.WriteHeader(202) },
		"no content": func(w http.ResponseWriter) { w.WriteHeader(204) },
		"no status":  func(w http.ResponseWriter) { reply(w, 202, map[string]any{}) },
		"no id":      func(w http.ResponseWriter) { reply(w, 202, map[string]any{"status": "pending"}) },
		"gone":       func(w http.ResponseWriter) { reply(w, 202, map[string]any{"status": "pending", "id": "x"}) },
	} {
		d := newDouble(t)
		d.hook = func(_ int, w http.ResponseWriter, _ *http.Request) bool { answer(w); return true }
		c, w := d.dial(t)
		out, _, err := publish(t, c, d.root(), source("f", stixObject(1, 0, "good")))
		if err != nil || out.Unknown != 1 || len(w.said) != 1 {
			t.Errorf("%s: %+v, %v, said %q", name, out, err, w.said)
		}
	}
}

func TestPublishStatusInPlainJSON(t *testing.T) {
	d := newDouble(t)
	d.hook = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		json.NewEncoder(w).Encode(map[string]any{"status": "complete", "id": "x", "total_count": 1, "success_count": 0, "failure_count": 1})
		return true
	}
	c, _ := d.dial(t)
	out, _, err := publish(t, c, d.root(), source("f", stixObject(1, 0, "good")))
	if err != nil || out.Failed != 1 || out.Unlisted != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	d.hook = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<html>Please log in")
		return true
	}
	if _, _, err := publish(t, c, d.root(), source("f", stixObject(1, 0, "good"))); !errors.Is(err, client.ErrNotTAXII) {
		t.Errorf("a page for people: %v", err)
	}
}

func TestPublishInterrupted(t *testing.T) {
	d := newDouble(t)
	d.maxContent = 300
	ctx, cancel := context.WithCancel(t.Context())
	d.hook = func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 3 {
			cancel()
			<-ctx.Done()
		}
		return false
	}
	c, _ := d.dial(t)
	p := &client.Publisher{Client: c, Root: d.root()}
	var body [][]byte
	for i := range 10 {
		body = append(body, stixObject(i, 100, "good"))
	}
	out, err := p.Publish(ctx, toVN, []client.Source{source("f", envelope(body...))})
	if !errors.Is(err, context.Canceled) || out.Accepted != 2 {
		t.Errorf("%+v, %v", out, err)
	}
}
