package collections_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"

	"liaison/auth"
	"liaison/collections/routing"
	"liaison/stix"
)

// dueAddresses is a database of where addresses are.
type dueAddresses struct{}

func (dueAddresses) Source() string { return "test 2026-03" }

func (dueAddresses) Country(a netip.Addr) (routing.Country, netip.Prefix) {
	p, _ := a.Prefix(8)
	return map[byte]routing.Country{11: "VN", 12: "LK", 13: "TH", 14: "FR"}[a.As4()[0]], p
}

// dueValues are what objects report, with the countries that are guessed of it.
var dueValues = map[string]dueSet{"11.0.0.1": 1, "12.0.0.1": 2, "13.0.0.1": 4, "14.0.0.1": dueAbroad, "15.0.0.1": 0, "a.vn": 1, "a.lk": 2, "a.io": 0, "a.fr": dueAbroad}

var dueNames = []string{"11.0.0.1", "12.0.0.1", "13.0.0.1", "14.0.0.1", "15.0.0.1", "a.vn", "a.lk", "a.io", "a.fr"}

var dueCodes = []string{"VN", "LK", "TH", "FR"}

func (s dueSet) codes() (list []string) {
	for i, c := range dueCodes {
		if s>>i&1 != 0 {
			list = append(list, c)
		}
	}
	return list
}

// object makes a random object of a publisher, or repeats one.
func (w *dueWalk) thing(k int, kind string, n int) *dueObject {
	o := &dueObject{typ: kind, id: objectID(kind, 100*k+n), version: 1}
	var more string
	set := func(format string, args ...any) { more += "," + fmt.Sprintf(format, args...) }
	switch kind {
	case "location":
		o.country = 1 << n
		set(`"country":%q`, dueCodes[n])
	case "identity":
		set(`"name":"N","identity_class":"organization"`)
	case "malware":
		set(`"is_family":true`)
	case "ipv4-addr":
		o.value, o.version = dueNames[n], 0
		o.guess = dueValues[o.value]
		o.id = "ipv4-addr--" + uuid.NewSHA1(uuid.MustParse("00abedb4-aa42-466c-9c01-fed23315a9b7"), fmt.Appendf(nil, `{"value":%q}`, o.value)).String()
		set(`"value":%q`, o.value)
	case "indicator":
		o.version = 1 + w.below(3)
		o.value = pick(&w.chances, dueNames...)
		o.guess = dueValues[o.value]
		if w.once(3) {
			o.list = dueSet(1 + w.below(15))
			o.guess = 0
		}
		path := "domain-name"
		if o.value[0] == '1' {
			path = "ipv4-addr"
		}
		set(`"pattern":"[%s:value = '%s']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"`, path, o.value)
		switch w.below(6) {
		case 0:
			o.lapsed = true
			set(`"valid_until":"2026-02-01T00:00:00Z"`)
		case 1:
			set(`"valid_until":"2036-02-01T00:00:00Z"`)
		case 2:
			o.lapsed, o.revoked = true, true
			set(`"revoked":true`)
		}
	case "relationship", "sighting", "marking-definition":
		panic("made elsewhere")
	}
	return w.finish(k, o, more)
}

// finish marks an object; a version that was made before is mostly the same again.
func (w *dueWalk) finish(k int, o *dueObject, more string) *dueObject {
	key := fmt.Sprint(k, o.name())
	if old := w.memo[key]; old != nil && !w.once(6) {
		return old
	}
	set := func(format string, args ...any) { more += "," + fmt.Sprintf(format, args...) }
	who := w.partners[k]
	if o.typ != "ipv4-addr" {
		switch w.below(8) {
		case 0, 1, 2:
			o.by = objectID("identity", 100*k+w.below(2))
		case 3:
			if o.by = who.identity; who.pseudonymous {
				o.by = who.pseudonym
			}
		case 4:
			if w.once(5) {
				o.by = w.partners[1-min(k, 1)].identity
			}
			if w.once(5) {
				o.by = objectID("identity", 100*(1-min(k, 1)))
			}
		}
		if who.pseudonymous && !w.once(5) {
			o.by = pick(&w.chances, "", who.pseudonym)
		}
		if o.typ == "identity" {
			o.by = ""
		}
	}
	w.mark(k, o, set)
	if (o.typ == "indicator" || o.typ == "malware") && w.once(4) {
		o.word = pick(&w.chances, "holdword", "blockword", "docword", "watchword")
	}
	if o.typ != "ipv4-addr" {
		set(`"spec_version":"2.1","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-02T00:00:%02d.000Z"`, o.version)
	}
	if o.typ == "indicator" || o.typ == "malware" {
		set(`"name":"N %s"`, o.word)
	}
	if o.by != "" {
		set(`"created_by_ref":%q`, o.by)
	}
	var extension []string
	if o.list != 0 {
		extension = append(extension, fmt.Sprintf(`"countries":["%s"]`, strings.Join(o.list.codes(), `","`)))
	}
	if o.named != nil {
		extension = append(extension, fmt.Sprintf(`"partners":[%q]`, o.named[0]))
	}
	if o.typ == "indicator" && w.once(5) {
		o.lower = true
		extension = append(extension, `"confirms":["lower-marking"]`)
	}
	if extension != nil {
		set("%s", says(strings.Join(extension, ",")))
	}
	o.raw = fmt.Sprintf(`{"type":%q,"id":%q%s}`, o.typ, o.id, more)
	w.memo[key] = o
	return o
}

