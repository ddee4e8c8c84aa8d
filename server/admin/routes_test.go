package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
	"liaison/stix"
)

// seeded is a gateway with an operation, a vendor with a client, and an agency.
func seeded(t *testing.T, change func(*admin.Options)) *env {
	t.Helper()
	e := newEnv(t, change)
	check(t, e.registry.Apply(t.Context(), "test",
		collections.CreateOperation{ID: "secure", Title: "Operation Secure", Countries: []string{"VN", "LK"}},
		collections.Access(auth.CreatePartner{ID: "acme", Role: auth.Vendor, Name: "Acme"}),
		collections.Access(auth.CreatePartner{ID: "vn-police", Role: auth.Agency, Name: "Police"}),
	))
	if id := e.join(t, "acme"); id != "acme_1" {
		t.Fatalf("joined as %s", id)
	}
	return e
}

// TestRoutes calls every route as it is meant to be called and as it is not.
func TestRoutes(t *testing.T) {
	e := seeded(t, nil)
	e.archive = func(_ context.Context, had admin.Had, w io.Writer) error {
		_, err := fmt.Fprintf(w, "tar %s %d %d", had.Store, had.Parts, len(had.Sums))
		return err
	}
	e.serve(t)
	batch := e.heldBatch(t)
	seen := map[string]bool{}
	described := describedBy(t, e)
	for _, c := range []struct {
		route  string // of the table
		path   string // asked for
		body   string
		status int
		want   string // in the answer
	}{
		{"GET /health", "/health", "", 200, `"status":"ok"`},
		{"GET /health", "/health?deep=1", "", 400, `unknown parameter \"deep\"`},

		{"GET /operations", "/operations", "", 200, `"slug":"secure"`},
		{"POST /operations", "/operations", `{"slug":"two","title":"Two","countries":["sg"]}`, 201, `"alias":"sg"`},
		{"POST /operations", "/operations", `{"slug":"drill","title":"Drill","countries":["sg"],"training":true}`, 201, `"alias":"training"`},
		{"POST /partners", "/partners", `{"id":"sg-police","role":"agency","name":"SG","operation":"drill","countries":["SG"]}`, 201, `"alias":"training"`},
		{"POST /operations", "/operations", `{"slug":"secure","title":"Two","countries":["sg"]}`, 409, `"error":"exists"`},
		{"POST /operations", "/operations", `{"slug":"Two","title":"Two","countries":["sg"]}`, 400, `"error":"invalid"`},
		{"POST /operations", "/operations", `{"slug":"x","title":"X","countries":[]}`, 400, `want at least one`},
		{"GET /operations/{operation}", "/operations/secure", "", 200, `"url":"https://gateway.example/secure/"`},
		{"GET /operations/{operation}", "/operations/nothing", "", 404, `"error":"not_found"`},
		{"POST /operations/{operation}/close", "/operations/two/close", "", 200, `"closed":true`},
		{"POST /operations/{operation}/close", "/operations/two/close", "", 409, `"error":"conflict"`},

		{"GET /partners", "/partners", "", 200, `"id":"acme"`},
		{"POST /partners", "/partners", `{"id":"lk-police","role":"agency","name":"LK","operation":"secure","countries":["all"]}`, 201, `"clearance":"amber+strict"`},
		{"POST /partners", "/partners", `{"id":"x1","role":"agency","name":"X","clearance":"pink"}`, 400, `clearance: level \"pink\"`},
		{"POST /partners", "/partners", `{"id":"x1","role":"agency","name":"X","default_marking":"pink"}`, 400, `default_marking: level \"pink\"`},
		{"POST /partners", "/partners", `{"id":"x1","role":"agency","name":"X","countries":["VN"]}`, 400, `name the operation too`},
		{"POST /partners", "/partners", `{"id":"x1","role":"agency","name":"X","operation":"secure"}`, 400, `name the countries too`},
		{"POST /partners", "/partners", `{"id":"x1","role":"agency","name":"X","operation":"secure","countries":["VN","vn"]}`, 400, `VN is listed twice`},
		{"POST /partners", "/partners", `{"id":"x1","role":"agency","name":"X","operation":"gone","countries":["VN"]}`, 404, `operation \"gone\"`},
		{"GET /partners/{partner}", "/partners/acme", "", 200, `"live_clients":1`},
		{"GET /partners/{partner}", "/partners/nobody", "", 404, `"error":"not_found"`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"clearance":"red"}`, 200, `"widened":true`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"operation":"secure","countries":["VN"]}`, 200, `"widened":true`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"operation":"secure","countries":["VN"]}`, 200, `"widened":false`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{}`, 400, `nothing to set`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"require_certificate":true,"networks":["192.0.2.7","2001:db8::/32"]}`, 200, `"networks":["192.0.2.7/32","2001:db8::/32"]`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"networks":[],"require_certificate":false}`, 200, `"widened":false`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"networks":["everywhere"]}`, 400, `want an address or a network`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"networks":"192.0.2.7"}`, 400, `want an array of strings`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"agreement":"MoU 17","agreement_until":"2099-12-31"}`, 200, `"agreement":{"reference":"MoU 17","until":"2100-01-01T00:00:00Z"}`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"agreement":"MoU 17"}`, 400, `go together`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"agreement":"MoU 17","agreement_until":"soon"}`, 400, `want a day`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"agreement":""}`, 200, `"widened":false`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"compatibility":["empty-objects"]}`, 200, `"compatibility":["empty-objects"]`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"compatibility":["x"]}`, 400, `want empty-objects`},
		{"PATCH /partners/{partner}", "/partners/nobody", `{"name":"N"}`, 404, `"error":"not_found"`},
		{"PUT /partners/{partner}/grants/{operation}/{collection}", "/partners/vn-police/grants/secure/lk", `{"read":true,"write":false}`, 200, `"alias":"lk"`},
		{"PUT /partners/{partner}/grants/{operation}/{collection}", "/partners/vn-police/grants/secure/xx", `{"read":true,"write":false}`, 404, `it has lk, vn`},
		{"PUT /partners/{partner}/grants/{operation}/{collection}", "/partners/vn-police/grants/secure/lk", `{"read":"yes"}`, 400, `field \"read\": want true or false`},
		{"PUT /partners/{partner}/grants/{operation}/{collection}", "/partners/acme/grants/secure/intake", `{"read":true,"write":true}`, 400, `for publishing alone`},
		{"PUT /partners/{partner}/grants/{operation}/{collection}", "/partners/acme/grants/secure/intake", `{"read":false,"write":true}`, 200, `"alias":"intake"`},
		{"GET /operations/{operation}/routes", "/operations/secure/routes", "", 400, `parameter id is missing`},
		{"GET /operations/{operation}/routes", "/operations/secure/routes?id=indicator--x", "", 404, `no version of this object`},
		{"POST /operations/{operation}/preview", "/operations/secure/preview", `{"objects":[]}`, 400, `parameter partner is missing`},
		{"POST /operations/{operation}/preview", "/operations/secure/preview?partner=acme&countries=VN", `{"objects":[{"type":"x"}]}`, 200, `"failed":1`},
		{"POST /operations/{operation}/preview", "/operations/secure/preview?partner=acme&countries=Vietnam", `{"objects":[]}`, 400, `countries: `},
		{"POST /operations/{operation}/preview", "/operations/secure/preview?partner=acme&confirm=yes", `{"objects":[]}`, 400, `want lower-marking`},
		{"POST /operations/{operation}/preview", "/operations/secure/preview?partner=acme&partners=vn-police", `{"objects"`, 400, `body: `},
		{"POST /operations/{operation}/preview", "/operations/secure/preview?partner=nobody", `{"objects":[]}`, 404, `partner \"nobody\"`},
		{"POST /operations/{operation}/preview", "/operations/secure/preview?partner=acme&collection=xx", `{"objects":[]}`, 404, `collection \"xx\"`},
		{"POST /partners/{partner}/invitations", "/partners/acme/invitations", "", 201, `https://gateway.example/join/`},
		{"POST /partners/{partner}/invitations", "/partners/acme/invitations", `{"ttl":"soon"}`, 400, `want a duration like 24h`},
		{"POST /partners/{partner}/invitations", "/partners/nobody/invitations", `{"ttl":"1h"}`, 404, `"error":"not_found"`},
		{"POST /partners/{partner}/suspend", "/partners/acme/suspend", "", 200, `"state":"suspended"`},
		{"POST /partners/{partner}/suspend", "/partners/acme/suspend", "", 409, `"error":"conflict"`},
		{"POST /partners/{partner}/resume", "/partners/acme/resume", "", 200, `"state":"active"`},
		{"POST /partners/{partner}/resync", "/partners/acme/resync", "{}", 200, `"resync":"`},
		{"POST /partners/{partner}/resync", "/partners/acme/resync", `{"from":1}`, 400, `unknown field \"from\"`},

		{"PATCH /partners/{partner}", "/partners/acme", `{"hold":["type=malware","level=amber"],"exempt":["top-sites"],"attribution":"pseudonym"}`, 200, `"hold":["level=amber","type=malware"]`},
		{"PATCH /partners/{partner}", "/partners/acme", `{"exempt":["bottom-sites"]}`, 400, `no guard list is called \"bottom-sites\": there are top-sites`},
		{"PATCH /operations/{operation}/collections/{collection}", "/operations/secure/collections/lk", `{"ceiling":"amber"}`, 200, `"ceiling":"amber"`},
		{"PATCH /operations/{operation}/collections/{collection}", "/operations/secure/collections/lk", `{"ceiling":"pink"}`, 400, `ceiling: level \"pink\"`},
		{"PATCH /operations/{operation}/collections/{collection}", "/operations/secure/collections/xx", `{"ceiling":"amber"}`, 404, `no collection`},
		{"GET /guards", "/guards", "", 200, `"name":"top-sites","action":"block","entries":1,"exempt":["acme"]`},
		{"GET /guards/check", "/guards/check?value=google.com", "", 200, `"action":"block","text":"on a list"`},
		{"GET /guards/check", "/guards/check?value=other", "", 200, `{"items":[]}`},
		{"GET /guards/check", "/guards/check", "", 400, `parameter value`},

		{"GET /operations/{operation}/validity", "/operations/secure/validity?of=indicator--00000000-0000-4000-8000-000000000001", "", 200, `{"items":[]}`},
		{"GET /operations/{operation}/validity", "/operations/secure/validity", "", 400, `parameter of`},
		{"GET /operations/{operation}/collections/{collection}/validity", "/operations/secure/collections/VN/validity?since=2025-01-01T00:00:00Z&limit=5", "", 200, `{"objects":[],"more":false,"since_next_time":"20`},
		{"GET /operations/{operation}/collections/{collection}/validity", "/operations/secure/collections/vn/validity?since=today", "", 400, `since`},
		{"GET /operations/{operation}/collections/{collection}/validity", "/operations/secure/collections/vn/validity?next=1.2", "", 400, `next`},
		{"GET /operations/{operation}/collections/{collection}/validity", "/operations/secure/collections/fj/validity", "", 404, `not_found`},
		{"GET /operations/{operation}/reported", "/operations/secure/reported?value=a.b", "", 200, `{"kind":"text","value":"a.b","partners":0}`},
		{"GET /operations/{operation}/reported", "/operations/secure/reported", "", 400, `value`},
		{"GET /operations/{operation}/reported", "/operations/none/reported?value=a.b", "", 404, `not_found`},
		{"GET /operations/{operation}/collections/{collection}/reported", "/operations/secure/collections/vn/reported", "", 200, `{"values":[],"more":false}`},
		{"GET /operations/{operation}/collections/{collection}/reported", "/operations/secure/collections/vn/reported?limit=0", "", 400, `limit`},
		{"PATCH /partners/{partner}", "/partners/acme", `{"hold":["everything"]}`, 400, `rule \"everything\": want all`},
		{"PATCH /partners/{partner}", "/partners/acme", `{"attribution":"anonymous"}`, 400, `want named or pseudonym`},
		{"PATCH /partners/{partner}", "/partners/vn-police", `{"onward":true}`, 200, `"onward":true`},
		{"PATCH /partners/{partner}", "/partners/acme", `{"hold":["all"]}`, 200, `"hold":["all"]`},

		{"GET /operations/{operation}/queue", "/operations/secure/queue", "", 200, `"to":["vn"]`},
		{"GET /operations/{operation}/queue", "/operations/secure/queue?kind=unrouted", "", 200, `{"items":[],"next":0}`},
		{"GET /operations/{operation}/queue", "/operations/secure/queue?kind=held&publisher=acme&limit=1", "", 200, `"next":1`},
		{"GET /operations/{operation}/queue", "/operations/secure/queue?kind=lost", "", 400, `want held, unrouted or pending`},
		{"GET /operations/{operation}/queue", "/operations/secure/queue?after=x", "", 400, `parameter after`},
		{"GET /operations/{operation}/queue", "/operations/nothing/queue", "", 404, `"error":"not_found"`},
		{"GET /operations/{operation}/queue/objects/{key}", "/operations/secure/queue/objects/1", "", 200, `"object":"{\"type\":\"indicator\"`},
		{"GET /operations/{operation}/queue/objects/{key}", "/operations/secure/queue/objects/99", "", 404, `liaison queue list`},
		{"GET /operations/{operation}/queue/objects/{key}", "/operations/secure/queue/objects/first", "", 400, `want a number`},
		{"POST /operations/{operation}/queue/release", "/operations/secure/queue/release", `{"keys":[1]}`, 400, `say why`},
		{"POST /operations/{operation}/queue/release", "/operations/secure/queue/release", `{"keys":["1"],"reason":"x"}`, 400, `field \"keys\": want a number`},
		{"POST /operations/{operation}/queue/release", "/operations/secure/queue/release", `{"reason":"x"}`, 400, `some keys, or one batch`},
		{"POST /operations/{operation}/queue/release", "/operations/secure/queue/release", `{"keys":[1],"reason":"fine"}`, 200, `"released":1`},
		{"POST /operations/{operation}/queue/release", "/operations/secure/queue/release", `{"keys":[1],"reason":"fine"}`, 404, `not kept`},
		{"POST /operations/{operation}/queue/drop", "/operations/secure/queue/drop", `{"keys":[2],"reason":"false"}`, 200, `"dropped":1`},
		{"POST /operations/{operation}/queue/drop", "/operations/secure/queue/drop", `{"batch":"none","reason":"false"}`, 404, `nothing of batch`},
		{"GET /operations/{operation}/exposure", "/operations/secure/exposure?of=" + batch, "", 200, `"objects":1,"pulled":0,"readers":[]`},
		{"GET /operations/{operation}/exposure", "/operations/secure/exposure", "", 400, `parameter of`},
		{"GET /operations/{operation}/exposure", "/operations/secure/exposure?of=indicator--x", "", 404, `"error":"not_found"`},
		{"POST /operations/{operation}/batches/{batch}/withdraw", "/operations/secure/batches/" + batch + "/withdraw", `{}`, 400, `say why`},
		{"POST /operations/{operation}/batches/{batch}/withdraw", "/operations/secure/batches/" + batch + "/withdraw", `{"reason":"bad"}`, 200, `"withdrawn":1`},
		{"POST /operations/{operation}/batches/{batch}/withdraw", "/operations/secure/batches/none/withdraw", `{"reason":"bad"}`, 404, `batch \"none\"`},

		{"GET /clients", "/clients", "", 200, `"id":"acme_1"`},
		{"GET /clients", "/clients?partner=vn-police", "", 200, `{"items":[]}`},
		{"GET /clients", "/clients?partner=nobody", "", 404, `"error":"not_found"`},
		{"GET /clients", "/clients?partner=acme&partner=acme", "", 400, `given twice`},
		{"PATCH /clients/{client}", "/clients/acme_1", `{}`, 400, `onward: say true or false`},
		{"PATCH /clients/{client}", "/clients/acme_1", `{"onward":true}`, 400, `only agencies`},
		{"PATCH /clients/{client}", "/clients/acme_1", `{"onward":false}`, 200, `"id":"acme_1"`},
		{"PATCH /clients/{client}", "/clients/nobody_1", `{"onward":true}`, 404, `"error":"not_found"`},
		{"POST /clients/{client}/revoke", "/clients/acme_1/revoke", `{"secret":"a","certificate":"b"}`, 400, `name one of them`},
		{"POST /clients/{client}/revoke", "/clients/acme_1/revoke", `{"secret":"a"}`, 404, `secret \"a\"`},
		{"POST /clients/{client}/revoke", "/clients/acme_1/revoke", `{"certificate":"b"}`, 404, `certificate \"b\"`},
		{"POST /clients/{client}/revoke", "/clients/acme_1/revoke", "", 200, `"revoked":"`},
		{"POST /clients/{client}/revoke", "/clients/acme_1/revoke", "", 409, `"error":"conflict"`},
		{"POST /partners/{partner}/clients/revoke", "/partners/acme/clients/revoke", "", 409, `no client that is live`},
		{"POST /partners/{partner}/clients/revoke", "/partners/nobody/clients/revoke", "", 404, `"error":"not_found"`},
		{"POST /partners/{partner}/remove", "/partners/acme/remove", "", 200, `"state":"removed"`},

		{"GET /keys", "/keys", "", 200, `"state":"active"`},
		{"POST /keys/rotate", "/keys/rotate", "", 200, `"state":"next"`},
		{"POST /keys/rotate", "/keys/rotate", `{"kind":"signing"}`, 409, `a rotation is under way`},
		{"POST /keys/rotate", "/keys/rotate", `{"kind":"server"}`, 200, `"state":"retiring"`},
		{"POST /keys/rotate", "/keys/rotate", `{"kind":"journal"}`, 400, `want signing or server`},
		{"POST /keys/{key}/revoke", "/keys/nothing/revoke", "", 404, `liaison key list`},
		{"POST /keys/{key}/revoke", "/keys/" + e.signingKey() + "/revoke", "", 200, `"state":"retired"`},
		{"POST /keys/{key}/revoke", "/keys/" + e.vault.Keys(e.registry.State().Access)[0].ID + "/revoke", "", 200, `"state":"active"`},
		{"GET /openapi.json", "/openapi.json", "", 200, `"openapi":"3.1.0"`},

		{"GET /journal", "/journal?from=0&limit=2", "", 200, `"seq":1,`},
		{"GET /journal", "/journal?from=100000", "", 200, ""},
		{"GET /journal", "/journal?from=-1", "", 400, `want a number from 0 on`},
		{"GET /journal", "/journal?limit=all", "", 400, `parameter limit`},
		{"GET /journal", "/journal?limit=%zz", "", 400, `parameters`},
		{"POST /journal/verify", "/journal/verify", "", 200, `"root":"`},
		{"GET /store", "/store", "", 200, `"written":`},
		{"POST /store/check", "/store/check", "", 200, `"faults":0`},
		{"POST /store/compact", "/store/compact", "", 200, `"disk_after":`},
		{"GET /backup", "/backup", "", 200, "tar  0 0"},
		{"POST /backup", "/backup?store=S&parts=7", strings.Repeat("0123456789abcdef", 4), 200, "tar S 7 2"},
		{"POST /backup", "/backup?store=S", "", 200, "tar S 0 0"},
		{"POST /backup", "/backup?store=S", "short", 400, `want sums of 32 bytes each, not 5 bytes`},
		{"POST /backup", "/backup?parts=7", "", 400, `parameter store is missing`},
		{"POST /backup", "/backup?store=S&parts=-7", "", 400, `parameter parts`},
		{"POST /backup", "/backup?store=S&parts=10000000", "", 400, `want at most 1000000`},
		{"POST /backup", "/backup?store=S", strings.Repeat("0", 64<<20+32), 413, `at most 2097152 sums`},

		{"", "/nothing", "", 404, `"error":"path"`},
	} {
		method, path, _ := strings.Cut(c.route, " ")
		if c.route == "" {
			method, path = "GET", c.path
		}
		seen[method+" "+path] = true
		r, err := http.NewRequestWithContext(t.Context(), method, "http://gateway"+admin.Prefix+c.path, strings.NewReader(c.body))
		check(t, err)
		if c.body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		status, answer := do(t, e.raw(), r)
		if status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", method, c.path, c.body, status, answer, c.status, c.want)
		}
		if status >= 400 {
			problem(t, answer)
		}
		described.holds(t, method, path, status, answer)
	}
	for _, r := range e.api.Routes() {
		if !seen[r.Method+" "+r.Path] {
			t.Errorf("%s %s is not tried", r.Method, r.Path)
		}
	}
}

