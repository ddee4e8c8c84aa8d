package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// The bodies of the queue.
type (
	// Waiting is one kept object version.
	Waiting struct {
		Key       collections.KeptKey  `json:"key"`
		Kind      collections.KeepKind `json:"kind"` // held, unrouted or pending
		ID        stix.ID              `json:"id"`
		Type      string               `json:"type"`
		Version   string               `json:"version,omitempty"`
		Level     stix.Level           `json:"level"`
		Named     []auth.PartnerID     `json:"named,omitempty"`
		Publisher auth.PartnerID       `json:"publisher"`
		Client    auth.Actor           `json:"client"`
		Batch     collections.StatusID `json:"batch"` // the status of its publication
		Received  time.Time            `json:"received"`
		Sent      string               `json:"sent"` // alias of the collection that it was sent to
		To        []string             `json:"to"`   // aliases of those that it goes to when it is released
		Waits     []stix.ID            `json:"waits,omitempty"`
		Reasons   []collections.Reason `json:"reasons"`
		Two       bool                 `json:"two"` // its release takes two
		Asked     auth.Actor           `json:"asked,omitempty"`
		Because   string               `json:"because,omitempty"`
		Size      int                  `json:"size"`             // bytes
		Object    string               `json:"object,omitempty"` // exactly as it came, where one is shown
	}
	// WaitingPage is the answer of GET …/queue. Next is what to give as after for the next page, 0 at the end.
	WaitingPage struct {
		Items []Waiting           `json:"items"`
		Next  collections.KeptKey `json:"next"`
	}
	// QueueOrder is the body of POST …/queue/release and …/queue/drop: some keys, or a batch.
	QueueOrder struct {
		Keys   []collections.KeptKey `json:"keys,omitempty"`
		Batch  collections.StatusID  `json:"batch,omitempty"`
		Kind   collections.KeepKind  `json:"kind,omitempty"` // of a batch only these
		To     []string              `json:"to,omitempty"`   // release only: aliases or ids of collections
		Reason string                `json:"reason"`
	}
	// BatchWithdrawal is the body of POST …/batches/BATCH/withdraw.
	BatchWithdrawal struct {
		Reason       string `json:"reason"`
		WithoutNotes bool   `json:"without_notes,omitempty"` // the publisher revokes what was pulled
	}
)

// queuePage is how many the queue lists at once unless asked.
const queuePage = 100

func (a *API) listQueue(r request) (any, error) {
	after, err := number(r, "after", 0)
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit", queuePage)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	kind := collections.KeepKind(q.Get("kind"))
	if !slices.Contains([]collections.KeepKind{"", collections.KeepHeld, collections.KeepUnrouted, collections.KeepPending}, kind) {
		return nil, fmt.Errorf("%w: parameter kind %.40q: want held, unrouted or pending", auth.ErrInvalid, kind)
	}
	list, next, err := a.o.Desk.Queue(r.Context(), r.p, r.operation(), collections.KeptQuery{
		Kind: kind, Publisher: auth.PartnerID(q.Get("publisher")), Batch: collections.StatusID(q.Get("batch")),
		After: collections.KeptKey(after), Limit: int(min(max(limit, 1), collections.MaxLimit)),
	})
	if err != nil {
		return nil, err
	}
	page := WaitingPage{Items: []Waiting{}, Next: next}
	for _, k := range list {
		page.Items = append(page.Items, a.waiting(k))
	}
	return page, nil
}

func (a *API) showQueue(r request) (any, error) {
	key, err := strconv.ParseInt(r.PathValue("key"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: key %.40q: want a number, as the queue lists it", auth.ErrInvalid, r.PathValue("key"))
	}
	list, _, err := a.o.Desk.Queue(r.Context(), r.p, r.operation(), collections.KeptQuery{
		Keys: []collections.KeptKey{collections.KeptKey(key)}, Limit: 1, Bytes: true,
	})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: nothing is kept under %d: \"liaison queue list\" shows what is", auth.ErrNotFound, key)
	}
	return a.waiting(list[0]), nil
}

func (r request) operation() auth.OperationID { return auth.OperationID(r.PathValue("operation")) }

func (a *API) releaseQueue(r request) (any, error) {
	o, err := order(r)
	if err != nil {
		return nil, err
	}
	return a.o.Desk.Release(r.Context(), r.p, r.operation(), o)
}

func (a *API) dropQueue(r request) (any, error) {
	o, err := order(r)
	if err != nil {
		return nil, err
	}
	return a.o.Desk.Drop(r.Context(), r.p, r.operation(), o)
}

func order(r request) (collections.Order, error) {
	var in QueueOrder
	err := decode(r, &in)
	return collections.Order{Keys: in.Keys, Batch: in.Batch, Kind: in.Kind, To: in.To, Reason: in.Reason}, err
}

func (a *API) withdrawBatch(r request) (any, error) {
	var in BatchWithdrawal
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	batch := collections.StatusID(r.PathValue("batch"))
	return a.o.Desk.WithdrawBatch(r.Context(), r.p, r.operation(), batch, in.Reason, !in.WithoutNotes)
}

func (a *API) exposure(r request) (any, error) {
	of := r.URL.Query().Get("of")
	if of == "" {
		return nil, fmt.Errorf("%w: parameter of: want a batch, by the id of its status, or the id of an object", auth.ErrInvalid)
	}
	return a.o.Desk.Exposure(r.Context(), r.p, r.operation(), of)
}

func (a *API) waiting(k collections.Kept) Waiting {
	st := a.o.Registry.State()
	alias := func(id auth.CollectionID) string { return cmp.Or(st.Collections[id].Alias, string(id)) }
	it, keep := k.Item, k.Item.Keep
	w := Waiting{
		Key: k.Key, Kind: keep.Kind, ID: it.ID, Type: it.Type, Version: it.Version.Text, Level: it.Level, Named: it.Named,
		Publisher: k.Publisher, Client: k.Actor, Batch: k.Batch, Received: k.Received.UTC(), Sent: alias(k.Place.Collection),
		To: []string{}, Waits: keep.Waits, Reasons: append([]collections.Reason{}, keep.Reasons...), Two: keep.Second,
		Asked: k.Asked, Because: k.Because, Size: k.Size, Object: string(it.Raw),
	}
	for _, c := range keep.To {
		w.To = append(w.To, alias(c))
	}
	return w
}

// queueRoutes are the routes of what waits and of what is taken back.
func (a *API) queueRoutes() []route {
	const at = "/operations/{operation}"
	return append(a.intakeRoutes(), []route{
		{http.MethodGet, at + "/queue", []string{"kind", "publisher", "batch", "after", "limit"}, a.listQueue, "List what is held, unrouted or pending", nil, WaitingPage{}, 0},
		{http.MethodGet, at + "/queue/objects/{key}", nil, a.showQueue, "Show one of them with its bytes", nil, Waiting{}, 0},
		{http.MethodPost, at + "/queue/release", nil, a.releaseQueue, "Let some of them, or a batch, go into their collections or others", QueueOrder{}, collections.Settled{}, 0},
		{http.MethodPost, at + "/queue/drop", nil, a.dropQueue, "Take some of them, or a batch, away for good", QueueOrder{}, collections.Settled{}, 0},
		{http.MethodPost, at + "/batches/{batch}/withdraw", nil, a.withdrawBatch, "Take a whole publication back", BatchWithdrawal{}, collections.Recall{}, 0},
		{http.MethodGet, at + "/exposure", []string{"of"}, a.exposure, "Who was given what of a batch or an object", nil, collections.Exposure{}, 0},
	}...)
}
