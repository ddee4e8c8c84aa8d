package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// Bars of what is measured in the process, and of opening.
const (
	pageWithin = 150 // µs of a page of 1,000
	idWithin   = 10  // µs of match[id]
	openWithin = 5   // seconds of opening
)

// inProcess measures reading without HTTP: at the Desk, with policy and the journal's line, and of the
// store alone. A page is copied out as a whole.
func (b *bench) inProcess(ctx context.Context) (err error) {
	g := b.stores[1]
	r, err := openRooms(ctx, g.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	p, err := r.principal(ctx, g.reader)
	if err != nil {
		return err
	}
	at, err := r.place(g.collections[0])
	if err != nil {
		return err
	}
	last, err := r.store.Last(ctx)
	if err != nil {
		return err
	}
	asks := []struct {
		what string
		bar  float64
		q    func(i int, after collections.Added) collections.Query
	}{
		{"page of 1,000", pageWithin, func(_ int, after collections.Added) collections.Query {
			return collections.Query{After: after, Limit: 1000}
		}},
		{"match[id]", idWithin, func(i int, _ collections.Added) collections.Query {
			object, _ := target(i * 7919 % g.count)
			return collections.Query{Limit: 1000, IDs: []stix.ID{stix.ID(g.maker.id(object))}}
		}},
		{"nothing new", 0, func(int, collections.Added) collections.Query {
			return collections.Query{After: last, Limit: 1000}
		}},
	}
	for _, ask := range asks {
		for _, desk := range []bool{false, true} {
			got, err := b.calls(ctx, r, p, at, desk, ask.q)
			if err != nil {
				return fmt.Errorf("%s: %w", ask.what, err)
			}
			where := "the store alone"
			if desk {
				where = "at the desk"
			}
			row := compare("in-process", g.name+", "+where, ask.what, "µs", got, "", nil, "")
			row.Note = "each of " + plural(b.sizes.calls, "call")
			if ask.bar != 0 && !desk {
				row = row.held(ask.bar, true, 0)
			}
			b.add(row)
		}
	}
	return nil
}

// calls times one kind of call over and over; pages go through the whole collection.
func (b *bench) calls(ctx context.Context, r *rooms, p auth.Principal, at collections.Place, desk bool,
	ask func(int, collections.Added) collections.Query) ([]float64, error) {
	buffer := make([]byte, 0, 4<<20)
	var after collections.Added
	out := make([]float64, b.sizes.calls)
	for i := range out {
		q := ask(i, after)
		begin := time.Now()
		page, err := read(ctx, r, p, at, desk, q)
		if err != nil {
			return nil, err
		}
		for buffer = buffer[:0]; err == nil; {
			buffer, err = page.Next(buffer)
		}
		out[i] = float64(time.Since(begin).Nanoseconds()) / 1e3
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		if after = page.Last; !page.More {
			after = 0
		}
		if i%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return out, nil
}

func read(ctx context.Context, r *rooms, p auth.Principal, at collections.Place, desk bool, q collections.Query) (collections.Page, error) {
	if desk {
		page, err := r.desk.Objects(ctx, p, at, q)
		return page.Page, err
	}
	return r.store.Objects(ctx, auth.ViewOf(p), at, q)
}

// watchedStore times commits.
type watchedStore struct {
	collections.Store
	took time.Duration
}

func (s *watchedStore) Publish(ctx context.Context, p collections.Publication) (collections.Status, error) {
	begin := time.Now()
	status, err := s.Store.Publish(ctx, p)
	s.took = time.Since(begin)
	return status, err
}

// Bars of writing.
const (
	bytesPerByte = 2
	fileByData   = 1.15
	commitBySync = 3
)

// writing publishes in envelopes of 1,000 into a copy of the large store: over TAXII, for what its transactions
// write, and at the desk, each followed by the write of as many bytes to a file with fdatasync.
func (b *bench) writing(ctx context.Context) (err error) {
	g := *b.stores[1]
	if err := b.fileSize(ctx, &g); err != nil {
		return err
	}
	dir := g.dir + ".writing"
	if err := copyTree(ctx, g.dir, dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	g.dir = dir
	if err := b.writtenBytes(ctx, &g); err != nil {
		return err
	}
	r, err := openRooms(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	p, err := r.principal(ctx, g.publisher)
	if err != nil {
		return err
	}
	at, err := r.place(g.collections[0])
	if err != nil {
		return err
	}
	plain, err := os.OpenFile(filepath.Join(b.dir, "synced"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer plain.Close()
	store := &watchedStore{Store: r.store}
	r.desk.Store = store
	var w writes
	for range b.rounds {
		if err := b.writeRound(ctx, &g, r, p, at, store, plain, &w); err != nil {
			return err
		}
	}
	const peer = "write + fdatasync"
	for _, q := range []float64{0.5, 0.99} {
		row := compare("writing", g.name+", envelopes of 1,000", fmt.Sprintf("commit, p%.0f", q*100), "ms", byRound(w.commits, b.rounds, q),
			peer, byRound(w.syncs, b.rounds, q), oursByTheirs)
		if q == 0.99 { // a round has too few for it
			row.Ours.Median, row.Theirs.Median = nearest(w.commits, q), nearest(w.syncs, q)
			row.Ratio.Median = row.Ours.Median / row.Theirs.Median
			row.Note = fmt.Sprintf("of all %d commits, not of a round, and the ratio is theirs; the quartiles are of the rounds", len(w.commits))
			row = row.held(commitBySync, true, 0)
		}
		b.add(row)
	}
	return nil
}

// writtenBytes adds up the pages that the gateway's transactions write, by the store's own statistics, for
// publications and for all that follows them in the background.
func (b *bench) writtenBytes(ctx context.Context, g *gateway) (err error) {
	if err := b.serve(ctx, g, anyPort); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.stop()) }()
	p, err := dial(ctx, g.url, g.publisher, 1)
	if err != nil {
		return err
	}
	defer p.close()
	before, err := b.usage(ctx, g)
	if err != nil {
		return err
	}
	var list []publication
	for range b.rounds * b.sizes.commits {
		list = append(list, g.next(1000))
	}
	done, err := p.publish(ctx, list)
	if err != nil {
		return err
	}
	if _, err := b.quiet(ctx, g.process); err != nil {
		return err
	}
	after, err := b.usage(ctx, g)
	if err != nil {
		return err
	}
	row := compare("writing", g.name+", envelopes of 1,000", "bytes written", "per byte published",
		[]float64{float64(after.Written-before.Written) / float64(done.bytes)}, "", nil, "")
	row.Note = fmt.Sprintf("pages of all transactions, those in the background too, over %s together", plural(len(list), "publication"))
	b.add(row.held(bytesPerByte, true, 0))
	return nil
}

// usage asks a gateway that serves what its store takes.
func (b *bench) usage(ctx context.Context, g *gateway) (u collections.Usage, err error) {
	out, err := b.liaison(ctx, g, "--json", "store", "show")
	if err == nil {
		err = json.Unmarshal([]byte(out), &u)
	}
	return u, err
}

// fileSize holds the file against the objects in it: as it was filled, and what it takes of the disk
// when what nothing uses was given back.
func (b *bench) fileSize(ctx context.Context, g *gateway) error {
	data := float64(g.count) * float64(g.maker.size)
	info, err := os.Stat(filepath.Join(g.dir, "store.db"))
	if err != nil {
		return err
	}
	row := compare("writing", g.name, "file size", "× its data", []float64{float64(info.Size()) / data}, "", nil, "")
	row.Note = "with indexes, journal and statuses, by the bytes of the objects in it; once, not in rounds"
	b.add(row.held(fileByData, true, 0))

	dir := g.dir + ".compact"
	if err := copyTree(ctx, g.dir, dir); err != nil {
		return err
	}
	if _, err := run(ctx, b.binary, "--data", dir, "store", "compact"); err != nil {
		return err
	}
	if info, err = os.Stat(filepath.Join(dir, "store.db")); err != nil {
		return err
	}
	used := info.Sys().(*syscall.Stat_t).Blocks * 512
	b.add(compare("writing", g.name, "disk after store compact", "× its data", []float64{float64(used) / data}, "", nil, "").held(fileByData, true, 0))
	return os.RemoveAll(dir)
}

// writes is what the writing cell saw.
type writes struct {
	commits, syncs []float64 // ms, round after round
}

// writeRound publishes and syncs in turn.
func (b *bench) writeRound(ctx context.Context, g *gateway, r *rooms, p auth.Principal, at collections.Place,
	store *watchedStore, plain *os.File, w *writes) error {
	for range b.sizes.commits {
		body := g.next(1000).body
		status, err := r.desk.Publish(ctx, p, at, &oneRead{body})
		if err != nil {
			return err
		}
		if status.Success != 1000 {
			return fmt.Errorf("%d of 1,000 objects were taken", status.Success)
		}
		begin := time.Now()
		if _, err := plain.Write(body); err != nil {
			return err
		}
		if err := syscall.Fdatasync(int(plain.Fd())); err != nil {
			return err
		}
		w.syncs = append(w.syncs, float64(time.Since(begin).Microseconds())/1e3)
		w.commits = append(w.commits, float64(store.took.Microseconds())/1e3)
	}
	return nil
}

// byRound gives a quantile of each round.
func byRound(values []float64, rounds int, q float64) []float64 {
	n := len(values) / rounds
	out := make([]float64, rounds)
	for i := range out {
		out[i] = nearest(values[i*n:(i+1)*n], q)
	}
	return out
}

// oneRead gives a body as a connection does: as it is asked for.
type oneRead struct{ left []byte }

func (o *oneRead) Read(p []byte) (int, error) {
	n := copy(p, o.left)
	if o.left = o.left[n:]; n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// opening measures from the start of the process until the gateway accepts.
func (b *bench) opening(ctx context.Context) error {
	g := b.stores[1]
	took := map[bool][]float64{}
	for range b.rounds {
		for _, killed := range []bool{false, true} {
			if killed {
				if err := b.serve(ctx, g, anyPort); err != nil {
					return err
				}
				if err := g.kill(); err != nil {
					return err
				}
			}
			begin := time.Now()
			if err := b.serve(ctx, g, anyPort); err != nil {
				return err
			}
			took[killed] = append(took[killed], time.Since(begin).Seconds())
			if err := g.stop(); err != nil {
				return err
			}
		}
	}
	for _, killed := range []bool{false, true} {
		what := "after a clean stop"
		if killed {
			what = "after kill -9"
		}
		b.add(compare("opening", g.name+", "+what, "start to accepting", "s", took[killed], "", nil, "").held(openWithin, true, 0))
	}
	return nil
}
