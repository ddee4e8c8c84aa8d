package stix_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/stix"
)

const (
	common    = `"spec_version":"2.1","created":"2024-01-01T00:00:00.000Z","modified":"2024-01-01T00:00:00.000Z",`
	someUUID  = "0c7b5b88-8ff7-4a4d-aa9d-feb398cd0061"
	otherUUID = "1c7b5b88-8ff7-4a4d-8a9d-feb398cd0062"
)

// sdo writes an object with the common properties.
func sdo(kind, members string) string {
	return `{"type":"` + kind + `","id":"` + kind + `--` + someUUID + `",` + common + members + `}`
}

// sco writes an observable.
func sco(kind, members string) string {
	return `{"type":"` + kind + `","id":"` + kind + `--` + someUUID + `",` + members + `}`
}

// checkCases: pointer is where the problem is; "-" stands for none; tier says whose it is.
var checkCases = []struct {
	object  string
	tier    int
	pointer string
}{
	{sdo("attack-pattern", `"name":"x"`), 0, "-"},
	{sdo("attack-pattern", `"description":"x"`), 1, ""},
	{sdo("attack-pattern", `"name":5`), 1, "/name"},
	{sdo("attack-pattern", `"name":"x","kill_chain_phases":[{"kill_chain_name":"a"}]`), 1, "/kill_chain_phases/0"},
	{sdo("attack-pattern", `"name":"x","aliases":[]`), 1, "/aliases"},
	{sdo("attack-pattern", `"name":"x","confidence":101`), 1, "/confidence"},
	{sdo("attack-pattern", `"name":"x","confidence":-1`), 1, "/confidence"},
	{sdo("attack-pattern", `"name":"x","confidence":50.5`), 1, "/confidence"},
	{sdo("attack-pattern", `"name":"x","confidence":1e2`), 0, "-"},
	{sdo("attack-pattern", `"name":"x","revoked":"true"`), 1, "/revoked"},
	{sdo("attack-pattern", `"name":"x","created_by_ref":"identity--1"`), 1, "/created_by_ref"},
	{sdo("attack-pattern", `"name":"x","object_marking_refs":["identity--`+someUUID+`"]`), 1, "/object_marking_refs/0"},
	{sdo("attack-pattern", `"name":"x","external_references":[{"source_name":"x"}]`), 1, "/external_references/0"},
	{sdo("attack-pattern", `"name":"x","external_references":[{"source_name":"cve","external_id":"CVE-1"}]`), 2, "/external_references/0/external_id"},
	{sdo("attack-pattern", `"name":"x","external_references":[{"source_name":"cve","external_id":"CVE-2021-44228"}]`), 0, "-"},
	{sdo("attack-pattern", `"name":"x","granular_markings":[{"selectors":["name"]}]`), 1, "/granular_markings/0"},
	{sdo("attack-pattern", `"name":"x","granular_markings":[{"lang":"fr","selectors":["nam"]}]`), 2, "/granular_markings/0/selectors/0"},
	{sdo("attack-pattern", `"name":"x","labels":["a"],"granular_markings":[{"lang":"fr","selectors":["labels.[0]","name"]}]`), 0, "-"},
	{sdo("attack-pattern", `"name":"x","extensions":{}`), 1, "/extensions"},
	{sdo("attack-pattern", `"name":"x","extensions":{"extension-definition--`+someUUID+`":{"abc":1}}`), 2, "/extensions/extension-definition--" + someUUID},
	{sdo("attack-pattern", `"name":"x","X":1`), 2, "/X"},
	{sdo("attack-pattern", `"name":"x","ab":1`), 2, "/ab"},
	{sdo("attack-pattern", `"name":"x","severity":"high"`), 2, "/severity"},
	{sdo("attack-pattern", `"name":"x","x_a":null`), 2, "/x_a"},
	{sdo("attack-pattern", `"name":"x","x_a_hex":"0g"`), 2, "/x_a_hex"},
	{`{"id":"x"}`, 1, ""},
	{`{"type":5,"id":"x"}`, 1, "/type"},
	{`{"type":"x_y","id":"x_y--` + someUUID + `"}`, 1, "/type"},
	{`{"type":"identity"}`, 1, ""},
	{`{"type":"identity","id":"identity--` + someUUID[:35] + `"}`, 1, "/id"},
	{`{"type":"identity","id":"identity--0c7b5b88-8ff7-0a4d-aa9d-feb398cd0061"}`, 1, "/id"},
	{`{"type":"identity","id":"identity--0c7b5b88-8ff7-4a4d-ca9d-feb398cd0061"}`, 1, "/id"},
	{`{"type":"identity","id":"indicator--` + someUUID + `"}`, 1, "/id"},
	{`{"type":"identity","spec_version":"2.2","id":"identity--` + someUUID + `"}`, 1, "/spec_version"},
	{`{"type":"identity","spec_version":"2.1","id":"identity--` + someUUID + `","created":"2024-01-01T00:00:00Z","name":"x"}`, 1, ""},
	{`{"type":"identity","spec_version":"2.1","id":"identity--` + someUUID + `","created":"2024-01-01T00:00:00.1Z","modified":"2024-01-01T00:00:00Z","name":"x"}`, 1, "/modified"},
	{`{"type":"identity","spec_version":"2.1","id":"identity--` + someUUID + `","created":"2024-15-01T00:00:00Z","modified":"2024-01-01T00:00:00Z","name":"x"}`, 1, "/created"},
	{`{"type":"identity","spec_version":"2.1","id":"identity--` + someUUID + `","created":"","modified":"2024-01-01T00:00:00Z","name":"x"}`, 1, "/created"},
	{sdo("x-thing", `"whatever":1`), 0, "-"},
	{`{"type":"x-thing","spec_version":"2.1","id":"x-thing--` + someUUID + `","created":"2024-01-01T00:00:00Z"}`, 1, ""},
	{`{"type":"x-thing","spec_version":"2.1","id":"x-thing--` + someUUID + `","extensions":{"extension-definition--` + otherUUID + `":{"extension_type":"new-sco"}}}`, 0, "-"},
	{sdo("indicator", `"pattern":"[a:b = 1]","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"`), 2, "/pattern"},
	{sdo("indicator", `"pattern":"a:b = 1","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"`), 1, "/pattern"},
	{sdo("indicator", `"pattern":"alert tcp any","pattern_type":"snort","valid_from":"2024-01-01T00:00:00Z"`), 0, "-"},
	{sdo("indicator", `"pattern":"[a:b = 1]","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z","valid_until":"2024-01-01T00:00:00.0Z"`), 1, "/valid_until"},
	{sdo("indicator", `"pattern":"[file:n = 1]","pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z"`), 2, "/pattern"},
	{sdo("campaign", `"name":"x","first_seen":"2024-01-02T00:00:00Z","last_seen":"2024-01-01T00:00:00Z"`), 1, "/last_seen"},
	{sdo("campaign", `"name":"x","first_seen":"2024-01-02T00:00:00Z","last_seen":"2024-01-02T00:00:00.000Z"`), 0, "-"},
	{sdo("location", `"name":"x"`), 1, ""},
	{sdo("location", `"latitude":1`), 1, ""},
	{sdo("location", `"latitude":90.5,"longitude":0`), 1, "/latitude"},
	{sdo("location", `"country":"vn"`), 0, "-"},
	{sdo("malware", `"is_family":true`), 1, ""},
	{sdo("malware", `"is_family":false`), 0, "-"},
	{sdo("malware-analysis", `"product":"x"`), 1, ""},
	{sdo("opinion", `"opinion":"maybe","object_refs":["identity--`+someUUID+`"]`), 1, "/opinion"},
	{sdo("observed-data", `"first_observed":"2024-01-01T00:00:00Z","last_observed":"2024-01-01T00:00:00Z","number_observed":0,"object_refs":["url--`+someUUID+`"]`), 1, "/number_observed"},
	{sdo("observed-data", `"first_observed":"2024-01-01T00:00:00Z","last_observed":"2024-01-01T00:00:00Z","number_observed":1,"object_refs":["tool--`+someUUID+`"]`), 1, "/object_refs/0"},
	{sdo("observed-data", `"first_observed":"2024-01-01T00:00:00Z","last_observed":"2024-01-01T00:00:00Z","number_observed":1`), 1, ""},
	{sdo("relationship", `"relationship_type":"uses","source_ref":"malware--`+someUUID+`","target_ref":"tool--`+someUUID+`"`), 0, "-"},
	{sdo("relationship", `"relationship_type":"Uses","source_ref":"malware--`+someUUID+`","target_ref":"tool--`+someUUID+`"`), 1, "/relationship_type"},
	{sdo("relationship", `"relationship_type":"uses","source_ref":"bundle--`+someUUID+`","target_ref":"tool--`+someUUID+`"`), 1, "/source_ref"},
	{sdo("relationship", `"relationship_type":"uses","source_ref":"malware--`+someUUID+`","target_ref":"tool--`+someUUID+`","start_time":"2024-01-01T00:00:00Z","stop_time":"2024-01-01T00:00:00Z"`), 1, "/stop_time"},
	{sdo("sighting", `"sighting_of_ref":"url--`+someUUID+`"`), 1, "/sighting_of_ref"},
	{sdo("sighting", `"sighting_of_ref":"x-thing--`+someUUID+`","where_sighted_refs":["location--`+someUUID+`"],"count":999999999`), 0, "-"},
	{sdo("sighting", `"sighting_of_ref":"tool--`+someUUID+`","where_sighted_refs":["tool--`+someUUID+`"]`), 1, "/where_sighted_refs/0"},
	{sdo("language-content", `"object_ref":"tool--`+someUUID+`","contents":{"español":{"name":"x"}}`), 1, "/contents/español"},
	{sdo("language-content", `"object_ref":"tool--`+someUUID+`","contents":{"de-AT":{"name":"x"}}`), 0, "-"},
	{sdo("extension-definition", `"created_by_ref":"identity--`+someUUID+`","name":"x","schema":"x","version":"1.0.0","extension_types":["new-sdo"],"extension_properties":["a"]`), 1, "/extension_properties"},
	{sdo("extension-definition", `"created_by_ref":"identity--`+someUUID+`","name":"x","schema":"x","version":"1.0.0","extension_types":["new"]`), 1, "/extension_types/0"},
	{sco("ipv4-addr", `"value":"192.0.2.1"`), 0, "-"},
	{sco("ipv4-addr", `"defanged":true`), 1, ""},
	{sco("ipv6-addr", `"value":"2001:db8::/32"`), 0, "-"},
	{sco("ipv6-addr", `"value":"2001:db8::/129"`), 2, "/value"},
	{sco("mac-addr", `"value":"D2:FB:49:24:37:18"`), 2, "/value"},
	{sco("email-addr", `"value":"A <a@b.example>"`), 2, "/value"},
	{sco("email-message", `"is_multipart":false,"body_multipart":[{"body":"x"}]`), 1, "/body_multipart"},
	{sco("email-message", `"is_multipart":true,"body":"x"`), 1, "/body"},
	{sco("artifact", `"mime_type":"a/b"`), 1, ""},
	{sco("artifact", `"payload_bin":"AAE"`), 1, "/payload_bin"},
	{sco("artifact", `"payload_bin":"AAEC","mime_type":"a/b"`), 2, "/mime_type"},
	{sco("file", `"size":1`), 1, ""},
	{sco("file", `"size":-1,"name":"x"`), 1, "/size"},
	{sco("file", `"hashes":{"MD5":"abc"}`), 2, "/hashes/MD5"},
	{sco("file", `"hashes":{"MD5":5}`), 1, "/hashes/MD5"},
	{sco("file", `"name":"x","extensions":{"windows-pebinary-ext":{"pe_type":"dll","time_date_stamp":"2016-11-31T08:17:27Z"}}`), 2, "/extensions/windows-pebinary-ext/time_date_stamp"},
	{sco("network-traffic", `"protocols":["tcp"]`), 1, ""},
	{sco("network-traffic", `"protocols":["tcp"],"src_ref":"file--1"`), 1, "/src_ref"},
	{sco("network-traffic", `"protocols":["tcp"],"src_ref":"ipv4-addr--`+someUUID+`","dst_port":65536`), 1, "/dst_port"},
	{sco("network-traffic", `"protocols":["tcp"],"src_ref":"ipv4-addr--`+someUUID+`","is_active":true,"end":"2024-01-01T00:00:00Z"`), 1, "/end"},
	{sco("process", `"spec_version":"2.1"`), 1, ""},
	{`{"type":"process","id":"process--0c7b5b88-8ff7-5a4d-aa9d-feb398cd0061","pid":1}`, 2, "/id"},
	{sco("software", `"name":"x","cpe":"cpe:2.3:a:b:c:1:*:*:*:*:*:*:*"`), 0, "-"},
	{sco("software", `"name":"x","cpe":"cpe:/a:b"`), 2, "/cpe"},
	{sco("windows-registry-key", `"key":"HKLM\\x"`), 2, "/key"},
	{sco("windows-registry-key", `"key":"HKEY_LOCAL_MACHINE\\x","values":[{"data_type":"REG_X"}]`), 1, "/values/0/data_type"},
	{sco("x509-certificate", `"serial_number":"1","validity_not_before":"2024-01-02T00:00:00Z","validity_not_after":"2024-01-01T00:00:00Z"`), 0, "-"},
	{marking(own, `"definition_type":"statement","definition":{"statement":"x"}`), 0, "-"},
	{marking(own, `"definition_type":"statement","definition":{}`), 1, "/definition"},
	{marking(own, `"name":"x"`), 1, ""},
	{marking(own, `"definition_type":"statement"`), 1, ""},
	{marking(own, `"definition_type":"statement","definition":{"statement":"x"},"object_marking_refs":["`+own+`"]`), 1, ""},
	{marking(green1, `"definition_type":"tlp","name":"TLP:GREEN","definition":{"tlp":"green"}`), 0, "-"},
	{marking(green1, `"definition_type":"tlp","definition":{"tlp":"green"}`), 2, ""},
	{marking(green1, `"definition_type":"tlp","name":"TLP:green","definition":{"tlp":"green"}`), 2, "/name"},
	{marking(green1, `"definition_type":"tlp","definition":{"tlp":"white"}`), 1, ""},
	{marking(own, `"definition_type":"tlp","definition":{"tlp":"green"}`), 2, "/id"},
	{marking(green1, `"definition_type":"tlp","name":"TLP:GREEN","definition":{"tlp":"green"},"x_a":1`), 2, "/x_a"},
	{marking(red2, `"definition_type":"statement","definition":{"statement":"free for all"}`), 1, ""},
	{marking(red2, `"definition_type":"tlp","definition":{"tlp":"red"}`), 1, ""},
	{marking("marking-definition--E828B379-4E03-4974-9AC4-E53A884C97C1", `"definition_type":"statement","definition":{"statement":"free for all"}`), 1, ""},
	{marking("marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9", `"name":"TLP:CLEAR","definition_type":"tlp","definition":{"tlp":"clear"}`), 1, ""},
	{`{"type":"indicator","id":"indicator--` + someUUID + `","created":"2017-01-01T00:00:00Z","modified":"2017-01-01T00:00:00Z","labels":["x"],"pattern":"[a:b = 1]","valid_from":"2017-01-01T00:00:00Z"}`, 2, ""},
	{`{"type":"indicator","id":"indicator--` + someUUID + `","created":"2017-01-01T00:00:00Z","modified":"2017-01-01T00:00:00Z","labels":["x"],"pattern":"a:b","valid_from":"2017-01-01T00:00:00Z"}`, 1, "/pattern"},
	{`{"type":"tool","id":"tool--` + someUUID + `","created":"2017-01-01T00:00:00Z","modified":"2017-01-01T00:00:00Z","name":"x"}`, 1, ""},
}

