package collections_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/storetest"
	"liaison/stix"
)

// house is a desk over the reference model, with an operation of some countries.
type house struct {
	*testing.T
	desk  *collections.Desk
	store collections.Store
	clock time.Time
}

func newHouse(t *testing.T) *house { return houseOf(t, "VN", "lk") }

func houseOf(t *testing.T, countries ...string) *house {
	h := &house{T: t, clock: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	now := func() time.Time { return h.clock }
	h.store = storetest.NewModel(now)
	reg, err := collections.OpenRegistry(t.Context(), h.store, now)
	if err != nil {
		t.Fatal(err)
	}
	h.desk = &collections.Desk{Registry: reg, Store: h.store, Now: now, Log: slog.New(slog.DiscardHandler)}
	h.apply(collections.CreateOperation{ID: "secure", Title: "Operation Secure", Countries: countries})
	return h
}

func (h *house) apply(changes ...collections.Change) {
	h.Helper()
	if err := h.desk.Registry.Apply(h.Context(), "local:0", changes...); err != nil {
		h.Fatal(err)
	}
}

func (h *house) place(alias string) collections.Place {
	h.Helper()
	c, ok := h.desk.Registry.State().Find("secure", alias)
	if !ok {
		h.Fatalf("no collection %s", alias)
	}
	return c.Place()
}

// partner makes a partner with rights on the collections and gives its principal.
func (h *house) partner(c auth.CreatePartner, r auth.Rights, aliases ...string) auth.Principal {
	h.Helper()
	c.Name = "Partner " + string(c.ID)
	h.apply(collections.Access(c))
	for _, a := range aliases {
		at := h.place(a)
		h.apply(collections.Access(auth.SetGrant{Grant: auth.Grant{
			Partner: c.ID, Operation: at.Operation, Collection: at.Collection, Rights: r,
		}}))
	}
	token := auth.NewInvitation()
	h.apply(collections.Access(auth.Invite{Partner: c.ID, Token: token, TTL: time.Hour}))
	tables := h.desk.Registry.State().Access
	client := tables.NextClient(c.ID)
	vault, err := auth.CreateVault(h.TempDir())
	if err != nil {
		h.Fatal(err)
	}
	_, secret := vault.NewSecret(h.clock)
	h.apply(collections.Access(auth.Join{
		Token: token, Client: client, Secret: secret,
		Certificate: auth.Certificate{
			Serial: fmt.Sprintf("%032x", len(tables.Clients)+1), Fingerprint: fmt.Sprintf("%064x", len(tables.Clients)+1),
			NotAfter: h.clock.AddDate(0, 3, 0),
		},
	}))
	return h.principal(client)
}

func (h *house) principal(c auth.ClientID) auth.Principal {
	h.Helper()
	p, err := h.desk.Registry.State().Access.Principal(c, auth.BySecret)
	if err != nil {
		h.Fatal(err)
	}
	p.Scope = auth.FullScope
	return p
}

func (h *house) publish(p auth.Principal, alias string, objects ...string) collections.Status {
	h.Helper()
	s, err := h.desk.Publish(h.Context(), p, h.place(alias), envelope(objects...))
	if err != nil {
		h.Fatal(err)
	}
	return s
}

func envelope(objects ...string) io.Reader {
	return strings.NewReader(`{"objects":[` + strings.Join(objects, ",") + `]}`)
}

// pull reads the collection to its end, a page at a time, and gives the ids.
func (h *house) pull(p auth.Principal, alias string, q collections.Query) []string {
	h.Helper()
	var ids []string
	for {
		page, err := h.desk.Objects(h.Context(), p, h.place(alias), q)
		if err != nil {
			h.Fatal(err)
		}
		for _, raw := range bodies(h.T, page.Page) {
			ids = append(ids, idOf(raw))
		}
		if !page.More {
			return ids
		}
		q.After = page.Last
	}
}

func bodies(t *testing.T, p collections.Page) []string {
	t.Helper()
	var body []byte
	for {
		run, err := p.Next(nil)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(body) > 0 && len(run) > 0 {
			body = append(body, ',')
		}
		body = append(body, run...)
	}
	if len(body) == 0 {
		return nil
	}
	s := stix.NewScanner(io.MultiReader(strings.NewReader(`{"objects":[`), bytes.NewReader(body), strings.NewReader(`]}`)), stix.Limits{})
	var list []string
	for s.Next() {
		list = append(list, string(s.Object().Raw))
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func idOf(raw string) string {
	_, rest, _ := strings.Cut(raw, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

const (
	tlpClear  = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
	tlpGreen  = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
	tlpAmber  = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
	tlp1Red   = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
	statement = "marking-definition--11111111-1111-4111-8111-111111111111"
	absent    = "marking-definition--33333333-3333-4333-8333-333333333333"
)

func identity(n int, extra string) string {
	return fmt.Sprintf(`{"type":"identity","spec_version":"2.1","id":%q,"created":"2026-01-01T00:00:00.000Z",`+
		`"modified":"2026-01-01T00:00:00.000Z","name":"N%d","identity_class":"organization"%s}`, identityID(n), n, extra)
}

func identityID(n int) string { return fmt.Sprintf("identity--00000000-0000-4000-8000-%012d", n) }

func marked(refs ...string) string {
	return `,"object_marking_refs":["` + strings.Join(refs, `","`) + `"]`
}

func definition(id, kind, body, extra string) string {
	return fmt.Sprintf(`{"type":"marking-definition","spec_version":"2.1","id":%q,"created":"2026-01-01T00:00:00.000Z",`+
		`"definition_type":%q,"definition":%s%s}`, id, kind, body, extra)
}

func TestPublishMarks(t *testing.T) {
	terms := definition(statement, "statement", `{"statement":"Ours."}`, "")
	language := func(of string, extra string) string {
		return `{"type":"language-content","spec_version":"2.1","id":"language-content--44444444-4444-4444-8444-444444444444",` +
			`"created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z","object_ref":"` + of + `",` +
			`"contents":{"vi":{"name":"Tên"}}` + extra + `}`
	}
	granular := `,"granular_markings":[{"marking_ref":"` + tlpAmber + `","selectors":["name"]}]`
	for _, tt := range []struct {
		name     string
		standard stix.Level // the publisher's default marking
		objects  []string
		want     []stix.Level // of the objects that were taken; none for one that failed
		message  string       // part of the message of the last object
	}{
		{"clear", 0, []string{identity(1, marked(tlpClear))}, []stix.Level{stix.Clear}, ""},
		{"strictest of two", 0, []string{identity(1, marked(tlpClear, tlpGreen))}, []stix.Level{stix.Green}, ""},
		{"TLP 1 and TLP 2", 0, []string{identity(1, marked(tlp1Red, tlpGreen))}, []stix.Level{stix.Red}, "names no recipients"},
		{"granular joins", 0, []string{identity(1, marked(tlpGreen)+granular)}, []stix.Level{stix.Amber}, ""},
		{"unmarked fails", 0, []string{identity(1, "")}, nil, "no marking says how widely"},
		{"unmarked takes the default", stix.Green, []string{identity(1, "")}, []stix.Level{stix.Green}, ""},
		{"default never lowers", stix.Clear, []string{identity(1, marked(tlpAmber))}, []stix.Level{stix.Amber}, ""},
		{"a statement carries no level", 0, []string{terms, identity(1, marked(statement))}, []stix.Level{stix.Clear}, "no marking says"},
		{"a statement beside a level", 0, []string{terms, identity(1, marked(statement, tlpGreen))}, []stix.Level{stix.Clear, stix.Green}, ""},
		{"definition after its use", 0, []string{identity(1, marked(statement, tlpGreen)), terms}, []stix.Level{stix.Green, stix.Clear}, ""},
		{"unknown marking hides", stix.Clear, []string{identity(1, marked(tlpClear, absent))}, []stix.Level{stix.Unknown}, "is not known here"},
		{"language content has its object's level", 0, []string{identity(1, marked(tlpAmber)), language(identityID(1), "")}, []stix.Level{stix.Amber, stix.Amber}, ""},
		{"language content before its object", 0, []string{language(identityID(1), marked(tlpClear)), identity(1, marked(tlpAmber))}, []stix.Level{stix.Amber, stix.Amber}, ""},
		{"language content of nothing known", stix.Clear, []string{language(identityID(9), marked(tlpClear))}, nil, "is not known here"},
		{"language content of what failed", stix.Clear, []string{
			strings.Replace(identity(1, marked(tlp1Red)), "2026-01-01", "2026-15-01", 1), language(identityID(1), ""),
		}, nil, "is not known here"},
		{"a translation of a translation", stix.Clear, []string{
			strings.ReplaceAll(language("language-content--44444444-4444-4444-8444-444444444444", ""), `"language-content--44444444-4444-4444-8444-444444444444","cr`, `"language-content--55555555-5555-4555-8555-555555555555","cr`),
			language(identityID(1), ""), identity(1, marked(tlpAmber)),
		}, []stix.Level{stix.Amber, stix.Amber, stix.Amber}, ""},
		{"translations of each other", stix.Clear, []string{
			strings.ReplaceAll(language("language-content--44444444-4444-4444-8444-444444444444", ""), `"language-content--44444444-4444-4444-8444-444444444444","cr`, `"language-content--55555555-5555-4555-8555-555555555555","cr`),
			language("language-content--55555555-5555-4555-8555-555555555555", ""),
		}, nil, "is not known here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: tt.standard},
				auth.Rights{Read: true, Write: true}, "vn")
			s := h.publish(vendor, "vn", tt.objects...)
			facts, _, err := h.store.Facts(t.Context(), auth.ViewOf(vendor), h.place("vn"), collections.Query{Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			var got []stix.Level
			for _, f := range facts {
				got = append(got, f.Level)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("levels %v, want %v; status %+v", got, tt.want, s)
			}
			if s.Success != len(tt.want) || s.Success+s.Failure != len(tt.objects) {
				t.Errorf("status %+v of %d objects", s, len(tt.objects))
			}
			details := append(slices.Clone(s.Successes), s.Failures...)
			if !slices.ContainsFunc(details, func(d collections.Detail) bool { return strings.Contains(d.Message, tt.message) }) {
				t.Errorf("no detail says %q: %+v", tt.message, details)
			}
		})
	}
}

func TestPublishKeepsWhatItKnew(t *testing.T) {
	h := newHouse(t)
	all := auth.Rights{Read: true, Write: true}
	acme := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, all, "vn")
	rival := h.partner(auth.CreatePartner{ID: "rival", Role: auth.Vendor}, all, "vn")
	h.publish(acme, "vn", definition(statement, "statement", `{"statement":"Ours."}`, ""))

	if s := h.publish(acme, "vn", identity(1, marked(statement, tlpGreen))); len(s.Successes) != 1 || s.Successes[0].Message != "" {
		t.Errorf("a definition that the publisher published before is not known: %+v", s)
	}
	if s := h.publish(rival, "vn", identity(2, marked(statement, tlpGreen))); len(s.Successes) != 1 || !strings.Contains(s.Successes[0].Message, "is not known here") {
		t.Errorf("another publisher's definition counts: %+v", s)
	}
}

func TestPublishBadObjectsFailAlone(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Clear},
		auth.Rights{Read: true, Write: true}, "vn")
	s := h.publish(vendor, "vn",
		identity(1, ""),
		`{"type":"identity","id":"identity--no"}`,
		`{"no":"type"}`,
		`7`,
		strings.Replace(identity(2, ""), "2026-01-01", "2026-15-01", 1),
		identity(3, `,"name":"twice"`),
		identity(4, ""),
	)
	if s.Success != 2 || s.Failure != 5 || len(s.Failures) != 5 || s.Pending != 0 {
		t.Fatalf("status %+v", s)
	}
	for _, f := range s.Failures {
		if f.ID == "" || f.Version == "" || f.Message == "" {
			t.Errorf("a failure without id, version or message: %+v", f)
		}
	}
	if got, want := h.pull(vendor, "vn", collections.Query{Limit: 10}), []string{identityID(1), identityID(4)}; !slices.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

func TestStrictCollections(t *testing.T) {
	h := newHouse(t)
	h.apply(collections.CreateOperation{ID: "exact", Title: "Exact", Countries: []string{"VN"}, Strict: true})
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Clear},
		auth.Rights{Read: true, Write: true}, "vn")
	c, _ := h.desk.Registry.State().Find("exact", "vn")
	h.apply(collections.Access(auth.SetGrant{Grant: auth.Grant{
		Partner: "acme", Operation: "exact", Collection: c.ID, Rights: auth.Rights{Read: true, Write: true},
	}}))
	// The schemas know the UUIDs of RFC 4122 alone; the rules for all objects take RFC 9562's too.
	version7 := strings.Replace(identity(1, ""), "0000-4000-8000", "0000-7000-8000", 1)
	if usual := h.publish(vendor, "vn", version7); usual.Success != 1 {
		t.Errorf("a usual collection: %+v", usual)
	}
	strict, err := h.desk.Publish(t.Context(), vendor, c.Place(), envelope(version7, identity(2, "")))
	if err != nil || strict.Failure != 1 || strict.Success != 1 {
		t.Errorf("a strict collection: %+v, %v", strict, err)
	}
}

func TestPublishRefusesBrokenBodiesWhole(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Clear},
		auth.Rights{Read: true, Write: true}, "vn")
	good := identity(1, "")
	for name, tt := range map[string]struct {
		body string
		kind error
	}{
		"cut off":        {`{"objects":[` + good, stix.ErrSyntax},
		"trailing data":  {`{"objects":[` + good + `]} {}`, stix.ErrSyntax},
		"objects twice":  {`{"objects":[` + good + `],"objects":[]}`, stix.ErrSyntax},
		"not an object":  {`[` + good + `]`, stix.ErrSyntax},
		"empty envelope": {`{}`, stix.ErrNoObjects},
		"too large":      {`{"objects":[` + good + `]}` + strings.Repeat(" ", 4096), stix.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			h.desk.Limits = stix.Limits{Body: 2048}
			_, err := h.desk.Publish(t.Context(), vendor, h.place("vn"), strings.NewReader(tt.body))
			if body, ok := errors.AsType[*stix.BodyError](err); !ok || !errors.Is(body, tt.kind) {
				t.Errorf("error %v, want %v", err, tt.kind)
			}
			if got := h.pull(vendor, "vn", collections.Query{Limit: 10}); len(got) > 0 {
				t.Errorf("stored %v", got)
			}
		})
	}
}

