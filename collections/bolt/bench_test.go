package bolt_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/stix"
)

const (
	secure auth.OperationID  = "secure"
	vn     auth.CollectionID = "0f5b6c1e-7f0a-4a53-9d0c-000000000084"
	lk     auth.CollectionID = "0f5b6c1e-7f0a-4a53-9d0c-000000000094"
	north  auth.PartnerID    = "north"
	south  auth.PartnerID    = "south"
	hanoi  auth.PartnerID    = "hanoi"
)

func at(c auth.CollectionID) collections.Place {
	return collections.Place{Operation: secure, Collection: c}
}

// amber is the view of an agency.
func amber() auth.View { return auth.View{Partner: hanoi, Level: stix.Amber, Own: true} }

// item makes the nth object of 804 bytes; every hundredth is a malware, the others are indicators.
func item(n, version int, to ...auth.CollectionID) collections.Item {
	kind := "indicator"
	if n%100 == 99 {
		kind = "malware"
	}
	modified := time.Date(2025, 1, 1, 0, 0, version, 0, time.UTC)
	it := collections.Item{
		ID: stix.ID(fmt.Sprintf("%s--%08x-0000-4000-8000-%012x", kind, uint32(n)*0x9E3779B1, n)), Type: kind, Spec: "2.1",
		Version: collections.Version{
			Text: modified.Format("2006-01-02T15:04:05.000Z"), At: stix.Instant{Sec: modified.Unix(), Set: true},
		},
		Level: stix.Green, To: to,
	}
	it.Raw = fmt.Appendf(nil, `{"type":%q,"id":%q,"modified":%q,"name":"`, it.Type, it.ID, it.Version.Text)
	it.Raw = append(it.Raw, strings.Repeat("x", 804-len(it.Raw)-2)...)
	it.Raw = append(it.Raw, `"}`...)
	it.Digest = sha256.Sum256(it.Raw)
	return it
}

func items(first, n, version int, to ...auth.CollectionID) []collections.Item {
	list := make([]collections.Item, n)
	for i := range list {
		list[i] = item(first+i, version, to...)
	}
	return list
}

func publication(n int, publisher auth.PartnerID, list []collections.Item) collections.Publication {
	return collections.Publication{
		Status: collections.StatusID(fmt.Sprintf("%08x-5747-4000-8000-%012x", n, n)), Place: at(vn), Publisher: publisher,
		Actor: auth.Actor(publisher) + "_1", Received: time.Now(), Items: list,
		Still: func() error { return nil },
	}
}

// filled gives a store with n objects, of which every ninth has a newer version. It is made once and
// kept beside the system's other temporary files.
func filled(b *testing.B, n int) *bolt.Store {
	b.Helper()
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("liaison-bench-%d", n))
	o := bolt.Options{Path: filepath.Join(dir, "store.db"), Spool: filepath.Join(dir, "journal.spool")}
	o.Signer, o.Verifier = keys(b)
	if _, err := os.Stat(filepath.Join(dir, "done")); err != nil {
		fill(b, dir, o, n)
	}
	s := open(b, o)
	b.Cleanup(func() { s.Close() })
	return s
}

func fill(b *testing.B, dir string, o bolt.Options, n int) {
	b.Helper()
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		b.Fatal(err)
	}
	o.Create = true
	s := open(b, o)
	start := time.Now()
	for i := 0; i < n; i += 1000 {
		list := items(i, 1000, 1, vn)
		for k := 0; k < 110 && i > 0; k++ {
			list = append(list, item((i*31+k*9973+i/1000*104_729)%i, i/1000+2, vn))
		}
		if _, err := s.Publish(b.Context(), publication(i, north, list)); err != nil {
			b.Fatal(err)
		}
	}
	log.Printf("%d objects in %v", n, time.Since(start))
	if err := errors.Join(s.Close(), os.WriteFile(filepath.Join(dir, "done"), nil, 0o600)); err != nil {
		b.Fatal(err)
	}
	if info, err := os.Stat(o.Path); err == nil {
		log.Printf("file of %.2f times its data", float64(info.Size())/float64(n*804*111/100))
	}
}

func drain(b *testing.B, p collections.Page, buf []byte) []byte {
	buf = buf[:0]
	for {
		longer, err := p.Next(buf)
		if errors.Is(err, io.EOF) {
			return buf
		}
		if err != nil {
			b.Fatal(err)
		}
		buf = append(longer, ',')
	}
}

func BenchmarkPage(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		s := filled(b, n)
		last, err := s.Last(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		page := func(name string, v auth.View, q collections.Query) {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				buf := make([]byte, 0, 2<<20)
				var after collections.Added
				b.ReportAllocs()
				for b.Loop() {
					q := q
					if q.After == 0 {
						q.After = after
					}
					p, err := s.Objects(b.Context(), v, at(vn), q)
					if err != nil {
						b.Fatal(err)
					}
					buf = drain(b, p, buf)
					if after = p.Last; !p.More {
						after = 0
					}
				}
			})
		}
		page("last-1000", amber(), collections.Query{Limit: 1000})
		page("all-1000", amber(), collections.Query{Limit: 1000, Versions: collections.Versions{All: true}})
		page("last-100", amber(), collections.Query{Limit: 100})
		page("own-1000", auth.View{Partner: north, Own: true}, collections.Query{Limit: 1000})
		page("rare-100", amber(), collections.Query{Limit: 100, Types: []string{"malware"}})
		page("none", amber(), collections.Query{Limit: 1000, Types: []string{"tool"}})
		page("nothing-new", amber(), collections.Query{Limit: 1000, After: last})
		page("spec-1000", amber(), collections.Query{Limit: 1000, Specs: []string{"2.1"}})
		b.Run(fmt.Sprintf("%d/id", n), func(b *testing.B) {
			buf := make([]byte, 0, 2<<20)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i = (i + 7919) % n
				p, err := s.Objects(b.Context(), amber(), at(vn), collections.Query{Limit: 1000, IDs: []stix.ID{item(i, 1).ID}})
				if err != nil || p.Count != 1 {
					b.Fatal(p.Count, err)
				}
				buf = drain(b, p, buf)
			}
		})
		b.Run(fmt.Sprintf("%d/facts-1000", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := s.Facts(b.Context(), amber(), at(vn), collections.Query{Limit: 1000}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct{ size, publishers int }{{1, 1}, {1, 64}, {100, 1}, {100, 64}, {1000, 1}, {1000, 16}, {10_000, 1}} {
		b.Run(fmt.Sprintf("%dx%d", c.size, c.publishers), func(b *testing.B) {
			o := options(b, time.Now)
			s := open(b, o)
			defer s.Close()
			var n atomic.Int64
			b.SetParallelism(c.publishers / 2)
			b.SetBytes(int64(c.size) * 804)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := int(n.Add(1))
					p := publication(i, north, items(i*c.size, c.size, 1, vn))
					if _, err := s.Publish(b.Context(), p); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(n.Load())*float64(c.size)/b.Elapsed().Seconds(), "objects/s")
		})
	}
}

// BenchmarkSpread publishes 20,000 objects into 26 collections.
func BenchmarkSpread(b *testing.B) {
	var to []auth.CollectionID
	for i := range 26 {
		to = append(to, auth.CollectionID(fmt.Sprintf("0f5b6c1e-7f0a-4a53-9d0c-%012d", i)))
	}
	s := open(b, options(b, time.Now))
	defer s.Close()
	n := 0
	for b.Loop() {
		n++
		if _, err := s.Publish(b.Context(), publication(n, north, items(n*20_000, 20_000, 1, to...))); err != nil {
			b.Fatal(err)
		}
	}
}
