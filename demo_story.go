package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/TcM1911/stix2"

	"liaison/collections/routing"
	"liaison/stix"
)

// The figures of Operation Secure as INTERPOL gave them. Everything else here is invented: addresses
// are of the documentation ranges (RFC 5737, RFC 3849), domains of .example (RFC 2606), names of
// families and companies are made up, so that nobody real is accused.
const (
	storyIndicators = 25_917
	storyFamilies   = 69
	storyServers    = 41
)

// storyCountries are the 27 names of INTERPOL's list, each a collection.
func storyCountries() []string {
	return []string{
		"BN", "KH", "FJ", "HK", "IN", "ID", "JP", "KZ", "KI", "KR", "LA", "MO", "MY", "MV",
		"NR", "NP", "PG", "PH", "WS", "SG", "SB", "LK", "TH", "TL", "TO", "VU", "VN",
	}
}

// storyObject is one object with what its publisher means to happen to it.
type storyObject struct {
	id        string
	kind      string
	raw       []byte
	level     stix.Level
	countries []string
}

// storyVendor is one publisher with everything that it publishes.
type storyVendor struct {
	id      string
	name    string
	objects []storyObject
}

// writeStory invents what the three vendors of the operation know: so many indicators, and what belongs
// to them. It is the same story each time, but for the ids of its objects.
func writeStory(now time.Time, indicators int) ([]storyVendor, error) {
	vendors := []storyVendor{
		{id: "northlight", name: "Northlight Intelligence"},
		{id: "harbour-labs", name: "Harbour Labs"},
		{id: "kestrel-cti", name: "Kestrel CTI"},
	}
	dice := dice(20250101)
	for i := range vendors {
		w := &storyWriter{vendor: &vendors[i], dice: &dice, now: now.UTC().Truncate(time.Millisecond)}
		share := indicators / len(vendors)
		if i < indicators%len(vendors) {
			share++
		}
		families := storyFamilies / len(vendors)
		servers := storyServers / len(vendors)
		if i < storyServers%len(vendors) {
			servers++
		}
		if err := w.write(i, share, families, servers); err != nil {
			return nil, err
		}
	}
	return vendors, nil
}

// storyWriter builds the objects of one vendor with TcM1911/stix2, one at a time.
type storyWriter struct {
	vendor    *storyVendor
	dice      *dice
	now       time.Time
	identity  stix2.Identifier
	families  []storyThing
	servers   []storyThing
	locations map[string]stix2.Identifier
	along     map[string]map[string]bool // countries by family
}

type storyThing struct {
	id        stix2.Identifier
	countries []string
}

func (w *storyWriter) write(vendor, indicators, families, servers int) error {
	everywhere := storyCountries()
	if err := w.introduce(everywhere); err != nil {
		return err
	}
	for i := range families {
		name := storyFamily(vendor*families + i)
		m, err := stix2.NewMalware(true, stix2.OptionName(name), w.by(), stix2.OptionTypes([]string{"spyware", "trojan"}),
			w.at(w.ago(400)), w.markedAs(stix.Clear))
		if err != nil {
			return fmt.Errorf("family %s: %w", name, err)
		}
		if err := w.add(m, stix.Clear, nil); err != nil {
			return err
		}
		w.families = append(w.families, storyThing{id: m.ID})
	}
	for i := range servers {
		if err := w.server(i); err != nil {
			return err
		}
	}
	for i := range indicators {
		if err := w.indicator(vendor, i); err != nil {
			return err
		}
	}
	w.settle()
	return nil
}

// settle writes down where the families go: along with whatever indicates them or is controlled by them.
func (w *storyWriter) settle() {
	for i := range w.vendor.objects {
		o := &w.vendor.objects[i]
		if o.kind == "malware" {
			o.countries = slices.Sorted(maps.Keys(w.along[o.id]))
		}
	}
}

// introduce writes what every country needs to understand the rest: who speaks, under which terms,
// and where the countries are.
func (w *storyWriter) introduce(everywhere []string) error {
	me, err := stix2.NewIdentity(w.vendor.name, stix2.OptionClass("organization"),
		stix2.OptionSectors([]string{"technology"}), w.at(w.ago(900)), w.markedAs(stix.Clear))
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	w.identity = me.ID
	if err := w.add(me, stix.Clear, everywhere); err != nil {
		return err
	}
	terms, err := stix2.NewMarkingDefinition("statement",
		map[string]string{"statement": "Given to the police of the countries of the operation for its purposes only."},
		w.by(), stix2.OptionCreated(&stix2.Timestamp{Time: w.ago(800)}))
	if err != nil {
		return fmt.Errorf("terms: %w", err)
	}
	if err := w.list(terms, stix.Clear, everywhere); err != nil {
		return err
	}
	w.locations = map[string]stix2.Identifier{}
	for _, c := range everywhere {
		l, err := stix2.NewLocation("", c, 0, 0, w.by(), w.at(w.ago(800)), w.markedAs(stix.Clear))
		if err != nil {
			return fmt.Errorf("location %s: %w", c, err)
		}
		w.locations[c] = l.ID
		if err := w.add(l, stix.Clear, []string{c}); err != nil {
			return err
		}
	}
	return nil
}

