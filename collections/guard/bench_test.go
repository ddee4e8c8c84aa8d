package guard_test

import (
	"fmt"
	"strings"
	"testing"

	"liaison/collections/guard"
	"liaison/stix"
)

// BenchmarkCheck checks indicators of addresses and domains against the built-in lists and one of a
// hundred thousand names, and one of ten thousand networks.
func BenchmarkCheck(b *testing.B) {
	var names, blocks []string
	for i := range 100_000 {
		names = append(names, fmt.Sprintf("site-%d.example-%d.vn", i, i%97))
	}
	for i := range 10_000 {
		blocks = append(blocks, fmt.Sprintf("20.%d.%d.0/24", i/256, i%256))
	}
	lists := guard.Builtin()
	for form, list := range map[string][]string{"hostname": names, "cidr": blocks} {
		l, err := guard.Warninglist(form, []byte(`{"name":"`+form+`","version":1,"type":"`+form+`","list":["`+strings.Join(list, `","`)+`"]}`))
		if err != nil {
			b.Fatal(err)
		}
		lists = append(lists, l)
	}
	g, err := guard.New(lists...)
	if err != nil {
		b.Fatal(err)
	}
	for name, pattern := range map[string]string{
		"domain":  "[domain-name:value = 'c2.evil-example.com.vn']",
		"address": "[ipv4-addr:value = '203.113.131.1']",
		"url":     "[url:value = 'http://c2.evil-example.com.vn/gate.php?id=1']",
		"hash":    "[file:hashes.'SHA-256' = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08']",
	} {
		s := stix.NewScanner(strings.NewReader(`{"objects":[{"type":"indicator","id":"x","pattern_type":"stix","pattern":"`+pattern+`"}]}`), stix.Limits{})
		if !s.Next() {
			b.Fatal(s.Err())
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if g.Check(s.Object()) != nil {
					b.Fatal("a hit")
				}
			}
		})
	}
}
