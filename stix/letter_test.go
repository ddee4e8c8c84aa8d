package stix_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"liaison/stix"
)

// What tier 2 says of the text of a property: ok are the texts that it takes, bad those that it does
// not.
func TestForms(t *testing.T) {
	software := func(member string) func(string) string {
		return func(text string) string { return sco("software", fmt.Sprintf(`"name":"x",%q:%s`, member, text)) }
	}
	value := func(kind string) func(string) string {
		return func(text string) string { return sco(kind, `"value":`+text) }
	}
	for name, c := range map[string]struct {
		object  func(text string) string
		ok, bad string // a text a line
	}{
		"language": {
			func(text string) string { return sdo("tool", `"name":"x","lang":`+text) },
			"en\nde-AT\nzh-Hant-TW\npt-BR\nx-house\nes-419\ndeu",
			"\ne\nenglish language\nen_US\n12\nen-\nzz\nespañol\nen-quite-toolongsubtag",
		},
		"languages": {
			func(text string) string { return software("languages")("[" + text + "]") }, "en\nfra", "English\n",
		},
		"url": {
			value("url"),
			"https://a.example/b?c=d#e\nhttp://user:pw@a.example:8080/%20\nhttp://[2001:db8::1]:80/\nftp://a.example\nmailto:a@b.example\nhxxp://a.example\nfoo\n//a.example/b",
			"\nnot a url\nhttp://a b/\nhttp://a.example/%zz\nhttp://[::1/\nhttp://[::g]/\nhttp://a.example:port/\nht tp://x\n1http://a/\nhttp:\nhttp://a.example/<x>\nhttp://a.example/é",
		},
		"domain": {
			value("domain-name"),
			"a.example\nA.Example.\nxn--e1afmkfd.example\nпример.example\nlocalhost\n1.example\na--b.example\nr3---sn-x.example",
			"\n.\na..b\na b.example\n-a.example\na-.example\n.example\na_b.example\na.example/x\na@b\n" + strings.Repeat("a", 64) + ".example",
		},
		"mail": {
			value("email-addr"),
			"a@b.example\na.b+c@d.example\n\"a b\"@c.example\na@[192.0.2.1]\nä@b.example",
			"\na\na@\n@b\nA B <a@b.example>\na b@c.example\na@b@c\na..b@c\n.a@b\na@b.\n\"a@b.example",
		},
		"ipv4": {value("ipv4-addr"), "192.0.2.1\n192.0.2.0/24\n0.0.0.0/0", "\n192.0.2\n256.0.0.1\n192.0.2.1/33\n192.0.2.1/\n192.0.2.1/08\n::1\n192.0.2.1:80"},
		"ipv6": {value("ipv6-addr"), "2001:db8::1\n::ffff:192.0.2.1\n2001:DB8::/32", "\n192.0.2.1\n1::2::3\n2001:db8::/129\n[::1]"},
		"mac":  {value("mac-addr"), "d2:fb:49:24:37:18", "\nD2:FB:49:24:37:18\nd2-fb-49-24-37-18\nd2:fb:49:24:37"},
		"cpe": {
			software("cpe"),
			"cpe:2.3:a:b:c:1.0:*:*:en-us:*:*:*:-\ncpe:2.3:*:?b*:c\\:d:1:*:*:*:*:*:*:*\ncpe:2.3:o:b_c:d:-:sp1:*:*:*:*:x64:*",
			"\ncpe:/a:b\ncpe:2.3:x:b:c:1:*:*:*:*:*:*:*\ncpe:2.3:a:b:c:1:*:*:*:*:*:*\ncpe:2.3:a:b:c:1:*:*:*:*:*:*:*:*\ncpe:2.3:a::c:1:*:*:*:*:*:*:*\ncpe:2.3:a:b*d:c:1:*:*:*:*:*:*:*\ncpe:2.3:a:b c:c:1:*:*:*:*:*:*:*\ncpe:2.3:a:b:c:1:*:*:english:*:*:*:*\ncpe:2.3:a:b:c\\:1:*:*:*:*:*:*:*",
		},
		"charset": {
			func(text string) string { return sco("directory", `"path":"x","path_enc":`+text) },
			"UTF-8\nutf-8\nISO-8859-1\nwindows-1252\nShift_JIS\nISO_646.irv:1983", "\nlatin1\nutf8\nnonsense\nISO_8859-1:1987",
		},
		"hive": {
			func(text string) string { return sco("windows-registry-key", `"key":`+text) },
			"HKEY_LOCAL_MACHINE\nhkey_users\nHKULTURA", "HKLM\nhkcu\nHKU",
		},
		"mime": {
			func(text string) string { return sco("artifact", `"payload_bin":"AAEC","mime_type":`+text) },
			"application/zip\ntext/x-house", "\nzip\nfoo/bar\napplication/",
		},
		"ssdeep": {
			func(text string) string { return sco("file", `"hashes":{"SSDEEP":`+text+`}`) },
			"3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C", "\na b\n" + strings.Repeat("a", 149),
		},
		"tlsh": {
			func(text string) string { return sco("file", `"hashes":{"TLSH":`+text+`}`) },
			strings.Repeat("0F", 35) + "\nT1" + strings.Repeat("0f", 35), "\n00\n" + strings.Repeat("0g", 35),
		},
	} {
		for want, texts := range map[bool]string{true: c.ok, false: c.bad} {
			for text := range strings.SplitSeq(texts, "\n") {
				o := one(t, c.object(`"`+strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), `"`, `\"`)+`"`))
				if p, _ := stix.Check(o); p != nil {
					t.Errorf("%s %q: tier 1 refuses it: %v", name, text, p)
				}
				if p := stix.CheckStrict(o); (p == nil) != want {
					t.Errorf("%s %q: %v, want valid %v", name, text, p, want)
				}
			}
		}
	}
}

