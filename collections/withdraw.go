package collections

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"liaison/auth"
	"liaison/stix"
)

// Recall is what came of withdrawing a batch.
type Recall struct {
	Exposure
	Dropped   int       `json:"dropped"`   // that were kept
	Withdrawn int       `json:"withdrawn"` // object versions that are gone, each collection counted
	Notes     []stix.ID `json:"notes"`     // that name what was pulled
}

// withdrawKind is the kind of the line that says what was withdrawn and who was given it.
const withdrawKind = "batch.withdraw"

// noteRefs bounds the objects that one note names.
const noteRefs = 1000

// WithdrawBatch takes a whole publication back, with a reason: what is kept of it is dropped, what was
// added disappears. What somebody was given before cannot: for that, unless told not to, notes by the
// operation's identity go into the same collections, each marked as what it names, so that who was given
// an object is told to put it aside and nobody else learns of it. The gateway makes no revoked versions
// of a partner's objects: its publisher may (liaison publish --revoke).
//
// Who was given what is read from the journal after the objects have gone, so that no page is between.
func (d *Desk) WithdrawBatch(ctx context.Context, p auth.Principal, op auth.OperationID, batch StatusID, reason string, notes bool) (Recall, error) {
	r := Recall{Exposure: Exposure{Operation: op, Batch: batch, Readers: []Reader{}}, Notes: []stix.ID{}}
	st, err := d.operator(p, op)
	if err == nil {
		err = checkReason(reason)
	}
	if err != nil {
		return r, err
	}
	b, err := d.batch(ctx, op, batch)
	if err != nil {
		return r, err
	}
	r.Publisher = b.publisher
	done, err := d.turns.take(ctx, op, b.publisher) // nothing of it is brought anywhere meanwhile
	if err != nil {
		return r, err
	}
	defer done()
	for more := true; more; {
		list, _, err := d.Store.Kept(ctx, op, KeptQuery{Batch: batch, Limit: settleAtOnce})
		if err != nil {
			return r, err
		}
		if more = len(list) > 0; more {
			s := d.order(p, op, reason)
			for _, k := range list {
				s.Drop = append(s.Drop, k.Key)
			}
			if _, err := d.Store.Settle(ctx, s); err != nil {
				return r, err
			}
			r.Dropped += len(list)
		}
	}
	if err := d.learn(ctx, op, batch, &b); err != nil { // what was released before the rest was dropped
		return r, err
	}
	list, err := d.present(ctx, op, b)
	if err != nil {
		return r, err
	}
	for chunk := range slices.Chunk(list, settleAtOnce) {
		w := Withdrawal{
			Operation: op, Publisher: b.publisher, Batch: batch, Actor: p.Actor(), Address: p.Address, Reason: reason,
			Still: d.stillOperator(p),
		}
		for _, o := range chunk {
			w.Items = append(w.Items, Withdrawn{o.collection, o.ID, o.Added})
		}
		n, err := d.Store.Withdraw(ctx, w)
		if err != nil {
			return r, err
		}
		r.Withdrawn += n
	}
	if r.Dropped+r.Withdrawn == 0 {
		return r, fmt.Errorf("%w: nothing of batch %s is there any more", auth.ErrConflict, batch)
	}
	if err := d.expose(ctx, &r.Exposure, list); err != nil {
		return r, err
	}
	if notes && r.Pulled > 0 {
		if r.Notes, err = d.recall(ctx, p, st.Operations[op], list, reason); err != nil {
			return r, err
		}
	}
	return r, d.Store.Apply(ctx, nil, []auth.Line{r.line(d.now(), p, reason)}, nil)
}

// line is what the journal has of it as a whole.
func (r *Recall) line(now time.Time, p auth.Principal, reason string) auth.Line {
	readers := make([]auth.PartnerID, len(r.Readers))
	for i, x := range r.Readers {
		readers[i] = x.Partner
	}
	return auth.NewLine(now, p.Actor(), withdrawKind, struct {
		Operation auth.OperationID `json:"operation"`
		Batch     StatusID         `json:"batch"`
		Publisher auth.PartnerID   `json:"publisher"`
		Reason    string           `json:"reason"`
		Dropped   int              `json:"dropped"`
		Withdrawn int              `json:"withdrawn"`
		Pulled    int              `json:"pulled"`
		Readers   []auth.PartnerID `json:"readers"`
		Notes     []stix.ID        `json:"notes"`
	}{r.Operation, r.Batch, r.Publisher, reason, r.Dropped, r.Withdrawn, r.Pulled, readers, r.Notes})
}

