package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
	"liaison/server/admin"
)

// backedUp is a gateway that does not serve, with a source of its backups.
func backedUp(t *testing.T) (g *gateway, from backupSource) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "gateway")
	if err := createGateway(t.Context(), dir, initOptions{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	g, err := openGateway(t.Context(), dir, gatewayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g, backupSource{take: g.client().Backup, moved: func(int64) {}, going: func(int64) {}}
}

// tell puts lines of 40 kB into the journal.
func (g *gateway) tell(t *testing.T, lines int) {
	t.Helper()
	var list []auth.Line
	for range lines {
		list = append(list, auth.NewLine(time.Now(), "test", "told", map[string]string{"x": strings.Repeat("x", 40_000)}))
	}
	if err := g.store.Apply(t.Context(), nil, list, nil); err != nil {
		t.Fatal(err)
	}
}

// told restores a backup, wants a store without faults, and counts what tell put there before.
func told(t *testing.T, file string) (n int) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	if err := restoreGateway(t.Context(), file, dir, nil); err != nil {
		t.Fatal(err)
	}
	g, err := openGateway(t.Context(), dir, gatewayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.store.Check(t.Context(), func(f collections.Fault) { t.Errorf("%s: %s: %s", file, f.Where, f.What) }); err != nil {
		t.Fatal(err)
	}
	for e, err := range g.store.Journal(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Line.Kind == "told" {
			n++
		}
	}
	return n
}

// TestBackupGoesOn: wherever a backup broke off, as one does whose process is killed, and whatever
// became of its last bytes, the next one completes it with less than the whole.
func TestBackupGoesOn(t *testing.T) {
	t.Parallel()
	g, from := backedUp(t)
	g.tell(t, 80)
	dir := t.TempDir()
	file := filepath.Join(dir, "whole")
	size, err := fetchBackup(t.Context(), file, from)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil || int64(len(whole)) != size {
		t.Fatalf("%d bytes, told %d: %v", len(whole), size, err)
	}
	ends := partEnds(t, whole)
	lines := 80
	for _, c := range []struct {
		name    string
		there   []byte
		parts   int // that are gone on with
		another bool
	}{
		{"nothing", nil, 0, false},
		{"a part of a header", whole[:300], 0, false},
		{"a part of the first part", whole[:ends[0]-1000], 0, false},
		{"the first part without what fills it", whole[:ends[0]-1], 1, false},
		{"the first part", whole[:ends[0]], 1, true},
		{"a part of the second header", whole[:ends[0]+100], 1, false},
		{"two parts", whole[:ends[1]+5000], 2, true},
		{"all of the store", whole[:ends[len(ends)-1]+2000], len(ends), false},
		{"everything but the name", whole, len(ends), true},
		{"a changed byte in a block", changed(whole[:ends[1]], ends[0]-5000), 2, false},
		{"zeros in the place of the second part", append(bytes.Clone(whole[:ends[0]]), make([]byte, ends[1]-ends[0])...), 1, false},
		{"a changed byte in what fills the first part", changed(whole[:ends[0]], ends[0]-1), 1, false},
		{"something else", bytes.Repeat([]byte("x"), 5000), 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(dir, strings.ReplaceAll(c.name, " ", "-"))
			if err := os.WriteFile(partialName(file), c.there, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.another {
				g.tell(t, 1)
				lines++
			}
			from, moved := from, int64(0)
			take := from.take
			from.take = func(ctx context.Context, had admin.Had) (io.ReadCloser, error) {
				if had.Parts != c.parts {
					t.Errorf("goes on with %d parts, want %d", had.Parts, c.parts)
				}
				return take(ctx, had)
			}
			from.moved = func(n int64) { moved += n }
			if _, err := fetchBackup(t.Context(), file, from); err != nil {
				t.Fatal(err)
			}
			// What a few lines change is in a few blocks.
			if most := max(0, size-int64(c.parts)*partBytes) + 8*bolt.BlockBytes; moved > most {
				t.Errorf("%d bytes were sent, want at most %d", moved, most)
			}
			if _, err := os.Lstat(partialName(file)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the partial file is there: %v", err)
			}
			if n := told(t, file); n != lines {
				t.Errorf("%d lines are restored, want %d", n, lines)
			}
		})
	}
}

// partEnds gives where the parts of the store end in a backup, with what fills them.
func partEnds(t *testing.T, whole []byte) (ends []int) {
	t.Helper()
	r := bytes.NewReader(whole)
	for in := tar.NewReader(onlyReader{r}); ; {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if isPart(h.Name) {
			ends = append(ends, (len(whole)-r.Len()+int(h.Size)+511)/512*512)
		}
	}
	if len(ends) < 3 {
		t.Fatalf("%d parts", len(ends))
	}
	return ends
}

type onlyReader struct{ io.Reader }

func changed(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// TestBackupBreaksOff: what has come is kept, told of, and gone on with; what is not worth it is not.
func TestBackupBreaksOff(t *testing.T) {
	t.Parallel()
	g, from := backedUp(t)
	g.tell(t, 80)
	file := filepath.Join(t.TempDir(), "file")
	lost := errors.New("the connection is lost")
	after := func(n int64) backupSource {
		cut := from
		cut.take = func(ctx context.Context, had admin.Had) (io.ReadCloser, error) {
			body, err := from.take(ctx, had)
			if err != nil {
				return nil, err
			}
			return breaks{io.LimitReader(body, n), body, lost}, nil
		}
		return cut
	}
	_, err := fetchBackup(t.Context(), file, after(100_000))
	if !errors.Is(err, lost) || strings.Contains(err.Error(), "is kept") {
		t.Errorf("without a part: %v", err)
	}
	if _, err := os.Lstat(partialName(file)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file without a part is there: %v", err)
	}
	for n := range 3 { // each time a part comes
		_, err := fetchBackup(t.Context(), file, after(1_200_000))
		if err == nil {
			if n == 0 {
				t.Fatal("it did not break off")
			}
			break
		}
		if !errors.Is(err, lost) || !strings.Contains(err.Error(), `what has come is kept in `+partialName(file)+`, mode 0600: "liaison backup `+file+`" goes on with it`) {
			t.Fatal(err)
		}
		fi, err := os.Stat(partialName(file))
		if err != nil || fi.Mode() != 0o600 {
			t.Fatalf("%v, %v", fi, err)
		}
		if _, err := os.Lstat(file); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("the file is there: %v", err)
		}
	}

	// Two at once, and files that are not ours to write.
	busy, err := openPartial(file + "2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fetchBackup(t.Context(), file+"2", from); !errors.Is(err, errAnotherBackup) {
		t.Errorf("two at once: %v", err)
	}
	busy.Close()
	if err := os.Symlink(busy.Name(), partialName(file+"3")); err != nil {
		t.Fatal(err)
	}
	if _, err := fetchBackup(t.Context(), file+"3", from); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("through a link: %v", err)
	}
	gone, stop := context.WithCancel(t.Context())
	slow := from
	slow.moved = func(int64) { stop() }
	if _, err := fetchBackup(gone, file+"4", slow); !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop: %v", err)
	}
	if _, err := fetchBackup(t.Context(), file+"4", from); err != nil {
		t.Error(err)
	}
	if n := told(t, file+"4"); n != 80 {
		t.Errorf("%d lines", n)
	}
}

