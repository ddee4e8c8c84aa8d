package bolt

import (
	"slices"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// What a reader is shown of one object in one collection, as collections.Store defines it: of the
// versions that its view shows those of the first publisher, of these the latest spec version, of
// these the first and the last. The bits in the tracks are the answers of sight for every class of
// readers, written when a version comes or goes; a query that the tracks do not answer asks choose.

// kind is which versions of an object a track holds.
type kind uint8

const (
	kindAll kind = iota
	kindFirst
	kindLast
	kinds
)

// shownIn is a set of kinds.
type shownIn uint8

func (s shownIn) has(k kind) bool { return s>>k&1 != 0 }

// object gives what the policy knows of a version.
func (v *version) object() auth.Object {
	return auth.Object{Publisher: v.Publisher, Level: v.Level, Named: v.Named}
}

func (v *version) compare(w *version) int { return v.Version.At.Compare(w.Version.At) }

// sight gives for every version of one object, ascending by date_added, in which kinds the view is
// shown it. Versions that are not there do not count.
func sight(dst []shownIn, list []*version, there []bool, sees shows) []shownIn {
	dst = append(dst[:0], make([]shownIn, len(list))...)
	first, last, shown := -1, -1, -1
	var latest string
	for i, o := range list {
		if !there[i] || !sees(o.object()) {
			continue
		}
		if shown < 0 {
			shown = i
		}
		if o.Publisher == list[shown].Publisher {
			dst[i] = 1 << kindAll
			latest = max(latest, o.Spec)
		}
	}
	for i, o := range list {
		if dst[i] == 0 {
			continue
		}
		if o.Spec != latest {
			dst[i] = 0
			continue
		}
		if first < 0 || o.compare(list[first]) < 0 {
			first = i
		}
		if last < 0 || o.compare(list[last]) > 0 {
			last = i
		}
	}
	if first >= 0 {
		dst[first] |= 1 << kindFirst
		dst[last] |= 1 << kindLast
	}
	return dst
}

// choose picks the versions of one object that a query asks for. list holds those that are there,
// ascending by date_added; anySpec leaves the default spec version out.
func choose(list []*version, v auth.View, specs []string, anySpec bool, which collections.Versions) []*version {
	shown := -1
	var seen []*version
	for i, o := range list {
		if !v.Shows(o.object()) {
			continue
		}
		if shown < 0 {
			shown = i
		}
		if o.Publisher == list[shown].Publisher && (specs == nil || slices.Contains(specs, o.Spec)) {
			seen = append(seen, o)
		}
	}
	if specs == nil && !anySpec {
		var latest string
		for _, o := range seen {
			latest = max(latest, o.Spec)
		}
		seen = slices.DeleteFunc(seen, func(o *version) bool { return o.Spec != latest })
	}
	if len(seen) == 0 || which.All {
		return seen
	}
	first, last := slices.MinFunc(seen, (*version).compare), slices.MaxFunc(seen, (*version).compare)
	wantLast := which.Last || !which.First && len(which.At) == 0
	return slices.DeleteFunc(seen, func(o *version) bool {
		return !(which.First && o == first || wantLast && o == last || containsInstant(which.At, o.Version.At))
	})
}

// allGone reports whether each exact version that is asked for of an object was deleted, of the copy
// that the reader is shown or of the one that it would be shown had nothing been deleted. list holds
// what was deleted too, ascending by date_added.
func allGone(list []*version, v auth.View, q collections.Query) bool {
	seen := slices.DeleteFunc(slices.Clone(list), func(o *version) bool { return !v.Shows(o.object()) })
	if len(seen) == 0 {
		return false
	}
	copies := []auth.PartnerID{seen[0].Publisher}
	if i := slices.IndexFunc(seen, func(o *version) bool { return o.present }); i >= 0 {
		copies = append(copies, seen[i].Publisher)
	}
	for _, at := range q.Versions.At {
		gone := false
		for _, o := range seen {
			if o.Version.At.Compare(at) != 0 || !slices.Contains(copies, o.Publisher) ||
				q.Specs != nil && !slices.Contains(q.Specs, o.Spec) {
				continue
			}
			if o.present {
				return false
			}
			gone = true
		}
		if !gone {
			return false
		}
	}
	return true
}

func containsInstant(list []stix.Instant, at stix.Instant) bool {
	return slices.ContainsFunc(list, func(i stix.Instant) bool { return i.Compare(at) == 0 })
}

// class is what a reader sees who published nothing and is named by none: a clearance, or everything.
type class uint8

const classes class = 5 // 1 to 4: the clearances, by their stix.Level

// anybody is nobody's publisher and named by none.
const anybody auth.PartnerID = "*"

func (c class) shows() shows {
	if c == classes {
		return func(auth.Object) bool { return true }
	}
	return auth.View{Partner: anybody, Level: stix.Level(c)}.Shows
}

// shows tells what a reader sees.
type shows func(auth.Object) bool

func ownView(p auth.PartnerID) auth.View { return auth.View{Partner: p, Own: true} }

// mix is what a reader that publishes or is named sees beside its class; it numbers the overlays.
type mix uint8

const (
	mixNamed mix = 5 // clearance red; 1 to 4: the clearances, by their stix.Level
	mixes    mix = 6
)

func (m mix) view(p auth.PartnerID) auth.View {
	if m == mixNamed {
		return auth.View{Partner: p, Level: stix.AmberStrict, Own: true, Named: true}
	}
	return auth.View{Partner: p, Level: stix.Level(m), Own: true}
}

func (m mix) level() stix.Level { return min(stix.Level(m), stix.AmberStrict) }

// eye says which tracks answer for a view.
type eye struct {
	level stix.Level     // class; Unmarked: none
	own   auth.PartnerID // "": none
	mix   mix            // overlay, with level and own; 0: none
}

// eyeOf gives the tracks for a view; blind is true when it sees nothing, ok false when no tracks are
// kept for such a view.
func eyeOf(v auth.View) (e eye, blind, ok bool) {
	level := min(v.Level, stix.AmberStrict)
	switch {
	case v.Partner == "" || level == stix.Unmarked && !v.Own && !v.Named:
		return eye{}, true, true
	case !v.Own && !v.Named:
		return eye{level: level}, false, true
	case v.Own && !v.Named && level == stix.Unmarked:
		return eye{own: v.Partner}, false, true
	case v.Own && !v.Named:
		return eye{level: level, own: v.Partner, mix: mix(level)}, false, true
	case v.Own && v.Named && level == stix.AmberStrict:
		return eye{level: level, own: v.Partner, mix: mixNamed}, false, true
	}
	return eye{}, false, false
}

// turn gives the bits to turn over when the versions of one object that are in a collection change
// from those of before to those of after. flip is called with the track and the index in list.
func turn(list []*version, before, after []bool, flip func(track, int)) {
	differ := func(bits []shownIn, to func(kind) track) {
		for i, b := range bits {
			for k := range kinds {
				if b.has(k) {
					flip(to(k), i)
				}
			}
		}
	}
	var was, is []shownIn
	below, bits := make([]shownIn, len(list)), make([]shownIn, len(list))
	for c := class(1); c <= classes; c++ {
		was, is = sight(was, list, before, c.shows()), sight(is, list, after, c.shows())
		for i := range list {
			now := was[i] ^ is[i]
			bits[i], below[i] = now^below[i], now
		}
		differ(bits, func(k kind) track { return classTrack(c, k) })
	}
	publishers, partners := parties(list)
	if len(publishers) > 1 {
		for _, p := range publishers {
			was, is = strange(was, list, before, p), strange(is, list, after, p)
			differ(unlike(was, is), func(k kind) track { return ownTrack(p, k) })
		}
	}
	for _, p := range partners {
		for m := mix(1); m < mixes; m++ {
			was, is = excess(was, list, before, p, m), excess(is, list, after, p, m)
			differ(unlike(was, is), func(k kind) track { return overTrack(p, m, k) })
		}
	}
}

// unlike gives in a where it differs from b.
func unlike(a, b []shownIn) []shownIn {
	for i := range a {
		a[i] ^= b[i]
	}
	return a
}

// strange gives where what a publisher is shown of its own differs from what who sees all is shown of it.
func strange(dst []shownIn, list []*version, there []bool, p auth.PartnerID) []shownIn {
	dst = sight(dst, list, there, ownView(p).Shows)
	all := sight(nil, list, there, classes.shows())
	for i, o := range list {
		if o.Publisher == p {
			dst[i] ^= all[i]
		}
	}
	return dst
}

// excess gives where the truth for a partner differs from what its class and its own tracks say.
func excess(dst []shownIn, list []*version, there []bool, p auth.PartnerID, m mix) []shownIn {
	dst = sight(dst, list, there, m.view(p).Shows)
	level := sight(nil, list, there, class(m.level()).shows())
	own := sight(nil, list, there, ownView(p).Shows)
	for i, o := range list {
		if o.Publisher == p {
			dst[i] ^= own[i]
		} else {
			dst[i] ^= level[i]
		}
	}
	return dst
}

// parties gives the publishers of these versions, and the partners whose sight of them may be more
// than their class and their own: the publishers when there are several, and who is named.
func parties(list []*version) (publishers, partners []auth.PartnerID) {
	for _, o := range list {
		if !slices.Contains(publishers, o.Publisher) {
			publishers = append(publishers, o.Publisher)
		}
		if o.Level != stix.Red {
			continue
		}
		for _, p := range o.Named {
			if !slices.Contains(partners, p) {
				partners = append(partners, p)
			}
		}
	}
	if len(publishers) > 1 || len(partners) > 0 {
		for _, p := range publishers {
			if !slices.Contains(partners, p) {
				partners = append(partners, p)
			}
		}
	}
	return publishers, partners
}