func TestDeskHides(t *testing.T) {
	h := newHouse(t)
	all, read := auth.Rights{Read: true, Write: true}, auth.Rights{Read: true}
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Clear}, all, "vn")
	agency := h.partner(auth.CreatePartner{ID: "lk-police", Role: auth.Agency}, read, "lk")
	none := h.partner(auth.CreatePartner{ID: "quiet", Role: auth.Agency}, auth.Rights{}, "vn")
	writer := h.partner(auth.CreatePartner{ID: "drop", Role: auth.Vendor}, auth.Rights{Write: true}, "vn")
	status := h.publish(vendor, "vn", identity(1, ""))
	vn, id, q := h.place("vn"), stix.ID(identityID(1)), collections.Query{Limit: 10}
	for _, tt := range []struct {
		name string
		p    auth.Principal
		do   func(p auth.Principal) error
		want error
	}{
		{"foreign collection", agency, func(p auth.Principal) error { _, err := h.desk.Find(t.Context(), p, "secure", "vn"); return err }, collections.ErrNotFound},
		{"foreign objects", agency, func(p auth.Principal) error { _, err := h.desk.Objects(t.Context(), p, vn, q); return err }, collections.ErrNotFound},
		{"foreign manifest", agency, func(p auth.Principal) error { _, err := h.desk.Manifest(t.Context(), p, vn, q); return err }, collections.ErrNotFound},
		{"foreign object", agency, func(p auth.Principal) error { _, err := h.desk.Object(t.Context(), p, vn, id, q); return err }, collections.ErrNotFound},
		{"foreign versions", agency, func(p auth.Principal) error { _, err := h.desk.Versions(t.Context(), p, vn, id, q); return err }, collections.ErrNotFound},
		{"foreign publication", agency, func(p auth.Principal) error {
			_, err := h.desk.Publish(t.Context(), p, vn, envelope(identity(2, "")))
			return err
		}, collections.ErrNotFound},
		{"foreign deletion", agency, func(p auth.Principal) error {
			_, err := h.desk.Delete(t.Context(), p, vn, id, collections.Versions{}, nil)
			return err
		}, collections.ErrNotFound},
		{"foreign status", agency, func(p auth.Principal) error {
			_, err := h.desk.Status(t.Context(), p, "secure", status.ID)
			return err
		}, collections.ErrNotFound},
		{"own status", vendor, func(p auth.Principal) error {
			_, err := h.desk.Status(t.Context(), p, "secure", status.ID)
			return err
		}, nil},
		{"no rights: listed", none, func(p auth.Principal) error { _, err := h.desk.Find(t.Context(), p, "secure", "vn"); return err }, nil},
		{"no rights: read", none, func(p auth.Principal) error { _, err := h.desk.Objects(t.Context(), p, vn, q); return err }, collections.ErrDenied},
		{"no rights: publish", none, func(p auth.Principal) error {
			_, err := h.desk.Publish(t.Context(), p, vn, envelope(identity(2, "")))
			return err
		}, collections.ErrDenied},
		{"no rights: delete", none, func(p auth.Principal) error {
			_, err := h.desk.Delete(t.Context(), p, vn, id, collections.Versions{}, nil)
			return err
		}, collections.ErrNotFound},
		{"write only: read", writer, func(p auth.Principal) error { _, err := h.desk.Objects(t.Context(), p, vn, q); return err }, collections.ErrDenied},
		{"write only: delete", writer, func(p auth.Principal) error {
			_, err := h.desk.Delete(t.Context(), p, vn, id, collections.Versions{}, nil)
			return err
		}, collections.ErrDenied},
		{"unknown object", vendor, func(p auth.Principal) error {
			_, err := h.desk.Object(t.Context(), p, vn, stix.ID(identityID(7)), q)
			return err
		}, collections.ErrNotFound},
		{"unknown operation", vendor, func(p auth.Principal) error { _, err := h.desk.Operation(t.Context(), p, "other"); return err }, collections.ErrNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.do(tt.p); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestDeleteOnlyOnesOwn(t *testing.T) {
	h := newHouse(t)
	all := auth.Rights{Read: true, Write: true}
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Clear}, all, "vn")
	agency := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency, DefaultMarking: stix.Green}, all, "vn")
	h.publish(vendor, "vn", identity(1, ""), strings.Replace(identity(1, ""), `"modified":"2026-01-01`, `"modified":"2026-02-01`, 1))
	at, id := h.place("vn"), stix.ID(identityID(1))
	if _, err := h.desk.Delete(t.Context(), agency, at, id, collections.Versions{}, nil); !errors.Is(err, collections.ErrDenied) {
		t.Errorf("an agency deletes a vendor's object: %v", err)
	}
	n, err := h.desk.Delete(t.Context(), vendor, at, id, collections.Versions{}, nil)
	if err != nil || n != 2 {
		t.Errorf("deleted %d versions, %v; want both", n, err)
	}
	if _, err := h.desk.Object(t.Context(), agency, at, id, collections.Query{Limit: 10}); !errors.Is(err, collections.ErrNotFound) {
		t.Errorf("a deleted object answers %v", err)
	}
}

