package bolt_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/collections/routing"
)

// front is a desk over a store of its own, with an operation of 27 countries and a vendor that may
// publish to all of them.
type front struct {
	desk   *collections.Desk
	vendor auth.Principal
	intake collections.Place
	one    collections.Place
}

var countries = []string{
	"BN", "KH", "FJ", "HK", "IN", "ID", "JP", "KZ", "KI", "KR", "LA", "MO", "MY", "MV", "NR", "NP", "PG", "PH", "WS", "SG",
	"SB", "LK", "TH", "TL", "TO", "VU", "VN",
}

func newFront(b *testing.B, s *bolt.Store) *front {
	b.Helper()
	reg, err := collections.OpenRegistry(b.Context(), s, nil)
	if err != nil {
		b.Fatal(err)
	}
	f := &front{desk: &collections.Desk{
		Registry: reg, Store: s, Log: slog.New(slog.DiscardHandler), Routing: routing.Options{Addresses: routing.Iploc()},
	}}
	changes := []collections.Change{
		collections.CreateOperation{ID: secure, Title: "Secure", Countries: countries},
		collections.Access(auth.CreatePartner{ID: north, Role: auth.Vendor, Name: "North", DefaultMarking: 1}),
	}
	if err := reg.Apply(b.Context(), "local:0", changes...); err != nil {
		b.Fatal(err)
	}
	changes = nil
	for _, c := range reg.State().In(secure) {
		changes = append(changes, collections.Access(auth.SetGrant{Grant: auth.Grant{
			Partner: north, Operation: secure, Collection: c.ID, Rights: auth.Rights{Read: !c.Intake, Write: true},
		}}))
		if c.Intake {
			f.intake = c.Place()
		}
		if c.Alias == "vn" {
			f.one = c.Place()
		}
	}
	token := auth.NewInvitation()
	vault, err := auth.CreateVault(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	_, secret := vault.NewSecret(time.Now())
	changes = append(changes, collections.Access(auth.Invite{Partner: north, Token: token, TTL: time.Hour}),
		collections.Access(auth.Join{Token: token, Client: "north_1", Secret: secret, Certificate: auth.Certificate{
			Serial: fmt.Sprintf("%032x", 1), Fingerprint: fmt.Sprintf("%064x", 1), NotAfter: time.Now().AddDate(0, 3, 0),
		}}))
	if err := reg.Apply(b.Context(), "local:0", changes...); err != nil {
		b.Fatal(err)
	}
	if f.vendor, err = reg.State().Access.Principal("north_1", auth.BySecret); err != nil {
		b.Fatal(err)
	}
	f.vendor.Scope = auth.FullScope
	return f
}

// bundle writes n indicators of about 800 bytes from number first on; each lists one to three countries.
func bundle(first, n int) string {
	var b strings.Builder
	b.WriteString(`{"objects":[`)
	for i := range n {
		k := first + i
		if i > 0 {
			b.WriteByte(',')
		}
		var list []string
		for j := range 1 + k%3 {
			list = append(list, `"`+countries[(k*7+j*5)%len(countries)]+`"`)
		}
		fmt.Fprintf(&b, `{"type":"indicator","spec_version":"2.1","id":"indicator--%08x-0000-4000-8000-%012x",`+
			`"created":"2025-01-01T00:00:00.000Z","modified":"2025-01-01T00:00:00.000Z","valid_from":"2025-01-01T00:00:00Z",`+
			`"pattern":"[domain-name:value = 'host%d.example']","pattern_type":"stix","indicator_types":["malicious-activity"],`+
			`"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"],`+
			`"extensions":{"%s":{"extension_type":"property-extension","countries":[%s]}},"description":"%s"}`,
			uint32(k)*0x9E3779B1, k, k, routing.Extension, strings.Join(list, ","), strings.Repeat("x", 200))
	}
	b.WriteString("]}")
	return b.String()
}

// BenchmarkIntake publishes bundles of 20,000 objects, each for one to three of 27 countries, through the
// intake, and the same into one collection.
func BenchmarkIntake(b *testing.B) {
	const n = 20_000
	for _, name := range []string{"one-collection", "intake"} {
		b.Run(name, func(b *testing.B) {
			s := open(b, options(b, time.Now))
			defer s.Close()
			f := newFront(b, s)
			at := f.one
			if name == "intake" {
				at = f.intake
			}
			first := 0
			for b.Loop() {
				b.StopTimer()
				body := bundle(first, n)
				first += n
				b.SetBytes(int64(len(body)))
				b.StartTimer()
				st, err := f.desk.Publish(b.Context(), f.vendor, at, strings.NewReader(body))
				if err != nil || st.Success != n || st.Kept != 0 {
					b.Fatal(st.Success, st.Kept, err, st.Failures)
				}
			}
		})
	}
}