// oneGuard is a guard of one list.
type oneGuard struct{}

func (oneGuard) Check(*stix.Object) []collections.Hit { return nil }
func (oneGuard) Lists() []collections.GuardList {
	return []collections.GuardList{{Name: "top-sites", Action: "block", Entries: 1}}
}
func (oneGuard) Value(text string) []collections.Hit {
	if text != "google.com" {
		return nil
	}
	return []collections.Hit{{List: "top-sites", Block: true, Text: "on a list"}}
}

// heldBatch makes the vendor publish two objects that are held, and gives the id of their status.
func (e *env) heldBatch(t *testing.T) string {
	t.Helper()
	vn, ok := e.registry.State().Find("secure", "vn")
	if !ok {
		t.Fatal("no collection")
	}
	all := []auth.HoldRule{auth.HoldAll}
	check(t, e.registry.Apply(t.Context(), "test",
		collections.Access(auth.SetGrant{Grant: auth.Grant{Partner: "acme", Operation: "secure", Collection: vn.ID, Rights: auth.Rights{Read: true, Write: true}}}),
		collections.Access(auth.SetPartner{ID: "acme", SetPublishing: auth.SetPublishing{Hold: &all}})))
	p, err := e.registry.State().Access.Principal("acme_1", auth.BySecret)
	check(t, err)
	var objects []string
	for n := range 2 {
		objects = append(objects, fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d",`+
			`"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","valid_from":"2026-01-01T00:00:00Z",`+
			`"pattern":"[url:value = 'https://bad.example/']","pattern_type":"stix",`+
			`"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]}`, n))
	}
	desk := collections.Desk{Registry: e.registry, Store: e.store}
	s, err := desk.Publish(t.Context(), p, vn.Place(), strings.NewReader(`{"objects":[`+strings.Join(objects, ",")+`]}`))
	check(t, err)
	if s.Kept != 2 {
		t.Fatalf("published to be held: %+v", s)
	}
	return string(s.ID)
}