// server writes one command-and-control server, where it stands and which family it serves.
func (w *storyWriter) server(i int) error {
	country := storyCountries()[w.dice.roll(27)]
	level := stix.AmberStrict
	s, err := stix2.NewInfrastructure(fmt.Sprintf("Panel %d of %s", i+1, w.vendor.name),
		stix2.OptionTypes([]string{"command-and-control"}), w.by(), w.at(w.ago(90)), w.markedAs(level))
	if err != nil {
		return fmt.Errorf("server %d: %w", i, err)
	}
	if err := w.add(s, level, []string{country}); err != nil {
		return err
	}
	w.servers = append(w.servers, storyThing{s.ID, []string{country}})
	if err := w.relate("located-at", s.ID, w.locations[country], level, []string{country}); err != nil {
		return err
	}
	return w.relate("controls", s.ID, w.families[w.dice.roll(len(w.families))].id, level, []string{country})
}

// indicator writes one suspicious address, domain or URL, what it indicates, and sometimes where it
// stands.
func (w *storyWriter) indicator(vendor, i int) error {
	countries, level := w.destinations(), w.level()
	pattern, name := storyPattern(vendor, i)
	seen := w.ago(1 + w.dice.roll(120))
	options := []stix2.STIXOption{
		stix2.OptionName(name), stix2.OptionTypes([]string{"malicious-activity"}), w.by(), w.at(seen), w.markedAs(level),
		stix2.OptionConfidence(50 + w.dice.roll(50)), stix2.OptionPatternVersion("2.1"),
		stix2.OptionValidUntil(&stix2.Timestamp{Time: seen.AddDate(0, 6, 0)}),
	}
	if w.dice.roll(200) == 0 { // part of it is for fewer eyes than the rest
		level = stix.Red
		options = append(options, stix2.OptionGranularMarking([]*stix2.GranularMarking{
			{Marking: stix2.Identifier(markingFor(stix.Red)), Selectors: []string{"name"}},
		}))
	}
	ind, err := stix2.NewIndicator(pattern, "stix", &stix2.Timestamp{Time: seen}, options...)
	if err != nil {
		return fmt.Errorf("indicator %d: %w", i, err)
	}
	if err := w.list(ind, level, countries); err != nil {
		return err
	}
	family := w.families[w.dice.roll(len(w.families))]
	if err := w.relate("indicates", ind.ID, family.id, level, countries); err != nil {
		return err
	}
	if w.dice.roll(10) > 0 {
		return nil
	}
	for _, s := range w.servers {
		if slices.Contains(countries, s.countries[0]) {
			return w.relate("indicates", ind.ID, s.id, max(level, stix.AmberStrict), s.countries)
		}
	}
	return nil
}

func (w *storyWriter) relate(kind string, from, to stix2.Identifier, level stix.Level, countries []string) error {
	r, err := stix2.NewRelationship(stix2.RelationshipType(kind), from, to, w.by(), w.at(w.ago(1)), w.markedAs(level))
	if err != nil {
		return fmt.Errorf("relationship %s: %w", kind, err)
	}
	if strings.HasPrefix(string(to), "malware--") {
		if w.along == nil {
			w.along = map[string]map[string]bool{}
		}
		if w.along[string(to)] == nil {
			w.along[string(to)] = map[string]bool{}
		}
		for _, c := range countries {
			w.along[string(to)][c] = true
		}
	}
	return w.add(r, level, countries)
}

// add keeps an object's bytes with what is meant to happen to it.
func (w *storyWriter) add(o stix2.STIXObject, level stix.Level, countries []string) error {
	raw, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("writing %s: %w", o.GetID(), err)
	}
	w.vendor.objects = append(w.vendor.objects, storyObject{
		id: string(o.GetID()), kind: string(o.GetType()), raw: raw, level: level, countries: countries,
	})
	return nil
}

// list is add for an object that says itself where it goes; the others go where what they belong to goes.
func (w *storyWriter) list(o stix2.STIXObject, level stix.Level, countries []string) error {
	if err := w.add(o, level, countries); err != nil {
		return err
	}
	last := &w.vendor.objects[len(w.vendor.objects)-1]
	text, err := json.Marshal(countries)
	if err != nil {
		return err
	}
	last.raw = fmt.Appendf(last.raw[:len(last.raw)-1], `,"extensions":{%q:{"extension_type":"property-extension",%q:%s}}}`,
		routing.Extension, routing.ExtensionCountries, text)
	return nil
}

