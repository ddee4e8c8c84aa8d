package routing_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"liaison/collections/routing"
	"liaison/stix"
)

// bundle writes n objects as vendors send them: indicators of addresses and domains in the operation's
// countries, each marked, with a creator, and indicating one of a few malware.
func bundle(n int) []byte {
	var list []string
	head := func(typ string, i int) string {
		return fmt.Sprintf(`{"type":"%s","spec_version":"2.1","id":"%s","created":"2025-01-01T00:00:00.000Z","modified":"2025-01-01T00:00:00.000Z",`+
			`"created_by_ref":"%s","object_marking_refs":["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"],`,
			typ, id(typ, fmt.Sprint(i)), id("identity", "me"))
	}
	list = append(list, `{"type":"identity","spec_version":"2.1","id":"`+id("identity", "me")+`","created":"2025-01-01T00:00:00.000Z","modified":"2025-01-01T00:00:00.000Z","name":"V","identity_class":"organization"}`)
	for i := range 69 {
		list = append(list, head("malware", i)+fmt.Sprintf(`"name":"Family %d","is_family":true,"malware_types":["infostealer"]}`, i))
	}
	blocks := []string{"203.113.131", "116.193.76", "103.1.236", "218.102.1"}
	domains := []string{"vn", "com.vn", "lk", "id", "co.th", "hk", "gov.la", "fj"}
	for i := 0; len(list) < n; i++ {
		pattern := fmt.Sprintf("[ipv4-addr:value = '%s.%d']", blocks[i%len(blocks)], i%256)
		if i%2 == 0 {
			pattern = fmt.Sprintf("[domain-name:value = 'c2-%d.example.%s']", i, domains[i/2%len(domains)])
		}
		list = append(list, head("indicator", i)+fmt.Sprintf(`"name":"Command and control server %d","indicator_types":["malicious-activity"],"pattern":"%s","pattern_type":"stix",`+
			`"valid_from":"2025-01-01T00:00:00Z","valid_until":"2025-06-01T00:00:00Z","confidence":80,"description":"Seen to answer to stealers of the family with this text of usual length, twice a day."}`, i, pattern))
		list = append(list, head("relationship", i)+fmt.Sprintf(`"relationship_type":"indicates","source_ref":"%s","target_ref":"%s"}`,
			id("indicator", fmt.Sprint(i)), id("malware", fmt.Sprint(i%69))))
	}
	return []byte(`{"objects":[` + strings.Join(list[:n], ",") + `]}`)
}

// BenchmarkRoute routes a bundle of 20,000 objects for 27 countries and reports, beside the time of
// routing, how many times the scanner's and the check's time of the same bundle it is, the quickest of
// each in one run.
func BenchmarkRoute(b *testing.B) {
	r, err := routing.New([]routing.Country{"BN", "KH", "FJ", "HK", "IN", "ID", "JP", "KZ", "KI", "KR", "LA", "MO", "MY", "MV", "NR", "NP",
		"PG", "PH", "WS", "SG", "SB", "LK", "TH", "TL", "TO", "VU", "VN"}, routing.Options{Addresses: routing.Iploc()})
	if err != nil {
		b.Fatal(err)
	}
	const n = 20_000
	body := bundle(n)
	s := stix.NewScanner(nil, stix.Limits{})
	scan := func(do func(o *stix.Object)) {
		s.Reset(bytes.NewReader(body), stix.Limits{})
		for s.Next() {
			if s.Problem() != nil {
				b.Fatal(s.Problem())
			}
			do(s.Object())
		}
	}
	plain, routed, planned := time.Hour, time.Hour, time.Hour
	b.ReportAllocs()
	for b.Loop() {
		t0 := time.Now()
		scan(func(o *stix.Object) {
			if p, _ := stix.Check(o); p != nil {
				b.Fatal(p)
			}
		})
		t1 := time.Now()
		g := r.Graph()
		scan(func(o *stix.Object) {
			if p, _ := stix.Check(o); p != nil {
				b.Fatal(p)
			}
			g.Add(o)
		})
		t2 := time.Now()
		p := r.Plan(g, routing.Request{Allowed: func(routing.Of, routing.Country) bool { return true }})
		plain, routed, planned = min(plain, t1.Sub(t0)), min(routed, t2.Sub(t1)), min(planned, time.Since(t2))
		routes := 0
		for i := range p.Routes {
			if p.Routes[i].State == routing.Routed {
				routes++
			}
		}
		if routes < n*9/10 {
			b.Fatalf("%d of %d routed", routes, n)
		}
	}
	b.ReportMetric(float64(plain.Nanoseconds())/n, "ns/scan+check")
	b.ReportMetric(float64((routed-plain).Nanoseconds())/n, "ns/add")
	b.ReportMetric(float64(planned.Nanoseconds())/n, "ns/plan")
	b.ReportMetric((routed-plain+planned).Seconds()/plain.Seconds(), "x-scan+check")
}
