package storetest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// Model is the contract in memory: a collections.Store made of lists that are searched from end to
// end, so that it is right by reading. It keeps nothing on a disk, has no backups, and its journal is
// a list without a tree. Closing it only makes it refuse until Reopen.
//
// Safe for concurrent use.
type Model struct {
	now func() time.Time

	mu       sync.Mutex
	closed   bool
	rows     []auth.Record
	versions []*version // in order of date_added, for each operation
	byID     map[stix.ID][]*version
	newest   map[auth.OperationID]collections.Added
	last     collections.Added // of all operations
	floor    collections.Added
	statuses []collections.Status
	journal  []auth.Line
	spool    []auth.Line    // served, not drained
	kept     []*keptVersion // ascending by key
	lastKept map[auth.OperationID]collections.KeptKey
	claims   []*claim
	wanted   []wantedBy
	gleaned  map[auth.OperationID]*gists
}

// version is one object version in one collection.
type version struct {
	collections.Fact
	at        collections.Place
	shared    bool
	versioned bool // it brought a version of its own
	digest    [32]byte
	defines   stix.Level
	raw       []byte // nil when deleted
	why       []collections.Reason
}

func (v *version) present() bool { return v.raw != nil }

// NewModel gives an empty store that reads its clock from now.
func NewModel(now func() time.Time) *Model {
	return &Model{now: now, byID: map[stix.ID][]*version{}, newest: map[auth.OperationID]collections.Added{}, lastKept: map[auth.OperationID]collections.KeptKey{}}
}

// Reopen makes a closed model answer again.
func (m *Model) Reopen() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = false
}

// Close makes the model answer ErrUnavailable until Reopen.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// ready reports why a call cannot go on.
func (m *Model) ready(ctx context.Context) error {
	if m.closed {
		return collections.ErrUnavailable
	}
	return ctx.Err()
}

// commit writes the lines of one effect, after the lines of what was served before it.
func (m *Model) commit(lines ...auth.Line) {
	m.journal = append(append(m.journal, m.spool...), lines...)
	m.spool = nil
}

// lineOf is a line of the journal; what is plain data.
func lineOf(at time.Time, a auth.Actor, kind string, what map[string]any) auth.Line {
	b, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	return auth.Line{Time: at.UTC().Truncate(time.Microsecond), Actor: a, Kind: kind, What: b}
}