func (w *storyWriter) by() stix2.STIXOption { return stix2.OptionCreatedBy(w.identity) }

// at sets created and modified.
func (w *storyWriter) at(t time.Time) stix2.STIXOption {
	return func(o stix2.STIXObject) error {
		if err := stix2.OptionCreated(&stix2.Timestamp{Time: t})(o); err != nil {
			return err
		}
		return stix2.OptionModified(&stix2.Timestamp{Time: t})(o)
	}
}

func (w *storyWriter) ago(days int) time.Time { return w.now.AddDate(0, 0, -days) }

func (w *storyWriter) markedAs(l stix.Level) stix2.STIXOption {
	return stix2.OptionObjectMarking([]stix2.Identifier{stix2.Identifier(markingFor(l))})
}

// destinations gives the countries that the publisher states: most things concern one, some two or three.
func (w *storyWriter) destinations() []string {
	all := storyCountries()
	n := 1
	switch roll := w.dice.roll(20); {
	case roll < 1:
		n = 3
	case roll < 4:
		n = 2
	}
	chosen := make([]string, 0, n)
	for len(chosen) < n {
		// The lower of two throws: some countries have far more to do than others.
		c := all[min(w.dice.roll(27), w.dice.roll(27))*11%27]
		if !slices.Contains(chosen, c) {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// level throws a marking: most is AMBER, a little is RED and for nobody.
func (w *storyWriter) level() stix.Level {
	switch roll := w.dice.roll(100); {
	case roll < 15:
		return stix.Clear
	case roll < 40:
		return stix.Green
	case roll < 75:
		return stix.Amber
	case roll < 98:
		return stix.AmberStrict
	}
	return stix.Red
}

// markingFor gives the standard TLP 2.0 marking of a level. FIRST TLP 2.0.
func markingFor(l stix.Level) string {
	switch l {
	case stix.Clear:
		return "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
	case stix.Green:
		return "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
	case stix.Amber:
		return "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
	case stix.AmberStrict:
		return "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
	}
	return "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
}

// storyPattern gives the pattern and the name of a vendor's i-th indicator; no two are alike.
func storyPattern(vendor, i int) (pattern, name string) {
	n := i*3 + vendor
	switch i % 5 {
	case 0: // an address as such
		ip := documentation6(n)
		return fmt.Sprintf("[ipv6-addr:value = '%s']", ip), "Address " + ip
	case 1: // an address as the target of a connection
		ip, port := documentation4(n), 1024+n%60000
		return fmt.Sprintf("[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '%s' "+
			"AND network-traffic:dst_port = %d]", ip, port), fmt.Sprintf("Service %s:%d", ip, port)
	case 2:
		host := storyHost(n)
		return fmt.Sprintf("[url:value = 'https://%s/gate/%04x.php']", host, n&0xffff), "Gate on " + host
	default:
		host := storyHost(n)
		return fmt.Sprintf("[domain-name:value = '%s']", host), "Domain " + host
	}
}

func documentation6(n int) string {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(n >> 16), byte(n >> 8), byte(n), 15: 0x25}).String()
}

// documentation4 gives one of the 762 usable addresses of RFC 5737.
func documentation4(n int) string {
	host := byte(1 + n/3%254)
	switch n % 3 {
	case 0:
		return netip.AddrFrom4([4]byte{192, 0, 2, host}).String()
	case 1:
		return netip.AddrFrom4([4]byte{198, 51, 100, host}).String()
	}
	return netip.AddrFrom4([4]byte{203, 0, 113, host}).String()
}

func storyHost(n int) string {
	first := [...]string{"login", "update", "cdn", "secure", "mail", "wallet", "cloud", "portal", "files", "api"}
	second := [...]string{"pay", "bank", "parcel", "tax", "game", "crypto", "visa", "travel", "job", "shop", "social"}
	return fmt.Sprintf("%s-%s%d.example", first[n%len(first)], second[n/len(first)%len(second)], n)
}

// storyFamily names an infostealer family that does not exist.
func storyFamily(i int) string {
	colour := [...]string{"Amber", "Cobalt", "Crimson", "Ivory", "Jade", "Ochre", "Umber", "Violet"}
	animal := [...]string{"Magpie", "Ferret", "Gull", "Jackdaw", "Marten", "Mynah", "Raccoon", "Shrike", "Stoat"}
	return fmt.Sprintf("%s %s Stealer", colour[i%len(colour)], animal[i/len(colour)%len(animal)])
}

// dice is a small generator (splitmix64), so that the story is the same each time.
type dice uint64

// roll gives a number from 0 to n-1.
func (d *dice) roll(n int) int {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(n))
}
