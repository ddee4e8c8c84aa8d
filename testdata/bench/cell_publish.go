package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// shape is how it is published: so many envelopes of so many objects in a slice, by so many publishers.
type shape struct {
	size, publishers, count int
	bar, goal               float64
}

func (b *bench) shapes() []shape {
	list := []shape{
		{1, 1, 300, 0, 0}, {1, many, 4000, 0.65, 0.75},
		{100, 1, 150, 0, 0}, {100, many, 400, 0.3, 0.35},
		{1000, 1, 30, 0.2, 0.25}, {1000, many, 64, 0, 0},
	}
	for i := range list {
		list[i].count = max(list[i].count*b.sizes.publish/1000, 1)
	}
	return slices.DeleteFunc(list, func(s shape) bool { return !b.named(s.cell()) })
}

func (s shape) cell() string { return fmt.Sprintf("publish-%d", s.size) }

const peerAppend = "append"

// slice is one measurement of publishing.
type slice struct {
	objects int
	rate    float64 // objects/s
	cost    float64 // µs of the server's CPU per object
}

// publishing measures all shapes into all stores and into the baseline, round by round. The small
// stores are as they were filled each time; the large ones grow.
func (b *bench) publishing(ctx context.Context) (err error) {
	base, err := b.startBaseline(ctx, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.stop()) }()
	for _, g := range b.stores {
		if g.count != b.sizes.big {
			continue
		}
		if err := b.serve(ctx, g, anyPort); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, g.stop()) }()
	}
	shapes := b.shapes()
	got := make([]map[string][]slice, len(shapes))
	for i := range got {
		got[i] = map[string][]slice{}
	}
	follows := map[string][]float64{} // by store: µs of CPU per object, after the last was answered
	for round := range b.rounds {
		for k := range len(b.stores) + 1 {
			n, objects := (k+round)%(len(b.stores)+1), 0
			for i, s := range shapes {
				name, slice, err := b.publishSlice(ctx, n, s, base)
				if err != nil {
					return fmt.Errorf("envelopes of %d, %s: %s: %w", s.size, plural(s.publishers, "publisher"), name, err)
				}
				got[i][name] = append(got[i][name], slice)
				objects += slice.objects
			}
			if n == len(b.stores) || b.stores[n].count != b.sizes.big {
				continue
			}
			g := b.stores[n]
			used, err := b.quiet(ctx, g.process)
			if err != nil {
				return err
			}
			follows[g.name] = append(follows[g.name], float64(used/time.Microsecond)/float64(objects))
		}
		b.say("publishing: round %d of %d", round+1, b.rounds)
	}
	for _, g := range b.stores {
		if list := follows[g.name]; list != nil {
			row := compare("publish-after", g.name, "server CPU", "µs/object", list, "", nil, "")
			row.Note = "what is read of the objects of a round in the background, small segments that are joined, the journal"
			b.add(row)
		}
	}
	for i, s := range shapes {
		for _, g := range b.stores {
			b.addPublish(s, g.name, got[i][g.name], got[i][peerAppend])
		}
	}
	return nil
}

// publishSlice publishes into store n, or into the baseline after the last.
func (b *bench) publishSlice(ctx context.Context, n int, s shape, base *baselineProcess) (name string, out slice, err error) {
	var list []publication
	if n == len(b.stores) {
		g := *b.stores[0] // its bodies, which nobody keeps
		for range s.count {
			list = append(list, g.next(s.size))
		}
		p, err := dial(ctx, base.url, base.account, s.publishers)
		if err != nil {
			return peerAppend, out, err
		}
		defer p.close()
		p.blind = true
		out, err = timed(ctx, p, base.process, list)
		return peerAppend, out, err
	}
	g := b.stores[n]
	if g.count != b.sizes.big {
		if g, err = b.again(ctx, g); err != nil {
			return b.stores[n].name, out, err
		}
		defer func() { err = errors.Join(err, g.discard()) }()
	}
	for range s.count {
		list = append(list, g.next(s.size))
	}
	p, err := dial(ctx, g.url, g.publisher, s.publishers)
	if err != nil {
		return g.name, out, err
	}
	defer p.close()
	out, err = timed(ctx, p, g.process, list)
	return g.name, out, err
}

// timed publishes a list and says what it took of the server.
func timed(ctx context.Context, p *publishers, server *process, list []publication) (slice, error) {
	before, err := cpuOf([]int{server.pid()})
	if err != nil {
		return slice{}, err
	}
	done, err := p.publish(ctx, list)
	if err != nil {
		return slice{}, err
	}
	after, err := cpuOf([]int{server.pid()})
	if err != nil {
		return slice{}, err
	}
	return slice{done.objects, done.rate(), float64((after-before)/time.Microsecond) / float64(done.objects)}, nil
}

// How long a server must have used nearly no CPU to count as quiet, and how long that is waited for.
const (
	quietFor  = 3500 * time.Millisecond // background tasks begin every 2 s, and a second after publications
	quietMost = 40 * time.Second
)

// quiet waits until a server has done what it does in the background after publications, so that the next
// slice has the machine for itself, and gives the CPU that it used for it.
func (b *bench) quiet(ctx context.Context, server *process) (time.Duration, error) {
	first, err := cpuOf([]int{server.pid()})
	if err != nil || b.smoke {
		return 0, err
	}
	const step = 100 * time.Millisecond
	var used []time.Duration
	for begin := time.Now(); time.Since(begin) < quietMost; {
		now, err := cpuOf([]int{server.pid()})
		if err != nil {
			return 0, err
		}
		used = append(used, now)
		if n := int(quietFor / step); len(used) > n && now-used[len(used)-1-n] <= 3*tick {
			break
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(step):
		}
	}
	return used[len(used)-1] - first, nil
}

func (b *bench) addPublish(s shape, store string, ours, theirs []slice) {
	what := fmt.Sprintf("%s, %s", store, plural(s.publishers, "publisher"))
	rate := func(s slice) float64 { return s.rate }
	cost := func(s slice) float64 { return s.cost }
	r := compare(s.cell(), what, "throughput", "objects/s", each(ours, rate), peerAppend, each(theirs, rate), oursByTheirs)
	if s.bar != 0 {
		r = r.held(s.bar, false, s.goal)
	}
	b.add(r)
	if s.publishers == many || s.size == 1000 {
		b.add(compare(s.cell(), what, "server CPU", "µs/object", each(ours, cost), peerAppend, each(theirs, cost), theirsByOurs))
	}
}
