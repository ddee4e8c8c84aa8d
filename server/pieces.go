package server

import (
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"liaison/collections"
)

// Bounds of the cache of compressed runs.
const (
	DefaultCacheBytes = 256 << 20 // of disk, for the gateway's configuration

	cachePrefix  = "pieces-"        // of its files
	pieceMin     = 4 << 10          // bytes of a run below which it is compressed with what is beside it
	pieceMost    = 512 << 10        // bytes of a run above which it is not kept
	pieceShare   = 8 << 10          // bytes of a generation for each entry of its index
	askedSlots   = 1 << 16          // names of runs that were asked for once, in 4 bytes each
	cacheRecover = 30 * time.Second // that nothing is kept after the disk failed
)

// pieces keeps runs of objects as they were compressed, so that a run which several ask for is compressed
// once: in files of its own, of which memory has no more than an index, at most 4 MB of it for 256 MiB.
//
// What a piece holds is what a View selected of a segment, and it is found by the name of exactly these
// bytes and by nothing else (collections.RunID): the store makes the name of what it would give this
// reader now. Whoever comes with the name was going to be given the bytes. So no reader is given what
// another one may see, and nobody what was deleted: not because somebody removes it here, but because
// the store does not name it any more.
//
// A run is kept when it is asked for the second time, for most are asked for once: a client that follows
// a collection is given what is new, and that is another run at each time.
//
// There are two generations, a file each. What is kept goes to the end of the younger one; when that is
// full, the elder is dropped and what is asked for of the one before it moves over. The files have no
// name and end with the process: nothing in them is believed after a restart. Each piece has a checksum
// in the index, and one that cannot be read as it was written is compressed anew. When a write fails,
// the cache gives its disk back and rests a while. A nil *pieces keeps nothing. Safe for concurrent use.
type pieces struct {
	dir  string
	most int64 // bytes of a generation
	log  *slog.Logger
	now  func() time.Time
	make func(dir string) (pieceFile, error)

	mu         sync.Mutex
	young, old *generation
	asked      []uint32  // by a hash of the name: another hash of it
	rests      time.Time // until when nothing is kept
	closed     bool
}

type generation struct {
	file  pieceFile
	size  int64
	index map[collections.RunID]piece
}

// piece is one run: whole deflate blocks that end on a byte and refer to nothing before them.
type piece struct {
	at    int64
	n     uint32 // bytes
	sum   uint32 // their CRC-32C
	raw   uint32 // bytes of the run
	crc   uint32 // their CRC-32
	shift uint32 // see shiftOf
}

func (g *generation) find(id collections.RunID) (piece, bool) {
	if g == nil {
		return piece{}, false
	}
	p, ok := g.index[id]
	return p, ok
}

// pieceFile is what is asked of a file.
type pieceFile interface {
	ReadAt(b []byte, at int64) (int, error)
	WriteAt(b []byte, at int64) (int, error)
	Close() error
}

// openPieces makes a cache in a directory that nobody else uses, and removes what a process left there
// that could not remove its files by itself.
func openPieces(dir string, bytes int64, log *slog.Logger, now func() time.Time) (*pieces, error) {
	if dir == "" || bytes <= 0 {
		return nil, nil
	}
	left, err := filepath.Glob(filepath.Join(dir, cachePrefix+"*"))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	if err != nil {
		return nil, fmt.Errorf("emptying the cache: %w", err)
	}
	return &pieces{
		dir: dir, most: max(bytes/2, pieceMost), log: log, now: now, make: makePieceFile, asked: make([]uint32, askedSlots),
	}, nil
}

// makePieceFile makes a file without a name, mode 0600.
func makePieceFile(dir string) (pieceFile, error) {
	f, err := os.CreateTemp(dir, cachePrefix+"*")
	if err != nil {
		return nil, err
	}
	if os.Remove(f.Name()) != nil { // Windows keeps a file that is open
		return namedFile{f}, nil
	}
	return f, nil
}

