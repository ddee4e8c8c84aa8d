package stix

import "math"

var phases = list(object(killChainPhase))

// domainShapes are the tables of STIX 2.1 sections 4 and 7.
func domainShapes() []*shape {
	sdo := func(name, section string, whole func(*checker, int) bool, lines ...property) *shape {
		return shaped(name, "STIX 2.1 section "+section, domain, whole, lines...)
	}
	return []*shape{
		sdo("attack-pattern", "4.1", nil,
			must("name", text), may("description", text), may("aliases", list(text)), may("kill_chain_phases", phases)),
		sdo("campaign", "4.2", ordered(nFirstSeen, nLastSeen, true),
			must("name", text), may("description", text), may("aliases", list(text)), may("objective", text),
			may("first_seen", stamp), may("last_seen", stamp)),
		sdo("course-of-action", "4.3", nil, must("name", text), may("description", text)),
		sdo("grouping", "4.4", nil,
			may("name", text), may("description", text), must("context", text), must("object_refs", list(ref()))),
		sdo("identity", "4.5", nil,
			must("name", text), may("description", text), may("roles", list(text)), may("identity_class", text),
			may("sectors", list(text)), may("contact_information", text)),
		sdo("incident", "4.6", nil, must("name", text), may("description", text)),
		sdo("indicator", "4.7", wholeIndicator,
			may("name", text), may("description", text), may("indicator_types", list(text)), must("pattern", text),
			must("pattern_type", text), may("pattern_version", text), must("valid_from", stamp), may("valid_until", stamp),
			may("kill_chain_phases", phases)),
		sdo("infrastructure", "4.8", ordered(nFirstSeen, nLastSeen, true),
			must("name", text), may("description", text), may("infrastructure_types", list(text)), may("aliases", list(text)),
			may("kill_chain_phases", phases), may("first_seen", stamp), may("last_seen", stamp)),
		sdo("intrusion-set", "4.9", ordered(nFirstSeen, nLastSeen, true),
			must("name", text), may("description", text), may("aliases", list(text)), may("first_seen", stamp),
			may("last_seen", stamp), may("goals", list(text)), may("resource_level", text), may("primary_motivation", text),
			may("secondary_motivations", list(text))),
		sdo("location", "4.10", wholeLocation,
			may("name", text), may("description", text), may("latitude", float(-90, 90)), may("longitude", float(-180, 180)),
			may("precision", float(math.Inf(-1), math.Inf(1))), may("region", text), may("country", text), may("administrative_area", text),
			may("city", text), may("street_address", text), may("postal_code", text)),
		sdo("malware", "4.11", wholeMalware,
			may("name", text), may("description", text), may("malware_types", list(text)), must("is_family", boolean),
			may("aliases", list(text)), may("kill_chain_phases", phases), may("first_seen", stamp), may("last_seen", stamp),
			may("operating_system_refs", refs("software")), may("architecture_execution_envs", list(text)),
			may("implementation_languages", list(text)), may("capabilities", list(text)),
			may("sample_refs", refs("file", "artifact"))),
		sdo("malware-analysis", "4.12", wholeAnalysis,
			must("product", text), may("version", text), may("host_vm_ref", ref("software")),
			may("operating_system_ref", ref("software")), may("installed_software_refs", refs("software")),
			may("configuration_version", text), may("modules", list(text)), may("analysis_engine_version", text),
			may("analysis_definition_version", text), may("submitted", stamp), may("analysis_started", stamp),
			may("analysis_ended", stamp), may("result_name", text), may("result", text), may("analysis_sco_refs", list(ref())),
			may("sample_ref", ref("file", "artifact", "network-traffic"))),
		sdo("note", "4.13", nil,
			may("abstract", text), must("content", text), may("authors", list(text)), must("object_refs", list(ref()))),
		sdo("observed-data", "4.14", wholeObserved,
			must("first_observed", stamp), must("last_observed", stamp), must("number_observed", integer(1, 999_999_999)),
			may("objects", dictionary), may("object_refs", list(ref()))),
		sdo("opinion", "4.15", nil,
			may("explanation", text), may("authors", list(text)),
			must("opinion", enum("strongly-disagree", "disagree", "neutral", "agree", "strongly-agree")),
			must("object_refs", list(ref()))),
		sdo("report", "4.16", nil,
			must("name", text), may("description", text), may("report_types", list(text)), must("published", stamp),
			must("object_refs", list(ref()))),
		sdo("threat-actor", "4.17", ordered(nFirstSeen, nLastSeen, true),
			must("name", text), may("description", text), may("threat_actor_types", list(text)), may("aliases", list(text)),
			may("first_seen", stamp), may("last_seen", stamp), may("roles", list(text)), may("goals", list(text)),
			may("sophistication", text), may("resource_level", text), may("primary_motivation", text),
			may("secondary_motivations", list(text)), may("personal_motivations", list(text))),
		sdo("tool", "4.18", nil,
			must("name", text), may("description", text), may("tool_types", list(text)), may("aliases", list(text)),
			may("kill_chain_phases", phases), may("tool_version", text)),
		sdo("vulnerability", "4.19", nil, must("name", text), may("description", text)),

		shaped("language-content", "STIX 2.1 section 7.1", meta, wholeLanguage,
			must("object_ref", ref()), may("object_modified", stamp), must("contents", rule{kind: isLanguages})),
		shaped("extension-definition", "STIX 2.1 section 7.3", meta, wholeExtension,
			must("created_by_ref", ref()), must("name", text), may("description", text), must("schema", text), must("version", text),
			must("extension_types", list(enum("new-sdo", "new-sco", "new-sro", "property-extension", "toplevel-property-extension"))),
			may("extension_properties", list(text))),
		shaped("marking-definition", "STIX 2.1 section 7.2.1", marking, wholeMarking,
			may("name", text), may("definition_type", text), may("definition", rule{kind: isAny})),
	}
}

// relationShapes are the tables of STIX 2.1 section 5.
func relationShapes() []*shape {
	// "The source_ref … MUST be the id reference to an SDO or SCO (i.e., it cannot point to an SRO,
	// Bundle, Language Content, or Marking Definition)." STIX 2.1 section 5.1.1.
	end := refNot("relationship", "sighting", "bundle", "marking-definition", "language-content", "extension-definition")
	return []*shape{
		shaped("relationship", "STIX 2.1 section 5.1", relation, wholeRelationship,
			must("relationship_type", text), may("description", text), must("source_ref", end), must("target_ref", end),
			may("start_time", stamp), may("stop_time", stamp)),
		shaped("sighting", "STIX 2.1 section 5.2", relation, ordered(nFirstSeen, nLastSeen, true),
			may("description", text), may("first_seen", stamp), may("last_seen", stamp), may("count", integer(0, 999_999_999)),
			must("sighting_of_ref", refNot(append(observableTypes[:], "relationship", "sighting", "bundle",
				"marking-definition", "language-content", "extension-definition")...)),
			may("observed_data_refs", refs("observed-data")), may("where_sighted_refs", refs("identity", "location")),
			may("summary", boolean)),
	}
}
