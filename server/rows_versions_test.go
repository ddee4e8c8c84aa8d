package server_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// Versions: TAXII 2.1 section 3.4.1, match[version].
func rowsOfVersions() map[string]func(*testing.T, *rows) {
	return map[string]func(*testing.T, *rows){
		"Row053e_lastByDefault":     rowLastByDefault,
		"Row053f_keywords":          rowKeywords,
		"Row053g_exactInstant":      rowExactInstant,
		"Row053h_unversioned":       rowUnversioned,
		"Row053i_versionTwice":      rowVersionTwice,
		"Row053j_lastAmongVisible":  rowLastAmongVisible,
		"Row076_producersDigits":    rowProducersDigits,
		"Row096_observableVersions": rowObservableVersions,
	}
}

func rowLastByDefault(t *testing.T, r *rows) {
	s := r.stock
	for _, query := range []string{"", "match[version]=last"} {
		if diff := cmp.Diff(s.latest, r.objects(s.at, query)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	if diff := cmp.Diff([]string{s.v3}, texts(r.get(r.reader, s.at+"objects/"+s.indicator+"/").want(200).envelope())); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
}

func rowKeywords(t *testing.T, r *rows) {
	s := r.stock
	each(t, map[string][]string{
		"first": {s.v1, s.m, s.d, s.o}, "last": s.latest, "all": s.everything, "first,last": {s.v1, s.m, s.d, s.o, s.v3},
	}, func(version string, want []string) {
		if diff := cmp.Diff(want, r.objects(s.at, "match[version]="+version)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", version, diff)
		}
	})
	for _, version := range []string{"all,first", "last,all", "all,2025-01-31T09:30:00Z", "ALL"} {
		r.get(r.reader, s.at+"objects/?match[version]="+version).want(400)
	}
}

func rowExactInstant(t *testing.T, r *rows) {
	s := r.stock
	each(t, map[string][]string{
		"2025-01-31T09:30:00Z":           {s.v1},
		"2025-01-31T09:30:00.0Z":         {s.v1},
		"2025-01-31T09:30:00.000000Z":    {s.v1},
		"2025-02-01T00:00:00.500Z":       {s.v2},
		"2025-02-01T00:00:00.5000000Z":   {s.v2},
		"2025-02-01T00:00:00.5001Z":      nil,
		"2025-02-02T00:00:00.123456Z":    {s.v3},
		"2025-02-02T00:00:00.123Z":       nil,
		"2025-02-02T00:00:00.1234561Z":   nil,
		"2025-02-02T00:00:00.123456000Z": {s.v3},
	}, func(version string, want []string) {
		if diff := cmp.Diff(want, r.objects(s.at, "match[id]="+s.indicator+"&match[version]="+version)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", version, diff)
		}
	})
}

func rowUnversioned(t *testing.T, r *rows) {
	at := r.fresh()
	marking := `{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--` + uuid.NewString() +
		`","created":"2025-01-31T09:30:00.000Z","definition_type":"statement","definition":{"statement":"Copyright"}}`
	r.put(at, marking, r.stock.d)
	list := r.manifest(at, "").Objects
	if len(list) != 2 || list[0].Version != "2025-01-31T09:30:00.000Z" || list[1].Version != list[1].DateAdded {
		t.Errorf("%+v", list)
	}
	if diff := cmp.Diff([]string{marking}, r.objects(at, "match[version]=2025-01-31T09:30:00Z")); diff != "" {
		t.Errorf("by created (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{r.stock.d}, r.objects(at, "match[version]="+list[1].Version)); diff != "" {
		t.Errorf("by its own version (-want +got):\n%s", diff)
	}
}

func rowVersionTwice(t *testing.T, r *rows) {
	s := r.stock
	for _, version := range []string{"first,first", "last,last", "all,all", "2025-01-31T09:30:00Z,2025-01-31T09:30:00.000Z"} {
		r.get(r.reader, s.at+"objects/?match[version]="+version).want(400)
	}
	if diff := cmp.Diff([]string{s.v1, s.v2, s.v3}, r.objects(s.at, "match[id]="+s.indicator+"&match[version]=first,2025-02-01T00:00:00.5Z,last")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowLastAmongVisible(t *testing.T, r *rows) {
	at := r.fresh()
	id, _ := indicator("")
	newer, older := indicatorOf(id, "newer", "2025-02-01T00:00:00.000Z"), indicatorOf(id, "older", "2025-01-31T10:00:00.000Z")
	r.put(at, newer, older)
	added := r.manifest(at, "match[version]=all").Objects[0].DateAdded
	if got := r.objects(at, "added_after="+added); got != nil {
		t.Errorf("a superseded version that came later is given as the last: %v", got)
	}
	// A newer version that the reader may not see takes nothing away from it.
	const red = `"object_marking_refs":["marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"],`
	hidden := strings.Replace(indicatorOf(id, "hidden", "2025-03-01T00:00:00.000Z"), `"name":`, red+`"name":`, 1)
	r.post(r.writer, at, envelopeOf(hidden)).want(202)
	if diff := cmp.Diff([]string{newer}, r.objects(at, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func rowProducersDigits(t *testing.T, r *rows) {
	s := r.stock
	want := []string{"2025-01-31T09:30:00.000Z", "2025-02-01T00:00:00.5Z", "2025-02-02T00:00:00.123456Z"}
	if diff := cmp.Diff(want, r.versions(s.at, s.indicator, "").Versions); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	var got []string
	for _, record := range r.manifest(s.at, "match[version]=all&match[id]="+s.indicator).Objects {
		got = append(got, record.Version)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
}

func rowObservableVersions(t *testing.T, r *rows) {
	at := r.fresh()
	status := r.put(at, r.stock.d)
	record := r.manifest(at, "").Objects[0]
	versions := r.versions(at, r.stock.domain, "").Versions
	if len(status.Successes) != 1 || status.Successes[0].Version != record.Version || len(versions) != 1 || versions[0] != record.Version || record.Version != record.DateAdded {
		t.Errorf("status %+v, manifest %+v, versions %v", status.Successes, record, versions)
	}
}
