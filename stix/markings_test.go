package stix_test

import (
	"strings"
	"testing"

	"liaison/stix"
)

// one reads a single object.
func one(t *testing.T, object string) *stix.Object {
	t.Helper()
	s := stix.NewScanner(strings.NewReader(`{"objects":[`+object+`]}`), stix.Limits{})
	if !s.Next() {
		t.Fatalf("%s: %v", object, s.Err())
	}
	return s.Object()
}

const (
	clear2  = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
	green1  = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"
	red2    = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
	strict2 = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
	own     = "marking-definition--0c7b5b88-8ff7-4a4d-aa9d-feb398cd0061"
)

func TestStandardMarkings(t *testing.T) {
	for id, want := range map[string]stix.Level{
		"marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": stix.Clear,
		green1: stix.Green,
		"marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": stix.Amber,
		"marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": stix.Red,
		clear2: stix.Clear,
		"marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": stix.Green,
		"marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": stix.Amber,
		strict2: stix.AmberStrict,
		red2:    stix.Red,
	} {
		raw, level, ok := stix.StandardMarking([]byte(id))
		if !ok || level != want {
			t.Fatalf("%s is %v, %v, want %v", id, level, ok, want)
		}
		o := one(t, string(raw))
		if p, _ := stix.Check(o); p != nil {
			t.Errorf("%s: %v", raw, p)
		}
		if p := stix.CheckStrict(o); p != nil {
			t.Errorf("%s: %v", raw, p)
		}
		if string(o.ID) != id || o.DefinitionLevel != want {
			t.Errorf("%s reads as %s with level %v", raw, o.ID, o.DefinitionLevel)
		}
	}
	if _, _, ok := stix.StandardMarking([]byte(own)); ok {
		t.Error("an own id is a standard one")
	}
}