// problem wants the one shape of errors and nothing beside it.
func problem(t *testing.T, answer string) {
	t.Helper()
	var p struct {
		Error       string `json:"error"`
		Description string `json:"description"`
		ErrorID     string `json:"error_id"`
	}
	d := json.NewDecoder(strings.NewReader(answer))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || p.Error == "" || p.Description == "" {
		t.Errorf("not an error of ours: %s (%v)", answer, err)
	}
}

func do(t *testing.T, c *http.Client, r *http.Request) (int, string) {
	t.Helper()
	resp, err := c.Do(r)
	check(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	check(t, err)
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s %s: Cache-Control is %q", r.Method, r.URL.Path, got)
	}
	return resp.StatusCode, string(b)
}

// TestMethods wants 405 with Allow for what a path does not take.
func TestMethods(t *testing.T) {
	e := newEnv(t, nil)
	e.serve(t)
	for path, allow := range map[string]string{
		"/operations":            "GET, POST",
		"/partners/acme":         "GET, PATCH",
		"/partners/acme/suspend": "POST",
		"/partners/a/grants/b/c": "PUT",
		"/journal/verify":        "POST",
	} {
		r, err := http.NewRequestWithContext(t.Context(), "DELETE", "http://gateway"+admin.Prefix+path, nil)
		check(t, err)
		resp, err := e.raw().Do(r)
		check(t, err)
		resp.Body.Close()
		if resp.StatusCode != 405 || resp.Header.Get("Allow") != allow {
			t.Errorf("DELETE %s: %d, Allow %q, want 405, %q", path, resp.StatusCode, resp.Header.Get("Allow"), allow)
		}
	}
}

