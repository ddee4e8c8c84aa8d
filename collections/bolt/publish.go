package bolt

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// maxNames bounds the ids that a journal line lists; the line has their count.
const maxNames = 100

// publication is a publication on its way through the committer.
type publication struct {
	collections.Publication
	hashes  []uint64       // of the items' ids
	staging *staging       // what was staged for it; nil: nothing
	missed  map[int32]bool // items that are not everywhere where they were to go
	parts   bool           // it is planned in parts, and has a transaction of its own
}

// check refuses what no store could keep.
func (p *publication) check() error {
	if p.Place.Operation == "" || p.Status == "" {
		return fmt.Errorf("%w: a publication needs a status id and an operation", collections.ErrInvalid)
	}
	for i := range p.Items {
		it := &p.Items[i]
		switch {
		case it.Keep != nil && it.Keep.Check() != nil:
			return fmt.Errorf("item %s: %w", it.ID, it.Keep.Check())
		case len(it.To) == 0 && it.Keep == nil:
			return fmt.Errorf("%w: item %s goes to no collection", collections.ErrInvalid, it.ID)
		case it.Staged > 0:
			if _, ok := p.staging.ref(it.Staged); !ok {
				return fmt.Errorf("%w: item %s was not staged", collections.ErrInvalid, it.ID)
			}
		case len(it.Raw) == 0:
			return fmt.Errorf("%w: item %s has no bytes", collections.ErrInvalid, it.ID)
		case it.Spec != "2.0" && it.Spec != "2.1":
			return fmt.Errorf("%w: item %s has spec version %q, want 2.0 or 2.1", collections.ErrInvalid, it.ID, it.Spec)
		case it.ID == "" || it.Type == "" || len(it.Type) > 250 || strings.IndexByte(it.Type, 0) >= 0:
			return fmt.Errorf("%w: item %q has type %q", collections.ErrInvalid, it.ID, it.Type)
		}
	}
	return nil
}

// verdict is what the plan made of one item.
type verdict struct {
	item *collections.Item
	hash uint64
	new  *version // nil: a failure or a duplicate
	to   []*stack // where it is new
}

// askEvery is after how many items a plan asks whether its caller is still there.
const askEvery = 1000

// publish plans a publication. After an error nothing of it is in the batch.
func (b *batch) publish(ctx context.Context, p *publication) (collections.Status, error) {
	if p.Still != nil {
		if err := p.Still(); err != nil {
			return collections.Status{}, err
		}
	}
	op := b.operation(p.Place.Operation)
	p.missed = nil
	t := tally{named: p.brings(), Status: collections.Status{
		ID: p.Status, Operation: p.Place.Operation, Publisher: p.Publisher, Received: p.Received,
		Failure: p.Failed, Failures: slices.Clone(p.Failures[:min(len(p.Failures), collections.MaxDetails)]),
	}}
	t.Successes = make([]collections.Detail, 0, min(len(p.Items), collections.MaxDetails))
	each := max(len(p.Items), 1)
	if p.parts {
		each = b.s.o.sizes.part
	}
	for from := 0; from == 0 || from < len(p.Items); from += each {
		var err error
		if from > 0 {
			if p.staging != nil {
				clear(p.Items[from-each : from])
			}
			if from/each%tidyParts == 0 {
				runtime.GC() // or garbage grows by half of all that the rest waits in
			}
			ctx = context.WithoutCancel(ctx) // there is something written
			op, err = b.write(op)
		}
		if err == nil {
			err = b.part(ctx, op, p, from, min(from+each, len(p.Items)), &t)
		}
		if err != nil {
			b.spoilt = from > 0
			return collections.Status{}, err
		}
	}
	op.settle(p)
	op.want(p)
	b.record(p, &t)
	b.lines = append(b.lines, t.lines...)
	t.Successes = collections.ListSuccesses(t.Successes, t.noted)
	return t.Status, nil
}

// partItems is how many items of a large publication are planned at once. What is planned of them is written
// into the transaction before the next ones are looked at, which find it there, so that memory is needed for one
// part and not for the whole.
const partItems = 4 << 10

// tidyParts is after how many parts memory is tidied up.
const tidyParts = 3

// divisible reports whether a publication may be planned in parts. It then needs a transaction of its own, for after
// the first part nothing of it can be taken back but with the transaction. What was kept or brought along is told
// of in lines for the whole, and what goes into several collections is counted for the whole.
func (p *publication) divisible(part int) bool {
	if len(p.Items) <= part || len(p.Wanted)+len(p.Ties) > 0 {
		return false
	}
	for i := range p.Items {
		it := &p.Items[i]
		if it.Kept != 0 || it.Brought && i >= part || len(it.To) > 1 || len(it.To) == 1 && it.To[0] != p.Place.Collection {
			return false
		}
	}
	return true
}

