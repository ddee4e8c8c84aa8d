package server_test

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/taxii"
)

// Resources and their types: TAXII 2.1 sections 2, 3.6 to 3.8, 4, 5.1 and 5.2.
func rowsOfResources() map[string]func(*testing.T, *rows) {
	return map[string]func(*testing.T, *rows){
		"Row062_errorTitle":          rowErrorTitle,
		"Row064_errorMembers":        rowErrorMembers,
		"Row066_envelopeNoBundle":    rowEnvelopeNoBundle,
		"Row068_noEmptyLists":        rowNoEmptyLists,
		"Row069_noNulls":             rowNoNulls,
		"Row071_names":               rowNames,
		"Row072_identifiers":         rowIdentifiers,
		"Row073_integers":            rowIntegers,
		"Row074_booleans":            rowBooleans,
		"Row075_timestamps":          rowTimestamps,
		"Row079_discoveryPath":       rowDiscoveryPath,
		"Row080_081_discovery":       rowDiscovery,
		"Row082_defaultIsARoot":      rowDefaultIsARoot,
		"Row083_apiRootURLs":         rowAPIRootURLs,
		"Row084_discoveryByCaller":   rowDiscoveryByCaller,
		"Row086_apiRoot":             rowAPIRoot,
		"Row087_uniqueRoots":         rowUniqueRoots,
		"Row088_doorsOfEveryRoot":    rowDoorsOfEveryRoot,
		"Row090_091_092_status":      rowStatus,
		"Row093_132_statusLife":      rowStatusLife,
		"Row094_statusGone":          rowStatusGone,
		"Row095_statusOfItsPartner":  rowStatusOfItsPartner,
		"Row097_collections":         rowCollections,
		"Row098_flagsOfTheCaller":    rowFlagsOfTheCaller,
		"Row099_102_alias":           rowAlias,
		"Row100_mediaTypes":          rowMediaTypes,
		"Row116_readOnlyAndTheRest":  tableG2,
		"TableG2_rights":             tableG2,
		"Row129_customNamesOfOurOwn": rowCustomNames,
	}
}

func rowErrorTitle(t *testing.T, r *rows) {
	each(t, refusals(r), func(name string, c struct {
		want int
		got  *answer
	}) {
		var e map[string]any
		c.got.json(&e)
		if title, ok := e["title"].(string); !ok || title == "" {
			t.Errorf("%s: %s", name, c.got.body)
		}
	})
}

func rowErrorMembers(t *testing.T, r *rows) {
	known := []string{"title", "description", "error_id", "error_code", "http_status", "external_details", "details"}
	each(t, refusals(r), func(name string, c struct {
		want int
		got  *answer
	}) {
		var e map[string]any
		c.got.json(&e)
		for member := range e {
			if !slices.Contains(known, member) {
				t.Errorf("%s: member %q", name, member)
			}
		}
		if code, ok := e["error_code"].(string); !ok || code == "" {
			t.Errorf("%s: error_code %v", name, e["error_code"])
		}
	})
}

func rowEnvelopeNoBundle(t *testing.T, r *rows) {
	for _, path := range []string{"objects/", "objects/" + r.stock.indicator + "/"} {
		var e map[string]json.RawMessage
		r.get(r.reader, r.stock.at+path).want(200).json(&e)
		for member := range e {
			if !slices.Contains([]string{"more", "next", "objects"}, member) {
				t.Errorf("%s: member %q in an envelope", path, member)
			}
		}
	}
}

