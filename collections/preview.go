package collections

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/stix"
)

// MaxForecasts bounds the objects that a preview lists; it counts them all.
const MaxForecasts = 5_000

// The verdicts of a preview.
const (
	ForecastAdded     = "added"     // to at least one collection
	ForecastKept      = "kept"      // until it goes somewhere, or somebody has looked at it
	ForecastDuplicate = "duplicate" // it is there, or kept, already
	ForecastFailed    = "failed"
)

// Forecast is what would become of one object.
type Forecast struct {
	ID          string   `json:"id"`
	Version     string   `json:"version,omitempty"`
	Verdict     string   `json:"verdict"`               // added, kept, duplicate or failed
	Kind        KeepKind `json:"kind,omitempty"`        // of what would be kept: held, unrouted or pending
	Collections []string `json:"collections,omitempty"` // aliases of those that it would be added to
	Recipients  int      `json:"recipients"`            // partners who could read it there, besides its publisher
	Message     string   `json:"message,omitempty"`
	Brought     bool     `json:"brought,omitempty"` // it is not part of the publication, but comes along
}

// Preview is what would become of a publication if it were sent now.
type Preview struct {
	Total     int        `json:"total"` // = Accepted + Failed
	Accepted  int        `json:"accepted"`
	Failed    int        `json:"failed"`
	Kept      int        `json:"kept"`      // of those accepted
	Duplicate int        `json:"duplicate"` // likewise
	Brought   int        `json:"brought"`   // that come along
	Placed    []PlacedIn `json:"placed"`    // by alias
	Objects   []Forecast `json:"objects"`   // in the order in which they would be added, failures at the door first; at most MaxForecasts
}

// PlacedIn is how many object versions would be added to a collection, those that come along included.
type PlacedIn struct {
	Collection string `json:"collection"` // its alias
	Objects    int    `json:"objects"`
}

// Preview says what PublishWith would do with a body now, and does nothing: the same objects are judged by
// the same rules, against what is there. The errors are the same too. Who would read what is told in
// numbers. That it was asked stands in the journal.
func (d *Desk) Preview(ctx context.Context, p auth.Principal, at Place, body io.Reader, w Wishes) (Preview, error) {
	return d.preview(ctx, p, p, at, body, w)
}

// PreviewAs is Preview for an operator, of what a partner would publish.
func (d *Desk) PreviewAs(ctx context.Context, p auth.Principal, partner auth.PartnerID, at Place, body io.Reader, w Wishes) (Preview, error) {
	st, err := d.operator(p, at.Operation)
	if err != nil {
		return Preview{}, err
	}
	row, ok := st.Access.Partners[partner]
	if !ok || row.State == auth.Removed {
		return Preview{}, fmt.Errorf("%w: partner %q", ErrNotFound, partner)
	}
	return d.preview(ctx, p, reader(row), at, body, w)
}

// reader gives what a partner would be without any of its clients; the operator on the machine needs none.
func reader(row auth.Partner) auth.Principal {
	return auth.Principal{
		Partner: row.ID, Role: row.Role, Clearance: row.Clearance, Default: row.DefaultMarking, Onward: row.Onward,
		Method: auth.ByPeer, Scope: auth.FullScope,
	}
}

func (d *Desk) preview(ctx context.Context, asks, p auth.Principal, at Place, body io.Reader, w Wishes) (Preview, error) {
	in, done, err := d.prepare(ctx, p, at, body, w, nil)
	if err != nil {
		return Preview{}, err
	}
	defer done()
	defer in.release()
	tried, err := d.Store.Try(ctx, in.publication)
	if err != nil {
		return Preview{}, err
	}
	a := audience{st: d.Registry.State(), publisher: p.Partner}
	v := Preview{Placed: []PlacedIn{}, Objects: []Forecast{}, Failed: in.publication.Failed}
	for _, f := range in.publication.Failures {
		v.list(Forecast{ID: f.ID, Version: f.Version, Verdict: ForecastFailed, Message: f.Message})
	}
	for i := range tried {
		if f, ok := a.forecast(&in.publication.Items[i], &tried[i]); ok {
			v.count(&f)
			v.list(f)
		}
	}
	v.Total = v.Accepted + v.Failed
	return v, d.served(ctx, asks, "read.preview", struct {
		Operation  auth.OperationID  `json:"operation"`
		Collection auth.CollectionID `json:"collection"`
		Publisher  auth.PartnerID    `json:"publisher"`
		Total      int               `json:"total"`
		Address    string            `json:"address,omitempty"`
	}{at.Operation, at.Collection, p.Partner, v.Total, asks.Address})
}