// letterCases: like checkCases.
var letterCases = []struct {
	object  string
	tier    int
	pointer string
}{
	{sdo("bundle", `"objects":[]`), 1, "/type"},
	{sdo("action", `"name":"x"`), 2, "/type"},
	{sdo("tool", `"name":"x","username":"x"`), 2, "/username"},
	{sdo("tool", `"name":"x","addresses":["x"]`), 0, "-"},
	{sdo("tool", `"name":"x","is_family":null`), 2, "/is_family"},
	{sdo("tool", `"name":"x","x_a":[]`), 2, "/x_a"},
	{sdo("tool", `"name":"x","created_by_ref":"identity--0c7b5b88-8ff7-7a4d-aa9d-feb398cd0061"`), 2, "/created_by_ref"},
	{sdo("tool", `"name":"x","extensions":{"x-own-ext":{"abc":1}}`), 2, "/extensions/x-own-ext"},
	{sdo("tool", `"name":"x","extensions":{"extension-definition--`+someUUID+`":{"extension_type":"property-extension","Rank":1}}`), 2, "/extensions/extension-definition--" + someUUID + "/Rank"},
	{sdo("tool", `"name":"x","extensions":{"extension-definition--`+someUUID+`":{"extension_type":"property-extension","rank":null}}`), 2, "/extensions/extension-definition--" + someUUID + "/rank"},
	{sdo("tool", `"name":"x","external_references":[{"source_name":"cve-search","external_id":"1"}]`), 0, "-"},
	{sdo("tool", `"name":"x","external_references":[{"source_name":"x","url":"a b"}]`), 2, "/external_references/0/url"},
	{sdo("tool", `"name":"x","external_references":[{"source_name":"x","url":"http://a/","hashes":{"FOO":"x"}}]`), 2, "/external_references/0/hashes/FOO"},
	{sdo("report", `"name":"x","published":"2024-01-01T00:00:00Z","object_refs":["bundle--`+someUUID+`"]`), 2, "/object_refs/0"},
	{sdo("relationship", `"relationship_type":"","source_ref":"malware--`+someUUID+`","target_ref":"tool--`+someUUID+`"`), 1, "/relationship_type"},
	{sdo("malware-analysis", `"product":"x","result":"benign","analysis_started":"2024-01-02T00:00:00Z","analysis_ended":"2024-01-01T00:00:00Z"`), 0, "-"},
	{sdo("location", `"latitude":1,"longitude":1,"precision":1e999`), 2, "/precision"},
	{sdo("language-content", `"object_ref":"bundle--`+someUUID+`","contents":{"de":{"name":"x"}}`), 1, "/object_ref"},
	{sdo("language-content", `"object_ref":"language-content--`+someUUID+`","contents":{"de":{"name":"x"}}`), 2, "/object_ref"},
	{sdo("language-content", `"object_ref":"tool--`+someUUID+`","contents":{"de":{}}`), 2, "/contents/de"},
	{sdo("language-content", `"object_ref":"tool--`+someUUID+`","contents":{"de":{"Name":"x"}}`), 2, "/contents/de/Name"},
	{sdo("language-content", `"object_ref":"tool--`+someUUID+`","contents":{"qx":{"name":"x"}}`), 2, "/contents/qx"},
	{sco("file", `"name":"x","size":9007199254740991`), 0, "-"},
	{sco("file", `"name":"x","size":9007199254740992`), 2, "/size"},
	{sco("file", `"name":"x","magic_number_hex":""`), 2, "/magic_number_hex"},
	{sco("file", `"name":"x","extensions":{"x-own-ext":{"abc":1}}`), 0, "-"},
	{sco("file", `"name":"x","extensions":{"x--own-ext":{"abc":1}}`), 2, "/extensions/x--own-ext"},
	{sco("file", `"name":"x","extensions":{"pdf-ext":{"x_own":1}}`), 2, "/extensions/pdf-ext"},
	{sco("file", `"name":"x","extensions":{"pdf-ext":{"document_info_dict":{"Title":1}}}`), 2, "/extensions/pdf-ext/document_info_dict/Title"},
	{sco("file", `"name":"x","extensions":{"raster-image-ext":{"exif_tags":{"XResolution":4928,"Make":"x"}}}`), 0, "-"},
	{sco("file", `"name":"x","extensions":{"raster-image-ext":{"exif_tags":{"XResolution":1.5}}}`), 2, "/extensions/raster-image-ext/exif_tags/XResolution"},
	{sco("file", `"name":"x","extensions":{"windows-pebinary-ext":{"pe_type":"dll"}}`), 2, "/extensions/windows-pebinary-ext"},
	{sco("file", `"name":"x","extensions":{"windows-pebinary-ext":{"pe_type":"dll","time_date_stamp":"2024-01-01T00:00:00.0Z"}}`), 2, "/extensions/windows-pebinary-ext/time_date_stamp"},
	{sco("file", `"name":"x","extensions":{"windows-pebinary-ext":{"pe_type":"dll","optional_header":{}}}`), 2, "/extensions/windows-pebinary-ext/optional_header"},
	{sco("file", `"name":"x","extensions":{"windows-pebinary-ext":{"pe_type":"dll","optional_header":{"magic_hex":"00","x_own":1}}}`), 2, "/extensions/windows-pebinary-ext/optional_header/x_own"},
	{sco("network-traffic", `"protocols":["tcp"],"src_ref":"ipv4-addr--1"`), 1, "/src_ref"},
	{sco("network-traffic", `"protocols":["tcp"],"src_ref":"ipv4-addr--e42c19c8-f9fe-5ae9-9fc8-22c398f78fb"`), 0, "-"},
	{sco("network-traffic", `"protocols":["tcp"],"src_ref":"ipv4-addr--e42c19c8-f9fe-5ae9-9fc8-"`), 1, "/src_ref"},
	{sco("network-traffic", `"protocols":["tcp"],"src_ref":"ipv4-addr--`+someUUID+`","ipfix":{"minimumIpTotalLength":32,"a":"b"}`), 0, "-"},
	{sco("network-traffic", `"protocols":["tcp"],"src_ref":"ipv4-addr--`+someUUID+`","ipfix":{"a":true}`), 2, "/ipfix/a"},
	{sco("network-traffic", `"protocols":["tcp"],"src_ref":"ipv4-addr--`+someUUID+`","extensions":{"socket-ext":{"address_family":"AF_INET","options":{"SO_LINGER":"1"}}}`), 2, "/extensions/socket-ext/options/SO_LINGER"},
	{sco("network-traffic", `"protocols":["tcp"],"src_ref":"ipv4-addr--`+someUUID+`","extensions":{"http-request-ext":{"request_method":"get","request_value":"/","request_header":{"A":["b"]}}}`), 0, "-"},
	{sco("network-traffic", `"protocols":["tcp"],"src_ref":"ipv4-addr--`+someUUID+`","extensions":{"http-request-ext":{"request_method":"get","request_value":"/","request_header":{"A":"b"}}}`), 2, "/extensions/http-request-ext/request_header/A"},
	{sco("process", `"environment_variables":{"PATH":1}`), 2, "/environment_variables/PATH"},
	{sco("windows-registry-key", `"key":"HKEY_USERS","values":[{}]`), 1, "/values/0"},
	{sco("x509-certificate", `"x509_v3_extensions":{}`), 1, "/x509_v3_extensions"},
	{sco("email-message", `"is_multipart":true,"subject":"x","body_multipart":[{"content_type":"x"}]`), 1, "/body_multipart/0"},
	{sco("email-message", `"is_multipart":true,"subject":"x","body_multipart":[{"body":"x","body_raw_ref":"file--`+someUUID+`"}]`), 2, "/body_multipart/0"},
	{sco("email-message", `"is_multipart":false,"subject":"x","additional_header_fields":{"A":["b","c"],"D":"e"}`), 0, "-"},
	{sco("email-message", `"is_multipart":false,"subject":"x","additional_header_fields":{"A":[1]}`), 2, "/additional_header_fields/A"},
	{`{"type":"x509-certificate","id":"x509-certificate--0c7b5b88-8ff7-5a4d-aa9d-feb398cd0061","issuer":"x"}`, 2, "/id"},
	{`{"type":"x509-certificate","id":"x509-certificate--0c7b5b88-8ff7-5a4d-aa9d-feb398cd0061","serial_number":"x"}`, 0, "-"},
	{`{"type":"relationship","id":"relationship--` + someUUID + `","created":"2017-01-01T00:00:00Z","modified":"2017-01-01T00:00:00Z","relationship_type":"uses","source_ref":"bundle--` + someUUID + `","target_ref":"tool--` + someUUID + `"}`, 1, "/source_ref"},
	{indicator(`[x-own:abc = 1]`), 0, "-"},
	{indicator(`[File:name = 'x']`), 2, "/pattern"},
	{indicator(`[ab:name = 'x']`), 2, "/pattern"},
	{indicator(`[file:'Name' = 'x' OR file:hashes.MD5 LIKE 'x']`), 0, "-"},
	{indicator(`[file:name = 'x'] REPEATS 0 TIMES`), 2, "/pattern"},
	{indicator(`[file:name = 'x'] REPEATS 1 TIMES WITHIN 0.0 SECONDS`), 2, "/pattern"},
	{indicator(`[file:name = 'x'] START t'2024-02-30T00:00:00Z' STOP t'2024-03-01T00:00:00Z'`), 2, "/pattern"},
	{indicator(`[file:ctime > t'2024-02-29T00:00:00.1234567890123456789Z']`), 0, "-"},
	{observed(`{"0":{"type":"ipv4-addr","id":"ipv4-addr--` + someUUID + `","value":"192.0.2.1"},"1":{"type":"network-traffic","id":"network-traffic--` + someUUID + `","protocols":["tcp"],"src_ref":"0"}}`), 0, "-"},
	{observed(`{"0":{"type":"mutex","id":"mutex--` + someUUID + `","name":"x"},"1":{"type":"network-traffic","id":"network-traffic--` + someUUID + `","protocols":["tcp"],"src_ref":"0"}}`), 2, "/objects/1/src_ref"},
	{observed(`{"1":{"type":"network-traffic","id":"network-traffic--` + someUUID + `","protocols":["tcp"],"src_ref":"0"}}`), 2, "/objects/1/src_ref"},
	{observed(`{"0":{"type":"x-own","id":"x-own--` + someUUID + `","abc":1}}`), 0, "-"},
	{observed(`{"0":{"type":"file","id":"file--` + someUUID + `"}}`), 2, "/objects/0"},
	{observed(`{"0":{"type":"file","name":"x"}}`), 2, "/objects/0"},
	{observed(`{"0":{"type":"identity","spec_version":"2.1","id":"identity--` + someUUID + `","created":"2024-01-01T00:00:00Z","modified":"2024-01-01T00:00:00Z","name":"x"}}`), 2, "/objects/0"},
	{observed(`{"0":5}`), 2, "/objects/0"},
	{observed(`{}`), 1, "/objects"},
}