func TestSuspendedInTheMiddle(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Clear},
		auth.Rights{Read: true, Write: true}, "vn")
	body := &suspendingReader{Reader: envelope(identity(1, "")), suspend: func() {
		h.apply(collections.Access(auth.SuspendPartner{ID: "acme"}))
	}}
	if _, err := h.desk.Publish(t.Context(), vendor, h.place("vn"), body); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Fatalf("error %v, want %v", err, auth.ErrUnauthenticated)
	}
	h.apply(collections.Access(auth.ResumePartner{ID: "acme"}))
	if got := h.pull(h.principal("acme_1"), "vn", collections.Query{Limit: 10}); len(got) > 0 {
		t.Errorf("stored %v", got)
	}
}

// suspendingReader suspends the partner once its body has been read.
type suspendingReader struct {
	io.Reader
	suspend func()
}

func (r *suspendingReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err == io.EOF && r.suspend != nil {
		r.suspend()
		r.suspend = nil
	}
	return n, err
}

func TestClosedOperationIsReadOnly(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Clear},
		auth.Rights{Read: true, Write: true}, "vn")
	h.publish(vendor, "vn", identity(1, ""))
	h.apply(collections.CloseOperation{ID: "secure"})
	if _, err := h.desk.Publish(t.Context(), vendor, h.place("vn"), envelope(identity(2, ""))); !errors.Is(err, collections.ErrDenied) {
		t.Errorf("publishing into a closed operation: %v", err)
	}
	if got := h.pull(vendor, "vn", collections.Query{Limit: 10}); len(got) != 1 {
		t.Errorf("reading from a closed operation gives %v", got)
	}
}

