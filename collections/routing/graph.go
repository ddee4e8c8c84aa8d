package routing

import (
	"fmt"
	"strings"

	"liaison/stix"
)

// Extension is the id of the STIX property extension by which a publisher lists an object's countries
// and, for TLP:RED, the partners that it names. docs/routing.md has its schema; its definition is
// docs/extension-definition.json.
const Extension = "extension-definition--202fdb74-3c05-4bcf-aab5-a22c59646d12"

// The members of the extension.
const (
	ExtensionCountries = "countries"
	ExtensionPartners  = "partners"
)

// Partners gives the partners that the publisher names as recipients of the object, for TLP:RED; nil when
// it names none. A list that is no list of strings is a problem.
func Partners(o *stix.Object) ([]string, *stix.Problem) {
	list, _, problem := o.ExtensionList(Extension, ExtensionPartners)
	if problem != nil || len(list) == 0 {
		return nil, problem
	}
	names := make([]string, len(list))
	for i, text := range list {
		names[i] = string(text)
	}
	return names, nil
}

// Graph is what a publication's objects say of countries and of each other. It copies what it needs
// from each object, about 300 bytes and its ids. It must not be used by several goroutines at once; the
// zero value is not ready, Router.Graph makes one.
type Graph struct {
	router  *Router
	ids     ids
	nodes   []node
	entries []entry
	refs    []ref
	links   []link // relationships
	records []record
	sets    sets
	work    int // places looked up in blocks
	notes   map[int32][]string
	chosen  map[int32]setID // kept objects that an operator routes
}

// node is what is known of one id.
type node struct {
	id                     string
	first, last            int32 // entries, in order; -1 none
	by                     int32 // the node that brought it first; -1 none
	said, seen, also       chain // reasons: stated, guessed, from the things around it
	stated, guessed, round setID // the operation's countries of each
	own                    setID // that the object goes to for its own reasons
	wanted                 setID // where things are that came before and refer to it
	there                  setID // where an earlier version is
	before                 setID // stated of a kept object before
	to, no                 setID // where it goes and the caller allows, where the caller does not
	country                int16 // of a location, its slot + 1
	flags                  flags
	class                  class
}

type flags uint16

const (
	held      flags = 1 << iota // not of this publication, but the publisher's own or shared
	looked                      // Held.In was asked
	loaded                      // Held.Object was asked
	hasStated                   // the publisher said something of its countries, valid or not
	hasSeen                     // so does a database or a domain
	hasAround                   // so do the things around it
	listed                      // by the publisher on the object itself
	all                         // by the publisher for the whole publication
	queued                      // its needs are to be brought
	walked                      // by the walk over references
	ordered                     // it has its place in the order
	stays                       // it is held back
)

// entry is one object of the publication, or one that is kept and takes part.
type entry struct {
	node      int32
	next      int32 // of the same id; -1 none
	refs, end int32
	index     int32 // in the publication; -1: kept
	dropped   bool
}

type ref struct {
	to       int32
	property property
}

// link is a relationship: an entry and its ends.
type link struct {
	entry, from, to int32
	kind            linkKind
}

// chain is a list of records, by their place + 1; its base are those that the object's own values gave.
type chain struct {
	first, last int32
	n, base     uint8
}

// record is a Reason in little room.
type record struct {
	value   string
	next    int32
	country int16 // its slot
	code    Code
}

// reason writes a record out.
func (g *Graph) reason(r *record) Reason {
	why := Reason{Code: r.code, Country: countryAt(r.country), Value: r.value}
	if r.code == Address {
		why.Source = g.router.source
	}
	return why
}

func countryAt(slot int16) Country { return Country(letters[2*slot : 2*slot+2]) }

// property is what a reference is for.
type property uint8

const (
	pOther property = iota
	pCreator
	pMarking
	pExtension
	pSource
	pTarget
	pSightingOf
	pWhere
	pObserved
	pObjects
	pPart // of an observable, or of a malware's samples
)

// linkKind is the sort of a relationship, as far as countries go.
type linkKind uint8

const (
	otherLink linkKind = iota
	locatedAt
	targets
	originatesFrom
	indicates
	consistsOf
	resolvesTo
	basedOn
)

// class is what routing makes of a type.
type class uint8

const (
	caseClass      class = iota // indicator, observed-data, incident, what STIX does not define: goes for its own countries
	thingClass                  // infrastructure, observables: goes for its own, or along when it has none
	identityClass               // likewise
	knowledgeClass              // malware, tool, attack-pattern, actors …: goes along with whatever needs it
	locationClass               // likewise
	markingClass                // marking and extension definitions: likewise
	linkClass                   // relationship: goes where both ends go
	sightingClass               // goes where it was sighted, if what was sighted goes there
	aboutClass                  // note, opinion, report, grouping, language content: goes where all goes that it speaks of
)

