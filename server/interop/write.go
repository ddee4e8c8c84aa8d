package interop

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"liaison/server/taxii"
)

// The versions of the test objects.
const (
	first  = "2025-01-31T09:30:00.000Z"
	second = "2025-01-31T09:31:00.000Z"
	third  = "2025-01-31T09:32:00.000Z"
)

// white is TLP:WHITE, which every STIX 2.1 server knows: the test objects are for everybody. STIX 2.1
// section 7.2.1.4.
const white = "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"

// uuid makes a UUIDv4. RFC 9562 section 5.4.
func (r *run) uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// indicator makes a test object.
func (r *run) indicator(name, modified string) (id, raw string) {
	id = "indicator--" + r.uuid()
	return id, indicatorOf(id, name, modified, "")
}

func indicatorOf(id, name, modified, more string) string {
	return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":%q,"created":%q,"modified":%q,"name":%q,`+
		`"description":"Made by an interoperability test; it may be deleted.","indicator_types":["benign"],`+
		`"pattern":"[file:name = 'liaison-interoperability-test.txt']","pattern_type":"stix","valid_from":%q,`+
		`"object_marking_refs":[%q]%s}`, id, first, modified, name, first, white, more)
}

func wrapped(objects ...string) []byte {
	return []byte(`{"objects":[` + strings.Join(objects, ",") + `]}`)
}

// publish adds objects and waits until the status is complete.
func (r *run) publish(p place, body []byte, ids ...string) (taxii.Status, *answer, error) {
	for _, id := range ids {
		r.made = append(r.made, made{p.speaker, p.url(), id})
	}
	var s taxii.Status
	a, err := r.want(p.speaker, http.StatusAccepted, http.MethodPost, p.url()+"objects/", body)
	if err != nil {
		return s, a, err
	}
	if err := a.json(&s); err != nil {
		return s, a, err
	}
	return r.complete(p, s, a)
}

// complete asks for a status until it is complete.
func (r *run) complete(p place, s taxii.Status, a *answer) (taxii.Status, *answer, error) {
	pause := firstPause
	for waited := time.Duration(0); s.Status == "pending" && waited < r.o.Timeout; waited += pause {
		pause = min(2*pause, longestPause)
		select {
		case <-r.ctx.Done():
			return s, a, r.ctx.Err()
		case <-time.After(pause):
		}
		var now taxii.Status
		b, err := r.resource(p.speaker, p.root+"status/"+s.ID+"/", &now)
		if err != nil {
			return s, b, err
		}
		s, a = now, b
	}
	if s.Status != "complete" {
		return s, a, fmt.Errorf("%s: the status is %q, want complete", a.what, s.Status)
	}
	return s, a, nil
}

// Between two questions for a status that is pending.
const (
	firstPause   = 10 * time.Millisecond
	longestPause = time.Second
)

// all wants that everything succeeded.
func all(s taxii.Status, a *answer, n int) error {
	if s.TotalCount != n || s.SuccessCount != n || s.FailureCount != 0 || s.PendingCount != 0 {
		why := ""
		if len(s.Failures) > 0 {
			why = fmt.Sprintf(" (%.200q)", s.Failures[0].Message)
		}
		return fmt.Errorf("%s: total %d, success %d, failure %d, pending %d, want %d, %[6]d, 0, 0%[7]s",
			a.what, s.TotalCount, s.SuccessCount, s.FailureCount, s.PendingCount, n, why)
	}
	return nil
}

// stock is what the reading rows look at: an indicator in three versions, added one after the other,
// a malware and a relationship between them.
type stock struct {
	place
	a      object   // the indicator, of any version
	as     []object // its versions
	m, r   object
	name   string // of the indicator alone
	label  string
	source string
	before string // a date_added before all of them
}

func (s *stock) a3() object      { return s.as[2] }
func (s *stock) every() []object { return append(slices.Clone(s.as), s.m, s.r) }

// since asks for the objects of the stock, and for whatever others added meanwhile.
func (s *stock) since(query string) string {
	return s.url() + "objects/?" + param("added_after", s.before) + "&" + query
}

// stock publishes the test objects when they are first needed.
func (r *run) stock() (*stock, error) {
	if !r.once {
		r.once = true
		r.stocked, r.stockErr = r.fill()
	}
	return r.stocked, r.stockErr
}

