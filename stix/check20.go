package stix

// object20 checks an object without spec_version, which is STIX 2.0: what that version demands of
// the properties that the gateway reads. Types of STIX 2.0 that it does not define are custom ones.
// STIX Version 2.0, part 1 section 3.1 and part 2 sections 2 to 4.
func (c *checker) object20() bool {
	if c.strict {
		return c.fail(0, "STIX 2.1 section 3.2", "spec_version is required")
	}
	s := shapes20[string(c.o.Type)]
	if s == nil {
		s = customDomain
	}
	if n := c.o.p.have.missing(&s.must); n != 0 {
		return c.missing(0, n, s)
	}
	return c.members(0, s) && c.versions()
}

// shapes20 are the types of STIX 2.0.
var shapes20 = func() map[string]*shape {
	all := make(map[string]*shape)
	put := func(name, section string, cl class, whole func(*checker, int) bool, lines ...property) {
		all[name] = shaped(name, "STIX 2.0 part 2 section "+section, cl, whole, lines...)
	}
	end := refNot("relationship", "sighting", "bundle", "marking-definition")
	put("attack-pattern", "2.1", domain, nil, must("name", text))
	put("campaign", "2.2", domain, ordered(nFirstSeen, nLastSeen, true), append(seen("first_seen", "last_seen"), must("name", text))...)
	put("course-of-action", "2.3", domain, nil, must("name", text))
	put("identity", "2.4", domain, nil, must("name", text), must("identity_class", text))
	put("indicator", "2.5", domain, wholeIndicator20,
		must("labels", list(text)), must("pattern", text), must("valid_from", stamp), may("valid_until", stamp))
	put("intrusion-set", "2.6", domain, ordered(nFirstSeen, nLastSeen, true), append(seen("first_seen", "last_seen"), must("name", text))...)
	put("malware", "2.7", domain, nil, must("labels", list(text)), must("name", text))
	put("observed-data", "2.8", domain, ordered(nFirstObserved, nLastObserved, true),
		must("first_observed", stamp), must("last_observed", stamp), must("number_observed", integer(1, 999_999_999)),
		must("objects", dictionary))
	put("report", "2.9", domain, nil,
		must("labels", list(text)), must("name", text), must("published", stamp), must("object_refs", list(ref())))
	put("threat-actor", "2.10", domain, nil, must("labels", list(text)), must("name", text))
	put("tool", "2.11", domain, nil, must("labels", list(text)), must("name", text))
	put("vulnerability", "2.12", domain, nil, must("name", text))
	put("relationship", "3.1", relation, wholeRelationship,
		must("relationship_type", text), must("source_ref", end), must("target_ref", end))
	put("sighting", "3.2", relation, ordered(nFirstSeen, nLastSeen, true),
		append(seen("first_seen", "last_seen"), must("sighting_of_ref", end), may("observed_data_refs", refs("observed-data")),
			may("where_sighted_refs", refs("identity")), may("count", integer(0, 999_999_999)))...)
	put("marking-definition", "1.4", marking, wholeMarking,
		may("definition_type", text), may("definition", rule{kind: isAny}))
	return all
}()

// wholeIndicator20 is wholeIndicator for STIX 2.0, whose patterns have no other type.
func wholeIndicator20(c *checker, at int) bool {
	if !c.ordered(at, nValidFrom, nValidUntil, false) {
		return false
	}
	if c.o.PatternType != nil && string(c.o.PatternType) != "stix" {
		return true
	}
	return c.pattern()
}