func marking(id, members string) string {
	return `{"type":"marking-definition","spec_version":"2.1","id":"` + id + `","created":"2017-01-20T00:00:00.000Z",` + members + `}`
}

func TestCheck(t *testing.T) {
	for _, c := range checkCases {
		o := one(t, c.object)
		first, _ := stix.Check(o)
		second := stix.CheckStrict(o)
		tier, pointer := 0, "-"
		switch {
		case first != nil:
			tier, pointer = 1, first.Pointer
		case second != nil:
			tier, pointer = 2, second.Pointer
		}
		if tier != c.tier || pointer != c.pointer {
			t.Errorf("%s:\ntier %d at %q, want %d at %q (%v, %v)", c.object, tier, pointer, c.tier, c.pointer, first, second)
		}
		for _, p := range []*stix.Problem{first, second} {
			if p != nil && (p.Rule == "" || !strings.HasPrefix(p.Section, "STIX 2.") && !strings.HasPrefix(p.Section, "RFC ")) {
				t.Errorf("%s: the problem says too little: %+v", c.object, p)
			}
		}
	}
}

// The UUIDv5 of {"value":…} in the namespace of STIX 2.1 section 2.9, as other implementations make
// them too.
func TestDerivedIDs(t *testing.T) {
	for object, noted := range map[string]bool{
		`{"type":"ipv4-addr","id":"ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4","value":"198.51.100.3"}`:    false,
		`{"type":"ipv4-addr","id":"ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c5","value":"198.51.100.3"}`:    true,
		`{"type":"domain-name","id":"domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7","value":"example.com"}`: false,
		`{"type":"process","id":"process--` + someUUID + `","pid":1}`:                                           false,
	} {
		problem, notes := stix.Check(one(t, object))
		if problem != nil || (len(notes) > 0) != noted {
			t.Errorf("%s: %v, notes %v, want noted %v", object, problem, notes, noted)
		}
	}
}

