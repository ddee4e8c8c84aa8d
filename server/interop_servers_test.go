package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"

	"liaison/server/interop"
	"liaison/server/taxii"
)

// Servers for the interoperability rows: the gateway behind something that makes it wrong, or another.

// recorded lets the gateway answer into a recorder.
func recorded(r *http.Request, gateway http.Handler) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	gateway.ServeHTTP(rec, r)
	return rec
}

// when answers matching requests itself, and lets the gateway answer the others.
func when(match func(*http.Request) bool, answer front) front {
	return func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
		if match(r) {
			answer(w, r, gateway)
			return
		}
		gateway.ServeHTTP(w, r)
	}
}

// says answers a status with a body.
func says(status int, body string) front {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", taxii.MediaType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// edits changes the gateway's answer.
func edits(change func(head http.Header, body string) string) front {
	return func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
		rec := recorded(r, gateway)
		body := change(rec.Header(), rec.Body.String())
		for name, values := range rec.Header() {
			if name != "Content-Length" {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(rec.Code)
		io.WriteString(w, body)
	}
}

func replaces(old, new string) front {
	return edits(func(_ http.Header, body string) string { return strings.ReplaceAll(body, old, new) })
}

// forgets lets the gateway answer as if parameters were not there.
func forgets(names ...string) front {
	return func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
		q := r.URL.Query()
		for _, name := range names {
			q.Del(name)
		}
		r.URL.RawQuery = q.Encode()
		gateway.ServeHTTP(w, r)
	}
}

func method(m, suffix string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == m && strings.HasSuffix(r.URL.Path, suffix) }
}

func by(p interop.Partner, match func(*http.Request) bool) func(*http.Request) bool {
	return func(r *http.Request) bool {
		user, _, _ := r.BasicAuth()
		return user == p.Account.ClientID && match(r)
	}
}

func asksFor(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.Query().Has(name) }
}

func everything(*http.Request) bool { return true }