func classOf(typ string) class {
	switch typ {
	case "infrastructure", "artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file",
		"ipv4-addr", "ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url", "user-account",
		"windows-registry-key", "x509-certificate":
		return thingClass
	case "identity":
		return identityClass
	case "malware", "malware-analysis", "tool", "attack-pattern", "threat-actor", "intrusion-set", "campaign", "vulnerability",
		"course-of-action":
		return knowledgeClass
	case "location":
		return locationClass
	case "marking-definition", "extension-definition":
		return markingClass
	case "relationship":
		return linkClass
	case "sighting":
		return sightingClass
	case "note", "opinion", "report", "grouping", "language-content":
		return aboutClass
	}
	if strings.HasPrefix(typ, "x-mitre-") {
		return knowledgeClass
	}
	return caseClass
}

// context reports a class of which an object without a country waits quietly until it is needed.
func (c class) context() bool { return c >= identityClass && c <= markingClass }

// Graph makes an empty graph.
func (r *Router) Graph() *Graph {
	return &Graph{router: r, ids: newIDs(), sets: newSets()}
}

// Add reads an object of the publication and gives its index: 0 for the first, then 1, and so on. The
// object may be overwritten afterwards.
func (g *Graph) Add(o *stix.Object) int {
	index := 0
	if n := len(g.entries); n > 0 {
		index = int(g.entries[n-1].index) + 1
	}
	g.add(o, int32(index))
	return index
}

// Drop takes an object out: it failed after it was added. What refers to it waits for it.
func (g *Graph) Drop(index int) {
	e := &g.entries[index]
	e.dropped = true
	if n := e.node; !g.live(n) { // nor does it say anything of an earlier version
		v := &g.nodes[n]
		v.said, v.seen, v.stated, v.guessed, v.country = chain{}, chain{}, 0, 0, 0
		v.flags &^= hasStated | hasSeen | listed
	}
}

// sent reports an object of the publication that was not dropped.
func (g *Graph) sent(n int32) bool {
	for e := g.nodes[n].first; e >= 0; e = g.entries[e].next {
		if x := &g.entries[e]; x.index >= 0 && !x.dropped {
			return true
		}
	}
	return false
}

// Len gives how many objects were added.
func (g *Graph) Len() int { return len(g.entries) }

// Referred yields the ids that the objects refer to and that are none of them, or of one that was dropped: what
// Held will be asked of, so that a caller may look all of them up at once.
func (g *Graph) Referred(each func(id stix.ID)) {
	for i := range g.nodes {
		if !g.live(int32(i)) {
			each(stix.ID(g.nodes[i].id))
		}
	}
}

// intern gives the node of an id.
func (g *Graph) intern(id []byte) int32 {
	n, isNew := g.ids.number(id)
	if isNew {
		text := g.ids.list[n]
		typ, _, _ := strings.Cut(text, "--")
		g.nodes = append(g.nodes, node{id: text, first: -1, last: -1, by: -1, class: classOf(typ)})
	}
	return n
}

// add reads an object; index is -1 for one that is kept.
func (g *Graph) add(o *stix.Object, index int32) {
	n := g.intern(o.ID)
	at := int32(len(g.entries))
	e := entry{node: n, next: -1, index: index, refs: int32(len(g.refs))}
	if last := g.nodes[n].last; last >= 0 {
		g.entries[last].next = at
	} else {
		g.nodes[n].first = at
	}
	g.nodes[n].last = at
	g.addRefs(o)
	e.end = int32(len(g.refs))
	g.entries = append(g.entries, e)
	switch g.nodes[n].class {
	case linkClass:
		g.addLink(o, &g.entries[at], at)
	case locationClass:
		g.addLocation(o, n, at)
	}
	g.addList(o, n, at)
	switch v := &g.nodes[n]; {
	case v.class != caseClass && v.class != thingClass:
	case v.flags&listed != 0 && string(o.Type) == "indicator": // nobody takes what is guessed of it
	default:
		g.guess(o, n)
	}
}

// addRefs keeps every reference of the object.
func (g *Graph) addRefs(o *stix.Object) {
	for i := range o.Refs {
		r := &o.Refs[i]
		p := pOther
		switch r.Property {
		case "created_by_ref":
			p = pCreator
		case "source_ref":
			p = pSource
		case "target_ref":
			p = pTarget
		case "sighting_of_ref":
			p = pSightingOf
		case "where_sighted_refs":
			p = pWhere
		case "observed_data_refs":
			p = pObserved
		case "object_refs", "object_ref":
			p = pObjects
		case "src_ref", "dst_ref", "resolves_to_refs", "from_ref", "sender_ref", "to_refs", "cc_refs", "bcc_refs",
			"encapsulates_refs", "encapsulated_by_ref", "opened_connection_refs", "image_ref", "parent_ref", "child_refs",
			"creator_user_ref", "belongs_to_ref", "belongs_to_refs", "contains_refs", "content_ref", "parent_directory_ref",
			"raw_email_ref", "body_multipart", "src_payload_ref", "dst_payload_ref", "sample_refs", "sample_ref", "host_vm_ref",
			"operating_system_refs", "operating_system_ref", "installed_software_refs", "analysis_sco_refs":
			p = pPart
		}
		g.refs = append(g.refs, ref{g.intern(r.ID), p})
	}
	for _, list := range [2][][]byte{o.Markings, o.GranularMarkings} {
		for _, id := range list {
			g.refs = append(g.refs, ref{g.intern(id), pMarking})
		}
	}
	o.EachExtension(func(name []byte) {
		const prefix = "extension-definition--"
		if len(name) > len(prefix) && string(name[:len(prefix)]) == prefix {
			g.refs = append(g.refs, ref{g.intern(name), pExtension})
		}
	})
}

