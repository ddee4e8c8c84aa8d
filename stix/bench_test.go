//go:build shared

package stix_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"liaison/stix"
)

func ipsum(tb testing.TB) [][]byte {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join(sharedData, "iocs/ipsum*.json"))
	if err != nil || len(names) == 0 {
		tb.Fatalf("no ipsum files: %v", err)
	}
	var all [][]byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

func rawMessages(tb testing.TB, body []byte) {
	var e struct{ Objects []json.RawMessage }
	if err := json.Unmarshal(body, &e); err != nil || len(e.Objects) == 0 {
		tb.Fatal(err)
	}
}

func scan(tb testing.TB, s *stix.Scanner, body []byte, check bool) {
	s.Reset(bytes.NewReader(body), stix.Limits{})
	for s.Next() {
		if s.Problem() != nil {
			tb.Fatal(s.Problem())
		}
		if check {
			if p, _ := stix.Check(s.Object()); p != nil {
				tb.Fatal(p)
			}
		}
	}
	if s.Err() != nil {
		tb.Fatal(s.Err())
	}
}

// BenchmarkIpsum reports how many times as fast as encoding/json's splitting into RawMessage the
// scanner is, alone and with Check, in the same run: the quickest of each, so that what else the
// machine does counts little.
func BenchmarkIpsum(b *testing.B) {
	files := ipsum(b)
	s := stix.NewScanner(nil, stix.Limits{})
	raw, alone, checked := time.Hour, time.Hour, time.Hour
	b.ReportAllocs()
	for b.Loop() {
		for _, f := range files {
			t0 := time.Now()
			rawMessages(b, f)
			t1 := time.Now()
			scan(b, s, f, false)
			t2 := time.Now()
			scan(b, s, f, true)
			raw, alone, checked = min(raw, t1.Sub(t0)), min(alone, t2.Sub(t1)), min(checked, time.Since(t2))
		}
	}
	b.ReportMetric(raw.Seconds()/alone.Seconds(), "x-scan")
	b.ReportMetric(raw.Seconds()/checked.Seconds(), "x-check")
}

func BenchmarkScan(b *testing.B) {
	files := ipsum(b)
	s := stix.NewScanner(nil, stix.Limits{})
	b.SetBytes(int64(len(files[0])))
	b.ReportAllocs()
	for b.Loop() {
		scan(b, s, files[0], false)
	}
}

func BenchmarkCheck(b *testing.B) {
	files := ipsum(b)
	s := stix.NewScanner(nil, stix.Limits{})
	b.SetBytes(int64(len(files[0])))
	b.ReportAllocs()
	for b.Loop() {
		scan(b, s, files[0], true)
	}
}