// TestStrictJSON wants each body refused by the name of what is wrong with it, and nothing made of it.
func TestStrictJSON(t *testing.T) {
	e := newEnv(t, nil)
	e.serve(t)
	const media = "application/json"
	for _, c := range []struct {
		name, media, body string
		status            int
		want              string
	}{
		{"unknown field", media, `{"id":"a1","role":"vendor","name":"A","admin":true}`, 400, `unknown field \"admin\": want some of id, role, name`},
		{"another case", media, `{"ID":"a1","role":"vendor","name":"A"}`, 400, `unknown field \"ID\"`},
		{"twice", media, `{"id":"a1","id":"a2","role":"vendor","name":"A"}`, 400, `field \"id\" stands twice`},
		{"twice by escapes", media, `{"id":"a1","\u0069d":"a2","role":"vendor","name":"A"}`, 400, `field \"id\" stands twice`},
		{"wrong type", media, `{"id":1,"role":"vendor","name":"A"}`, 400, `field \"id\": want a string, not a JSON number`},
		{"wrong item", media, `{"id":"a1","role":"vendor","name":"A","countries":"VN"}`, 400, `field \"countries\": want an array of strings`},
		{"cut off", media, `{"id":"a1","role":"vendor"`, 400, `not JSON`},
		{"two values", media, `{"id":"a1","role":"vendor","name":"A"}{}`, 400, `something follows the object`},
		{"an array", media, `[{"id":"a1"}]`, 400, `want one JSON object`},
		{"null", media, `null`, 400, `want one JSON object`},
		{"a form", "application/x-www-form-urlencoded", `id=a1`, 415, `want Content-Type: application/json`},
		{"no media type", "", `{"id":"a1","role":"vendor","name":"A"}`, 415, `want Content-Type`},
		{"too large", media, `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, 413, `at most 1048576 bytes`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://gateway"+admin.Prefix+"/partners", strings.NewReader(c.body))
		check(t, err)
		r.Header.Set("Content-Type", c.media)
		r.ContentLength = -1 // chunked: the bound holds without a length too
		status, answer := do(t, e.raw(), r)
		if status != c.status || !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s, want %d with %s", c.name, status, answer, c.status, c.want)
		}
		problem(t, answer)
	}
	if n := len(e.registry.State().Access.Partners); n != 0 {
		t.Errorf("%d partners were made", n)
	}
}

// TestIsolation wants the API to answer nobody whom the operating system does not vouch for, wherever
// it were mounted.
func TestIsolation(t *testing.T) {
	e := seeded(t, nil)
	s := httptest.NewServer(e.api)
	t.Cleanup(s.Close)
	for _, r := range e.api.Routes() {
		path := strings.NewReplacer("{partner}", "acme", "{operation}", "secure", "{collection}", "vn", "{client}", "acme_1", "{key}", "k", "{batch}", "b").Replace(r.Path)
		req, err := http.NewRequestWithContext(t.Context(), r.Method, s.URL+admin.Prefix+path, nil)
		check(t, err)
		req.SetBasicAuth("local:0", "")
		status, answer := do(t, s.Client(), req)
		if status != 401 || !strings.Contains(answer, `"error":"unauthenticated"`) {
			t.Errorf("%s %s over TCP: %d %s", r.Method, path, status, answer)
		}
	}
	if p := e.registry.State().Access.Partners["acme"]; p.State != auth.Active {
		t.Errorf("acme is %s", p.State)
	}
}