// part plans some items of a publication. After an error nothing of them is in the batch.
func (b *batch) part(ctx context.Context, op *operation, p *publication, from, to int, t *tally) error {
	verdicts := make([]verdict, 0, to-from)
	for i := from; i < to; i++ {
		var v verdict
		var err error
		if i%askEvery == askEvery-1 {
			err = ctx.Err()
		}
		if err == nil {
			v, err = b.take(op, p, i, t)
		}
		if err != nil {
			op.forget(verdicts)
			return fmt.Errorf("publishing %s: %w", p.Items[i].ID, err)
		}
		if v.new != nil {
			verdicts = append(verdicts, v)
		}
	}
	all, err := op.gather(verdicts)
	if err != nil {
		op.forget(verdicts)
		return fmt.Errorf("publishing to %s: %w", p.Place.Collection, err)
	}
	op.place(p, verdicts, all)
	op.explain(verdicts)
	t.count(verdicts)
	p.staging.use(verdicts)
	t.lines = append(t.lines, b.freed(op, p, verdicts)...)
	return nil
}

// write writes what is planned of an operation into the transaction, and opens it again.
func (b *batch) write(op *operation) (*operation, error) {
	op.partial = true
	if err := op.put(b); err != nil {
		return nil, fmt.Errorf("writing operation %s: %w", op.id, err)
	}
	delete(b.ops, op.id)
	b.s.scratch.versions.rewind()
	b.s.scratch.spots.rewind()
	return b.operation(op.id), nil
}

// judge decides about one item: ownership, duplicates, conflicts. What it finds is noted in t.
func (b *batch) judge(op *operation, p *publication, i int, it *collections.Item, t *tally) (verdict, error) {
	v := verdict{item: it, hash: p.hashes[i]}
	known, err := op.versions(v.hash, it.ID)
	if err != nil {
		return v, err
	}
	kept, err := op.keeps(b).of(v.hash, it.ID)
	if err != nil {
		return v, err
	}
	if it.Foreign || !kept.owns(p, it, known) {
		t.refuse(p, it)
		return v, nil
	}
	held := map[uint16]*version(nil) // collections that have it, and as what
	mine := kept.present(p.Publisher, it.ID)
	count := len(mine)
	if conflicts(mine, it) {
		t.fail(p, it, "this version was published before with other content: give changed content a later modified")
		return v, nil
	}
	for _, k := range known {
		if k.Publisher != p.Publisher || len(k.in) == 0 {
			continue
		}
		count++
		same := k.digest == digest(it.Digest[:16])
		switch {
		case it.Version.At.Set && k.Version.At.Compare(it.Version.At) == 0 && !same:
			t.fail(p, it, "this version was published before with other content: give changed content a later modified")
			return v, nil
		case same && k.versioned == it.Version.At.Set && (!k.versioned || k.Version.At.Compare(it.Version.At) == 0):
			if held == nil {
				held = map[uint16]*version{}
			}
			for _, n := range k.in {
				held[n] = k
			}
		}
	}
	var there *version
	for _, c := range it.To {
		s, err := op.stack(c)
		if err != nil {
			return v, err
		}
		if k := held[s.number]; k != nil {
			there = cmp.Or(there, k)
			continue
		}
		v.to = append(v.to, s)
	}
	keep := op.rest(mine, it, held)
	if (len(v.to) > 0 || keep != nil) && count >= collections.MaxVersions {
		t.fail(p, it, fmt.Sprintf("%d versions of this object are there, and no more may be: delete old ones first", collections.MaxVersions))
		return v, nil
	}
	if len(v.to) > 0 || keep != nil {
		why := lowered(known, mine, p, it)
		if why == "" {
			why, err = b.unowned(op, p, it, t)
		}
		if err != nil {
			return v, err
		}
		if why != "" {
			t.fail(p, it, why)
			v.to = nil
			return v, nil
		}
	}
	if keep != nil {
		if why := op.keeping.full(p.Publisher, len(it.Raw)+it.Size); why != "" {
			t.fail(p, it, why)
			return v, nil
		}
		raw, err := op.raw(p, it)
		if err != nil {
			return v, err
		}
		op.keeping.keep(p, it, raw, keep, v.hash, len(known) == 0)
		t.Kept++
	}
	for _, c := range it.To {
		t.reach(c)
	}
	if len(v.to) == 0 {
		t.stay(p, it, there, keep != nil)
		return v, nil
	}
	b.admit(op, p, &v)
	t.add(it, v.new)
	return v, nil
}