// Publish adds what holds.
func (m *Model) Publish(ctx context.Context, p collections.Publication) (collections.Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return collections.Status{}, err
	}
	if err := p.Still(); err != nil {
		return collections.Status{}, err
	}
	s := collections.Status{
		ID: p.Status, Operation: p.Place.Operation, Publisher: p.Publisher, Received: p.Received,
		Failure: p.Failed, Failures: slices.Clone(p.Failures),
	}
	if err := m.known(p); err != nil {
		return collections.Status{}, err
	}
	now := collections.AddedAt(m.now())
	var refused []stix.ID
	var freed []*batchLine
	var reached []auth.CollectionID
	short := map[int32]bool{}
	for i := range p.Items {
		it, stays := m.cut(p, i, short)
		if stays {
			continue
		}
		old, gone := m.before(p, it)
		if it.Brought {
			short[int32(i)] = true
			if !gone && m.objection(p, it) == "" {
				m.name(p, it, m.rest(p, it))
				if keep := m.rest(p, it); keep != nil {
					m.hold(p, it, *keep)
				}
				if added := m.add(p, it, now); added != nil {
					reached = append(reached, it.To...)
					freed = takenAlong(freed, old, added.Added, it)
				}
			} else {
				m.restore(old)
			}
			continue
		}
		why := m.objection(p, it)
		if gone && p.Reason != "" {
			why = "it is kept no more: another order dropped or released it"
		}
		if why != "" {
			short[int32(i)] = true
			m.restore(old)
			if m.foreign(p, it) {
				refused = append(refused, it.ID)
			} else if strings.HasSuffix(why, strange) {
				refused = append(refused, it.Author)
			}
			s.Failure++
			s.Failures = appendDetail(s.Failures, it.ID, cmp.Or(it.Version.Text, collections.AddedAt(p.Received).String()), why)
			continue
		}
		s.Success++
		text, message := cmp.Or(it.Version.Text, collections.AddedAt(p.Received).String()), it.Message
		var there *version
		if len(it.To) > 0 {
			there = m.there(p, it, it.To[0])
		}
		keep := m.rest(p, it)
		m.name(p, it, keep)
		if keep != nil {
			m.hold(p, it, *keep)
			s.Kept++
		}
		if added := m.add(p, it, now); added != nil {
			freed = takenAlong(freed, old, added.Added, it)
			text = added.Version.Text
			s.First = cmp.Or(s.First, added.Added)
			s.Last = added.Added
		} else if keep == nil {
			s.Duplicate++
			if there != nil {
				text, message = there.Version.Text, it.Repeated(there.Level, there.Named)
			}
		}
		s.Successes = append(s.Successes, collections.Detail{ID: string(it.ID), Version: text, Message: message})
		reached = append(reached, it.To...)
	}
	s.Successes = listed(s.Successes)
	m.want(p)
	kind := "route"
	if p.Reason == "" {
		kind = "publish"
		m.statuses = append(m.statuses, s)
	}
	slices.Sort(reached)
	lines := []auth.Line{lineOf(now.Time(), p.Actor, kind, map[string]any{
		"status": p.Status, "operation": p.Place.Operation, "collection": p.Place.Collection, "publisher": p.Publisher,
		"success": s.Success, "failure": s.Failure, "duplicate": s.Duplicate, "kept": s.Kept,
		"first": runText(s.First), "last": runText(s.Last), "collections": slices.Compact(reached), "reason": p.Reason,
	})}
	if len(refused) > 0 {
		lines = append(lines, lineOf(now.Time(), p.Actor, "ownership.refused", map[string]any{
			"status": p.Status, "operation": p.Place.Operation, "ids": refused,
		}))
	}
	for _, l := range freed {
		kind := "kept.release"
		if l.batch == "" {
			kind = "bring"
		}
		lines = append(lines, lineOf(now.Time(), p.Actor, kind, map[string]any{
			"operation": p.Place.Operation, "batch": l.batch, "by": p.Status, "publisher": p.Publisher, "count": l.count, "ids": l.ids,
			"first": runText(l.first), "last": runText(l.last), "collections": l.collections, "asked": l.asked,
		}))
	}
	m.commit(lines...)
	return cloneStatus(s), nil
}

// runText writes a date_added as lines have it, "" for none.
func runText(a collections.Added) string {
	if a == 0 {
		return ""
	}
	return a.String()
}

func cloneStatus(s collections.Status) collections.Status {
	s.Successes, s.Failures = slices.Clone(s.Successes), slices.Clone(s.Failures)
	return s
}

// listed cuts the successes down to MaxDetails: the last without a message go, then the last.
func listed(list []collections.Detail) []collections.Detail {
	excess := len(list) - collections.MaxDetails
	for i := len(list) - 1; i >= 0 && excess > 0; i-- {
		if list[i].Message == "" {
			list = slices.Delete(list, i, i+1)
			excess--
		}
	}
	return list[:min(len(list), collections.MaxDetails)]
}

func appendDetail(list []collections.Detail, id stix.ID, version, message string) []collections.Detail {
	if len(list) == collections.MaxDetails {
		return list
	}
	return append(list, collections.Detail{ID: string(id), Version: version, Message: message})
}

// copyOf gives the versions of an object that one publisher has in an operation, in all collections.
func (m *Model) copyOf(op auth.OperationID, publisher auth.PartnerID, id stix.ID) []*version {
	var list []*version
	for _, v := range m.byID[id] {
		if v.at.Operation == op && v.Publisher == publisher && v.present() {
			list = append(list, v)
		}
	}
	return list
}