func TestVersionSpecShared(t *testing.T) {
	for _, c := range []struct {
		object, version, spec string
		shared                bool
	}{
		{sdo("tool", `"name":"x"`), "2024-01-01T00:00:00.000Z", "2.1", false},
		{sco("url", `"value":"x"`), "", "2.1", true},
		{`{"type":"tool","id":"tool--` + someUUID + `","created":"2017-01-01T00:00:00Z"}`, "2017-01-01T00:00:00Z", "2.0", false},
		{`{"type":"tool","spec_version":"2.0","id":"tool--` + someUUID + `"}`, "", "2.0", false},
		{`{"type":"x-thing","id":"x-thing--0c7b5b88-8ff7-5a4d-aa9d-feb398cd0061"}`, "", "2.1", true},
		{`{"type":"tool","id":"tool--` + someUUID + `","created_by_ref":"identity--c78cb6e5-0c4b-4611-8297-d1b8b55e40b5"}`, "", "2.0", true},
		{marking(clear2, `"name":"x"`), "2017-01-20T00:00:00.000Z", "2.1", true},
	} {
		o := one(t, c.object)
		got := []any{string(o.Version().Text), o.Spec(), o.Shared()}
		if diff := cmp.Diff([]any{c.version, c.spec, c.shared}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.object, diff)
		}
	}
}
