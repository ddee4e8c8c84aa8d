package collections

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strconv"

	"github.com/google/uuid"

	"liaison/auth"
	"liaison/stix"
)

// Publish reads a body (an envelope or a bundle), judges every object by itself, and adds what holds
// to the collection in one transaction. It returns when that is durable and visible.
//
// An error means that nothing was stored: ErrNotFound or ErrDenied from the policy, a *stix.BodyError
// for a body that is not well-formed as a whole or over a limit, ErrFull, ErrUnavailable. A bad object
// fails alone and stands in the status with its reason. TAXII 2.1 section 5.5.
func (d *Desk) Publish(ctx context.Context, p auth.Principal, at Place, body io.Reader) (Status, error) {
	if err := d.allow(p, auth.Write, at); err != nil {
		return Status{}, err
	}
	in := intake{publication: Publication{
		Status:    StatusID(uuid.NewString()),
		Place:     at,
		Publisher: p.Partner,
		Actor:     p.Actor(),
		Address:   p.Address,
		Received:  d.now(),
		Still:     d.still(p, auth.Write, at),
	}}
	if err := in.scan(body, d.Limits); err != nil {
		return Status{}, err
	}
	if err := in.mark(ctx, d, p, at); err != nil {
		return Status{}, err
	}
	return d.Store.Publish(ctx, in.publication)
}

// intake is a publication in the making.
type intake struct {
	publication Publication
	drafts      []draft
	arena       []byte
	rejected    map[int]bool // drafts that failed in mark
}

// draft is an item whose level waits for the definitions that the same body may bring later.
type draft struct {
	Item
	object   stix.Object // the facts that marking needs: Type, Markings, GranularMarkings, DefinitionLevel
	language stix.ID     // of language content: the object that it translates
}

// scan splits the body, checks each object and copies what holds.
func (in *intake) scan(body io.Reader, l stix.Limits) error {
	s := stix.NewScanner(body, l)
	for n := 0; s.Next(); n++ {
		o := s.Object()
		problem := s.Problem()
		var notes []*stix.Note
		if problem == nil {
			problem, notes = stix.Check(o)
		}
		if problem != nil {
			in.fail(string(o.ID), o.Version().Text, n, problem.Error())
			continue
		}
		in.drafts = append(in.drafts, in.keep(o, notes))
	}
	return s.Err()
}

// keep copies an object out of the scanner's buffer.
func (in *intake) keep(o *stix.Object, notes []*stix.Note) draft {
	version := o.Version()
	d := draft{Item: Item{
		Raw:     in.copy(o.Raw),
		Digest:  sha256.Sum256(o.Raw),
		ID:      stix.ID(o.ID),
		Type:    string(o.Type),
		Spec:    o.Spec(),
		Version: Version{Text: string(version.Text), At: version.At},
		Shared:  o.Shared(),
		Defines: o.DefinitionLevel,
		To:      []auth.CollectionID{in.publication.Place.Collection},
	}}
	for _, note := range notes {
		d.Message = appendMessage(d.Message, note.Error())
	}
	d.object = stix.Object{Type: []byte(d.Type), ID: []byte(d.ID), DefinitionLevel: o.DefinitionLevel}
	for _, m := range o.Markings {
		d.object.Markings = append(d.object.Markings, bytes.Clone(m))
	}
	for _, m := range o.GranularMarkings {
		d.object.GranularMarkings = append(d.object.GranularMarkings, bytes.Clone(m))
	}
	if d.Type == "language-content" {
		for _, r := range o.Refs {
			if r.Property == "object_ref" {
				d.language = stix.ID(r.ID)
			}
		}
	}
	return d
}

// arenaSize is what copy takes from the heap at once.
const arenaSize = 1 << 20 // bytes

func (in *intake) copy(b []byte) []byte {
	if len(b) > arenaSize/4 {
		return bytes.Clone(b)
	}
	if len(b) > cap(in.arena)-len(in.arena) {
		in.arena = make([]byte, 0, arenaSize)
	}
	start := len(in.arena)
	in.arena = append(in.arena, b...)
	return in.arena[start:len(in.arena):len(in.arena)]
}

// fail notes an object that failed. A status detail must have an id and a version (TAXII 2.1 section
// 4.3.1), so an object without stands there by its place in the body and the time of the request.
func (in *intake) fail(id string, version []byte, n int, why string) {
	in.publication.Failed++
	if len(in.publication.Failures) >= MaxDetails {
		return
	}
	if id == "" {
		id = "objects/" + strconv.Itoa(n)
	}
	v := string(version)
	if v == "" {
		v = AddedAt(in.publication.Received).String()
	}
	in.publication.Failures = append(in.publication.Failures, Detail{ID: clip(id), Version: clip(v), Message: clip(why)})
}