// foreign reports whether another publisher owns the item's id.
func (m *Model) foreign(p collections.Publication, it collections.Item) bool {
	if it.Foreign {
		return true
	}
	if c := m.claimOf(p.Place.Operation, it.ID); c != nil { // made when nobody had it
		return c.publisher != p.Publisher && !(c.shared && it.Shared)
	}
	for _, v := range m.byID[it.ID] {
		if v.at.Operation == p.Place.Operation { // the first one owns it
			return v.Publisher != p.Publisher && !(v.shared && it.Shared)
		}
	}
	return false
}

// objection says why an item fails, or "".
func (m *Model) objection(p collections.Publication, it collections.Item) string {
	if m.foreign(p, it) {
		if it.Foreign {
			return it.Message
		}
		return "another partner published this id first"
	}
	for _, v := range m.copyOf(p.Place.Operation, p.Publisher, it.ID) {
		if it.Version.At.Set && v.Version.At.Compare(it.Version.At) == 0 && v.digest != it.Digest {
			return "this version was published before with other content"
		}
	}
	mine := m.waiting(p.Place.Operation, p.Publisher, it.ID)
	for _, k := range mine {
		if at := k.Item.Version.At; at.Set && it.Version.At.Set && at.Compare(it.Version.At) == 0 && k.Item.Digest != it.Digest {
			return "this version was published before with other content"
		}
	}
	keep := m.rest(p, it)
	new := keep != nil || slices.ContainsFunc(it.To, func(c auth.CollectionID) bool { return m.there(p, it, c) == nil })
	if new && m.held(p, it)+len(mine) >= collections.MaxVersions {
		return fmt.Sprintf("more than %d versions", collections.MaxVersions)
	}
	if l := m.levelBefore(p, it); new && !it.Lower && !it.Brought && l <= stix.Red && it.Level < l {
		return fmt.Sprintf("marked %s, below the version before it (%s)", it.Level, l)
	}
	if new && m.stranger(p, it) {
		return "created_by_ref: " + string(it.Author) + strange
	}
	if keep != nil {
		n, size := 0, 0
		for _, k := range m.kept {
			if k.op == p.Place.Operation && k.Publisher == p.Publisher {
				n, size = n+1, size+k.Size
			}
		}
		if n >= collections.MaxKept || size+len(it.Raw) > collections.MaxKeptBytes {
			return "too much is kept"
		}
	}
	return ""
}

// held counts the versions of an id that the publisher has in the operation, by their date_added.
func (m *Model) held(p collections.Publication, it collections.Item) int {
	n := map[collections.Added]bool{}
	for _, v := range m.copyOf(p.Place.Operation, p.Publisher, it.ID) {
		n[v.Added] = true
	}
	return len(n)
}

// there gives the version in one collection that the item would only repeat, or nil.
func (m *Model) there(p collections.Publication, it collections.Item, c auth.CollectionID) *version {
	for _, v := range m.copyOf(p.Place.Operation, p.Publisher, it.ID) {
		if v.at.Collection == c && v.digest == it.Digest && v.versioned == it.Version.At.Set &&
			(!v.versioned || v.Version.At.Compare(it.Version.At) == 0) {
			return v
		}
	}
	return nil
}

// add puts the item into those of its collections that do not have it, under one date_added, and
// gives one of them; nil when all have it.
func (m *Model) add(p collections.Publication, it collections.Item, now collections.Added) *version {
	op := p.Place.Operation
	var added *version
	for _, c := range it.To {
		if m.there(p, it, c) != nil {
			continue
		}
		if added == nil {
			m.newest[op] = nextAdded(max(m.newest[op], m.floor), now)
			m.last = max(m.last, m.newest[op])
		}
		added = &version{
			Fact: collections.Fact{
				ID: it.ID, Type: it.Type, Spec: it.Spec, Version: it.Version, Added: m.newest[op],
				Publisher: p.Publisher, Level: it.Level, Named: slices.Clone(it.Named),
			},
			at:     collections.Place{Operation: op, Collection: c},
			shared: it.Shared, versioned: it.Version.At.Set,
			digest: it.Digest, defines: it.Defines, raw: bytes.Clone(it.Raw), why: slices.Clone(it.Why),
		}
		if !added.versioned {
			added.Version = addedVersion(added.Added)
		}
		m.versions = append(m.versions, added)
		m.byID[it.ID] = append(m.byID[it.ID], added)
	}
	return added
}