func (r *run) fill() (*stock, error) {
	p, err := r.test(true, true)
	if err != nil {
		return nil, err
	}
	mark := r.uuid()
	s := &stock{place: p, name: "Interoperability test " + mark, label: "x-" + mark[:8], source: "source-" + mark[:8]}
	s.a.ID, s.m.ID, s.r.ID = "indicator--"+r.uuid(), "malware--"+r.uuid(), "relationship--"+r.uuid()
	s.m.Modified, s.r.Modified = first, first
	common := fmt.Sprintf(`"created":%q,"modified":%[1]q,"object_marking_refs":[%q]`, first, white)
	malware := fmt.Sprintf(`{"type":"malware","spec_version":"2.1","id":%q,"is_family":false,"name":"test","confidence":10,%s}`, s.m.ID, common)
	relationship := fmt.Sprintf(`{"type":"relationship","spec_version":"2.1","id":%q,"relationship_type":"indicates","source_ref":%q,"target_ref":%q,"confidence":10,%s}`,
		s.r.ID, s.a.ID, s.m.ID, common)
	more := fmt.Sprintf(`,"confidence":90,"labels":[%q],"external_references":[{"source_name":%q,"description":"test"}]`, s.label, s.source)
	for i, modified := range []string{first, second, third} {
		list := []string{indicatorOf(s.a.ID, s.name, modified, more)}
		ids := []string{s.a.ID}
		if i == 0 {
			list, ids = append(list, malware, relationship), append(ids, s.m.ID, s.r.ID)
		}
		status, a, err := r.publish(p, wrapped(list...), ids...)
		if err == nil {
			err = all(status, a, len(list))
		}
		if err != nil {
			return nil, fmt.Errorf("adding the test objects: %w", err)
		}
		s.as = append(s.as, object{ID: s.a.ID, Modified: modified})
	}
	_, list, err := r.records(s, "match[version]=all")
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("the test objects are not in the manifest")
	}
	at, err := time.Parse(time.RFC3339Nano, list[0].DateAdded)
	if err != nil {
		return nil, fmt.Errorf("date_added of the test objects: %w", err)
	}
	s.before = at.Add(-time.Microsecond).UTC().Format("2006-01-02T15:04:05.000000Z")
	return s, nil
}

// records gives the manifest of the stock.
func (r *run) records(s *stock, query string) (*answer, []taxii.ManifestRecord, error) {
	at := s.url() + "manifest/?" + param("match[id]", s.a.ID+","+s.m.ID+","+s.r.ID) + "&" + query
	var whole taxii.Manifest
	var answered *answer
	for range maxPages {
		var m taxii.Manifest
		a, err := r.resource(s.speaker, at, &m)
		if err != nil {
			return a, nil, err
		}
		if answered == nil {
			answered = a
		}
		whole.Objects = append(whole.Objects, m.Objects...)
		if m.More == nil || !*m.More {
			return answered, whole.Objects, nil
		}
		if at, err = onwards(a, m.Next, at); err != nil {
			return a, nil, err
		}
	}
	return answered, nil, errors.New(answered.what + ": paging does not end")
}

func add(r *run) (string, error) {
	p, err := r.test(true, true)
	if err != nil {
		if p, err = r.test(false, true); err != nil {
			return "", err
		}
	}
	id, raw := r.indicator("added", first)
	s, a, err := r.publish(p, wrapped(raw), id)
	if err != nil {
		return "", err
	}
	r.status = &s
	return fmt.Sprintf("202, status %s: %s", s.ID, s.Status), all(s, a, 1)
}

func status(r *run) (string, error) {
	p, err := r.test(true, true)
	if err != nil {
		if p, err = r.test(false, true); err != nil {
			return "", err
		}
	}
	if r.status == nil {
		if _, err := add(r); err != nil {
			return "", err
		}
	}
	var m map[string]json.RawMessage
	a, err := r.resource(p.speaker, p.root+"status/"+r.status.ID+"/", &m)
	if err != nil {
		return "", err
	}
	var s taxii.Status
	if err := a.json(&s); err != nil {
		return "", err
	}
	for _, name := range []string{"id", "status", "total_count", "success_count", "failure_count", "pending_count"} {
		if m[name] == nil {
			return "", fmt.Errorf("%s: no %s", a.what, name)
		}
	}
	switch {
	case s.ID != r.status.ID || !uuidV4.MatchString(s.ID):
		return "", fmt.Errorf("%s: id %q", a.what, s.ID)
	case s.Status != "complete" || s.TotalCount != s.SuccessCount+s.FailureCount+s.PendingCount:
		return "", fmt.Errorf("%s: status %q, total %d of %d, %d and %d", a.what, s.Status, s.TotalCount, s.SuccessCount, s.FailureCount, s.PendingCount)
	}
	return fmt.Sprintf("%s, %d of %d", s.Status, s.SuccessCount, s.TotalCount), nil
}

