package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/server/taxii"
)

// Objects: TAXII 2.1 sections 3.7, 5.3 to 5.8 and 7.
func rowsOfObjects() map[string]func(*testing.T, *rows) {
	return map[string]func(*testing.T, *rows){
		"Row070_kindsOfObjects":     rowKindsOfObjects,
		"Row077_130_bytesUntouched": rowBytesUntouched,
		"Row104_emptyManifest":      rowEmptyManifest,
		"Row106_emptyObjects":       rowEmptyObjects,
		"Row117_118_object":         rowObject,
		"Row125_versionsOfNothing":  rowVersionsOfNothing,
		"Row127_objectsInThePath":   rowObjectsInThePath,
	}
}

func rowKindsOfObjects(t *testing.T, r *rows) {
	at := r.fresh()
	const common = `"created":"2025-01-31T09:30:00.000Z","modified":"2025-01-31T09:30:00.000Z"`
	sent := []string{
		r.stock.v1, r.stock.m, r.stock.d,
		fmt.Sprintf(`{"type":"relationship","spec_version":"2.1","id":"relationship--5d0092c5-5f74-4287-9642-33f4c354e56d",%s,"relationship_type":"indicates","source_ref":%q,"target_ref":%q}`, common, r.stock.indicator, r.stock.malware),
		fmt.Sprintf(`{"type":"language-content","spec_version":"2.1","id":"language-content--5d0092c5-5f74-4287-9642-33f4c354e56e",%s,"object_ref":%q,"contents":{"de":{"name":"Eins"}}}`, common, r.stock.indicator),
		`{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--5d0092c5-5f74-4287-9642-33f4c354e56f","created":"2025-01-31T09:30:00.000Z","definition_type":"statement","definition":{"statement":"x"}}`,
		`{"type":"extension-definition","spec_version":"2.1","id":"extension-definition--5d0092c5-5f74-4287-9642-33f4c354e570",` + common +
			`,"created_by_ref":"identity--5d0092c5-5f74-4287-9642-33f4c354e571","name":"x","schema":"https://e.example/","version":"1.0","extension_types":["new-sdo"]}`,
	}
	r.put(at, sent...)
	if diff := cmp.Diff(sent, r.objects(at, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{`{"type":"bundle","id":"bundle--5d0092c5-5f74-4287-9642-33f4c354e56d","objects":[]}`, `{}`, `{"type":7}`, `null`, `"x"`, `[]`} {
		a := r.post(r.writer, at, envelopeOf(bad))
		var s taxii.Status
		if a.status == http.StatusAccepted {
			a.json(&s)
		}
		if a.status == http.StatusAccepted && s.FailureCount != 1 || a.status != http.StatusAccepted && a.status != 400 && a.status != 422 {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
}

func rowBytesUntouched(t *testing.T, r *rows) {
	at := r.fresh()
	_, odd := indicator("  kept <as> it & came \\u00e9 \\/ ")
	odd = strings.Replace(odd, `"name":`, "\n \"x_n\" : 1.50e+300 ,\t\"x_big\":123456789012345678901234567890, \"x_list\":[ ],\"x_null\":{\"a\": null}, \"name\":", 1)
	r.put(at, odd)
	if diff := cmp.Diff([]string{odd}, r.objects(at, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowEmptyManifest(t *testing.T, r *rows) {
	at := r.fresh()
	for _, query := range []string{"", "match[type]=malware", "added_after=2020-01-01T00:00:00Z"} {
		if got := string(r.get(r.reader, at+"manifest/?"+query).want(200).body); got != "{}" {
			t.Errorf("%q: %s", query, got)
		}
	}
}

func rowEmptyObjects(t *testing.T, r *rows) {
	for _, path := range []string{r.fresh() + "objects/", r.stock.at + "objects/?match[type]=identity", r.stock.at + "objects/" + r.stock.indicator + "/?match[spec_version]=2.0"} {
		if got := string(r.get(r.reader, path).want(200).body); got != `{"more": false}` {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func rowObject(t *testing.T, r *rows) {
	s := r.stock
	at := s.at + "objects/" + s.indicator + "/"
	added := r.manifest(s.at, "match[version]=all&match[id]="+s.indicator).Objects
	each(t, map[string][]string{
		"":                           {s.v3},
		"match[version]=all":         {s.v1, s.v2, s.v3},
		"match[version]=first":       {s.v1},
		"match[spec_version]=2.1":    {s.v3},
		"match[spec_version]=2.0":    nil,
		"match[version]=all&limit=2": {s.v1, s.v2},
		"match[version]=all&added_after=" + added[0].DateAdded: {s.v2, s.v3},
		"match[version]=2001-01-01T00:00:00Z":                  nil,
	}, func(query string, want []string) {
		if diff := cmp.Diff(want, texts(r.get(r.reader, at+"?"+query).want(200).envelope())); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	})
	next := r.get(r.reader, at+"?match[version]=all&limit=1").envelope().Next
	if diff := cmp.Diff([]string{s.v2, s.v3}, texts(r.get(r.reader, at+"?next="+next).want(200).envelope())); diff != "" {
		t.Errorf("next (-want +got):\n%s", diff)
	}
	r.get(r.reader, at+"?match[id]="+s.indicator).want(400)
	r.get(r.reader, at+"?match[type]=indicator").want(400)
	other, _ := indicator("never sent")
	for _, id := range []string{other, "indicator", "x", strings.ToUpper(s.indicator)} {
		r.get(r.reader, s.at+"objects/"+id+"/").want(404)
	}
}

func rowVersionsOfNothing(t *testing.T, r *rows) {
	other, _ := indicator("never sent")
	for _, id := range []string{other, "x"} {
		r.get(r.reader, r.stock.at+"objects/"+id+"/versions/").want(404)
	}
}

func rowObjectsInThePath(t *testing.T, r *rows) {
	r.get(r.reader, r.stock.at+"object/"+r.stock.indicator+"/").want(404)
	r.get(r.reader, r.stock.at+"objects/"+r.stock.indicator+"/").want(200)
}

// What changes a collection: TAXII 2.1 sections 5.5 and 5.7.
func rowsOfChanges() map[string]func(*testing.T, *rows) {
	return map[string]func(*testing.T, *rows){
		"Row089_notTooLarge":      rowNotTooLarge,
		"Row108_accepted":         rowAccepted,
		"Row109_exactDuplicate":   rowExactDuplicate,
		"Row110_otherContent":     rowOtherBytes,
		"Row111_twiceInOne":       rowTwiceInOne,
		"Row112_badNeighbour":     rowBadNeighbour,
		"Row113_noObjects":        rowNoObjects,
		"Row114_bundle":           rowBundle,
		"Row115_visibleAtOnce":    rowVisibleAtOnce,
		"Row119_delete":           rowDelete,
		"Row120_gone":             rowGone,
		"Row122_deleteOnesOwn":    rowDeleteOnesOwn,
		"Row128_customProperties": rowCustomProperties,
	}
}

func rowNotTooLarge(t *testing.T, r *rows) {
	var root taxii.APIRoot
	r.get(r.reader, "/rows/").json(&root)
	at := r.fresh()
	for _, n := range []int{int(root.MaxContentLength) - 1, int(root.MaxContentLength)} {
		r.post(r.writer, at, padded(t, n)).want(202)
	}
}

func rowAccepted(t *testing.T, r *rows) {
	at := r.fresh()
	a := r.post(r.writer, at, envelopeOf(r.stock.m)).want(202)
	var s taxii.Status
	a.json(&s)
	if s.ID == "" || s.Status != "complete" || s.SuccessCount != 1 {
		t.Errorf("%s", a.body)
	}
}

func rowExactDuplicate(t *testing.T, r *rows) {
	at := r.fresh()
	r.put(at, r.stock.m)
	before := r.manifest(at, "")
	s := r.put(at, r.stock.m)
	if s.FailureCount != 0 || s.SuccessCount != 1 {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff(before, r.manifest(at, "")); diff != "" {
		t.Errorf("the manifest changed:\n%s", diff)
	}
}

func rowOtherBytes(t *testing.T, r *rows) {
	at := r.fresh()
	id, _ := indicator("")
	first, second := indicatorOf(id, "first", "2025-01-31T09:30:00.000Z"), indicatorOf(id, "second", "2025-01-31T09:30:00.000Z")
	r.put(at, first)
	var s taxii.Status
	r.post(r.writer, at, envelopeOf(second)).want(202).json(&s)
	if s.FailureCount != 1 || s.SuccessCount != 0 || s.Failures[0].Message == "" {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff([]string{first}, r.objects(at, "match[version]=all")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowTwiceInOne(t *testing.T, r *rows) {
	at := r.fresh()
	r.put(at, r.stock.m, r.stock.m)
	if got := r.manifest(at, "match[version]=all").Objects; len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

func rowBadNeighbour(t *testing.T, r *rows) {
	at := r.fresh()
	_, one := indicator("one")
	_, two := indicator("two")
	var s taxii.Status
	r.post(r.writer, at, envelopeOf(one, `{"type":"indicator","spec_version":"2.1","id":"indicator--1"}`, two, `7`)).want(202).json(&s)
	if s.TotalCount != 4 || s.SuccessCount != 2 || s.FailureCount != 2 || len(s.Failures) != 2 {
		t.Errorf("%+v", s)
	}
	if diff := cmp.Diff([]string{one, two}, r.objects(at, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowNoObjects(t *testing.T, r *rows) {
	for text, want := range map[string]int{
		`{}`: 422, `{"objects":[]}`: 422, `{"more":false}`: 422, `{"type":"bundle","id":"bundle--5d0092c5-5f74-4287-9642-33f4c354e56d"}`: 422,
		``: 400, `[]`: 400, `null`: 400, `{"objects":{}}`: 400, `{"objects":[}`: 400, `{"objects":[]} {}`: 400,
	} {
		if a := r.post(r.writer, r.stock.at, text); a.status != want {
			t.Errorf("%s: %d %s, want %d", text, a.status, a.body, want)
		}
	}
}

func rowBundle(t *testing.T, r *rows) {
	at := r.fresh()
	_, one := indicator("one")
	_, two := indicator("two")
	bundle := func(raw string) string {
		return `{"type":"bundle","spec_version":"2.0","id":"bundle--5d0092c5-5f74-4287-9642-33f4c354e56d","objects":[` + raw + `]}`
	}
	r.post(r.writer, at, bundle(one)).want(202)
	r.post(r.writer, at, bundle(two), header("Content-Type", "application/stix+json; version=2.1"), header("Accept", "application/taxii+json; version=2.1")).want(202)
	if diff := cmp.Diff([]string{one, two}, r.objects(at, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowVisibleAtOnce(t *testing.T, r *rows) {
	at := r.fresh()
	for i := range 5 {
		id, raw := indicator(fmt.Sprint(i))
		s := r.put(at, raw)
		r.get(r.writer, "/rows/status/"+s.ID+"/").want(200)
		r.get(r.reader, at+"objects/"+id+"/").want(200)
		if got := r.manifest(at, "match[id]="+id).Objects; len(got) != 1 {
			t.Errorf("%d: not in the manifest", i)
		}
	}
}

func rowDelete(t *testing.T, r *rows) {
	at := r.fresh()
	s := r.stock
	r.put(at, s.v1, s.v2, s.v3)
	path := at + "objects/" + s.indicator + "/"
	r.ask(r.writer, http.MethodDelete, path+"?match[spec_version]=2.0").want(404)
	if a := r.ask(r.writer, http.MethodDelete, path+"?match[version]=2025-02-01T00:00:00.50Z&match[spec_version]=2.1").want(200); len(a.body) != 0 {
		t.Errorf("payload %s", a.body)
	}
	if diff := cmp.Diff([]string{s.v1, s.v3}, r.objects(at, "match[version]=all")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.ask(r.writer, http.MethodDelete, path+"?match[version]=last").want(200)
	if diff := cmp.Diff([]string{s.v1}, r.objects(at, "")); diff != "" {
		t.Errorf("the version before it is the last (-want +got):\n%s", diff)
	}
	for _, query := range []string{"limit=1", "added_after=2020-01-01T00:00:00Z", "next=x", "match[id]=" + s.indicator, "match[type]=indicator", "match[version]=x"} {
		r.ask(r.writer, http.MethodDelete, path+"?"+query).want(400)
	}
	r.ask(r.writer, http.MethodDelete, at+"objects/"+s.malware+"/").want(404)
}

func rowGone(t *testing.T, r *rows) {
	at, elsewhere := r.fresh(), r.fresh()
	s := r.stock
	r.put(at, s.v1, s.m)
	r.put(elsewhere, s.v1)
	path := "objects/" + s.indicator + "/"
	r.ask(r.writer, http.MethodDelete, at+path).want(200)
	r.get(r.reader, at+path).want(404)
	r.get(r.reader, at+path+"?match[version]=all").want(404)
	r.get(r.reader, at+path+"versions/").want(404)
	if diff := cmp.Diff([]string{s.m}, r.objects(at, "match[version]=all")); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if list := r.manifest(at, "match[version]=all").Objects; len(list) != 1 || list[0].ID != s.malware {
		t.Errorf("manifest %+v", list)
	}
	r.get(r.reader, elsewhere+path).want(200)
	// One version of several: it is gone, the object stays.
	versions := r.fresh()
	r.put(versions, s.v1, s.v2)
	r.ask(r.writer, http.MethodDelete, versions+path+"?match[version]=first").want(200)
	if got := r.objects(versions, "match[version]=2025-01-31T09:30:00Z"); got != nil {
		t.Errorf("%v", got)
	}
	for query, want := range map[string]int{
		"2025-01-31T09:30:00Z": 404, "2025-01-31T09:30:00.000000000Z": 404, "2025-01-31T09:30:00Z&match[spec_version]=2.1": 404,
		"2025-01-31T09:30:00Z&added_after=2020-01-01T00:00:00Z": 404,
		"2025-01-31T09:30:00Z&match[spec_version]=2.0":          200, "2025-01-31T09:30:00Z,2025-01-31T09:30:01Z": 200,
		"2025-01-31T09:30:01Z": 200, "first": 200, "all": 200, "2025-01-31T09:30:00Z,last": 200,
	} {
		for _, who := range []account{r.reader, r.writer} {
			r.get(who, versions+path+"?match[version]="+query).want(want)
			if a := r.ask(who, http.MethodHead, versions+path+"?match[version]="+query); a.status != want {
				t.Errorf("HEAD %s: %d, want %d", query, a.status, want)
			}
		}
	}
	r.get(r.other, versions+path+"?match[version]=2025-01-31T09:30:00Z").want(404) // hidden, as ever
	if got := r.versions(versions, s.indicator, "").Versions; len(got) != 1 {
		t.Errorf("versions %v", got)
	}
	r.put(versions, s.v1)
	if diff := cmp.Diff([]string{s.v1}, texts(r.get(r.reader, versions+path+"?match[version]=first").want(200).envelope())); diff != "" {
		t.Errorf("published again (-want +got):\n%s", diff)
	}
}

func rowDeleteMeansAll(t *testing.T, r *rows) {
	at := r.fresh()
	s := r.stock
	r.put(at, s.v1, s.v2, s.v3)
	r.ask(r.writer, http.MethodDelete, at+"objects/"+s.indicator+"/").want(200)
	if got := r.objects(at, "match[version]=all"); got != nil {
		t.Errorf("%v is left", got)
	}
}

func rowDeleteOnesOwn(t *testing.T, r *rows) {
	at := r.fresh()
	id, raw := indicator("x")
	r.put(at, raw)
	r.ask(r.other, http.MethodDelete, at+"objects/"+id+"/").want(404)  // a vendor does not see its rival's
	r.ask(r.reader, http.MethodDelete, at+"objects/"+id+"/").want(403) // who may read only
	if got := r.objects(at, ""); len(got) != 1 {
		t.Errorf("%v", got)
	}
	r.ask(r.writer, http.MethodDelete, at+"objects/"+id+"/").want(200)
}

func rowPublishedAgain(t *testing.T, r *rows) {
	at := r.fresh()
	r.put(at, r.stock.m)
	before := r.manifest(at, "").Objects[0].DateAdded
	r.ask(r.writer, http.MethodDelete, at+"objects/"+r.stock.malware+"/").want(200)
	r.put(at, r.stock.m)
	if got := r.objects(at, "added_after="+before); len(got) != 1 {
		t.Errorf("a poller does not see it: %v", got)
	}
}

func rowCustomProperties(t *testing.T, r *rows) {
	at := r.fresh()
	_, raw := indicator("custom")
	raw = strings.Replace(raw, `"name":`, `"x_acme_score":{"a":[1,null]},"name":`, 1)
	r.post(r.writer, at, `{"x_5d0092c5_test_client":{"a":[1]},"objects":[`+raw+`],"x_after":null}`).want(202)
	if diff := cmp.Diff([]string{raw}, r.objects(at, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