func wrongServers(partners []interop.Partner) map[string]front {
	both, reader, writer, neither := partners[0], partners[1], partners[2], partners[3]
	basicly := func(r *http.Request) bool { _, _, ok := r.BasicAuth(); return ok }
	nothing := says(200, `{"more":false}`)
	single := func(r *http.Request) bool {
		part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		return r.Method == http.MethodGet && len(part) == 3 && part[1] == "collections"
	}
	ofObject := func(m string) func(*http.Request) bool {
		return func(r *http.Request) bool {
			return r.Method == m && strings.Contains(r.URL.Path, "/objects/") && !strings.HasSuffix(r.URL.Path, "/objects/") && !strings.HasSuffix(r.URL.Path, "/versions/")
		}
	}
	lacksNext := func(h http.Header, body string) string {
		h.Del(taxii.HeaderLast)
		return body
	}
	list := map[string]front{
		"3.1.1": when(everything, edits(func(h http.Header, body string) string { h.Del("WWW-Authenticate"); return body })),
		"3.1.2": func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
			if _, secret, ok := r.BasicAuth(); ok && secret == "not-the-secret" {
				says(403, `{"title":"no"}`)(w, r, gateway)
				return
			}
			gateway.ServeHTTP(w, r)
		},
		"3.1.3": func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
			clone := *r
			state := *r.TLS
			state.PeerCertificates, state.VerifiedChains = nil, nil
			clone.TLS = &state
			gateway.ServeHTTP(w, &clone)
		},
		"3.1.4":    when(basicly, says(401, `{"title":"no"}`)),
		"3.2.1":    when(method("GET", "/taxii2/"), replaces(`"api_roots":["https:`, `"api_roots":["`)),
		"3.3.1":    when(method("GET", "/secure/"), replaces("application/taxii+json;version=2.1", "taxii-2.1")),
		"3.3.2":    when(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/no-such-root") }, says(200, `{"title":"x"}`)),
		"3.4.1":    when(method("GET", "/collections/"), edits(reversed)),
		"3.5.1.1":  when(by(writer, single), replaces(`"can_read":false`, `"can_read":true`)),
		"3.5.1.2":  when(by(both, single), replaces(`"can_write":true`, `"can_write":false`)),
		"3.5.1.3":  when(by(reader, single), replaces(`"can_write":false`, `"can_write":true`)),
		"3.5.1.4":  when(by(neither, single), says(404, `{"title":"no"}`)),
		"3.5.2.1":  when(by(writer, method("GET", "/objects/")), nothing),
		"3.5.2.2":  when(by(reader, method("POST", "/objects/")), says(404, `{"title":"no"}`)),
		"3.5.2.3":  when(by(reader, ofObject("DELETE")), says(200, ``)),
		"3.5.2.4":  when(by(neither, ofObject("DELETE")), says(403, `{"title":"no"}`)),
		"3.5.3":    func(w http.ResponseWriter, r *http.Request, gateway http.Handler) { turned(404, 403)(w, r, gateway) },
		"3.6.1":    when(method("GET", "/manifest/"), edits(func(h http.Header, body string) string { h.Set(taxii.HeaderFirst, "undefined"); return body })),
		"3.7.1":    when(method("GET", "/objects/"), replaces(`{"more":false,`, `{"type":"bundle","more":false,`)),
		"3.7.2":    when(method("GET", "/objects/"), replaces(`{"more": false}`, `{"more":false,"objects":[]}`)),
		"3.8.1":    when(ofObject("GET"), nothing),
		"3.8.2":    when(ofObject("GET"), turned(404, 200)),
		"3.9.1":    when(method("GET", "/versions/"), edits(func(_ http.Header, body string) string { return shortened(body) })),
		"3.10.1":   when(method("POST", "/objects/"), turned(202, 200)),
		"3.11.1":   when(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/status/") }, replaces(`"pending_count":0`, `"x_pending":0`)),
		"3.11.2":   when(method("POST", "/objects/"), replaces(`"version":`, `"modified":`)),
		"3.12.1":   when(ofObject("DELETE"), says(200, ``)),
		"3.13.1.1": when(asksFor("added_after"), forgets("added_after")),
		"3.13.1.2": when(asksFor("limit"), forgets("limit")),
		"3.13.1.3": when(asksFor("match[id]"), forgets("match[id]")),
		"3.13.1.4": when(asksFor("match[type]"), forgets("match[type]")),
		"3.13.1.5": when(asksFor("match[version]"), forgets("match[version]")),
		"3.13.1.6": when(asksFor("match[spec_version]"), forgets("match[spec_version]")),
		"3.13.1.7": when(asksFor("match[type]"), firstOf("match[type]")),
		"3.13.1.8": when(func(r *http.Request) bool { return asksFor("match[type]")(r) && asksFor("match[id]")(r) }, forgets("match[id]")),
		"3.13.1.9": when(func(r *http.Request) bool {
			q := r.URL.Query()
			return strings.Contains(q.Get("match[type]"), ",") && strings.Contains(q.Get("match[id]"), ",")
		}, forgets("match[id]")),
		"3.13.1.10": when(func(r *http.Request) bool { return len(r.URL.Query()["match[type]"]) > 1 }, nothing),
		"3.14.1":    when(method("GET", "/versions/"), edits(lacksNext)),
		"3.15.1":    refusesCustom,
	}
	for i, name := range []string{"match[name]", "match[labels]", "match[source_name]", "match[relationships-all]", "match[confidence-gte]"} {
		list[fmt.Sprintf("3.13.2.%d", i+1)] = when(asksFor(name), nothing) // offered, and wrong
	}
	return list
}

// reversed turns a list of collections around; one that is alone is listed twice.
func reversed(_ http.Header, body string) string {
	var c struct {
		Collections []json.RawMessage `json:"collections"`
	}
	if json.Unmarshal([]byte(body), &c) != nil || len(c.Collections) == 0 {
		return body
	}
	if len(c.Collections) == 1 {
		c.Collections = append(c.Collections, c.Collections[0])
	}
	slices.Reverse(c.Collections)
	b, err := json.Marshal(c)
	if err != nil {
		return body
	}
	return string(b)
}

// shortened leaves out the last version.
func shortened(body string) string {
	var v taxii.Versions
	if json.Unmarshal([]byte(body), &v) != nil || len(v.Versions) == 0 {
		return body
	}
	v.Versions = v.Versions[:len(v.Versions)-1]
	b, err := json.Marshal(v)
	if err != nil {
		return body
	}
	return string(b)
}