type breaks struct {
	io.Reader
	io.Closer
	err error
}

func (b breaks) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = b.err
	}
	return n, err
}

// TestBackupNamesChanges: a byte that is changed anywhere in a backup is found, and where.
func TestBackupNamesChanges(t *testing.T) {
	t.Parallel()
	_, from := backedUp(t)
	file := filepath.Join(t.TempDir(), "file")
	if _, err := fetchBackup(t.Context(), file, from); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	discard := func(_ string, _ int64, r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	}
	if err := readArchive(bytes.NewReader(whole), 0, discard); err != nil {
		t.Fatal(err)
	}
	names, r := []string{""}, bytes.NewReader(whole)
	in := tar.NewReader(onlyReader{r})
	try := func(at int, near ...string) {
		err := readArchive(bytes.NewReader(changed(whole, at)), 0, discard)
		if err == nil {
			t.Fatalf("byte %d, near %q, is changed and nobody says so", at, near)
		}
		for _, n := range near {
			if n != "" && strings.Contains(err.Error(), n) || n == "" && strings.Contains(err.Error(), "not a") {
				return
			}
		}
		t.Errorf("byte %d: %v, want one of %q named", at, err, near)
	}
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		at := len(whole) - r.Len()
		for _, i := range []int{-512, -412, -380, -350, -300, -249, -100, -1} { // its header
			try(at+i, names[len(names)-1], h.Name)
		}
		body := []int{0, int(h.Size) / 3, int(h.Size) - 1}
		if h.Size%512 != 0 {
			body = append(body, int(h.Size), int(h.Size+511)/512*512-1)
		}
		for _, i := range body {
			if h.Name == sumsName && i < int(h.Size) {
				try(at+i, archivedNames(whole)...)
			} else {
				try(at+i, h.Name)
			}
		}
		names = append(names, h.Name)
	}
	for _, i := range []int{1024, 600, 512, 1} {
		try(len(whole)-i, sumsName)
	}
	for n := 0; n < len(whole); n += len(whole)/50 + 1 {
		if err := readArchive(bytes.NewReader(whole[:n]), 0, discard); err == nil {
			t.Errorf("the first %d bytes are taken for the whole", n)
		}
	}
}

// archivedNames gives the names of all entries.
func archivedNames(whole []byte) (names []string) {
	in := tar.NewReader(bytes.NewReader(whole))
	for {
		h, err := in.Next()
		if err != nil {
			return names
		}
		names = append(names, h.Name)
	}
}

// FuzzReadArchive: a backup, or a part of one, is a file that anybody may have made.
func FuzzReadArchive(f *testing.F) {
	var b bytes.Buffer
	a := &archiver{tar: tar.NewWriter(&b), now: time.Now}
	record := append(make([]byte, 8), 3, 0, 0, 0, 'a', 'b', 'c', 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, e := range []struct{ name, data string }{
		{aboutName, `{"format":1,"store":"S"}`}, {partName(0), string(record)}, {partName(1), string(record)},
		{configName, "{}"}, {"keys/a", "k"},
	} {
		if err := a.entry(e.name, []byte(e.data)); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes()[:3000])
	if err := a.close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		parts := 0
		err := readArchive(bytes.NewReader(b), 0, func(name string, size int64, r io.Reader) error {
			n, err := io.Copy(io.Discard, r)
			if err == nil && n != size {
				t.Errorf("%s has %d bytes, and says %d", name, n, size)
			}
			if isPart(name) {
				parts++
			}
			return err
		})
		p, perr := readPartial(t.Context(), bytes.NewReader(b))
		switch {
		case perr != nil:
			t.Error(perr)
		case p.body > int64(len(b)) || p.end < p.body || p.parts > 0 && p.store == "":
			t.Errorf("of %d bytes %+v", len(b), p)
		case err == nil && p.parts > parts:
			t.Errorf("%d parts are gone on with, there are %d", p.parts, parts)
		}
	})
}
