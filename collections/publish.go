package collections

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"liaison/auth"
	"liaison/collections/routing"
	"liaison/stix"
)

// Publish reads a body (an envelope or a bundle), judges every object by itself, and adds what holds
// to the collection in one transaction. It returns when that is durable and visible.
//
// An error means that nothing was stored: ErrNotFound or ErrDenied from the policy, a *stix.BodyError
// for a body that is not well-formed as a whole or over a limit, ErrFull, ErrUnavailable. A bad object
// fails alone and stands in the status with its reason. TAXII 2.1 section 5.5.
func (d *Desk) Publish(ctx context.Context, p auth.Principal, at Place, body io.Reader) (Status, error) {
	return d.PublishWith(ctx, p, at, body, Wishes{})
}

// PublishFor is Publish with the publisher's list of countries for all objects that have none of their
// own. The list is for an intake: for any other collection it is ErrInvalid.
func (d *Desk) PublishFor(ctx context.Context, p auth.Principal, at Place, body io.Reader, countries []string) (Status, error) {
	return d.PublishWith(ctx, p, at, body, Wishes{Countries: countries})
}

// PublishWith is Publish with what the publisher says of the whole publication.
func (d *Desk) PublishWith(ctx context.Context, p auth.Principal, at Place, body io.Reader, w Wishes) (Status, error) {
	stager, _ := d.Store.(Stager)
	in, done, err := d.prepare(ctx, p, at, body, w, stager)
	if err != nil {
		return Status{}, err
	}
	defer done()
	defer in.release()
	in.rest()
	publication := in.publication
	if in.staged > 0 {
		in.forget()
		runtime.GC() // or what was left of reading a large body stays beside what its commit needs
	}
	return d.Store.Publish(ctx, publication)
}

// prepare makes a publication of a body. The caller calls done when it is stored or given up: until then
// nothing else of the publisher is routed. What is large goes to the stager, unless it is nil.
func (d *Desk) prepare(ctx context.Context, p auth.Principal, at Place, body io.Reader, w Wishes, stager Stager) (_ *intake, done func(), err error) {
	if err := d.allow(p, auth.Write, at); err != nil {
		return nil, nil, err
	}
	st := d.Registry.State()
	c := st.Collections[at.Collection]
	countries := w.Countries
	if countries != nil && !c.Intake {
		return nil, nil, fmt.Errorf("%w: countries: only what is published to the intake is routed; this is collection %s", ErrInvalid, c.Alias)
	}
	in := &intake{room: rooms.Get().(*room), stager: stager, publication: Publication{
		Status:    newStatusID(d.now()),
		Place:     at,
		Publisher: p.Partner,
		Actor:     p.Actor(),
		Address:   p.Address,
		Received:  d.now(),
		Still:     d.still(p, auth.Write, at),
	}}
	in.holding, in.authors, in.wishes = d.holding(p.Partner), d.authors(p.Partner), w
	turn := func() {}
	defer func() {
		if err != nil {
			turn()
			in.unstage(ctx)
			in.release()
		}
	}()
	if c.Intake {
		n, err := d.network(st, at.Operation)
		if err != nil {
			return nil, nil, err
		}
		in.graph = n.router.Graph()
	}
	if err := in.scan(ctx, body, d.Limits, c.Strict); err != nil {
		return nil, nil, err
	}
	if c.Intake {
		mine, err := d.turns.take(ctx, at.Operation, p.Partner)
		if err != nil {
			return nil, nil, err
		}
		turn = mine
	}
	if err := in.mark(ctx, d, p, at); err != nil {
		return nil, nil, err
	}
	if c.Intake {
		if err := in.dispatch(ctx, d, countries); err != nil {
			return nil, nil, err
		}
	}
	in.hold()
	if err := in.identities(ctx, d, &in.authors); err != nil {
		return nil, nil, err
	}
	return in, turn, nil
}

// newStatusID makes a UUIDv4 whose first 48 bits are the time in ms, so that the statuses of one time
// are neighbours in a store. The other 74 are random, and only the publisher is shown its status.
func newStatusID(now time.Time) StatusID {
	id := uuid.New()
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(id[:6], ms[2:])
	return StatusID(id.String())
}

// intake is a publication in the making.
type intake struct {
	publication Publication
	drafts      []draft // of publication.Items, one each
	room        *room
	to          []auth.CollectionID // of every item
	types       map[string]string
	marked      map[string]*marks // by their text
	text        []byte            // of marks, to be used again
	rejected    map[int]bool      // drafts that failed in mark
	holding     holding
	wishes      Wishes
	authors     authors
	watched     map[int]watched // by draft, after mark by item; see hold.go
	graph       *routing.Graph  // of what is sent to an intake; nil: of no other

	stager Stager // nil: everything stays in memory
	staged int    // how many of publication.Items were, from the first on
	loose  int    // bytes of those that were not
	read   int64  // bytes of those that were
	limits stix.Limits
}

// draft is an item whose level waits for the definitions that the same body may bring later.
type draft struct {
	*Item // set when all are there
	marks *marks
	*oddities
}

// oddities are what few drafts have.
type oddities struct {
	language stix.ID // of language content: the object that it translates
	unfit    string  // why it fails whatever its level is
}

// usual has none.
var usual oddities

// marks are the markings of all objects that are marked alike.
type marks struct {
	object, granular [][]byte
	settled          bool
	level            stix.Level // of an object with these and nothing else that decides, once settled
	unknown          []byte     // of them, what nobody knows
}