// The markings of TLP 2.0, by level. OASIS cti-stix-common-objects, extension-definition--60a3c5c5.
var tlp2 = map[stix.Level]string{
	stix.Clear:       "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
	stix.Green:       "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
	stix.Amber:       "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
	stix.AmberStrict: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
	stix.Red:         "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}

// recall publishes the notes that name what was pulled: for each collection, level and circle of
// recipients its own, so that a note shows nothing that its reader could not have been given.
func (d *Desk) recall(ctx context.Context, p auth.Principal, op Operation, list []placed, reason string) ([]stix.ID, error) {
	type circle struct {
		collection auth.CollectionID
		level      stix.Level
		named      string
	}
	groups := map[circle][]*placed{}
	var order []circle
	for i := range list {
		o := &list[i]
		if !o.pulled || tlp2[o.Level] == "" {
			continue
		}
		c := circle{collection: o.collection, level: o.Level}
		if o.Level == stix.Red {
			names := slices.Clone(o.Named)
			slices.Sort(names)
			c.named = fmt.Sprint(names)
		}
		if groups[c] == nil {
			order = append(order, c)
		}
		groups[c] = append(groups[c], o)
	}
	now := d.now().Truncate(time.Millisecond)
	notes := []stix.ID{}
	byPlace := map[auth.CollectionID][]Item{}
	for _, c := range order {
		var ids []stix.ID
		for _, o := range groups[c] {
			if !slices.Contains(ids, o.ID) {
				ids = append(ids, o.ID)
			}
		}
		for some := range slices.Chunk(ids, noteRefs) {
			it := noteOf(op, now, some, c.level, reason)
			it.To, it.Named = []auth.CollectionID{c.collection}, groups[c][0].Named
			if byPlace[c.collection] == nil {
				byPlace[c.collection] = []Item{op.identity(c.collection)}
			}
			byPlace[c.collection] = append(byPlace[c.collection], it)
			notes = append(notes, it.ID)
		}
	}
	for c, items := range byPlace {
		_, err := d.Store.Publish(ctx, Publication{
			Status: StatusID(uuid.NewString()), Place: Place{op.ID, c}, Publisher: op.Publisher(), Actor: p.Actor(), Address: p.Address,
			Received: d.now(), Items: items, Still: d.stillOperator(p),
		})
		if err != nil {
			return nil, err
		}
	}
	return notes, nil
}

// Publisher is who publishes what the operation itself says. No partner can have this id.
func (op Operation) Publisher() auth.PartnerID { return auth.PartnerID("@" + op.ID) }

// IdentityID is the id of the operation's own identity object: made of its slug and its beginning, in
// the form of a UUIDv4, so that it is the same whenever it is asked for.
func (op Operation) IdentityID() stix.ID {
	sum := sha256.Sum256(fmt.Appendf(nil, "liaison operation %s %d", op.ID, op.Created.UnixNano()))
	u := uuid.UUID(sum[:16])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return stix.ID("identity--" + u.String())
}

const stamp = "2006-01-02T15:04:05.000Z"

// identityObject is an identity that the gateway issues. STIX 2.1 section 4.5.
type identityObject struct {
	Type     string   `json:"type"`
	Spec     string   `json:"spec_version"`
	ID       stix.ID  `json:"id"`
	Created  string   `json:"created"`
	Modified string   `json:"modified"`
	Markings []string `json:"object_marking_refs"`
	Name     string   `json:"name"`
	Class    string   `json:"identity_class"`
}

// identity is the operation's identity object, which anybody in the operation may see.
func (op Operation) identity(to auth.CollectionID) Item {
	at := op.Created.UTC().Format(stamp)
	return authored(identityObject{"identity", "2.1", op.IdentityID(), at, at, []string{tlp2[stix.Clear]}, op.Title, "group"}, stix.Clear, to)
}

func noteOf(op Operation, now time.Time, ids []stix.ID, level stix.Level, reason string) Item {
	at := now.UTC().Format(stamp)
	return authored(struct {
		Type     string    `json:"type"`
		Spec     string    `json:"spec_version"`
		ID       stix.ID   `json:"id"`
		By       stix.ID   `json:"created_by_ref"`
		Created  string    `json:"created"`
		Modified string    `json:"modified"`
		Markings []string  `json:"object_marking_refs"`
		Abstract string    `json:"abstract"`
		Content  string    `json:"content"`
		Refs     []stix.ID `json:"object_refs"`
	}{
		"note", "2.1", stix.ID("note--" + uuid.NewString()), op.IdentityID(), at, at, []string{tlp2[level]}, "Recalled",
		"The objects that this note refers to were withdrawn: do not rely on them. Reason: " + strings.TrimSpace(reason), ids,
	}, level)
}

// authored makes an item of an object that the operation itself says.
func authored(v any, level stix.Level, to ...auth.CollectionID) Item {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts and numbers
	}
	var head struct {
		Type     string  `json:"type"`
		ID       stix.ID `json:"id"`
		Modified string  `json:"modified"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		panic(err)
	}
	at, err := stix.ParseInstant([]byte(head.Modified))
	if err != nil {
		panic(err)
	}
	return Item{
		Raw: raw, Digest: sha256.Sum256(raw), ID: head.ID, Type: head.Type, Spec: "2.1",
		Version: Version{Text: head.Modified, At: at}, Level: level, To: to,
	}
}