// clip bounds a text that an outsider made and a status repeats.
func clip(s string) string {
	const most = 500 // bytes
	if len(s) <= most {
		return s
	}
	return string(bytes.ToValidUTF8([]byte(s[:most]), nil)) + "…"
}

func appendMessage(old, more string) string {
	if old == "" {
		return more
	}
	return old + "; " + more
}

// mark settles the level of every draft. Definitions are taken from the standard ones, from this body
// and from what the publisher published before, never from another partner's, and never afterwards.
func (in *intake) mark(ctx context.Context, d *Desk, p auth.Principal, at Place) error {
	known, err := in.definitions(ctx, d, p, at)
	if err != nil {
		return err
	}
	lookup := func(id []byte) (stix.Level, bool) {
		l, ok := known[stix.ID(id)]
		return l, ok
	}
	ceiling := d.Registry.State().Collections[at.Collection].Ceiling
	levels := make(map[stix.ID]stix.Level) // strictest of each id in this body, for language content
	for i := range in.drafts {
		dr := &in.drafts[i]
		if dr.language != "" {
			continue
		}
		in.settle(i, lookup, p, ceiling, stix.Unmarked)
		levels[dr.ID] = levels[dr.ID].Join(dr.Level)
	}
	if err := in.languages(ctx, d, p, at, levels, lookup, ceiling); err != nil {
		return err
	}
	in.publication.Items = make([]Item, 0, len(in.drafts))
	for i := range in.drafts {
		if !in.rejected[i] {
			in.publication.Items = append(in.publication.Items, in.drafts[i].Item)
		}
	}
	return nil
}

// definitions gives the levels of every definition that this body brings or refers to. One that
// comes more than once, or that was published before, has the strictest level.
func (in *intake) definitions(ctx context.Context, d *Desk, p auth.Principal, at Place) (map[stix.ID]stix.Level, error) {
	brought := make(map[stix.ID]stix.Level)
	asked := make(map[stix.ID]bool)
	for i := range in.drafts {
		dr := &in.drafts[i]
		if dr.Type == "marking-definition" {
			brought[dr.ID] = brought[dr.ID].Join(dr.Defines)
			asked[dr.ID] = true
		}
		for _, m := range dr.object.Markings {
			asked[stix.ID(m)] = true
		}
		for _, m := range dr.object.GranularMarkings {
			asked[stix.ID(m)] = true
		}
	}
	ids := make([]stix.ID, 0, len(asked))
	for id := range asked {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return brought, nil
	}
	held, err := d.Store.Definitions(ctx, at.Operation, p.Partner, ids)
	if err != nil {
		return nil, fmt.Errorf("looking markings up: %w", err)
	}
	for id, l := range held {
		brought[id] = brought[id].Join(l)
	}
	return brought, nil
}

// languages settles language content, which has its object's level.
func (in *intake) languages(ctx context.Context, d *Desk, p auth.Principal, at Place,
	levels map[stix.ID]stix.Level, lookup func([]byte) (stix.Level, bool), ceiling stix.Level,
) error {
	var ids []stix.ID
	for i := range in.drafts {
		if in.drafts[i].language != "" {
			ids = append(ids, in.drafts[i].language)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	held, err := d.Store.Levels(ctx, at.Operation, p.Partner, ids)
	if err != nil {
		return fmt.Errorf("looking levels up: %w", err)
	}
	for i := range in.drafts {
		if id := in.drafts[i].language; id != "" {
			in.settle(i, lookup, p, ceiling, levels[id].Join(held[id]))
		}
	}
	return nil
}

// settle gives draft i its level, or makes it a failure. DESIGN.md, law 4: unmarked is not CLEAR.
func (in *intake) settle(i int, lookup func([]byte) (stix.Level, bool), p auth.Principal, ceiling, from stix.Level) {
	dr := &in.drafts[i]
	level, unknown := stix.LevelOf(&dr.object, lookup)
	level = level.Join(from)
	if level == stix.Unmarked {
		level = p.Default
	}
	reject := func(why string) {
		if in.rejected == nil {
			in.rejected = map[int]bool{}
		}
		in.rejected[i] = true
		in.fail(string(dr.ID), []byte(dr.Version.Text), i, why)
	}
	switch {
	case level == stix.Unmarked:
		reject("no marking says how widely this may be shared: add a TLP marking to object_marking_refs, " +
			"or ask the operator for a default marking")
		return
	case ceiling != stix.Unmarked && level > ceiling:
		reject(fmt.Sprintf("marked %s, above what this collection takes (%s)", level, ceiling))
		return
	case level == stix.Unknown:
		dr.Message = appendMessage(dr.Message, fmt.Sprintf(
			"nobody but you can see it: the marking %s is not known here; publish its definition before or with the object", unknown))
	case level == stix.Red && len(dr.Named) == 0:
		dr.Message = appendMessage(dr.Message, "nobody but you can see it: it is TLP:RED and names no recipients")
	}
	dr.Level = level
}