// nextAdded is the rule of steps: 20 µs while the newest is not more than a second ahead of the
// clock, 1 µs beyond, and never before the clock.
func nextAdded(newest, now collections.Added) collections.Added {
	if newest > now+1_000_000 {
		return newest + 1
	}
	return max(newest+20, now)
}

// addedVersion is the version of an object that has none of its own.
func addedVersion(a collections.Added) collections.Version {
	const perMicro = 1_000_000_000_000 // 1e-18 seconds
	return collections.Version{Text: a.String(), At: stix.Instant{
		Sec: int64(a) / 1_000_000, Frac: uint64(int64(a)%1_000_000) * perMicro, Set: true,
	}}
}

// Delete removes the versions that match from one collection.
func (m *Model) Delete(ctx context.Context, d collections.Deletion) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(ctx); err != nil {
		return 0, err
	}
	if err := d.Still(); err != nil {
		return 0, err
	}
	var own []*version
	for _, v := range m.byID[d.ID] {
		if v.at == d.Place && v.present() && v.Publisher == d.View.Partner && d.View.Shows(v.object()) &&
			(d.Specs == nil || slices.Contains(d.Specs, v.Spec)) {
			own = append(own, v)
		}
	}
	gone := ofVersions(own, d.Versions)
	if len(gone) == 0 {
		return 0, fmt.Errorf("%w: no such version of %s", collections.ErrNotFound, d.ID)
	}
	for _, v := range gone {
		v.raw = nil
	}
	m.commit(lineOf(d.At, d.Actor, "delete", map[string]any{
		"operation": d.Place.Operation, "collection": d.Place.Collection, "id": d.ID, "count": len(gone),
	}))
	return len(gone), nil
}

// levelBefore gives the level of the version before an item's, Unmarked for none.
func (m *Model) levelBefore(p collections.Publication, it collections.Item) stix.Level {
	type before struct {
		at    stix.Instant
		level stix.Level
	}
	var list []before
	for _, v := range m.copyOf(p.Place.Operation, p.Publisher, it.ID) {
		if v.versioned == it.Version.At.Set {
			list = append(list, before{v.Version.At, v.Level})
		}
	}
	for _, k := range m.waiting(p.Place.Operation, p.Publisher, it.ID) {
		if k.Item.Version.At.Set == it.Version.At.Set {
			list = append(list, before{k.Item.Version.At, k.Item.Level})
		}
	}
	if it.Version.At.Set {
		list = slices.DeleteFunc(list, func(b before) bool { return b.at.Compare(it.Version.At) >= 0 })
		newest := slices.MaxFunc(append(list, before{}), func(a, b before) int { return a.at.Compare(b.at) })
		list = slices.DeleteFunc(list, func(b before) bool { return b.at.Compare(newest.at) != 0 })
	}
	level := stix.Unmarked
	for _, b := range list {
		level = max(level, b.level)
	}
	return level
}

// strange is how the objection to an author ends.
const strange = " is another partner's"

// stranger reports whether another publisher owns the item's author.
func (m *Model) stranger(p collections.Publication, it collections.Item) bool {
	return it.Author != "" && it.Author != it.ID && m.foreign(p, collections.Item{ID: it.Author})
}

// name claims the author of an item that is new.
func (m *Model) name(p collections.Publication, it collections.Item, keep *collections.Keep) {
	new := keep != nil || slices.ContainsFunc(it.To, func(c auth.CollectionID) bool { return m.there(p, it, c) == nil })
	had := slices.ContainsFunc(m.byID[it.Author], func(v *version) bool { return v.at.Operation == p.Place.Operation })
	if new && it.Author != "" && it.Author != it.ID && !had && m.claimOf(p.Place.Operation, it.Author) == nil {
		m.claims = append(m.claims, &claim{p.Place.Operation, it.Author, p.Publisher, false})
	}
}
