package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"liaison/collections"
	"liaison/server"
	"liaison/server/taxii"
)

func cached(dir string) option {
	return func(o *server.Options) { o.Cache, o.CacheBytes = dir, 64<<20 }
}

// counted counts what the files of a cache are asked for, and fails when it is told to.
type counted struct {
	server.PieceFile
	*counts
}

type counts struct {
	reads, writes atomic.Int64
	full, damaged atomic.Bool
}

func (f counted) WriteAt(b []byte, at int64) (int, error) {
	f.writes.Add(1)
	if f.full.Load() {
		return 0, &os.PathError{Op: "write", Path: "cache", Err: syscall.ENOSPC}
	}
	return f.PieceFile.WriteAt(b, at)
}

func (f counted) ReadAt(b []byte, at int64) (int, error) {
	f.reads.Add(1)
	n, err := f.PieceFile.ReadAt(b, at)
	if f.damaged.Load() && n > 0 {
		b[n/2] ^= 1
	}
	return n, err
}

func (c *counts) count(g *gateway) {
	g.server.Pieces().WithFiles(func(f server.PieceFile) server.PieceFile { return counted{f, c} })
}

// filled publishes n objects of about size bytes by two vendors in turn, and gives their ids.
func (g *gateway) filled(r *rand.Rand, alias string, n, size int) (ids []string) {
	g.Helper()
	for len(ids) < n {
		for _, a := range []account{g.vendor, g.rival} {
			var list []string
			for range 1 + r.IntN(2*n/10+1) {
				text := make([]byte, r.IntN(size))
				for i := range text {
					text[i] = "abcdefghijklmnopqrstuvwxyz ABCDEF,\"\\{}[]"[r.IntN(1+r.IntN(40))]
				}
				id, raw := indicator(string(text))
				ids = append(ids, id)
				list = append(list, raw)
			}
			g.publish(a, alias, list...)
		}
	}
	return ids
}

// one reads a body that is exactly one gzip member.
func one(t testing.TB, b []byte) string {
	t.Helper()
	in := bytes.NewReader(b)
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false)
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatalf("after %d of %d bytes: %v", len(text), len(b), err)
	}
	if in.Len() > 0 {
		t.Fatalf("%d bytes behind the member", in.Len())
	}
	return string(text)
}

// TestPiecesTellTheSame: whatever is asked for, by whom and after which deletions, the answer in gzip is
// the answer as it is.
func TestPiecesTellTheSame(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var c counts
	g := open(t, cached(t.TempDir()))
	c.count(g)
	ids := g.filled(r, "vn", 300, 2000)
	readers := []account{g.vn, g.vendor, g.rival}
	const at = "/secure/collections/vn/objects/"
	for range 60 {
		a := readers[r.IntN(len(readers))]
		q := url.Values{}
		if r.IntN(3) > 0 {
			q.Set("limit", fmt.Sprint(1+r.IntN(250)))
		}
		if r.IntN(3) == 0 {
			q.Set("match[version]", []string{"all", "first", "last"}[r.IntN(3)])
		}
		for pages := 1 + r.IntN(4); pages > 0; pages-- {
			plain := g.get(a, at+"?"+q.Encode()).want(200)
			var e taxii.Envelope
			plain.json(&e)
			for range 1 + r.IntN(3) {
				z := g.get(a, at+"?"+q.Encode(), header("Accept-Encoding", "gzip")).want(200)
				text := string(z.body)
				if z.header.Get("Content-Encoding") == "gzip" {
					text = one(t, z.body)
				}
				if text != string(plain.body) {
					t.Fatalf("%s %s: %d objects in %d bytes, in gzip %d bytes", a.id, q.Encode(), len(e.Objects), len(plain.body), len(text))
				}
			}
			if !e.More {
				break
			}
			q.Set("next", e.Next)
		}
		if r.IntN(3) == 0 {
			i := r.IntN(len(ids))
			id := ids[i]
			for _, a := range readers[1:] {
				g.ask(a, http.MethodDelete, at+id+"/")
			}
			ids = append(ids[:i], ids[i+1:]...)
			for _, a := range readers {
				z := g.get(a, at, header("Accept-Encoding", "gzip")).want(200)
				if strings.Contains(one(t, z.body), id) {
					t.Fatalf("%s is given %s, which was deleted", a.id, id)
				}
			}
		}
	}
	if c.reads.Load() < 100 || c.writes.Load() < 10 {
		t.Errorf("%d pieces read, %d written: the cache was hardly asked", c.reads.Load(), c.writes.Load())
	}
}

// TestPiecesAtTheSameTime: who asks together for what nobody asked for yet has it compressed a few times
// at most, and from then on it is not.
func TestPiecesAtTheSameTime(t *testing.T) {
	var c counts
	g := open(t, cached(t.TempDir()))
	c.count(g)
	g.filled(rand.New(rand.NewPCG(1, 1)), "vn", 200, 2000)
	want := string(g.get(g.vn, "/secure/collections/vn/objects/").want(200).body)
	round := func() {
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				a := g.get(g.vn, "/secure/collections/vn/objects/", header("Accept-Encoding", "gzip"))
				if a.status != 200 || one(t, a.body) != want {
					t.Errorf("status %d, or another page", a.status)
				}
			})
		}
		all.Wait()
	}
	round()
	segments := int64(len(want)/(64<<10) + 1)
	if n := c.writes.Load(); n < segments-1 || n > int64(runtime.GOMAXPROCS(0))*(segments+1) {
		t.Errorf("%d pieces written of about %d segments", n, segments)
	}
	before := c.writes.Load()
	round()
	if n := c.writes.Load() - before; n > 1 { // a run may have been asked for once only
		t.Errorf("%d more pieces written when all of them are there", n)
	}
}