// samples are answers of every kind, the emptiest among them.
func samples(r *rows) map[string]*answer {
	s, empty := r.stock, r.fresh()
	post := r.post(r.writer, r.fresh(), envelopeOf(s.m, `{"type":"indicator","id":"indicator--1"}`))
	var status taxii.Status
	post.json(&status)
	object := s.at + "objects/" + s.indicator + "/"
	nobody := account{}
	list := map[string]*answer{
		"posted": post, "status": r.get(r.writer, "/rows/status/"+status.ID+"/"),
		"none of these": r.get(r.reader, object+"?match[version]=2000-01-01T00:00:00Z"),
		"no versions":   r.get(r.reader, object+"versions/?match[spec_version]=2.0"),
		"refused":       r.get(nobody, s.at),
	}
	for _, path := range []string{"/taxii2/", "/rows/", "/rows/collections/", s.at, s.at + "manifest/", s.at + "objects/", s.at + "objects/?limit=1",
		s.at + "manifest/?limit=1", object, object + "versions/", object + "versions/?limit=1", empty, empty + "manifest/", empty + "objects/"} {
		list[path] = r.get(r.reader, path)
	}
	return list
}

// values walks through everything in a JSON text.
func values(v any, path string, see func(path string, v any)) {
	see(path, v)
	switch v := v.(type) {
	case map[string]any:
		for name, m := range v {
			values(m, path+"/"+name, see)
		}
	case []any:
		for _, m := range v {
			values(m, path+"/*", see)
		}
	}
}

// see shows every value of every sample, objects of STIX left out.
func (r *rows) see(see func(sample, path string, v any)) {
	r.Helper()
	for name, a := range samples(r) {
		var v any
		a.json(&v)
		values(v, "", func(path string, v any) {
			if !strings.HasPrefix(path, "/objects/*/") || strings.Contains(name, "manifest") {
				see(name, path, v)
			}
		})
	}
}

func rowNoEmptyLists(t *testing.T, r *rows) {
	r.see(func(sample, path string, v any) {
		if list, ok := v.([]any); ok && len(list) == 0 {
			t.Errorf("%s: empty list at %s", sample, path)
		}
	})
}

func rowNoNulls(t *testing.T, r *rows) {
	r.see(func(sample, path string, v any) {
		if v == nil || v == "" {
			t.Errorf("%s: %#v at %s", sample, v, path)
		}
	})
}

func rowNames(t *testing.T, r *rows) {
	known := strings.Fields(`title description contact default api_roots versions max_content_length collections id alias can_read can_write
		media_types more next objects date_added version media_type status request_timestamp total_count success_count successes
		failure_count failures pending_count pendings message error_id error_code http_status external_details details`)
	r.see(func(sample, path string, v any) {
		name := path[strings.LastIndex(path, "/")+1:]
		if name != "" && name != "*" && !slices.Contains(known, name) && !strings.HasPrefix(path, "/details/") {
			t.Errorf("%s: the standard has no member %s", sample, path)
		}
	})
}

func rowIdentifiers(t *testing.T, r *rows) {
	v4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	n := 0
	r.see(func(sample, path string, v any) {
		if path == "/collections/*/id" || path == "/id" {
			if n++; !v4.MatchString(v.(string)) {
				t.Errorf("%s: %s is %v, want a UUIDv4", sample, path, v)
			}
		}
	})
	if n < 10 {
		t.Errorf("only %d identifiers", n)
	}
}

// An integer of TAXII has at most 54 bits with its sign.
func rowIntegers(t *testing.T, r *rows) {
	r.see(func(sample, path string, v any) {
		if n, ok := v.(float64); ok && (n != float64(int64(n)) || n < 0 || n > 1<<53-1) {
			t.Errorf("%s: %v at %s", sample, n, path)
		}
	})
}

func rowBooleans(t *testing.T, r *rows) {
	r.see(func(sample, path string, v any) {
		if name := path[strings.LastIndex(path, "/")+1:]; name == "more" || name == "can_read" || name == "can_write" {
			if _, ok := v.(bool); !ok {
				t.Errorf("%s: %#v at %s", sample, v, path)
			}
		}
	})
}

func rowTimestamps(t *testing.T, r *rows) {
	n := 0
	r.see(func(sample, path string, v any) {
		if name := path[strings.LastIndex(path, "/")+1:]; name == "date_added" || name == "request_timestamp" {
			if n++; !stamp.MatchString(v.(string)) {
				t.Errorf("%s: %v at %s", sample, v, path)
			}
		}
	})
	if n == 0 {
		t.Error("no timestamps")
	}
}

