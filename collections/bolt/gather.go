package bolt

import (
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"liaison/auth"
	"liaison/collections"
)

// What is gleaned is gathered first: versions of all collections in the order of date_added.

// publishers numbers them.
type publishers struct {
	numbers map[string]uint16
	names   []string // number 1 first
	stored  int
	last    string // that was asked for
	number  uint16
}

func readPublishers(o *bbolt.Bucket) (p publishers, err error) {
	p.numbers = map[string]uint16{}
	if b := o.Bucket([]byte(bucketPublishers)); b != nil {
		err = b.ForEach(func(k, v []byte) error {
			if len(k) != 2 || int(binary.BigEndian.Uint16(k)) != len(p.names)+1 {
				return errDamaged
			}
			p.add(string(v))
			return nil
		})
	}
	p.stored = len(p.names)
	return p, err
}

func (p *publishers) add(name string) uint16 {
	p.names = append(p.names, name)
	p.numbers[name] = uint16(len(p.names))
	return uint16(len(p.names))
}

func (p *publishers) of(name string) (uint16, error) {
	if name == p.last && p.number != 0 {
		return p.number, nil
	}
	n, known := p.numbers[name]
	if !known {
		if len(p.names) == 1<<16-1 {
			return 0, fmt.Errorf("%w: an operation has values of at most %d publishers", collections.ErrUnavailable, 1<<16-1)
		}
		n = p.add(name)
	}
	p.last, p.number = name, n
	return n, nil
}

// put writes those that are new.
func (p *publishers) put(o *bbolt.Bucket) error {
	if p.stored == len(p.names) {
		return nil
	}
	b, err := o.CreateBucketIfNotExists([]byte(bucketPublishers))
	for i := p.stored; i < len(p.names) && err == nil; i++ {
		err = b.Put(binary.BigEndian.AppendUint16(nil, uint16(i+1)), []byte(p.names[i]))
	}
	return err
}

// lane is a collection whose versions are gathered.
type lane struct {
	*shelf
	f       *facts
	i       int
	at      collections.Added // the version that is next
	here    *facts            // whose bytes these are:
	objects objects
	from    objects // the parcel that was read last
	parcel  uint64
}

// next moves to the first version after a; false at the end.
func (l *lane) next(a collections.Added) (bool, error) {
	if l.f == nil || l.i+1 >= l.f.n {
		_, f, ok, err := l.factsAt(a + 1)
		if err != nil || !ok {
			return false, err
		}
		l.f, l.i = f, f.after(a)
	} else {
		l.i++
	}
	if l.i >= l.f.n {
		return false, errDamaged
	}
	l.at = l.f.added(l.i)
	return true, nil
}

// raw gives the bytes of the version that is next. They end with the transaction.
func (l *lane) raw() (raw []byte, err error) {
	if l.here != l.f {
		if l.objects, err = l.bytesAt(l.at); err != nil {
			return nil, err
		}
		l.here = l.f
	}
	if !l.objects.refs {
		return l.objects.span(l.i, l.i+1), nil
	}
	r, size := l.objects.ref(l.i)
	if r.parcel == 0 {
		return l.objects.inline(r, size)
	}
	if r.parcel != l.parcel {
		if l.from, err = readParcel(l.parcels, r.parcel); err != nil {
			return nil, err
		}
		l.parcel = r.parcel
	}
	if raw = l.from.span(int(r.pos), int(r.pos)+1); len(raw) != size {
		return nil, errDamaged
	}
	return raw, nil
}

// gather takes versions after the watermark out of all collections, in order of date_added.
func (g *gleaning) gather(tx *bbolt.Tx) (more bool, err error) {
	g.list, g.raws, g.text, g.room = g.list[:0], g.raws[:0], g.text[:0], g.room[:0]
	o := tx.Bucket(operationName(g.op))
	if o == nil {
		return false, nil
	}
	if g.publishers.numbers == nil {
		if g.publishers, err = readPublishers(o); err != nil {
			return false, fmt.Errorf("publishers: %w", err)
		}
		g.from = collections.Added(numberOf(o.Get([]byte(keyGleaned))))
		g.to = g.from
	}
	last := collections.Added(numberOf(o.Get([]byte(keyLast))))
	if last <= g.to {
		return false, nil
	}
	lanes, err := g.lanes(tx, o)
	for err == nil {
		if len(lanes) == 0 {
			g.to = last
			return false, nil
		}
		if g.read+len(g.list) == collections.MaxGleaned || len(g.text) >= gleanBytes {
			return true, nil
		}
		g.to = lanes[0].at
		for _, l := range lanes[1:] {
			g.to = min(g.to, l.at)
		}
		if lanes, err = g.pick(lanes); err != nil {
			return false, fmt.Errorf("object version of %s: %w", g.to, err)
		}
	}
	return false, err
}

func (g *gleaning) lanes(tx *bbolt.Tx, o *bbolt.Bucket) (list []*lane, err error) {
	err = o.ForEachBucket(func(name []byte) error {
		if len(name) < 2 || name[0] != 'c' {
			return nil
		}
		shelf, err := openShelf(tx, g.store.delta(g.op), collections.Place{Operation: g.op, Collection: auth.CollectionID(name[1:])})
		if err != nil {
			return err
		}
		l := &lane{shelf: shelf}
		ok, err := l.next(g.to)
		if ok {
			list = append(list, l)
		}
		return err
	})
	return list, err
}

// pick takes the version of g.to, and moves the lanes on that have it.
func (g *gleaning) pick(lanes []*lane) ([]*lane, error) {
	v := gleaned{added: g.to}
	first := len(g.room)
	for i := 0; i < len(lanes); {
		l := lanes[i]
		if l.at != g.to {
			i++
			continue
		}
		if l.f.present(l.i) {
			if g.room = append(g.room, l.number); len(g.room) == first+1 {
				if err := g.bytes(&v, l); err != nil {
					return nil, err
				}
			}
		}
		ok, err := l.next(g.to)
		if err != nil {
			return nil, err
		}
		if !ok {
			lanes = slices.Delete(lanes, i, i+1)
			continue
		}
		i++
	}
	if len(g.room) > first {
		v.in = g.room[first:len(g.room):len(g.room)]
		g.list = append(g.list, v)
	}
	return lanes, nil
}

// bytes takes the bytes and the publisher of a version.
func (g *gleaning) bytes(v *gleaned, l *lane) error {
	name, err := l.f.publisher(l.i)
	if err != nil {
		return err
	}
	if v.publisher, err = g.publishers.of(name); err != nil {
		return err
	}
	raw, err := l.raw()
	if err != nil || len(raw) == 0 {
		return orDamaged(err)
	}
	if cap(g.text)-len(g.text) < len(raw) { // the bytes before stay where they are
		g.text = make([]byte, 0, max(gleanBytes, len(raw))+gleanBytes/8)
	}
	from := len(g.text)
	g.text = append(g.text, raw...)
	g.raws = append(g.raws, g.text[from:])
	return nil
}

func (f *facts) publisher(i int) (string, error) {
	return f.str(f.types + int(binary.LittleEndian.Uint16(f.row(i)[38:])))
}