func TestResync(t *testing.T) {
	h := newHouse(t)
	all := auth.Rights{Read: true, Write: true}
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Clear}, all, "vn")
	agency := h.partner(auth.CreatePartner{ID: "vn-police", Role: auth.Agency}, auth.Rights{Read: true}, "vn")
	var want []string
	for i := range 7 {
		h.publish(vendor, "vn", identity(i, ""))
		want = append(want, identityID(i))
	}
	at := h.place("vn")
	first, err := h.desk.Objects(t.Context(), agency, at, collections.Query{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	position := first.Last

	h.clock = h.clock.Add(time.Minute)
	h.apply(collections.Access(auth.ResyncPartner{ID: "vn-police"}))
	// A look from the start ends nothing, nor does a filtered read or a manifest.
	h.pull(agency, "vn", collections.Query{Limit: 10})
	if got := h.pull(agency, "vn", collections.Query{Limit: 10, After: position, Types: []string{"malware"}}); len(got) > 0 {
		t.Errorf("a filtered read gives %v", got)
	}
	if _, err := h.desk.Manifest(t.Context(), agency, at, collections.Query{Limit: 10, After: position}); err != nil {
		t.Fatal(err)
	}
	// An answer that is not read to its end is not counted, the last one neither.
	for _, limit := range []int{3, 3, 100, 100} {
		page, err := h.desk.Objects(t.Context(), agency, at, collections.Query{Limit: limit, After: position})
		if err != nil || page.After != 0 || page.Count != min(limit, 7) {
			t.Fatalf("after a resync the old position gives %+v, %v; want the start", page, err)
		}
	}
	if got := h.pull(agency, "vn", collections.Query{Limit: 3, After: position}); !slices.Equal(got, want) {
		t.Errorf("after a resync the client receives %v, want %v", got, want)
	}
	for range 2 {
		if got := h.pull(agency, "vn", collections.Query{Limit: 3, After: position}); len(got) > 0 {
			t.Errorf("once it is through, a client receives again: %v", got)
		}
	}
	// The registry remembers: another desk over the same store does not begin again.
	reg, err := collections.OpenRegistry(t.Context(), h.store, func() time.Time { return h.clock })
	if err != nil {
		t.Fatal(err)
	}
	other := &collections.Desk{Registry: reg, Store: h.store, Now: h.desk.Now, Log: h.desk.Log}
	page, err := other.Objects(t.Context(), agency, at, collections.Query{Limit: 3, After: position})
	if err != nil || page.After != position {
		t.Errorf("after a restart the client is put back to %v, %v", page.After, err)
	}
}

func TestEveryReadHasItsLine(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Clear},
		auth.Rights{Read: true, Write: true}, "vn")
	status := h.publish(vendor, "vn", identity(1, ""))
	at, id, q := h.place("vn"), stix.ID(identityID(1)), collections.Query{Limit: 10}
	ctx := t.Context()
	for _, err := range []error{
		second(h.desk.Collections(ctx, vendor, "secure")), second(h.desk.Objects(ctx, vendor, at, q)),
		second(h.desk.Manifest(ctx, vendor, at, q)), second(h.desk.Object(ctx, vendor, at, id, q)),
		second(h.desk.Versions(ctx, vendor, at, id, q)), second(h.desk.Status(ctx, vendor, "secure", status.ID)),
		h.desk.Seen(ctx, vendor, collections.ReadCollection, at),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := h.store.Sweep(ctx, h.clock); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for e, err := range h.store.Journal(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, e.Line.Kind)
	}
	want := []string{
		"operation.create", "partner.create", "grant.set", "partner.invite", "client.join", "publish",
		"read.collections", "read.objects", "read.manifest", "read.object", "read.versions", "read.status", "read.collection",
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("journal %v\nwant %v", kinds, want)
	}
}