// admit makes a version of an item.
func (b *batch) admit(op *operation, p *publication, v *verdict) {
	it := v.item
	n := &op.scratch.versions.take(1)[0]
	*n = version{
		Fact: collections.Fact{
			ID: it.ID, Type: it.Type, Spec: it.Spec, Version: it.Version, Added: b.next(op),
			Publisher: p.Publisher, Level: it.Level, Named: it.Named,
		},
		versioned: it.Version.At.Set, shared: it.Shared, present: true,
		hash: v.hash, digest: digest(it.Digest[:16]), defines: it.Defines,
	}
	if !n.versioned {
		n.Version = addedVersion(n.Added)
	}
	n.in = op.numbers(v.to)
	if n.spots = nil; len(v.to) <= reelChunk {
		n.spots = op.scratch.spots.take(len(v.to))[:0]
	}
	v.new = n
	op.known[v.hash] = append(op.known[v.hash], n)
}

// numbers gives those of stacks, the same list for the same stacks; nobody changes it.
func (op *operation) numbers(to []*stack) []uint16 {
	same := len(op.recent) == len(to)
	for i := 0; same && i < len(to); i++ {
		same = op.recent[i] == to[i].number
	}
	if !same {
		op.recent = make([]uint16, len(to))
		for i, s := range to {
			op.recent[i] = s.number
		}
	}
	return op.recent
}

// forget undoes judge for a publication that fails.
func (op *operation) forget(list []verdict) {
	for _, v := range slices.Backward(list) {
		all := op.known[v.hash]
		op.known[v.hash] = all[:len(all)-1]
	}
}

// many is an id with more than one version, in one of the collections that a publication brings some
// to.
type many struct {
	stack *stack
	list  []*version // in the collection, ascending by date_added
	old   int        // how many of them were there before
}

