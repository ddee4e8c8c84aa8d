package collections_test

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// compare looks at everything that anybody could be given.
func (w *dueWalk) compare() {
	w.Helper()
	w.clock = w.clock.Add(time.Second)
	for _, who := range w.partners {
		if who.suspended { // nobody lets it in: see suspend
			continue
		}
		for at := range dueAliases {
			w.paths(who, at)
		}
		w.counts(who)
		for id, publisher := range w.statuses {
			_, err := w.desk.Status(w.Context(), who.p, "secure", id)
			if mine := publisher == who.p.Partner && len(who.rights) > 0; mine != (err == nil) {
				w.Errorf("%s asks for a status of %s: %v", who.p.Partner, publisher, err)
			}
		}
		if w.Failed() {
			return
		}
	}
}

func dueList(list []*dueCopy) []string {
	out := []string{}
	for _, c := range list {
		out = append(out, c.name())
	}
	slices.Sort(out)
	return out
}

func (w *dueWalk) paths(who *duePartner, at int) {
	w.Helper()
	ctx, place := w.Context(), w.place(dueAliases[at])
	every := collections.Query{Limit: 1000, Versions: collections.Versions{All: true}}
	if !who.rights[dueAliases[at]].Read || who.role == auth.Auditor {
		_, objects := w.desk.Objects(ctx, who.p, place, every)
		_, manifest := w.desk.Manifest(ctx, who.p, place, every)
		_, lapsed := w.desk.Lapsed(ctx, who.p, place, collections.LapseQuery{Limit: 10})
		for _, err := range []error{objects, manifest, lapsed} {
			if !errors.Is(err, collections.ErrDenied) && !errors.Is(err, collections.ErrNotFound) {
				w.Errorf("%s reads %s without the right: %v", who.p.Partner, dueAliases[at], err)
			}
		}
		return
	}
	seen := w.shown(who, 1<<at, false)
	same := func(path string, got, want []string) {
		w.Helper()
		got = slices.DeleteFunc(got, func(name string) bool { id, _, _ := strings.Cut(name, "/"); return w.ours(id) })
		if slices.Sort(got); !slices.Equal(got, want) {
			w.Errorf("%s (%s, onward %t) in %s by %s: too much %v, missing %v", who.p.Partner, who.clearance, who.onward, dueAliases[at], path, without(got, want), without(want, got))
		}
	}
	for _, all := range []bool{false, true} {
		q := collections.Query{Limit: 2 + w.below(9), Versions: collections.Versions{All: all}}
		want := seen
		if !all {
			want = dueLast(seen)
		}
		var objects, manifest []string
		for more := true; more; {
			page, err := w.desk.Objects(ctx, who.p, place, q)
			if err != nil {
				w.Fatal(err)
			}
			raws := bodies(w.T, page.Page)
			if len(raws) != page.Count {
				w.Errorf("a page of %d says %d", len(raws), page.Count)
			}
			for _, raw := range raws {
				objects = append(objects, dueNameOf(raw))
				if !w.ours(idOf(raw)) && !slices.ContainsFunc(seen, func(c *dueCopy) bool { return c.raw == raw }) {
					w.Errorf("%s is given bytes that nobody sent: %s", who.p.Partner, raw)
				}
			}
			list, err := w.desk.Manifest(ctx, who.p, place, q)
			if err != nil {
				w.Fatal(err)
			}
			manifest = append(manifest, dueFacts(list.Facts)...)
			more, q.After = page.More, page.Last
		}
		same("objects", slices.Clone(objects), dueList(want))
		same("manifest", manifest, dueList(want))
		if all {
			w.identities(who, at, objects)
		}
	}
	ids := map[string]bool{} // some of all that there ever was
	for _, c := range w.all {
		if w.once(8) {
			ids[c.id] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		want := slices.DeleteFunc(slices.Clone(seen), func(c *dueCopy) bool { return c.id != id })
		page, err := w.desk.Object(ctx, who.p, place, stix.ID(id), every)
		list, also := w.desk.Versions(ctx, who.p, place, stix.ID(id), every)
		if hidden := len(want) == 0; hidden != errors.Is(err, collections.ErrNotFound) || hidden != errors.Is(also, collections.ErrNotFound) {
			w.Errorf("%s asks for %s in %s: %v, %v; due is %v", who.p.Partner, id, dueAliases[at], err, also, dueList(want))
		}
		if err == nil && also == nil {
			var got []string
			for _, raw := range bodies(w.T, page.Page) {
				got = append(got, dueNameOf(raw))
			}
			same("object", got, dueList(want))
			same("versions", dueFacts(list.Facts), dueList(want))
		}
	}
	w.lapses(who, at, dueLast(seen), same)
}

// identities: an identity that the gateway issued goes with the objects that name it, and no further.
func (w *dueWalk) identities(who *duePartner, at int, objects []string) {
	w.Helper()
	due := map[string]bool{}
	for _, c := range w.named {
		if w.ours(c.by) && c.where>>at&1 != 0 && who.opens(c.dueCopy) {
			due[c.by] = false
		}
	}
	for _, c := range w.all {
		if w.ours(c.by) && c.in == 1<<at && who.opens(c) {
			due[c.by] = due[c.by] || !c.gone && c.level < stix.Red // of red there is one version, for those whom the first object names
		}
	}
	for _, o := range w.partners {
		for _, id := range []string{o.identity, o.pseudonym} {
			given := id != "" && slices.ContainsFunc(objects, func(name string) bool { return strings.HasPrefix(name, id) })
			if needed, ok := due[id]; given && !ok || !given && needed && !(o.pseudonymous && id == o.identity) {
				w.Errorf("%s (%s) in %s: the identity %s of %s: given %t, something names it: %t, ever: %t", who.p.Partner, who.clearance, dueAliases[at], id, o.p.Partner, given, needed, ok)
			}
		}
	}
}

func (w *dueWalk) lapses(who *duePartner, at int, last []*dueCopy, same func(string, []string, []string)) {
	w.Helper()
	want := slices.DeleteFunc(last, func(c *dueCopy) bool { return !c.lapsed })
	var facts []collections.Fact
	q := collections.LapseQuery{Limit: 1 + w.below(4)}
	for more := true; more; {
		page, err := w.desk.Lapsed(w.Context(), who.p, w.place(dueAliases[at]), q)
		if err != nil {
			w.Fatal(err)
		}
		for _, l := range page.Lapses {
			facts = append(facts, l.Fact)
		}
		more, q.After = page.More, page.Next
	}
	same("what lapsed", dueFacts(facts), dueList(want))
}

func (w *dueWalk) counts(who *duePartner) {
	w.Helper()
	list, err := w.desk.Reports(w.Context(), who.p, "secure", dueNames)
	if hidden := len(who.rights) == 0; hidden != (err != nil) {
		w.Errorf("%s asks what is reported: %v", who.p.Partner, err)
	}
	for i, r := range list {
		if want := w.reported(who, dueNames[i]); r.Partners != want {
			w.Errorf("%s (%s) is told that %d report %s, due is %d", who.p.Partner, who.clearance, r.Partners, dueNames[i], want)
		}
	}
}

var (
	duePattern = regexp.MustCompile(`(?:= '|"value":")([^'"]*)`)
	dueUntil   = regexp.MustCompile(`"valid_until":"([^"]*)"`)
)

// dueGists reads what the walk writes.
func dueGists(objects [][]byte, each func(collections.Gist)) {
	for _, raw := range objects {
		each(dueGist(raw))
	}
}

func dueGist(raw []byte) (g collections.Gist) {
	if m := duePattern.FindSubmatch(raw); m != nil {
		g.Values = []collections.Value{{Text: string(m[1])}}
	}
	if m := dueUntil.FindSubmatch(raw); m != nil {
		g.Until, _ = time.Parse(time.RFC3339, string(m[1]))
		g.Stated = true
	}
	g.Revoked = strings.Contains(string(raw), `"revoked":true`)
	return g
}

// dueVersion gives the number of a version, 0 for none of the walk's own.
func dueVersion(text string) string {
	_, tail, ok := strings.Cut(text, "2026-01-02T00:00:")
	if !ok {
		return "0"
	}
	n, _ := strconv.Atoi(tail[:2])
	return strconv.Itoa(n)
}

func dueNameOf(raw string) string {
	tail := raw[max(strings.Index(raw, `"modified":"`), strings.Index(raw, `"created":"`), 0):]
	return idOf(raw) + "/" + dueVersion(tail)
}

func dueFacts(list []collections.Fact) (names []string) {
	for _, f := range list {
		names = append(names, string(f.ID)+"/"+dueVersion(f.Version.Text))
	}
	return names
}