// turned answers with another status instead of one.
func turned(from, to int) front {
	return func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
		rec := recorded(r, gateway)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		if rec.Code == from {
			rec.Code = to
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	}
}

// firstOf looks at the first value of a list only.
func firstOf(name string) front {
	return func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
		q := r.URL.Query()
		value, _, _ := strings.Cut(q.Get(name), ",")
		q.Set(name, value)
		r.URL.RawQuery = q.Encode()
		gateway.ServeHTTP(w, r)
	}
}

// refusesCustom answers 422 to what it does not know.
func refusesCustom(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
	if r.Method != http.MethodPost {
		gateway.ServeHTTP(w, r)
		return
	}
	b, err := io.ReadAll(r.Body)
	if err == nil && bytes.HasPrefix(b, []byte(`{"x_`)) {
		says(422, `{"title":"unknown"}`)(w, r, gateway)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	gateway.ServeHTTP(w, r)
}

func otherServers(g *gateway) map[string]front {
	return map[string]front{
		"relative api roots": when(method("GET", "/taxii2/"), replaces(`"`+g.url, `"`)),
		"empty as {}":        when(method("GET", "/objects/"), replaces(`{"more": false}`, `{}`)),
		"a space in the type": edits(func(h http.Header, body string) string {
			h.Set("Content-Type", "application/taxii+json; version=2.1")
			return body
		}),
		"without alias":          replaces(`"alias":"vn",`, ``),
		"no member more":         replaces(`"more":false,`, ``),
		"failures not explained": replaces(`"message":`, `"x_message":`),
		"no next": when(func(r *http.Request) bool { return r.Method == http.MethodGet }, edits(func(_ http.Header, body string) string {
			before, after, ok := strings.Cut(body, `"next":"`)
			if !ok {
				return body
			}
			_, after, _ = strings.Cut(after, `",`)
			return before + after
		})),
		"two a page": when(func(r *http.Request) bool {
			return r.Method == http.MethodGet && !r.URL.Query().Has("limit") && !strings.Contains(r.URL.Path, "/status/")
		},
			func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
				q := r.URL.Query()
				q.Set("limit", "2")
				r.URL.RawQuery = q.Encode()
				gateway.ServeHTTP(w, r)
			}),
		"later": func(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
			if r.Method != http.MethodPost {
				gateway.ServeHTTP(w, r)
				return
			}
			edits(func(_ http.Header, body string) string {
				var s taxii.Status
				if json.Unmarshal([]byte(body), &s) != nil || s.ID == "" {
					return body
				}
				return fmt.Sprintf(`{"id":%q,"status":"pending","total_count":%d,"success_count":0,"failure_count":0,"pending_count":%[2]d}`, s.ID, s.TotalCount)
			})(w, r, gateway)
		},
	}
}

func keys(v url.Values) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range v {
			if !yield(name) {
				return
			}
		}
	}
}

// tiers filters the gateway's answer as the optional tiers ask for it.
func tiers(w http.ResponseWriter, r *http.Request, gateway http.Handler) {
	q := r.URL.Query()
	keep := func(o string) bool {
		for name, values := range q {
			switch v := values[0]; name {
			case "match[name]", "match[labels]", "match[source_name]":
				return strings.Contains(o, `"`+v+`"`)
			case "match[relationships-all]":
				return strings.Contains(o, `"relationship"`) && strings.Contains(o, v)
			case "match[confidence-gte]":
				return strings.Contains(o, `"confidence":90`)
			}
		}
		return true
	}
	known := url.Values{"added_after": q["added_after"]}
	r.URL.RawQuery = known.Encode()
	edits(func(_ http.Header, body string) string {
		var e taxii.Envelope
		if json.Unmarshal([]byte(body), &e) != nil {
			return body
		}
		e.Objects = slices.DeleteFunc(e.Objects, func(o json.RawMessage) bool { return !keep(string(o)) })
		b, err := json.Marshal(e)
		if err != nil {
			return body
		}
		return string(b)
	})(w, r, gateway)
}