func (g *Graph) addLink(o *stix.Object, e *entry, at int32) {
	l := link{entry: at, from: -1, to: -1}
	for _, r := range g.refs[e.refs:e.end] {
		switch r.property {
		case pSource:
			l.from = r.to
		case pTarget:
			l.to = r.to
		}
	}
	if l.from < 0 || l.to < 0 {
		return // the door refuses it
	}
	switch string(o.RelationshipType()) {
	case "located-at":
		l.kind = locatedAt
	case "targets":
		l.kind = targets
	case "originates-from":
		l.kind = originatesFrom
	case "indicates":
		l.kind = indicates
	case "consists-of":
		l.kind = consistsOf
	case "resolves-to":
		l.kind = resolvesTo
	case "based-on":
		l.kind = basedOn
	}
	g.links = append(g.links, l)
}

// addLocation reads the country of a location. A region alone gives none.
func (g *Graph) addLocation(o *stix.Object, n, at int32) {
	text := o.Country()
	if text == nil {
		return
	}
	c, err := ParseCountry(string(text))
	if err != nil {
		g.note(at, fmt.Sprintf("/country: %v", err))
		return
	}
	g.nodes[n].country = int16(slot(c)) + 1
	g.state(n, LocationItself, slot(c), "")
}

// addList reads the publisher's list.
func (g *Graph) addList(o *stix.Object, n, at int32) {
	list, there, problem := o.ExtensionList(Extension, ExtensionCountries)
	if problem != nil {
		g.nodes[n].flags |= listed | hasStated
		g.note(at, problem.Error())
		return
	}
	if !there || list == nil { // the extension may be there for the partners alone
		return
	}
	if v := &g.nodes[n]; v.flags&listed == 0 { // a list stands for itself
		v.said, v.stated = chain{}, 0
		v.flags |= listed | hasStated
	}
	for i, text := range list {
		c, err := ParseCountry(string(text))
		if err != nil {
			g.note(at, fmt.Sprintf("/extensions/%s/%s/%d: %v", Extension, ExtensionCountries, i, err))
			continue
		}
		g.state(n, Listed, slot(c), "")
	}
	if len(list) == 0 {
		g.note(at, fmt.Sprintf("/extensions/%s/%s: the list is empty: the object goes to no country", Extension, ExtensionCountries))
	}
}

func (g *Graph) note(at int32, text string) {
	if g.notes == nil {
		g.notes = make(map[int32][]string)
	}
	const most = 8
	if len(g.notes[at]) < most {
		g.notes[at] = append(g.notes[at], text)
	}
}

// state, see and surround note a reason with a node: stated, guessed, from what is around it. The country
// is a slot.
func (g *Graph) state(n int32, code Code, country int, value string) {
	v := &g.nodes[n]
	if v.flags&listed != 0 && code != Listed || v.flags&all != 0 && code != ListedAll {
		return // a list stands for itself
	}
	v.flags |= hasStated
	g.record(&v.said, &v.stated, code, country, value)
}

func (g *Graph) see(n int32, code Code, country int, value string) {
	v := &g.nodes[n]
	v.flags |= hasSeen
	g.record(&v.seen, &v.guessed, code, country, value)
}

func (g *Graph) surround(n int32, code Code, country int, value string) {
	v := &g.nodes[n]
	v.flags |= hasAround
	g.record(&v.also, &v.round, code, country, value)
}

// record adds a reason, the first of its code for each country. A second reason for a country, and a
// country outside the operation, is kept only while there are few, so that a list of many countries costs
// no more than its length.
func (g *Graph) record(c *chain, s *setID, code Code, country int, value string) {
	const few = 8
	if place := int(g.router.index[country]) - 1; place < 0 || g.sets.get(*s).Has(place) {
		if c.n >= few {
			return
		}
		for i := c.first; i > 0; i = g.records[i-1].next {
			if have := &g.records[i-1]; have.code == code && int(have.country) == country {
				return
			}
		}
	} else {
		*s = g.sets.with(*s, place)
	}
	if c.n >= MaxReasons {
		return
	}
	g.records = append(g.records, record{value: value, country: int16(country), code: code})
	at := int32(len(g.records))
	if c.last > 0 {
		g.records[c.last-1].next = at
	} else {
		c.first = at
	}
	c.last = at
	c.n++
}