func TestDefinitionLevel(t *testing.T) {
	const tlp2 = `"extensions":{"extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d":{"extension_type":"property-extension","tlp_2_0":`
	const opencti = `"extensions":{"extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba":{"extension_type":"property-extension","id":"x"}}`
	for members, want := range map[string]stix.Level{
		`"definition_type":"tlp","definition":{"tlp":"white"}`:                                                  stix.Clear,
		`"definition_type":"tlp","definition":{"tlp":"amber"}`:                                                  stix.Amber,
		`"definition_type":"tlp","definition":{"tlp":"TLP:AMBER+STRICT"},` + opencti:                            stix.AmberStrict,
		`"definition_type":"TLP","definition":{"TLP":"TLP:RED"}`:                                                stix.Red,
		`"definition_type":"tlp","definition":{"tlp":"purple"}`:                                                 stix.Unknown,
		`"definition_type":"tlp","definition":{"tlp":5}`:                                                        stix.Unknown,
		`"definition_type":"tlp","definition":{}`:                                                               stix.Unknown,
		`"definition_type":"tlp","name":"TLP:RED","definition":{"tlp":"white"}`:                                 stix.Red,
		tlp2 + `"amber+strict"}}`:                                                                               stix.AmberStrict,
		tlp2 + `"clear"}}`:                                                                                      stix.Clear,
		tlp2 + `"mauve"}}`:                                                                                      stix.Unknown,
		tlp2 + `7}}`:                                                                                            stix.Unknown,
		`"name":"TLP:AMBER",` + tlp2 + `"green"}}`:                                                              stix.Amber,
		`"definition_type":"statement","definition":{"statement":"(c) somebody"}`:                               stix.Unmarked,
		`"definition_type":"statement","definition":{"statement":"tlp:amber+strict"}`:                           stix.AmberStrict,
		`"definition_type":"statement","definition":{"statement":" TLP:GREEN "}`:                                stix.Green,
		`"definition_type":"statement","definition":{"statement":"TLP:RED is not for you"}`:                     stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"we like TLP:CLEAR"}`:                          stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"Distribution limited: TLP:RED"}`:              stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"[tlp amber] for you"}`:                        stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"TLP：RED"}`:                                    stix.Red,
		`"definition_type":"statement","definition":{"statement":"ＴＬＰ：ａｍｂｅｒ"}`:                                  stix.Amber,
		`"definition_type":"statement","definition":{"statement":"TLP: Amber + Strict"}`:                        stix.AmberStrict,
		`"definition_type":"statement","definition":{"statement":"tlp:amber-strict"}`:                           stix.AmberStrict,
		`"definition_type":"statement","definition":{"statement":"TLP_RED"}`:                                    stix.Red,
		`"definition_type":"statement","definition":{"statement":"TLP:\tGREEN\n"}`:                              stix.Green,
		`"definition_type":"statement","definition":{"statement":"TLPv2:RED"}`:                                  stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"TLP2 RED"}`:                                   stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"TLP 2.0: GREEN"}`:                             stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"TLP\u200b:RED"}`:                              stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"Traffic Light Protocol: Amber"}`:              stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"RED (TLP)"}`:                                  stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"RED"}`:                                        stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"TLPRED"}`:                                     stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"our tlp_red things"}`:                         stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"incredible TLP notes"}`:                       stix.Unmarked,
		`"definition_type":"statement","definition":{"statement":"` + strings.Repeat("x ", 4096) + `TLP: RED"}`: stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"TLP:"}`:                                       stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"tlp:ex:chr"}`:                                 stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"PAP:RED, TLP:GREEN"}`:                         stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"FOR OFFICIAL USE ONLY"}`:                      stix.Unmarked,
		`"definition_type":"statement","definition":{"statement":"x","tlp":"red"}`:                              stix.Red,
		`"definition_type":"statement","definition":{"statement":"x"},"tlp_2_0":"red"`:                          stix.Red,
		`"definition_type":"statement","definition":{"statement":"x"},"tlp":5`:                                  stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"x"},"labels":["a","tlp:amber"]`:               stix.Amber,
		`"definition_type":"statement","definition":{"statement":"x"},"x_level":"TLP:RED"`:                      stix.Red,
		`"definition_type":"statement","definition":{"statement":"x"},"description":"like TLP:RED"`:             stix.Unmarked,
		`"definition_type":"statement","definition":{"statement":"TLP:RED"},"labels":["tlp:clear"]`:             stix.Red,
		`"definition_type":"statement","definition":{"statement":"x"},"extensions":{"extension-definition--00000000-0000-4000-8000-000000000001":{"extension_type":"property-extension","tlp_2_0":"red"}}`: stix.Red,
		`"extensions":{"extension-definition--00000000-0000-4000-8000-000000000001":{"extension_type":"property-extension","tlp_2_0":"green"}}`:                                                            stix.Unknown,
		`"definition_type":"tlp","definition":{"tlp":"green"},"extensions":{"extension-definition--00000000-0000-4000-8000-000000000001":{"a":{"tlp_2_0":"mauve"}}}`:                                       stix.Unknown,
		tlp2 + `"AMBER-STRICT"}}`: stix.AmberStrict,
		tlp2 + `["red"]}}`:        stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"see the rules of TLP 2.0"}`:                                                           stix.Unmarked,
		`"definition_type":"statement","definition":{"statement":"(C) Redmond"}`:                                                                        stix.Unmarked,
		`"definition_type":"statement","definition":{"statement":"ours"},"name":"RED"`:                                                                  stix.Unknown,
		`"definition_type":"statement","definition":{"statement":"TLP:GREEN"},"name":"GREEN"`:                                                           stix.Green,
		`"name":"TLP:AMBER+STRICT","definition_type":"statement","definition":{"statement":"custom"}`:                                                   stix.AmberStrict,
		`"definition_type":"statement","definition":{"statement":"custom"},"x_opencti_definition_type":"TLP","x_opencti_definition":"TLP:AMBER+STRICT"`: stix.AmberStrict,
		`"definition_type":"TLP:AMBER+STRICT","definition":{"x":"y"}`:                                                                                   stix.AmberStrict,
		`"definition_type":"pap","definition":{"pap":"PAP:RED"}`:                                                                                        stix.Unmarked,
		`"definition_type":"PAP","definition":{"PAP":"PAP:AMBER"}`:                                                                                      stix.Unmarked,
		`"definition_type":"statement","definition":{"statement":"PAP:RED"}`:                                                                            stix.Unmarked,
		`"definition_type":"iep","definition":{"name":"x"}`:                                                                                             stix.Unknown,
		opencti:                         stix.Unknown,
		`"name":"TLP:CLEAR",` + opencti: stix.Unknown,
		`"name":"TLP:CLEAR"`:            stix.Unknown,
	} {
		o := one(t, `{"type":"marking-definition","spec_version":"2.1","id":"`+own+`","created":"2024-01-01T00:00:00Z",`+members+`}`)
		if o.DefinitionLevel != want {
			t.Errorf("%s defines %v, want %v", members, o.DefinitionLevel, want)
		}
	}
}

func TestLevelOf(t *testing.T) {
	const statement = "marking-definition--c4099854-e00c-4dbc-b0fe-4c9909920101"
	lookup := func(id []byte) (stix.Level, bool) {
		switch string(id) {
		case own:
			return stix.Amber, true
		case statement:
			return stix.Unmarked, true
		}
		return 0, false
	}
	refs := func(ids ...string) string {
		return `{"type":"note","object_marking_refs":["` + strings.Join(ids, `","`) + `"]}`
	}
	for _, c := range []struct {
		object  string
		level   stix.Level
		unknown string
	}{
		{`{"type":"note"}`, stix.Unmarked, ""},
		{refs(clear2), stix.Clear, ""},
		{refs(clear2, green1), stix.Green, ""},
		{refs(strict2, clear2, own), stix.AmberStrict, ""},
		{refs(statement), stix.Unmarked, ""},
		{refs(statement, clear2), stix.Clear, ""},
		{refs(clear2, "marking-definition--11111111-1111-4111-8111-111111111111"), stix.Unknown, "marking-definition--11111111-1111-4111-8111-111111111111"},
		{refs("nonsense", clear2), stix.Unknown, "nonsense"},
		{refs(strings.ToUpper(red2)), stix.Red, ""},
		{refs("marking-definition--E828B379-4e03-4974-9ac4-e53a884c97c1"), stix.Red, ""},
		{`{"type":"note","abstract":"x","granular_markings":[{"marking_ref":"` + clear2 + `","selectors":["abstract"]},{"lang":"de","marking_ref":"` + own + `","selectors":["granular_markings.[0].selectors.[0]"]}]}`, stix.Amber, ""},
		{`{"type":"note","granular_markings":[{"marking_ref":["` + clear2 + `"],"selectors":["type"]}]}`, stix.Unmarked, ""},
		{`{"type":"note","object_marking_refs":"` + clear2 + `"}`, stix.Unmarked, ""},
		{`{"type":"note","object_marking_refs":["` + clear2 + `"],"granular_markings":[{"marking_ref":"` + red2 + `","selectors":["type"]}]}`, stix.Red, ""},
		{`{"type":"note","granular_markings":[{"lang":"fr","selectors":["type"]}]}`, stix.Unmarked, ""},
		{`{"type":"extension-definition"}`, stix.Clear, ""},
		{`{"type":"extension-definition","object_marking_refs":["` + own + `"]}`, stix.Amber, ""},
		{`{"type":"marking-definition","definition_type":"statement","definition":{"statement":"x"}}`, stix.Clear, ""},
		{`{"type":"marking-definition","definition_type":"tlp","definition":{"tlp":"red"}}`, stix.Red, ""},
		{`{"type":"marking-definition","id":"` + own + `","definition_type":"x","definition":{"a":"b"}}`, stix.Unknown, own},
	} {
		level, unknown := stix.LevelOf(one(t, c.object), lookup)
		if level != c.level || string(unknown) != c.unknown {
			t.Errorf("%s: %v, %q, want %v, %q", c.object, level, unknown, c.level, c.unknown)
		}
	}
}