// A line says the same of a read whichever way it is made: by hand, without filters, or by encoding/json.
func TestReadLine(t *testing.T) {
	h := newHouse(t)
	vendor := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor, DefaultMarking: stix.Clear},
		auth.Rights{Read: true, Write: true}, "vn")
	h.publish(vendor, "vn", identity(1, ""), identity(2, ""))
	at, ctx := h.place("vn"), t.Context()
	all, err := h.desk.Objects(ctx, vendor, at, collections.Query{Limit: 10})
	if err != nil || all.Count != 2 {
		t.Fatalf("%d objects, %v", all.Count, err)
	}
	type members = map[string]any
	line := func(m members, address string) members {
		m["collection"], m["operation"] = at.Collection, at.Operation
		if address != "" {
			m["address"] = address
		}
		return m
	}
	first, last := all.First.String(), all.Last.String()
	var want []members
	for _, address := range []string{"", "192.0.2.7", "2001:db8::1", `a "quoted"`} {
		vendor.Address = address
		for _, q := range []struct {
			query collections.Query
			line  members
		}{
			{collections.Query{Limit: 10}, members{"count": 2, "more": false, "first": first, "last": last}},
			{collections.Query{Limit: 1}, members{"count": 1, "more": true, "first": first, "last": first}},
			{collections.Query{Limit: 1, After: all.First}, members{"count": 1, "more": false, "first": last, "last": last, "after": first}},
			{collections.Query{Limit: 1, After: all.Last}, members{"count": 0, "more": false, "after": last}},
			{collections.Query{Limit: 1, After: all.Last, Types: []string{"tool"}},
				members{"count": 0, "more": false, "after": last, "filter": `{"type":["tool"],"version":{"All":false,"First":false,"Last":false,"At":null}}`}},
		} {
			if _, err := h.desk.Objects(ctx, vendor, at, q.query); err != nil {
				t.Fatal(err)
			}
			want = append(want, line(q.line, address))
		}
	}
	if err := h.store.Sweep(ctx, h.clock); err != nil {
		t.Fatal(err)
	}
	var have []auth.Line
	for e, err := range h.store.Journal(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Line.Kind == "read.objects" {
			have = append(have, e.Line)
		}
	}
	have = have[min(1, len(have)):]
	if len(have) != len(want) {
		t.Fatalf("%d lines, want %d", len(have), len(want))
	}
	for i, w := range want {
		if want := auth.NewLine(h.clock, "acme_1", "read.objects", w); string(have[i].What) != string(want.What) {
			t.Errorf("line %s\nwant %s", have[i].What, want.What)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestApplyIsAllOrNothing(t *testing.T) {
	h := newHouse(t)
	err := h.desk.Registry.Apply(context.Background(), "local:0",
		collections.Access(auth.CreatePartner{ID: "one", Role: auth.Vendor, Name: "One"}),
		collections.Access(auth.CreatePartner{ID: "one", Role: auth.Vendor, Name: "One again"}))
	if !errors.Is(err, auth.ErrExists) {
		t.Fatalf("error %v, want %v", err, auth.ErrExists)
	}
	if _, there := h.desk.Registry.State().Access.Partners["one"]; there {
		t.Error("half of a change is there")
	}
}

func TestCreateOperationRefuses(t *testing.T) {
	h := newHouse(t)
	for name, c := range map[string]collections.CreateOperation{
		"a path of the gateway": {ID: "taxii2", Title: "T", Countries: []string{"VN"}},
		"a bad slug":            {ID: "No Slug", Title: "T", Countries: []string{"VN"}},
		"no title":              {ID: "x", Countries: []string{"VN"}},
		"no countries":          {ID: "x", Title: "T"},
		"an unknown country":    {ID: "x", Title: "T", Countries: []string{"ZZ"}},
		"a country twice":       {ID: "x", Title: "T", Countries: []string{"VN", "vn"}},
		"a taken slug":          {ID: "secure", Title: "T", Countries: []string{"VN"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := h.desk.Registry.Apply(t.Context(), "local:0", c); err == nil {
				t.Error("taken")
			}
		})
	}
}

func TestRegistryReopens(t *testing.T) {
	h := newHouse(t)
	h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, auth.Rights{Write: true}, "vn", "lk")
	again, err := collections.OpenRegistry(t.Context(), h.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := h.desk.Registry.State(), again.State()
	if len(b.Operations) != len(a.Operations) || len(b.Collections) != 3 || len(b.Access.Partners) != 1 ||
		len(b.Access.Grants["acme"]) != 2 || len(b.Access.Clients) != 1 {
		t.Errorf("reopened %+v, want %+v", b, a)
	}
}