func rowDiscoveryPath(t *testing.T, r *rows) {
	var d taxii.Discovery
	r.get(r.reader, "/taxii2/").want(200).json(&d)
	if len(d.APIRoots) < 1 {
		t.Error("no api root")
	}
	for _, path := range []string{"/taxii/", "/TAXII2/", "/rows/taxii2/"} {
		r.get(r.reader, path).want(404)
	}
}

func rowDiscovery(t *testing.T, r *rows) {
	var d taxii.Discovery
	r.get(r.reader, "/taxii2/").want(200).json(&d)
	want := taxii.Discovery{Title: "Liaison", Default: r.url + "/rows/", APIRoots: []string{r.url + "/rows/", r.url + "/secure/"}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowDefaultIsARoot(t *testing.T, r *rows) {
	for _, a := range []account{r.reader, r.writer, r.lk} {
		var d taxii.Discovery
		if r.get(a, "/taxii2/").want(200).json(&d); !slices.Contains(d.APIRoots, d.Default) {
			t.Errorf("%s: default %q of %v", a.partner, d.Default, d.APIRoots)
		}
	}
}

func rowAPIRootURLs(t *testing.T, r *rows) {
	var d taxii.Discovery
	r.get(r.reader, "/taxii2/", header("Host", "elsewhere.example"), header("X-Forwarded-Proto", "http"), header("X-Forwarded-Host", "elsewhere.example")).want(200).json(&d)
	for _, root := range d.APIRoots {
		u, err := url.Parse(root)
		if err != nil || u.Scheme != "https" || r.url != "https://"+u.Host || u.RawQuery != "" || strings.Contains(u.Path, "..") || !strings.HasSuffix(u.Path, "/") {
			t.Errorf("api root %s: %v", root, err)
			continue
		}
		r.get(r.reader, u.Path).want(200)
	}
}

func rowDiscoveryByCaller(t *testing.T, r *rows) {
	var d taxii.Discovery
	if r.get(r.lk, "/taxii2/").want(200).json(&d); len(d.APIRoots) != 1 || d.APIRoots[0] != r.url+"/secure/" {
		t.Errorf("%v", d.APIRoots)
	}
	r.get(r.lk, "/rows/").want(404)
}

func rowAPIRoot(t *testing.T, r *rows) {
	var root map[string]any
	r.get(r.reader, "/rows/").want(200).json(&root)
	want := map[string]any{"title": "Rows", "versions": []any{"application/taxii+json;version=2.1"}, "max_content_length": float64(1 << 20)}
	if diff := cmp.Diff(want, root); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowUniqueRoots(t *testing.T, r *rows) {
	var d taxii.Discovery
	r.get(r.writer, "/taxii2/").want(200).json(&d)
	if list := slices.Sorted(slices.Values(d.APIRoots)); len(slices.Compact(list)) != len(d.APIRoots) {
		t.Errorf("%v", d.APIRoots)
	}
	if err := r.registry.Apply(t.Context(), "local:0", collections.CreateOperation{ID: "rows", Title: "Again", Countries: []string{"VN"}}); err == nil {
		t.Error("a second operation of the same name")
	}
}

func rowDoorsOfEveryRoot(t *testing.T, r *rows) {
	for _, root := range []string{"/rows/", "/secure/"} {
		r.get(r.reader, root).want(200)
		r.get(account{}, root, header("Authorization", "Bearer "+r.token(r.reader, ""))).want(200)
		r.get(account{}, root, header("X-API-Key", r.reader.secret)).want(200)
	}
}

func rowStatus(t *testing.T, r *rows) {
	id, good := indicator("good")
	a := r.post(r.writer, r.fresh(), envelopeOf(good, `{"type":"indicator","spec_version":"2.1","id":"indicator--1"}`)).want(202)
	var m map[string]any
	a.json(&m)
	for _, name := range []string{"id", "status", "total_count", "success_count", "failure_count", "pending_count", "request_timestamp", "successes", "failures"} {
		if _, ok := m[name]; !ok {
			t.Errorf("no %s in %s", name, a.body)
		}
	}
	if _, ok := m["pendings"]; ok {
		t.Errorf("pendings in %s", a.body)
	}
	var s, again taxii.Status
	a.json(&s)
	if s.Status != "complete" || s.TotalCount != s.SuccessCount+s.FailureCount+s.PendingCount || s.TotalCount != 2 || s.FailureCount != 1 {
		t.Errorf("%s", a.body)
	}
	if s.Successes[0].ID != id || s.Successes[0].Version != "2025-01-31T09:30:00.000Z" || s.Failures[0].Message == "" || s.Failures[0].ID != "indicator--1" {
		t.Errorf("details %s", a.body)
	}
	r.get(r.writer, "/rows/status/"+s.ID+"/").want(200).json(&again)
	if diff := cmp.Diff(s, again); diff != "" {
		t.Errorf("(-posted +read):\n%s", diff)
	}
}

// What is published stays until somebody deletes it; what became of it is told for a week.
func rowStatusLife(t *testing.T, r *rows) {
	at := r.fresh()
	s := r.put(at, r.stock.m)
	start := r.ahead.Load()
	defer r.ahead.Store(start)
	for _, row := range []struct {
		after time.Duration
		want  int
	}{{24 * time.Hour, 200}, {6 * 24 * time.Hour, 200}, {8 * 24 * time.Hour, 404}} {
		r.ahead.Store(start + int64(row.after))
		r.get(r.writer, "/rows/status/"+s.ID+"/").want(row.want)
	}
	if got := r.objects(at, ""); len(got) != 1 {
		t.Errorf("%d objects after a week, want 1", len(got))
	}
}

func rowStatusGone(t *testing.T, r *rows) {
	for _, id := range []string{"00000000-0000-4000-8000-000000000000", "x", "00000000-0000-1000-8000-000000000000"} {
		r.get(r.writer, "/rows/status/"+id+"/").want(404)
	}
}

func rowStatusOfItsPartner(t *testing.T, r *rows) {
	s := r.put(r.fresh(), r.stock.m)
	r.get(r.writer, "/rows/status/"+s.ID+"/").want(200)
	r.get(r.other, "/rows/status/"+s.ID+"/").want(404)
	r.get(r.reader, "/rows/status/"+s.ID+"/").want(404)
	r.get(r.writer, "/secure/status/"+s.ID+"/").want(404)
}

func rowCollections(t *testing.T, r *rows) {
	var all struct {
		Collections []map[string]any
	}
	r.get(r.reader, "/rows/collections/").want(200).json(&all)
	for _, c := range all.Collections {
		for _, name := range []string{"id", "title", "can_read", "can_write"} {
			if c[name] == nil {
				t.Errorf("no %s in %v", name, c)
			}
		}
		var one map[string]any
		r.get(r.reader, "/rows/collections/"+c["id"].(string)+"/").want(200).json(&one)
		if diff := cmp.Diff(c, one); diff != "" {
			t.Errorf("listed and by itself differ:\n%s", diff)
		}
	}
	r.get(r.lk, "/rows/collections/").want(404)
}

func rowFlagsOfTheCaller(t *testing.T, r *rows) {
	for _, row := range []struct {
		account
		read, write bool
	}{{r.reader, true, false}, {r.writer, true, true}} {
		var c taxii.Collection
		if r.get(row.account, r.stock.at).want(200).json(&c); c.CanRead != row.read || c.CanWrite != row.write {
			t.Errorf("%s: %+v", row.partner, c)
		}
	}
}

func rowAlias(t *testing.T, r *rows) {
	var all taxii.Collections
	r.get(r.reader, "/rows/collections/").want(200).json(&all)
	seen := map[string]bool{}
	for _, c := range all.Collections {
		if seen[c.Alias] || seen[c.ID] || c.Alias == c.ID {
			t.Errorf("alias %q, id %q: a second time", c.Alias, c.ID)
		}
		seen[c.Alias], seen[c.ID] = true, true
	}
	id := "/rows/collections/" + string(r.place(r.stock.at).Collection) + "/"
	for _, path := range []string{"", "manifest/", "objects/", "objects/?match[version]=all"} {
		if a, b := r.get(r.reader, r.stock.at+path).want(200), r.get(r.reader, id+path).want(200); string(a.body) != string(b.body) {
			t.Errorf("%s: by alias %s, by id %s", path, a.body, b.body)
		}
	}
	r.get(r.reader, strings.ToUpper(r.stock.at)).want(404)
	r.get(r.reader, "/rows/collections/"+strings.ToUpper(string(r.place(r.stock.at).Collection))+"/").want(404)
}

func rowMediaTypes(t *testing.T, r *rows) {
	var c taxii.Collection
	r.get(r.reader, r.stock.at).want(200).json(&c)
	if diff := cmp.Diff([]string{"application/stix+json;version=2.1", "application/stix+json;version=2.0"}, c.MediaTypes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, record := range r.manifest(r.stock.at, "match[version]=all").Objects {
		if !slices.Contains(c.MediaTypes, record.MediaType) {
			t.Errorf("%s is %s, which the collection does not list", record.ID, record.MediaType)
		}
	}
}

// tableG2 holds who may do what: with the interoperability test document's choices where the
// standard leaves two.
func tableG2(t *testing.T, r *rows) {
	at := r.fresh()
	id, raw := indicator("there")
	r.put(at, raw)
	c := r.collection("rows", strings.Split(at, "/")[3])
	name := func(s string) auth.PartnerID { return auth.PartnerID(s + "-" + strings.ToLower(random(8))) }
	for _, row := range []struct {
		name                 string
		rights               *auth.Rights
		see, get, post, drop int
	}{
		{"both", &auth.Rights{Read: true, Write: true}, 200, 200, 202, 403}, // of another partner's object
		{"read", &auth.Rights{Read: true}, 200, 200, 403, 403},
		{"write", &auth.Rights{Write: true}, 200, 403, 202, 403},
		{"neither", &auth.Rights{}, 200, 403, 403, 404},
		{"hidden", nil, 404, 404, 404, 404},
	} {
		a := r.partner(name(row.name), auth.Agency, auth.Rights{})
		r.grant(a.partner, "vn", auth.Rights{}) // somewhere else, so that the account is somebody
		if row.rights != nil {
			r.apply(collections.Access(auth.SetGrant{Grant: auth.Grant{Partner: a.partner, Operation: c.Operation, Collection: c.ID, Rights: *row.rights}}))
		}
		var shown taxii.Collection
		r.get(a, at).want(row.see).json(&shown)
		if row.rights != nil && (shown.CanRead != row.rights.Read || shown.CanWrite != row.rights.Write) {
			t.Errorf("%s: %+v", row.name, shown)
		}
		for _, path := range []string{"manifest/", "objects/", "objects/" + id + "/", "objects/" + id + "/versions/"} {
			r.get(a, at+path).want(row.get)
		}
		_, more := indicator("more")
		more = strings.Replace(more, `"name":`, `"object_marking_refs":["marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"],"name":`, 1)
		r.post(a, at, envelopeOf(more)).want(row.post)
		r.ask(a, "DELETE", at+"objects/"+id+"/").want(row.drop)
	}
	r.ask(r.writer, "DELETE", at+"objects/"+id+"/").want(200)
}

// The gateway adds no custom property to a resource of TAXII: none can break the rules for names.
func rowCustomNames(t *testing.T, r *rows) { rowNames(t, r) }
