package main

import (
	"context"
	"errors"
	"time"
)

// Bars of memory, in MiB above that of the idle gateway.
const (
	pullMemory    = 32e6 / (1 << 20) // 32 MB
	publishMemory = 64
)

// memoryPull has 64 connections go through all pages of the large store, every other request in gzip.
func (b *bench) memoryPull(ctx context.Context) (err error) {
	g := b.stores[1]
	if err := b.serve(ctx, g, anyPort); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.stop()) }()
	p, err := dial(ctx, g.url, g.reader, 1)
	if err != nil {
		return err
	}
	pages, _, err := g.walk(p, 1000)
	p.close()
	if err != nil {
		return err
	}
	file, err := b.writePaths("all", pages)
	if err != nil {
		return err
	}
	if err := errors.Join(g.stop(), b.serve(ctx, g, anyPort)); err != nil { // the walk warmed it
		return err
	}
	idle, err := b.idleMemory(ctx, g.pid())
	if err != nil {
		return err
	}
	var above []float64
	responses := 0.0
	for range b.rounds {
		stop := peak(g.pid())
		got, err := b.wrk(ctx, side{g.name, g.url, []int{g.pid()}, basic(g.reader), file}, many, "identity,gzip", b.sizes.pulling)
		most, e := stop()
		if err := errors.Join(err, e); err != nil {
			return err
		}
		responses += got.Requests
		above = append(above, mebibytes(most-idle))
	}
	row := compare("memory-pull", g.name+", 64 pullers", "above idle", "MiB", above, "", nil, "")
	row.Note = "peaks of the rounds; " + plural(int(responses), "page") + " of " + thousands(int64(len(pages))) +
		" different ones were sent, plain and gzip by turns; idle was " + figure(mebibytes(idle)) + " MiB"
	b.add(row.held(pullMemory, true, 0))
	b.add(compare("memory-pull", g.name+", 64 pullers", "highest peak", "MiB", []float64{quantile(above, 1)}, "", nil, "").held(pullMemory, true, 0))
	return nil
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

func (b *bench) idleMemory(ctx context.Context, pid int) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(b.sizes.settle):
	}
	return anonymous(pid)
}

// memoryPublish publishes 100 MiB at once, each time to a gateway that has just begun.
func (b *bench) memoryPublish(ctx context.Context) error {
	o := objects{size: 1200} // at 804 it would be over 100,000 objects
	count := (b.sizes.content - 16) / (o.size + 1)
	body := o.envelope(make([]byte, 0, b.sizes.content), 1<<40, count)
	var above, took []float64
	for range b.rounds {
		if err := b.publishOnce(ctx, publication{body: body, count: count}, &above, &took); err != nil {
			return err
		}
	}
	what := plural(count, "object") + " in " + figure(mebibytes(int64(len(body)))) + " MiB"
	b.add(compare("memory-publish", what, "above idle", "MiB", above, "", nil, "").held(publishMemory, true, 0))
	b.add(compare("memory-publish", what, "time to 202", "s", took, "", nil, ""))
	return nil
}

func (b *bench) publishOnce(ctx context.Context, l publication, above, took *[]float64) (err error) {
	g, err := b.again(ctx, b.stores[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.discard()) }()
	l.path = objectsPath(g.collections[0])
	p, err := dial(ctx, g.url, g.publisher, 1)
	if err != nil {
		return err
	}
	defer p.close()
	idle, err := b.idleMemory(ctx, g.pid())
	if err != nil {
		return err
	}
	stop := peak(g.pid())
	done, err := p.publish(ctx, []publication{l})
	most, e := stop()
	if err := errors.Join(err, e); err != nil {
		return err
	}
	*above, *took = append(*above, mebibytes(most-idle)), append(*took, done.took.Seconds())
	return nil
}