// namedFile is removed when it is closed.
type namedFile struct{ *os.File }

func (f namedFile) Close() error { return errors.Join(f.File.Close(), os.Remove(f.Name())) }

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// append appends the bytes of a run that is kept.
func (c *pieces) append(dst []byte, id collections.RunID) (longer []byte, p piece, ok bool) {
	if c == nil {
		return dst, piece{}, false
	}
	c.mu.Lock()
	g := c.young
	p, ok = g.find(id)
	if !ok {
		g = c.old
		p, ok = g.find(id)
	}
	elder := g == c.old
	c.mu.Unlock()
	if !ok {
		return dst, piece{}, false
	}
	n := len(dst)
	longer = grow(dst, int(p.n))
	// A generation that was dropped meanwhile is a closed file.
	if _, err := g.file.ReadAt(longer[n:], p.at); err != nil || crc32.Checksum(longer[n:], castagnoli()) != p.sum {
		c.forget(g, id)
		return dst, piece{}, false
	}
	if elder {
		c.keep(id, longer[n:], p)
	}
	return longer, p, true
}

// grow makes b longer by n bytes.
func grow(b []byte, n int) []byte {
	return slices.Grow(b, n)[:len(b)+n]
}

func (c *pieces) forget(g *generation, id collections.RunID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(g.index, id)
}

// wanted reports whether a run that is not kept should be: it was asked for before, as far as is
// remembered.
func (c *pieces) wanted(id collections.RunID) bool {
	if c == nil {
		return false
	}
	slot := uint32(id[0]) | uint32(id[1])<<8
	mark := uint32(id[2]) | uint32(id[3])<<8 | uint32(id[4])<<16 | uint32(id[5])<<24
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.asked[slot] == mark
	c.asked[slot] = mark
	return before && !c.closed && !c.now().Before(c.rests)
}

// keep keeps b for the run; of p the place and the checksum are set here.
func (c *pieces) keep(id collections.RunID, b []byte, p piece) {
	g, at := c.reserve(id, len(b))
	if g == nil {
		return
	}
	p.at, p.n, p.sum = at, uint32(len(b)), crc32.Checksum(b, castagnoli())
	if _, err := g.file.WriteAt(b, at); err != nil {
		c.failed(g, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g.index[id] = p
}

// reserve gives n bytes of the younger generation; nil when there is nothing to be kept.
func (c *pieces) reserve(id collections.RunID, n int) (*generation, int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.now().Before(c.rests) || int64(n) > c.most {
		return nil, 0
	}
	if c.young != nil {
		if _, there := c.young.index[id]; there {
			return nil, 0
		}
	}
	if g := c.young; g == nil || g.size+int64(n) > c.most || int64(len(g.index)) >= c.most/pieceShare {
		file, err := c.make(c.dir)
		if err != nil {
			c.rest(err)
			return nil, 0
		}
		c.drop(c.old)
		c.old, c.young = c.young, &generation{file: file, index: map[collections.RunID]piece{}}
	}
	at := c.young.size
	c.young.size += int64(n)
	return c.young, at
}

// failed is called when g could not be written.
func (c *pieces) failed(g *generation, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g == c.young || g == c.old { // else it was dropped meanwhile, which is no fault
		c.rest(err)
	}
}

// rest gives the disk back that is held. The caller holds the lock.
func (c *pieces) rest(err error) {
	c.log.Warn("compressed answers are not kept: the disk does not take them", "error", err)
	c.rests = c.now().Add(cacheRecover)
	c.empty()
}

func (c *pieces) empty() {
	c.drop(c.young)
	c.drop(c.old)
	c.young, c.old = nil, nil
}

func (c *pieces) drop(g *generation) {
	if g == nil {
		return
	}
	if err := g.file.Close(); err != nil {
		c.log.Warn("closing a file of the cache", "error", err)
	}
}

// close gives everything back. What is asked for later is not kept.
func (c *pieces) close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.empty()
}