func (v *Preview) list(f Forecast) {
	if len(v.Objects) < MaxForecasts {
		v.Objects = append(v.Objects, f)
	}
}

func (v *Preview) count(f *Forecast) {
	for _, c := range f.Collections {
		i, ok := slices.BinarySearchFunc(v.Placed, c, func(p PlacedIn, alias string) int { return compareText(p.Collection, alias) })
		if !ok {
			v.Placed = slices.Insert(v.Placed, i, PlacedIn{Collection: c})
		}
		v.Placed[i].Objects++
	}
	if f.Brought {
		v.Brought++
		return
	}
	switch f.Verdict {
	case ForecastFailed:
		v.Failed++
		return
	case ForecastDuplicate:
		v.Duplicate++
	}
	if f.Kind != "" {
		v.Kept++
	}
	v.Accepted++
}

// audience tells how many partners would read something.
type audience struct {
	st        *State
	publisher auth.PartnerID
	readers   map[auth.CollectionID][]auth.PartnerID
	alike     map[string]int // by level and collections, of what names nobody
}

// forecast says what becomes of an item; false for what is brought and is there already.
func (a *audience) forecast(it *Item, t *Tried) (Forecast, bool) {
	f := Forecast{ID: string(it.ID), Version: it.Version.Text, Message: it.Message, Brought: it.Brought}
	if t.Message != "" {
		f.Message = t.Message
	}
	switch {
	case t.Why != "":
		f.Verdict, f.Message = ForecastFailed, t.Why
		return f, true
	case len(t.To) > 0:
		f.Verdict = ForecastAdded
	case t.Kept != nil:
		f.Verdict = ForecastKept
	default:
		f.Verdict = ForecastDuplicate
	}
	if t.Kept != nil {
		f.Kind = t.Kept.Kind
	}
	for _, c := range t.To {
		f.Collections = append(f.Collections, a.st.Collections[c].Alias)
	}
	slices.Sort(f.Collections)
	f.Recipients = a.size(it, t.To)
	return f, !it.Brought || f.Verdict != ForecastDuplicate
}

// size counts the partners that read at least one of the collections and would be shown the object.
func (a *audience) size(it *Item, to []auth.CollectionID) int {
	if len(to) == 0 {
		return 0
	}
	var key string
	if len(it.Named) == 0 {
		var b strings.Builder
		b.WriteByte(byte(it.Level))
		for _, c := range to {
			b.WriteString(string(c))
		}
		key = b.String()
		if n, ok := a.alike[key]; ok {
			return n
		}
	}
	seen := map[auth.PartnerID]bool{}
	for _, c := range to {
		for _, id := range a.of(c) {
			if !seen[id] && a.shown(id, c, it) {
				seen[id] = true
			}
		}
	}
	if key != "" {
		if a.alike == nil {
			a.alike = map[string]int{}
		}
		a.alike[key] = len(seen)
	}
	return len(seen)
}

// of gives the partners with a grant on a collection.
func (a *audience) of(c auth.CollectionID) []auth.PartnerID {
	if a.readers == nil {
		a.readers = map[auth.CollectionID][]auth.PartnerID{}
		for _, id := range slices.Sorted(maps.Keys(a.st.Access.Grants)) {
			if row := a.st.Access.Partners[id]; id != a.publisher && row.State == auth.Active {
				for c := range a.st.Access.Grants[id] {
					a.readers[c] = append(a.readers[c], id)
				}
			}
		}
	}
	return a.readers[c]
}

func (a *audience) shown(id auth.PartnerID, c auth.CollectionID, it *Item) bool {
	p := reader(a.st.Access.Partners[id])
	r := resource(a.st, p, a.st.Collections[c].Place())
	r.Object = &auth.Object{Publisher: a.publisher, Level: it.Level, Named: it.Named}
	return it.Level != stix.Unknown && auth.Decide(p, auth.Read, r) == auth.Allowed
}