var dueTLP1 = map[stix.Level]string{
	stix.Clear: "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9", stix.Green: "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
	stix.Amber: "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82", stix.Red: tlp1Red, stix.AmberStrict: dueTLP2[stix.AmberStrict],
}

var dueTLP2 = map[stix.Level]string{
	stix.Clear: tlpClear, stix.Green: tlpGreen, stix.Amber: tlpAmber, stix.Red: tlpRed,
	stix.AmberStrict: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
}

// mark gives an object markings: of either TLP, also several, also of a part, also of its publisher's own, or none.
func (w *dueWalk) mark(k int, o *dueObject, set func(string, ...any)) {
	levels := []stix.Level{stix.Clear, stix.Green, stix.Green, stix.Amber, stix.AmberStrict, stix.Red}
	if o.typ != "indicator" {
		levels = levels[:4]
	}
	var refs []string
	ref := func() string {
		l := pick(&w.chances, levels...)
		o.level = max(o.level, l)
		return pick(&w.chances, dueTLP1[l], dueTLP2[l])
	}
	if !w.once(5) {
		refs = append(refs, ref())
	}
	if w.once(8) {
		refs = append(refs, ref())
	}
	if w.once(8) && o.typ == "indicator" {
		set(`"granular_markings":[{"marking_ref":%q,"selectors":["pattern"]}]`, ref())
	}
	if w.once(6) && o.typ != "ipv4-addr" {
		o.marks = []string{objectID("marking-definition", 100*k)}
		refs = append(refs, o.marks...)
	}
	if refs != nil {
		set("%s", marked(refs...)[1:])
	}
	if o.level == stix.Red && !w.once(3) || o.typ == "indicator" && w.once(30) {
		o.named = []auth.PartnerID{w.partners[w.below(len(w.partners))].p.Partner}
	}
}

func (w *dueWalk) relation(k int, kind, from, to string) *dueObject {
	o := &dueObject{typ: "relationship", version: 1, relation: kind, source: from, target: to}
	more := fmt.Sprintf(`,"relationship_type":%q,"source_ref":%q,"target_ref":%q`, kind, from, to)
	if kind == "" {
		o.typ = "sighting"
		more = fmt.Sprintf(`,"sighting_of_ref":%q,"where_sighted_refs":[%q]`, from, to)
	}
	o.id = o.typ + "--" + uuidOf(k, o.typ+kind+from+to)
	return w.finish(k, o, more)
}

// uuidOf makes a UUIDv4 of a text.
func uuidOf(k int, text string) string {
	u := uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, k, text))
	u[6] = u[6]&0x0f | 0x40
	return u.String()
}

// body makes the objects of a publication, each id once.
func (w *dueWalk) body(k int) (list []*dueObject) {
	add := func(o *dueObject) {
		if !slices.ContainsFunc(list, func(x *dueObject) bool { return x.id == o.id }) {
			list = append(list, o)
		}
	}
	indicator := func() *dueObject { return w.thing(k, "indicator", w.below(6)) }
	location := func() *dueObject { return w.thing(k, "location", w.below(4)) }
	victim := func() *dueObject { return w.thing(k, "identity", 5+w.below(2)) }
	for range 1 + w.below(5) {
		switch w.below(12) {
		case 0, 1, 2:
			add(indicator())
		case 3:
			add(w.thing(k, "malware", w.below(2)))
		case 4:
			add(w.thing(k, "identity", w.below(2)))
		case 5:
			add(location())
		case 6, 7:
			i, m := indicator(), w.thing(k, "malware", w.below(2))
			w.some(add, i, m, w.relation(k, "indicates", i.id, m.id))
		case 8:
			i, l := indicator(), location()
			w.some(add, i, l, w.relation(k, pick(&w.chances, "targets", "located-at", "originates-from"), i.id, l.id))
		case 9:
			i, v, l := indicator(), victim(), location()
			w.some(add, v, l, w.relation(k, "located-at", v.id, l.id), i, w.relation(k, "targets", i.id, v.id))
		case 10:
			i := indicator()
			l := pick(&w.chances, location(), victim())
			w.some(add, i, l, w.relation(k, "", i.id, l.id))
		case 11:
			if w.once(2) {
				add(w.thing(k, "ipv4-addr", w.below(5)))
				continue
			}
			o := &dueObject{typ: "marking-definition", id: objectID("marking-definition", 100*k), version: 1, level: stix.Clear}
			o.raw = strings.Replace(definition(o.id, "statement", `{"statement":"Ours."}`, ""), "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:01.000Z", 1)
			add(o)
		}
	}
	return list
}

// some adds some of these, in some order.
func (w *dueWalk) some(add func(*dueObject), list ...*dueObject) {
	from := w.below(len(list))
	for i := range list {
		if !w.once(4) {
			add(list[(from+i)%len(list)])
		}
	}
}