func indicator(pattern string) string {
	return sdo("indicator", `"pattern_type":"stix","valid_from":"2024-01-01T00:00:00Z","pattern":"`+pattern+`"`)
}

func observed(objects string) string {
	return sdo("observed-data", `"first_observed":"2024-01-01T00:00:00Z","last_observed":"2024-01-01T00:00:00Z","number_observed":1,"objects":`+objects)
}

func TestLetter(t *testing.T) {
	for _, c := range letterCases {
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
	}
}

// What a hostile publisher may send to a strict collection is bounded.
func TestStrictIsBounded(t *testing.T) {
	var members, selectors, objects strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&members, `"x_%d":1,`, i)
		fmt.Fprintf(&selectors, `,"x_9999"`)
		fmt.Fprintf(&objects, `,"%d":{"type":"directory","id":"directory--%s","path":"x","contains_refs":["0","9998"]}`, i, someUUID)
	}
	for name, c := range map[string]struct{ object, rule string }{
		"selectors": {sdo("tool", members.String()+`"name":"x","granular_markings":[{"lang":"de","selectors":["name"`+selectors.String()+`]}]`), "too many selectors"},
		"shelf":     {observed("{" + objects.String()[1:] + "}"), ""},
	} {
		o := one(t, c.object)
		start := time.Now()
		p := stix.CheckStrict(o)
		if p == nil && c.rule != "" || p != nil && (c.rule == "" || !strings.Contains(p.Rule, c.rule)) {
			t.Errorf("%s: %v, want %q", name, p, c.rule)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}
