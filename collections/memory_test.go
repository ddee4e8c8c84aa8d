package collections_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// weighing tells how much memory is in use when a publication comes to the store.
type weighing struct {
	collections.Store
	most uint64
}

func (w *weighing) weigh() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	w.most = max(w.most, m.HeapAlloc)
}

func (w *weighing) Definitions(ctx context.Context, op auth.OperationID, p auth.PartnerID, ids []stix.ID) (map[stix.ID]stix.Level, error) {
	w.weigh()
	return w.Store.Definitions(ctx, op, p, ids)
}

func (w *weighing) Publish(_ context.Context, p collections.Publication) (collections.Status, error) {
	w.weigh()
	runtime.KeepAlive(p)
	return collections.Status{}, collections.ErrUnavailable
}

// many is a body of n objects, made while it is read.
type many struct {
	n, at int
	more  string
	left  string
}

func (m *many) Read(p []byte) (int, error) {
	for m.left == "" {
		switch {
		case m.at > m.n:
			return 0, io.EOF
		case m.at == m.n:
			m.left = "]}"
		case m.at == 0:
			m.left = `{"objects":[` + identity(m.at, m.more)
		default:
			m.left = "," + identity(m.at, m.more)
		}
		m.at++
	}
	n := copy(p, m.left)
	m.left = m.left[n:]
	return n, nil
}

// A publication takes little more memory than its bytes.
func TestPublishMemory(t *testing.T) {
	h := newHouse(t)
	acme := h.partner(auth.CreatePartner{ID: "acme", Role: auth.Vendor}, auth.Rights{Write: true}, "vn")
	more := fmt.Sprintf(`,"description":%q`, strings.Repeat("x", 600)) + marked(tlpClear, tlpAmber)
	body := &many{n: 20_000, more: more}
	size := uint64(body.n * len(identity(10_000, more)))
	w := &weighing{Store: h.store}
	h.desk.Store = w

	w.weigh()
	before := w.most
	if _, err := h.desk.Publish(t.Context(), acme, h.place("vn"), body); err == nil {
		t.Fatal("it was not weighed")
	}
	took := w.most - before
	t.Logf("%d bytes took %d, %.2f times", size, took, float64(took)/float64(size))
	if took > size*8/5 {
		t.Errorf("%d bytes took %d", size, took)
	}
}
