package stix

import "strings"

// ordered makes the check that the timestamp last is not before first, or with equal false that it
// is after it.
func ordered(first, last name, equal bool) func(*checker, int) bool {
	return func(c *checker, at int) bool { return c.ordered(at, first, last, equal) }
}

func (c *checker) ordered(at int, first, last name, equal bool) bool {
	i, j := c.find(at, first), c.find(at, last)
	if i == 0 || j == 0 {
		return true
	}
	nodes := c.o.p.nodes
	a, rule1 := c.o.p.instant(c.o.raw(&nodes[i]))
	b, rule2 := c.o.p.instant(c.o.raw(&nodes[j]))
	if rule1 != "" || rule2 != "" {
		return true // the property's own rule says so
	}
	order := b.Compare(a)
	switch {
	case order < 0:
		return c.fail(j, c.section(at), last.String(), " must not be earlier than ", first.String(), ": ", c.show(j), " is before ", c.show(i))
	case order == 0 && !equal:
		return c.fail(j, c.section(at), last.String(), " must be later than ", first.String(), ", not the same")
	}
	return true
}

// section is where STIX defines the object at.
func (c *checker) section(at int) string {
	if at == 0 && c.o.kind != nil {
		return c.o.kind.section
	}
	return "STIX 2.1 section 3.2"
}

func wholeIndicator(c *checker, at int) bool {
	// "If the valid_until property … is present, its value MUST be later than the valid_from".
	// STIX 2.1 section 4.7.
	if !c.ordered(at, nValidFrom, nValidUntil, false) {
		return false
	}
	// "The pattern MUST be … a STIX Pattern as specified in section 9" when pattern_type is stix.
	if string(c.o.PatternType) != "stix" {
		return true
	}
	return c.pattern()
}

// pattern checks the indicator's pattern.
func (c *checker) pattern() bool {
	if p := Pattern(c.o.Pattern); p != nil {
		p.Pointer = "/pattern"
		c.problem = p
		return false
	}
	return true
}

// wholeLocation: "at least one of … region, country, latitude and longitude MUST be provided"; "If
// longitude is present, latitude MUST also be". STIX 2.1 section 4.10.
func wholeLocation(c *checker, at int) bool {
	have := &c.o.p.have
	const section = "STIX 2.1 section 4.10"
	if have.has(nLatitude) != have.has(nLongitude) {
		return c.fail(at, section, "latitude and longitude must come together")
	}
	if !have.has(nLatitude) && have.has(nPrecision) {
		return c.fail(c.at(nPrecision), section, "precision needs latitude and longitude")
	}
	if !have.has(nLatitude) && !have.has(nRegion) && !have.has(nCountry) {
		return c.fail(at, section, "one of region, country, or latitude with longitude is required")
	}
	return true
}

// wholeMalware: "If is_family … is true, then the name is required". STIX 2.1 section 4.11.
func wholeMalware(c *checker, at int) bool {
	if !c.ordered(at, nFirstSeen, nLastSeen, true) {
		return false
	}
	if c.o.member(nIsFamily).kind == kTrue && !c.o.p.have.has(nName) {
		return c.fail(at, "STIX 2.1 section 4.11", "a malware family must have a name")
	}
	return true
}

// wholeAnalysis: "One of result or analysis_sco_refs properties MUST be provided." STIX 2.1 section
// 4.12.
func wholeAnalysis(c *checker, at int) bool {
	have := &c.o.p.have
	if !have.has(nResult) && !have.has(nAnalysisScoRefs) {
		return c.fail(at, "STIX 2.1 section 4.12", "one of result and analysis_sco_refs is required")
	}
	return true
}

// wholeObserved: "object_refs … MUST NOT be present if objects is provided", one of them must.
// STIX 2.1 section 4.14.
func wholeObserved(c *checker, at int) bool {
	have := &c.o.p.have
	const section = "STIX 2.1 section 4.14"
	if !c.ordered(at, nFirstObserved, nLastObserved, true) {
		return false
	}
	switch {
	case have.has(nObjects) == have.has(nObjectRefs):
		return c.fail(at, section, "exactly one of objects and object_refs is required")
	case have.has(nObjects):
		return true
	}
	// "The references MUST contain at least one SCO reference … or SROs".
	nodes := c.o.p.nodes
	list := c.at(nObjectRefs)
	for i := list + 1; i < int(nodes[list].next); i = int(nodes[i].next) {
		kind, _ := splitID(c.o.text(&nodes[i]))
		cl := classOf(kind)
		if cl == domain || cl == meta || cl == marking || string(kind) == "bundle" {
			return c.fail(i, section, "the reference must name an observable or a relationship, not ", quote(kind))
		}
	}
	return true
}

// wholeRelationship: "relationship_type … limited to characters a–z (lowercase ASCII), 0–9, and
// hyphen"; "stop_time … MUST be later than the start_time". STIX 2.1 section 5.1.1.
func wholeRelationship(c *checker, at int) bool {
	i := c.at(nRelationshipType)
	text := c.o.text(&c.o.p.nodes[i])
	ok := len(text) > 0
	for _, b := range text {
		ok = ok && (b-'a' <= 'z'-'a' || b-'0' <= 9 || b == '-')
	}
	if !ok {
		return c.fail(i, "STIX 2.1 section 5.1.1", "a relationship_type is made of a-z, 0-9 and hyphen, not ", c.show(i))
	}
	return c.ordered(at, nStartTime, nStopTime, false)
}

// wholeGranular: "at least one of lang and marking_ref", exactly one. STIX 2.1 section 7.2.3.1.
func wholeGranular(c *checker, at int) bool {
	lang, ref := c.find(at, nLang) != 0, c.find(at, nMarkingRef)
	if lang == (ref != 0) {
		return c.fail(at, "STIX 2.1 section 7.2.3.1", "exactly one of lang and marking_ref is required")
	}
	return true
}