// levelOf gives the level that a draft has by its markings, as stix.LevelOf.
func (d *draft) levelOf(lookup func(id []byte) (stix.Level, bool)) (level stix.Level, unknown []byte) {
	m := d.marks
	if d.Type == "marking-definition" || d.Type == "extension-definition" {
		return stix.LevelOf(&stix.Object{
			Type: []byte(d.Type), ID: []byte(d.ID), DefinitionLevel: d.Defines, Markings: m.object, GranularMarkings: m.granular,
		}, lookup)
	}
	if !m.settled {
		m.settled = true
		m.level, m.unknown = stix.LevelOf(&stix.Object{Markings: m.object, GranularMarkings: m.granular}, lookup)
	}
	return m.level, m.unknown
}

// scanners keeps those that read no body now: their buffers are worth more than a small body.
var scanners = sync.Pool{New: func() any { return stix.NewScanner(nil, stix.Limits{}) }}

// scan splits the body, checks each object, by all of the schemas where the collection is strict, and
// copies what holds.
func (in *intake) scan(ctx context.Context, body io.Reader, l stix.Limits, strict bool) error {
	s := scanners.Get().(*stix.Scanner)
	s.Reset(body, l)
	in.limits = l
	defer func() {
		s.Reset(nil, stix.Limits{}) // lets go of the body
		scanners.Put(s)
	}()
	in.publication.Items, in.drafts = in.room.items, in.room.drafts
	defer in.keepRoom()
	for n := 0; s.Next(); n++ {
		o := s.Object()
		problem := s.Problem()
		var notes []*stix.Note
		if problem == nil {
			problem, notes = stix.Check(o)
		}
		if problem == nil && strict {
			problem = stix.CheckStrict(o)
		}
		var s said
		if problem == nil {
			s, problem = saidOf(o)
		}
		if problem != nil {
			in.fail(string(o.ID), o.Version().Text, n, problem.Error())
			continue
		}
		in.keep(o, s, notes)
		if in.loose += len(o.Raw); in.full() {
			if err := in.stage(ctx); err != nil {
				return err
			}
		}
	}
	for i := range in.drafts {
		in.drafts[i].Item = &in.publication.Items[i]
	}
	return s.Err()
}

// keep copies an object out of the scanner's buffer.
func (in *intake) keep(o *stix.Object, s said, notes []*stix.Note) {
	version := o.Version()
	text := string(append(append(in.text[:0], o.ID...), version.Text...)) // one piece of the heap for both
	item := Item{
		Raw:     in.room.copy(o.Raw),
		Digest:  sha256.Sum256(o.Raw),
		ID:      stix.ID(text[:len(o.ID)]),
		Type:    in.typeOf(o),
		Spec:    o.Spec(),
		Version: Version{Text: text[len(o.ID):], At: version.At},
		Shared:  o.Shared(),
		Defines: o.DefinitionLevel,
		Named:   s.partners,
		Lower:   s.lower || in.wishes.Lower,
		To:      in.collection(),
	}
	for _, note := range notes {
		item.Message = appendMessage(item.Message, note.Error())
	}
	var odd oddities
	if len(o.CreatedBy) > 0 || len(in.authors.registered) > 0 {
		odd.unfit, item.Foreign = in.authors.check(&item, stix.ID(in.textOf(o.CreatedBy)))
		if item.Foreign {
			item.Message = odd.unfit
		}
	}
	if item.Type == "language-content" {
		for _, r := range o.Refs {
			if r.Property == "object_ref" {
				odd.language = stix.ID(r.ID)
			}
		}
	}
	in.watch(o, len(in.drafts))
	if in.graph != nil {
		in.graph.Add(o)
	}
	in.publication.Items = append(in.publication.Items, item)
	d := draft{marks: in.marksOf(o), oddities: &usual}
	if odd != usual {
		d.oddities = &oddities{odd.language, odd.unfit}
	}
	in.drafts = append(in.drafts, d)
}

func (in *intake) collection() []auth.CollectionID {
	if in.to == nil {
		in.to = []auth.CollectionID{in.publication.Place.Collection}
	}
	return in.to
}

// typeOf and marksOf give one copy to all objects that are alike in it, as most of a body are.
func (in *intake) typeOf(o *stix.Object) string { return in.textOf(o.Type) }

func (in *intake) textOf(b []byte) string {
	if t, ok := in.types[string(b)]; ok {
		return t
	}
	if in.types == nil {
		in.types = map[string]string{}
	}
	t := string(b)
	in.types[t] = t
	return t
}

func (in *intake) marksOf(o *stix.Object) *marks {
	in.text = in.text[:0]
	for _, list := range [2][][]byte{o.Markings, o.GranularMarkings} {
		in.text = binary.AppendUvarint(in.text, uint64(len(list)))
		for _, id := range list {
			in.text = binary.AppendUvarint(in.text, uint64(len(id)))
			in.text = append(in.text, id...)
		}
	}
	if m, ok := in.marked[string(in.text)]; ok {
		return m
	}
	if in.marked == nil {
		in.marked = map[string]*marks{}
	}
	m := &marks{object: cloned(o.Markings), granular: cloned(o.GranularMarkings)}
	in.marked[string(in.text)] = m
	return m
}

func cloned(list [][]byte) [][]byte {
	if len(list) == 0 {
		return nil
	}
	out := make([][]byte, len(list))
	for i, b := range list {
		out[i] = bytes.Clone(b)
	}
	return out
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
	const mark = "…"
	if len(s) <= MaxReason {
		return s
	}
	return string(bytes.ToValidUTF8([]byte(s[:MaxReason-len(mark)]), nil)) + mark
}

func appendMessage(old, more string) string {
	if old == "" {
		return more
	}
	return old + "; " + more
}