// statusDetails adds a good object beside one that cannot be one.
func statusDetails(r *run) (string, error) {
	p, err := r.test(true, true)
	if err != nil {
		if p, err = r.test(false, true); err != nil {
			return "", err
		}
	}
	id, raw := r.indicator("good", first)
	bad := "indicator--" + r.uuid()
	s, a, err := r.publish(p, wrapped(raw, fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":%q,"created":%q,"modified":%[2]q}`, bad, first)), id, bad)
	if err != nil {
		return "", err
	}
	if s.TotalCount != 2 || s.SuccessCount < 1 || s.SuccessCount+s.FailureCount != 2 {
		return "", fmt.Errorf("%s: total %d, success %d, failure %d: want the good object to succeed and the total to be 2", a.what, s.TotalCount, s.SuccessCount, s.FailureCount)
	}
	if s.RequestTimestamp != "" && !stamp.MatchString(s.RequestTimestamp) {
		return "", fmt.Errorf("%s: request_timestamp %q", a.what, s.RequestTimestamp)
	}
	var m map[string]json.RawMessage
	if err := a.json(&m); err != nil {
		return "", err
	}
	for name, most := range map[string]int{"successes": s.SuccessCount, "failures": s.FailureCount, "pendings": s.PendingCount} {
		var list []map[string]any
		if m[name] == nil {
			continue
		}
		if err := json.Unmarshal(m[name], &list); err != nil || len(list) == 0 || len(list) > max(most, 2) {
			return "", fmt.Errorf("%s: %s is %.200s, want a list that is not empty and not longer than its count", a.what, name, m[name])
		}
		for _, d := range list {
			if d["id"] == nil || d["version"] == nil {
				return "", fmt.Errorf("%s: %s: a detail without id or version: %v", a.what, name, d)
			}
		}
	}
	if s.FailureCount > 0 && m["failures"] == nil {
		return fmt.Sprintf("success %d, failure %d, without details", s.SuccessCount, s.FailureCount), nil
	}
	return fmt.Sprintf("success %d, failure %d", s.SuccessCount, s.FailureCount), nil
}

func remove(r *run) (string, error) {
	p, err := r.test(true, true)
	if err != nil {
		return "", err
	}
	id, raw := r.indicator("to be deleted", first)
	s, a, err := r.publish(p, wrapped(raw), id)
	if err == nil {
		err = all(s, a, 1)
	}
	if err != nil {
		return "", err
	}
	at := p.url() + "objects/" + id + "/"
	if _, err := r.want(p.speaker, http.StatusOK, http.MethodDelete, at, nil); err != nil {
		return "", err
	}
	if _, err := r.want(p.speaker, http.StatusNotFound, http.MethodGet, at, nil); err != nil {
		return "", err
	}
	var m taxii.Manifest
	b, err := r.resource(p.speaker, p.url()+"manifest/?"+param("match[id]", id), &m)
	if err != nil {
		return "", err
	}
	if len(m.Objects) != 0 {
		return "", fmt.Errorf("%s: it is still in the manifest", b.what)
	}
	return "200, then 404", nil
}

func customProperties(r *run) (string, error) {
	p, err := r.test(true, true)
	if err != nil {
		return "", err
	}
	id, _ := r.indicator("", first)
	name := "x_" + strings.ReplaceAll(r.uuid(), "-", "_") + "_test_client"
	raw := indicatorOf(id, "custom", first, fmt.Sprintf(`,%q:{"a":[1,"two"]}`, name))
	body := []byte(fmt.Sprintf(`{%q:"test","objects":[%s]}`, name, raw))
	s, a, err := r.publish(p, body, id)
	if err == nil {
		err = all(s, a, 1)
	}
	if err != nil {
		return "", err
	}
	e, err := r.envelope(p.speaker, p.url()+"objects/"+id+"/")
	if err != nil {
		return "", err
	}
	if len(e.objects) != 1 {
		return "", fmt.Errorf("%s: %d objects, want 1", e.what, len(e.objects))
	}
	var o map[string]struct {
		A []any `json:"a"`
	}
	var loose map[string]json.RawMessage
	if err := json.Unmarshal(e.objects[0].raw, &loose); err != nil {
		return "", err
	}
	if err := json.Unmarshal([]byte(fmt.Sprintf(`{"x":%s}`, orNull(loose[name]))), &o); err != nil || len(o["x"].A) != 2 || o["x"].A[1] != "two" {
		return "", fmt.Errorf("%s: the custom property came back as %s", e.what, orNull(loose[name]))
	}
	return "taken, and given back", nil
}

func orNull(b json.RawMessage) json.RawMessage {
	if b == nil {
		return json.RawMessage("null")
	}
	return b
}
