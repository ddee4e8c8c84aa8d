package storetest

import (
	"crypto/sha256"
	"fmt"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// The places and the partners of the cases.
const (
	secure auth.OperationID = "secure"
	harbor auth.OperationID = "harbor"

	vn auth.CollectionID = "0f5b6c1e-7f0a-4a53-9d0c-000000000084"
	lk auth.CollectionID = "0f5b6c1e-7f0a-4a53-9d0c-000000000094"
	fj auth.CollectionID = "0f5b6c1e-7f0a-4a53-9d0c-000000000679"

	north auth.PartnerID = "north" // vendors
	south auth.PartnerID = "south"
	hanoi auth.PartnerID = "hanoi" // agencies
	suva  auth.PartnerID = "suva"
)

func in(c auth.CollectionID) collections.Place {
	return collections.Place{Operation: secure, Collection: c}
}

// ownView is a vendor's view.
func ownView(p auth.PartnerID) auth.View { return auth.View{Partner: p, Own: true} }

// upTo is an agency's view.
func upTo(p auth.PartnerID, l stix.Level) auth.View {
	return auth.ViewOf(auth.Principal{Partner: p, Role: auth.Agency, Clearance: l})
}

// widest is the view of an agency that sees all but what is named to others.
func widest() auth.View { return upTo(hanoi, stix.Red) }

// every asks for all versions in large pages.
func every() collections.Query {
	return collections.Query{Limit: collections.MaxLimit, Versions: allVersions(), Specs: []string{"2.0", "2.1"}}
}

// last asks for what a client is given that asks for nothing special.
func last() collections.Query { return collections.Query{Limit: collections.MaxLimit} }

func allVersions() collections.Versions { return collections.Versions{All: true} }

// draft is an item in the making.
type draft struct {
	collections.Item
	body string
}

type trait func(*draft)

// item makes an indicator of level clear for the collection vn, in version 1, changed by traits. The
// same number gives the same id.
func item(n int, traits ...trait) collections.Item {
	d := draft{Item: collections.Item{
		ID: idOf("indicator", n), Type: "indicator", Spec: "2.1", Version: versionOf(1),
		Level: stix.Clear, To: []auth.CollectionID{vn}, Lower: true,
	}}
	for _, t := range traits {
		t(&d)
	}
	if d.Raw == nil {
		d.Raw = fmt.Appendf(nil, `{"type":%q,"id":%q,"spec_version":%q,"modified":%q,"name":%q}`,
			d.Type, d.ID, d.Spec, d.Version.Text, d.body)
	}
	d.Digest = sha256.Sum256(d.Raw)
	return d.Item
}

// items makes n indicators with the ids from first on.
func items(first, n int, traits ...trait) []collections.Item {
	list := make([]collections.Item, n)
	for i := range list {
		list[i] = item(first+i, traits...)
	}
	return list
}

func idOf(kind string, n int) stix.ID {
	return stix.ID(fmt.Sprintf("%s--%08x-0000-4000-8000-%012x", kind, uint32(n)*0x9E3779B1, n))
}

// versionOf gives the nth of a run of versions, ascending.
func versionOf(n int) collections.Version {
	return textVersion(time.Date(2025, time.January, 1, 0, 0, n, 0, time.UTC).Format("2006-01-02T15:04:05.000Z"))
}

func textVersion(text string) collections.Version {
	at, err := stix.ParseInstant([]byte(text))
	if err != nil {
		panic(err) // a slip in a case
	}
	return collections.Version{Text: text, At: at}
}

func instants(ns ...int) []stix.Instant {
	var list []stix.Instant
	for _, n := range ns {
		list = append(list, versionOf(n).At)
	}
	return list
}

func kind(s string) trait {
	return func(d *draft) { d.Type, d.ID = s, stix.ID(s)+d.ID[len(d.Type):] }
}
func modified(n int) trait            { return func(d *draft) { d.Version = versionOf(n) } }
func written(text string) trait       { return func(d *draft) { d.Version = textVersion(text) } }
func spec(s string) trait             { return func(d *draft) { d.Spec = s } }
func level(l stix.Level) trait        { return func(d *draft) { d.Level = l } }
func named(p ...auth.PartnerID) trait { return func(d *draft) { d.Named = p } }
func body(s string) trait             { return func(d *draft) { d.body = s } }
func raw(b string) trait              { return func(d *draft) { d.Raw = []byte(b) } }
func message(s string) trait          { return func(d *draft) { d.Message = s } }
func to(c ...auth.CollectionID) trait { return func(d *draft) { d.To = c } }

func by(author stix.ID) trait { return func(d *draft) { d.Author = author } }

// guarded makes an item that must not be marked below the version before it.
func guarded(d *draft) { d.Lower = false }

// shared makes an id that everybody derives alike.
func shared(d *draft) { d.Shared = true }

// observable makes a shared object without a version of its own.
func observable(d *draft) {
	kind("ipv4-addr")(d)
	d.Shared, d.Version = true, collections.Version{}
}

// defining makes a marking definition.
func defining(l stix.Level) trait {
	return func(d *draft) {
		kind("marking-definition")(d)
		d.Defines = l
	}
}
