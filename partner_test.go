package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"liaison/server/client"
)

// plainServer is some TAXII 2.1 server: one collection without an alias, Basic and nothing else. date
// changes the clock that it shows.
func plainServer(t *testing.T, date func(time.Time) time.Time) (dir string, got *[]json.RawMessage) {
	t.Helper()
	const id = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
	got = new([]json.RawMessage)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date(time.Now()).UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Type", "application/taxii+json; version=2.1")
		if user, secret, ok := r.BasicAuth(); !ok || user != "someone" || secret != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="taxii"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.Method + " " + r.URL.Path {
		case "GET /taxii2/":
			io.WriteString(w, `{"title":"some server","api_roots":["/root/"]}`)
		case "GET /root/":
			io.WriteString(w, `{"title":"a root","versions":["application/taxii+json;version=2.1"],"max_content_length":1000000}`)
		case "GET /root/collections/":
			io.WriteString(w, `{"collections":[{"id":"`+id+`","title":"Indicators","can_read":true,"can_write":true}]}`)
		case "POST /root/collections/" + id + "/objects/":
			var env struct{ Objects []json.RawMessage }
			if err := json.NewDecoder(r.Body).Decode(&env); err != nil {
				t.Error(err)
			}
			*got = append(*got, env.Objects...)
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprintf(w, `{"id":"x","status":"complete","total_count":%d,"success_count":%[1]d,"failure_count":0,"pending_count":0}`, len(env.Objects))
		case "GET /root/collections/" + id + "/objects/":
			if r.URL.Query().Has("added_after") {
				io.WriteString(w, `{}`)
				return
			}
			w.Header().Set("X-TAXII-Date-Added-Last", "2025-01-01T00:00:00.000001Z")
			io.WriteString(w, `{"objects":[{"id":"a"},{"id":"b"}]}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	dir = t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	a := client.Account{Discovery: s.URL + "/taxii2/", ClientID: "someone", ClientSecret: "secret", CA: client.CAFile}
	if err := client.WriteDurably(filepath.Join(dir, client.CAFile), ca); err != nil {
		t.Fatal(err)
	}
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir, got
}

// typed runs a command line and gives what it said.
func typed(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, said bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &said, func(string) string { return "" })
	return code, out.String(), said.String()
}

// A partner.json written by hand is enough for any server of TAXII 2.1.
func TestPartnerOfAnotherServer(t *testing.T) {
	dir, got := plainServer(t, func(now time.Time) time.Time { return now })
	code, out, said := typed(t, "", "check", "--as", dir)
	if code != 0 || strings.Contains(out, "fail") || !strings.Contains(out, "reads 91a7b528") || !strings.Contains(out, "2 objects of") {
		t.Errorf("check: %d\n%s%s", code, out, said)
	}
	code, out, said = typed(t, `{"objects":[{"type":"x","id":"x--1" }]}`, "publish", "--as", dir, "-", "--collection", "91a7b528-80eb-42ed-a74d-c6fbd5a26116")
	if code != 0 || len(*got) != 1 || string((*got)[0]) != `{"type":"x","id":"x--1" }` {
		t.Errorf("publish: %d, got %s\n%s%s", code, *got, out, said)
	}
	name := filepath.Join(t.TempDir(), "out.ndjson")
	for range 2 {
		if code, out, said = typed(t, "", "pull", "--as", dir, "--out", name); code != 0 {
			t.Errorf("pull: %d\n%s%s", code, out, said)
		}
	}
	if data, err := os.ReadFile(name); err != nil || string(data) != "{\"id\":\"a\"}\n{\"id\":\"b\"}\n" {
		t.Errorf("pulled %q, %v", data, err)
	}
	if code, _, said := typed(t, "", "token", "--as", dir); code != 1 || !strings.Contains(said, "knows no tokens") {
		t.Errorf("token: %d, %s", code, said)
	}
	if code, _, said := typed(t, "", "rotate", "--as", dir); code != 1 || !strings.Contains(said, "no gateway") {
		t.Errorf("rotate: %d, %s", code, said)
	}
}

func TestCheckClock(t *testing.T) {
	for off, want := range map[time.Duration]string{
		-10 * time.Minute: "fail  clock              this machine's clock is 10m0s ahead of the gateway's",
		10 * time.Minute:  "fail  clock              this machine's clock is 10m0s behind the gateway's",
		-time.Minute:      "warn  clock              this machine's clock is 1m",
		0:                 "ok    clock              within 30s",
	} {
		dir, _ := plainServer(t, func(now time.Time) time.Time { return now.Add(off) })
		code, out, _ := typed(t, "", "check", "--as", dir)
		out = strings.NewReplacer("10m1s", "10m0s", "9m59s", "10m0s").Replace(out)
		if !strings.Contains(out, want) || (code == 1) != strings.HasPrefix(want, "fail") {
			t.Errorf("off by %s: %d\n%s", off, code, out)
		}
	}
}