// TestPiecesWithoutDisk: a cache that cannot be written or read as it was written costs time, no answer.
func TestPiecesWithoutDisk(t *testing.T) {
	var c counts
	var ahead atomic.Int64
	g := open(t, cached(t.TempDir()))
	c.count(g)
	g.server.Pieces().WithClock(func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	g.filled(rand.New(rand.NewPCG(2, 2)), "vn", 100, 2000)
	want := string(g.get(g.vn, "/secure/collections/vn/objects/").want(200).body)
	look := func(n int) (reads, writes int64) {
		r, w := c.reads.Load(), c.writes.Load()
		for range n {
			if one(t, g.get(g.vn, "/secure/collections/vn/objects/", header("Accept-Encoding", "gzip")).want(200).body) != want {
				t.Error("another page")
			}
		}
		return c.reads.Load() - r, c.writes.Load() - w
	}
	c.full.Store(true)
	if _, w := look(4); w != 1 {
		t.Errorf("%d writes to a disk that is full, want one", w)
	}
	c.full.Store(false)
	if r, w := look(2); r != 0 || w != 0 {
		t.Errorf("%d reads and %d writes while the cache rests", r, w)
	}
	ahead.Add(int64(time.Minute))
	look(2)
	if r, w := look(2); r == 0 || w != 0 {
		t.Errorf("%d reads and %d writes when the disk has room again", r, w)
	}
	c.damaged.Store(true)
	if r, w := look(1); r == 0 || w == 0 {
		t.Errorf("%d reads and %d writes of pieces that are damaged", r, w)
	}
	g.server.Close()
	c.damaged.Store(false)
	if r, w := look(2); r != 0 || w != 0 {
		t.Errorf("%d reads and %d writes after Close", r, w)
	}
}

// TestPiecesGenerations: the cache holds what is asked for, and no more than it may.
func TestPiecesGenerations(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "pieces-123")
	if err := os.WriteFile(left, []byte("of a process that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := server.OpenPieces(dir, 4<<20, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	var closed, made int
	c.WithFiles(func(f server.PieceFile) server.PieceFile {
		made++
		if info, err := f.(*os.File).Stat(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("a file of mode %v, %v", info.Mode(), err)
		}
		return closing{f, &closed}
	})
	name := func(n int) (id collections.RunID) {
		copy(id[:], fmt.Sprintf("%08d", n))
		return id
	}
	text := func(n int) []byte { return bytes.Repeat([]byte{byte(n)}, 100<<10) }
	for n := range 200 {
		c.Keep(name(n), text(n))
		if b, ok := c.Kept(name(n)); !ok || !bytes.Equal(b, text(n)) {
			t.Fatalf("piece %d is not there", n)
		}
		if b, ok := c.Kept(name(7)); n >= 7 && (!ok || !bytes.Equal(b, text(7))) {
			t.Fatalf("a piece that is asked for all the time is gone after %d", n)
		}
		if made-closed > 2 {
			t.Fatalf("%d files", made-closed)
		}
	}
	if _, ok := c.Kept(name(100)); ok || made < 9 {
		t.Errorf("piece 100 is there %t, after %d files", ok, made)
	}
	if found, _ := filepath.Glob(dir + "/*"); len(found) != 0 {
		t.Errorf("files with names: %v", found)
	}
	for n := range 2000 { // small ones: the index has a bound of its own
		c.Keep(name(1000+n), text(n)[:10])
	}
	if _, ok := c.Kept(name(1000)); ok {
		t.Error("2,000 small pieces fit into an index for less")
	}
	c.Close()
	if made != closed {
		t.Errorf("%d of %d files closed", closed, made)
	}
}

type closing struct {
	server.PieceFile
	closed *int
}

func (f closing) Close() error {
	*f.closed++
	return f.PieceFile.Close()
}

// TestPiecesSums: the CRC-32 of two texts is that of both.
func TestPiecesSums(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	text := make([]byte, 1<<20)
	for i := range text {
		text[i] = byte(r.Uint32())
	}
	want := crc32.ChecksumIEEE(text)
	for _, n := range []int{0, 1, 2, 7, 255, 65535, 65536, 1<<20 - 1, 1 << 20, r.IntN(1 << 20), r.IntN(1 << 20)} {
		if got := server.Sum(text[:n], text[n:]); got != want {
			t.Errorf("cut at %d: %08x, want %08x", n, got, want)
		}
	}
}

// TestPiecesEverySize: answers of all sizes around the bounds of blocks, pieces and buffers.
func TestPiecesEverySize(t *testing.T) {
	g := open(t, cached(t.TempDir()), func(o *server.Options) { o.Desk.Limits.Object = 4 << 20 })
	for _, n := range []int{1, 500, 1100, 1500, 4000, 5000, 65_000, 66_000, 200_000, 600_000} {
		_, raw := indicator(strings.Repeat("abcdefg ", n/8))
		g.publish(g.vendor, "lk", raw)
		for range 3 {
			plain := g.get(g.lk, "/secure/collections/lk/objects/").want(200)
			z := g.get(g.lk, "/secure/collections/lk/objects/", header("Accept-Encoding", "gzip")).want(200)
			text := string(z.body)
			if z.header.Get("Content-Encoding") == "gzip" {
				text = one(t, z.body)
			} else if len(plain.body) >= 1400 {
				t.Errorf("%d bytes are not compressed", len(plain.body))
			}
			if text != string(plain.body) {
				t.Errorf("after an object of %d bytes: another page", n)
			}
		}
	}
}