// gather finds those ids, and where their old versions are.
func (op *operation) gather(verdicts []verdict) ([]many, error) {
	type place struct {
		number uint16
		id     stix.ID
	}
	seen := map[place]bool{}
	var all []many
	for _, v := range verdicts {
		if len(op.known[v.hash]) == 1 {
			continue
		}
		for _, s := range v.to {
			at := place{s.number, v.item.ID}
			if seen[at] {
				continue
			}
			seen[at] = true
			m, err := op.many(s, v.hash, v.item.ID, verdicts[0].new.Added)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", v.item.ID, err)
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// many gives the versions of an id in one collection; those before first were there already.
func (op *operation) many(s *stack, hash uint64, id stix.ID, first collections.Added) (many, error) {
	m := many{stack: s}
	known, err := op.versions(hash, id)
	if err != nil {
		return m, err
	}
	for _, k := range known {
		if !slices.Contains(k.in, s.number) {
			continue
		}
		if k.Added < first {
			if _, err := k.spot(s); err != nil {
				return m, err
			}
			m.old++
		}
		m.list = append(m.list, k)
	}
	return m, nil
}

// place puts what was admitted into its collections: every id once, however many versions of it come.
// It cannot fail.
func (op *operation) place(from *publication, verdicts []verdict, all []many) {
	for _, v := range verdicts {
		alone := len(op.known[v.hash]) == 1
		p := op.piece(from, &v)
		for _, s := range v.to {
			at := s.add(v.new, p)
			v.new.spots = append(v.new.spots, at)
			s.mark(v.new, at, alone)
		}
		op.write(v.new)
	}
	for _, m := range all {
		before, after := make([]bool, len(m.list)), make([]bool, len(m.list))
		for i := range m.list {
			before[i], after[i] = i < m.old, true
		}
		m.stack.turn(m.list, before, after)
	}
}

// turn writes the difference between two states of the versions of one object.
func (s *stack) turn(list []*version, before, after []bool) {
	turn(list, before, after, func(t track, i int) {
		for _, at := range list[i].spots {
			if at.number == s.number {
				s.flip(t, at)
			}
		}
	})
}

// tally is a status while its publication is planned.
type tally struct {
	collections.Status
	named   bool // every success is told by its id: there is more in the run than the status tells
	refused int
	authors map[stix.ID]bool // that may be named
	ids     []stix.ID        // of those, at most maxNames
	reached []auth.CollectionID
	placed  map[auth.CollectionID]int // nil where everything went to one
	told    []told
	lines   []auth.Line          // that follow its own
	noted   []collections.Detail // successes with a message after the first MaxDetails
}

func (t *tally) reach(c auth.CollectionID) {
	if !slices.Contains(t.reached, c) {
		t.reached = append(t.reached, c)
	}
}

func (t *tally) fail(p *publication, it *collections.Item, why string) {
	t.Failure++
	if len(t.Failures) < collections.MaxDetails {
		v := it.Version.Text
		if v == "" { // a detail must have a version. TAXII 2.1 section 4.3.1
			v = collections.AddedAt(p.Received).String()
		}
		t.Failures = append(t.Failures, collections.Detail{ID: string(it.ID), Version: v, Message: why})
	}
}

func (t *tally) refuse(p *publication, it *collections.Item) {
	why := "another partner published this id first and owns it: publish under an id of your own"
	if it.Foreign {
		why = it.Message
	}
	t.fail(p, it, why)
	if t.refused++; len(t.ids) < maxNames {
		t.ids = append(t.ids, it.ID)
	}
}

// stay notes an item that was added nowhere: it is kept, or there already, in a collection or kept.
func (t *tally) stay(p *publication, it *collections.Item, there *version, kept bool) {
	version, message := it.Version.Text, it.Message
	if version == "" {
		version = collections.AddedAt(p.Received).String()
	}
	if !kept {
		t.Duplicate++
		if there != nil {
			version, message = there.Version.Text, it.Repeated(there.Level, there.Named)
		}
	}
	t.succeed(it, version, message, true)
}

func (t *tally) add(it *collections.Item, v *version) {
	t.First, t.Last = cmp.Or(t.First, v.Added), v.Added
	t.succeed(it, v.Version.Text, it.Message, false)
}

func (t *tally) succeed(it *collections.Item, version, message string, duplicate bool) {
	d := collections.Detail{ID: string(it.ID), Version: version, Message: message}
	switch {
	case len(t.Successes) < collections.MaxDetails:
		t.Successes = append(t.Successes, d)
		if !duplicate && !t.named { // the rest is in the facts
			d.ID, d.Version = "", ""
		}
		if duplicate || t.named || d.Message != "" {
			t.told = append(t.told, told{At: t.Success, Detail: d})
		}
	case d.Message != "" && len(t.noted) < collections.MaxDetails:
		t.noted = append(t.noted, d)
	}
	t.Success++
}

type publishLine struct {
	Address     string              `json:"address,omitempty"` // in the order of canonical JSON
	Collection  auth.CollectionID   `json:"collection"`
	Collections []auth.CollectionID `json:"collections,omitempty"`
	Duplicate   int                 `json:"duplicate"`
	Failure     int                 `json:"failure"`
	First       string              `json:"first,omitempty"`
	Kept        int                 `json:"kept,omitempty"`
	Last        string              `json:"last,omitempty"`
	Operation   auth.OperationID    `json:"operation"`

	// Placed counts object versions that were added, by collection, where there are several.
	Placed    map[auth.CollectionID]int `json:"placed,omitempty"`
	Publisher auth.PartnerID            `json:"publisher"`
	Reason    string                    `json:"reason,omitempty"` // of kind "route"
	Status    collections.StatusID      `json:"status"`
	Success   int                       `json:"success"`
	Total     int                       `json:"total"`
}

type refusedLine struct {
	Status     collections.StatusID `json:"status"`
	Operation  auth.OperationID     `json:"operation"`
	Collection auth.CollectionID    `json:"collection"`
	Publisher  auth.PartnerID       `json:"publisher"`
	IDs        []stix.ID            `json:"ids"`
	Count      int                  `json:"count"`
}

// record notes the status and the journal lines of a publication.
func (b *batch) record(p *publication, t *tally) {
	slices.Sort(t.reached)
	kind := "publish"
	if p.Reason != "" {
		kind = "route"
	} else {
		b.statuses = append(b.statuses, storedStatus(t))
	}
	l := publishLine{
		Status: p.Status, Operation: p.Place.Operation, Collection: p.Place.Collection, Publisher: p.Publisher,
		Address: p.Address, Total: t.Success + t.Failure, Success: t.Success, Failure: t.Failure,
		Duplicate: t.Duplicate, Kept: t.Kept, Collections: t.reached, Reason: p.Reason, Placed: t.placed,
	}
	if t.First != 0 {
		l.First, l.Last = t.First.String(), t.Last.String()
	}
	b.line(p.Actor, kind, l)
	if t.refused > 0 {
		b.line(p.Actor, "ownership.refused", refusedLine{
			p.Status, p.Place.Operation, p.Place.Collection, p.Publisher, t.ids, t.refused,
		})
	}
}