// wholeReference: "at least one of description, url, or external_id". STIX 2.1 section 2.5.
func wholeReference(c *checker, at int) bool {
	if c.find(at, nDescription) == 0 && c.find(at, nURL) == 0 && c.find(at, nExternalID) == 0 {
		return c.fail(at, "STIX 2.1 section 2.5", "one of description, url and external_id is required")
	}
	return !c.strict || c.strictReference(at)
}

// wholeLanguage: "object_ref … MUST be the identifier for a STIX Object", which a bundle is not; the
// schemas, and so tier 2, have no translations of translations either. STIX 2.1 section 7.1.
func wholeLanguage(c *checker, _ int) bool {
	i := c.at(nObjectRef)
	kind, _ := splitID(c.o.text(&c.o.p.nodes[i]))
	if string(kind) == "bundle" || c.strict && string(kind) == "language-content" {
		return c.fail(i, "STIX 2.1 section 7.1", "the reference must not name ", quote(kind))
	}
	return true
}

// wholeExtension: "If … toplevel-property-extension" is not among the types, extension_properties
// must not be there. STIX 2.1 section 7.3.
func wholeExtension(c *checker, at int) bool {
	i := c.find(at, nExtensionProperties)
	if i == 0 {
		return true
	}
	nodes := c.o.p.nodes
	list := c.at(nExtensionTypes)
	for t := list + 1; t < int(nodes[list].next); t = int(nodes[t].next) {
		if string(c.o.text(&nodes[t])) == "toplevel-property-extension" {
			return true
		}
	}
	return c.fail(i, "STIX 2.1 section 7.3", "extension_properties is for a toplevel-property-extension only")
}

// wholeMarking checks a marking-definition: what it must hold, that it does not mark itself, and that
// a standard one is what the standard says.
func wholeMarking(c *checker, at int) bool {
	const section = "STIX 2.1 section 7.2.1"
	have := &c.o.p.have
	// "If the definition_type and definition properties are not present, then the extensions property
	// MUST be present."
	if have.has(nDefinitionType) != have.has(nDefinition) || !have.has(nDefinition) && !have.has(nExtensions) {
		return c.fail(at, section, "definition_type with definition, or extensions, is required")
	}
	if have.has(nDefinition) && c.o.member(nDefinition).kind != kObject {
		return c.fail(c.at(nDefinition), section, "the definition must be an object")
	}
	// "… MUST NOT contain any references to this marking-definition object (i.e., it cannot contain
	// any circular references)".
	for _, ids := range [2][][]byte{c.o.Markings, c.o.GranularMarkings} {
		for _, id := range ids {
			if string(id) == string(c.o.ID) {
				return c.fail(at, section, "a marking definition must not mark itself")
			}
		}
	}
	if !c.definition() {
		return false
	}
	if m := standard(c.o.ID); m != nil {
		return c.standardMarking(m)
	}
	return true
}

// definition checks the definitions that STIX defines. STIX 2.1 sections 7.2.1.3 and 7.2.1.4.
func (c *checker) definition() bool {
	d := c.find(0, nDefinition)
	switch string(c.o.DefinitionType) {
	case "statement":
		if i := c.find(d, nStatement); i == 0 || c.o.p.nodes[i].kind != kString {
			return c.fail(d, "STIX 2.1 section 7.2.1.3", "a statement must hold its text as \"statement\"")
		}
	case "tlp":
		if i := c.find(d, nTLP); i == 0 || c.o.p.nodes[i].kind != kString {
			return c.fail(d, "STIX 2.1 section 7.2.1.4", "a TLP definition must hold its level as \"tlp\"")
		}
	}
	return true
}

// standardMarking protects the ids of the standards: what claims one must say what it says there.
//
// "The following standard marking definitions MUST be used to reference or represent TLP markings."
// STIX 2.1 section 7.2.1.4.
func (c *checker) standardMarking(m *standardMarking) bool {
	const section = "STIX 2.1 section 7.2.1.4"
	o := c.o
	level := o.DefinitionLevel
	if level == Unknown && o.namesLevel(m.level) {
		level = m.level
	}
	if level != m.level {
		return c.fail(0, section, "the id is the standard's for TLP:", strings.ToUpper(m.level.String()), " and the definition says something else: send the standard definition or use an id of your own")
	}
	if string(o.DefinitionType) != "tlp" {
		return true
	}
	created, _ := parseInstant([]byte(tlp1Created))
	tlp := c.find(c.at(nDefinition), nTLP)
	if !m.one || o.Created.At != created || string(o.text(&o.p.nodes[tlp])) != m.colour() {
		return c.fail(0, section, "the id is a standard one and the definition is not the standard's: send the standard definition or use an id of your own")
	}
	return true
}

// namesLevel reports a definition that is not understood but for its name, which is that of l.
func (o *Object) namesLevel(l Level) bool {
	named, _ := readTLP(o.Name, false)
	if named != l {
		return false
	}
	for _, n := range []name{nDefinition, nExtensions} {
		at := o.member(n)
		if at.absent() {
			continue
		}
		if found := o.tlpInside(int(o.p.at[n])); found != Unmarked && found != l {
			return false
		}
	}
	return true
}

// tlpInside joins what the properties tlp and tlp_2_0 say under the node at.
func (o *Object) tlpInside(at int) Level {
	level := Unmarked
	for i := at + 1; i < int(o.p.nodes[at].next); i++ {
		if m := &o.p.nodes[i]; m.kind == kString && (m.name == nTLP || m.name == nTLP20) {
			l, _ := readTLP(o.text(m), true)
			level = level.Join(l)
		}
	}
	return level
}
