package collections

import (
	"bytes"
	"context"
	"crypto/sha256"
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
