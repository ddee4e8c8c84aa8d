package bolt

import (
	"os"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// WithFile gives options whose database file is opened by open.
func (o Options) WithFile(open func(string, int, os.FileMode) (*os.File, error)) Options {
	o.openFile = open
	return o
}

// WithSegments gives options whose segments have other sizes, in bytes.
func (o Options) WithSegments(full, small int) Options {
	o.sizes = sizes{full, small, collections.MaxScan, 40, 2}
	return o
}

// WithGrowingMap gives options of a file whose map is made again while it grows.
func (o Options) WithGrowingMap() Options {
	o.growing = true
	return o
}

// WithScans gives options whose pages end after so many rows, in segments of at most a few objects.
func (o Options) WithScans(rows int) Options {
	o.sizes = sizes{2500, 900, rows, 100, 3}
	return o
}

// WithKept gives options of a store that keeps so many versions of a publisher.
func (o Options) WithKept(most int) Options {
	o.maxKept = most
	return o
}

// WithCopying gives options whose copies gather so many bytes in a transaction, in so many tries after
// as many passes.
func (o Options) WithCopying(most int64, tries int) Options {
	o.copies = copyLimits{little: most, passes: tries, most: most, tries: tries}
	return o
}

// SpoolFile is what the spool asks of its file.
type SpoolFile = spoolFile

// WithSpool gives options whose spool writes to what wrap gives, and syncs its directory with syncDir.
func (o Options) WithSpool(wrap func(*os.File) SpoolFile, syncDir func(string) error) Options {
	o.spools, o.syncDir = wrap, syncDir
	return o
}

// Undo takes the last transaction of a closed file back, as after a failed sync.
func (o Options) Undo(id, pageSize int) error {
	if o.openFile == nil {
		o.openFile = os.OpenFile
	}
	return (&Store{o: o}).undo(id, pageSize)
}

// ReadAnything runs every decoder of stored bytes over b.
func ReadAnything(b []byte) {
	if f, err := readFacts(b); err == nil {
		for i := range f.n {
			f.present(i)
			f.micros(i)
			f.is(i, "indicator--00000000-0000-4000-8000-000000000000")
			f.version(i)
		}
		f.at(1)
	}
	if o, err := readObjects(b, nil); err == nil {
		set := bitmap{0xff, 0x0f, 0xff, 1}
		o.size(set)
		if _, err := o.append(nil, set); err == nil {
			o.empty(set)
		}
		for i := range o.n {
			o.piece(i)
			o.length(i)
		}
	}
	if t, err := readTail(b); err == nil {
		t.key()
		t.track([]byte("C\x01\x00"))
		t.reopen()
	}
	if _, r, err := readRun(b); err == nil {
		for i := r.seek(1 << 40); i < r.len(); i++ {
			readEntry(r.at(i))
		}
	}
	if rows, err := readChunk(nil, b); err == nil && len(rows) > 0 {
		appendChunk(nil, rows)
	}
	readTierKey(b)
	readSet(b)
	trackNamed(b)
	readSpoolMark(b)
	parseSpooled(b)
}

// Samples are stored bytes of every sort, for ReadAnything.
func Samples() [][]byte {
	s := newSegment()
	for i, id := range []string{"indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f", "x-odd"} {
		v := &version{versioned: i == 1, shared: true, in: []uint16{1, 2}, gone: []uint16{3}}
		v.ID, v.Type, v.Spec, v.Added, v.Publisher, v.Level = stix.ID(id), "indicator", "2.0", 7, "north", stix.Red
		v.Named = []auth.PartnerID{"hanoi", "suva"}
		v.Version.Text, v.Version.At = "odd", stix.Instant{Sec: -1, Frac: 5, Set: true}
		pos := s.add(v, inPlace([]byte(`{"x":1}`)))
		turn([]*version{v}, []bool{false}, []bool{true}, func(t track, _ int) { *s.track(t) = s.track(t).flip(pos) })
	}
	refs := newSegment()
	refs.add(s.list[0].version, piece{ref{1, 2}, nil, 3})
	refs.add(s.list[1].version, inPlace([]byte(`{}`)))
	return [][]byte{
		refs.writeObjects(nil), refs.writeTail(), writeFacts(s.list), s.writeObjects(nil), s.writeTail(), inMany([]uint16{1, 2}, []uint16{3}), (&entry{hash: 1 << 50, added: 7}).append(make([]byte, runHeader)),
		overTrack("hanoi", mixNamed, kindLast).name(), spoolMark{1, 2}.bytes(),
		Chunk([]Row{{1 << 50, 3, 7}, {1 << 60, 1 << 63, 0}, {1 << 60, 1 << 63, 1}}),
	}
}

// SeekRun gives for each of hashes the first row that is not below it, in a run with these hashes, ascending.
func SeekRun(run, hashes []uint64) []int {
	var r rows
	for _, x := range run {
		e := entry{hash: x}
		r = e.append(r)
	}
	var places []int
	for _, h := range hashes {
		places = append(places, r.seek(h))
	}
	return places
}

// Stamp is how a version in µs is written with so many digits after the point.
func Stamp(us int64, digits int) string { return string(appendStamp(nil, us, digits)) }

// Filter is what tells the committer of new ids.
type Filter = filter

// NewFilter makes one for n hashes.
func NewFilter(n int) *Filter { return newFilter(n) }

func (f *Filter) Add(hash uint64)      { f.add(hash) }
func (f *Filter) Has(hash uint64) bool { return f.has(hash) }
func (f *Filter) Layers() int          { return len(f.layers) }
