package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"

	"liaison/auth"
	"liaison/server/admin"
)

// A backup is a tar of regular files, mode 0600, in this order:
//
//	backup.json           aboutBackup
//	store.db.000000 …     records of the store's blocks, about 1 MiB in each: bolt.ReadCopy
//	config.json  ca/…  tls/…
//	journal.spool
//	keys/…                after the store, which may hold secrets under a key that is made meanwhile
//	SHA256SUMS            of all before it, as sha256sum writes them; a tar without it is cut off
//
// What is after the store is small, so that a backup that broke off has nothing but the store, and goes
// on with further parts of it.
const (
	aboutName = "backup.json"
	sumsName  = "SHA256SUMS"
	partBytes = 1<<20 + 64 // of records in one entry, which is gathered in memory: those of four blocks
	maxParts  = 1_000_000
	maxSums   = maxParts * 128 // bytes
	maxAbout  = 64 << 10       // bytes

	backupFormat = 1
)

// aboutBackup says what a backup is of.
type aboutBackup struct {
	Format int       `json:"format"` // backupFormat
	Store  string    `json:"store"`  // its id
	URL    string    `json:"url"`
	Begun  time.Time `json:"begun"`
}

// archived is every name that a backup may have. What is not here is not unpacked.
func archived() *regexp.Regexp {
	return regexp.MustCompile(`^(backup\.json|config\.json|journal\.spool|SHA256SUMS|store\.db\.[0-9]{6}|(keys|ca|tls)/[A-Za-z0-9][A-Za-z0-9._-]*)$`)
}

func partName(n int) string { return fmt.Sprintf("%s.%06d", storeName, n) }

func isPart(name string) bool { return strings.HasPrefix(name, storeName+".") }

// archiver writes a backup's entries and remembers their sums.
type archiver struct {
	tar  *tar.Writer
	now  func() time.Time
	sums bytes.Buffer
}

// archive writes a backup of the whole data directory while the gateway serves, without what is there
// of the store.
func (g *gateway) archive(ctx context.Context, had admin.Had, w io.Writer) error {
	if had.Store != "" && had.Store != g.store.ID() {
		return fmt.Errorf("%w: it is a backup of another gateway", auth.ErrConflict)
	}
	root, err := os.OpenRoot(g.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	a := &archiver{tar: tar.NewWriter(w), now: g.now}
	about, err := json.Marshal(aboutBackup{backupFormat, g.store.ID(), g.config.URL, g.now().UTC()})
	if err != nil {
		return err
	}
	if err := a.entry(aboutName, append(about, '\n')); err != nil {
		return err
	}
	parts := &partWriter{a: a, n: had.Parts}
	if err := errors.Join(g.store.Copy(ctx, had.Sums, parts), parts.flush()); err != nil {
		return fmt.Errorf("backing up the store: %w", err)
	}
	if err := errors.Join(a.file(root, configName), a.files(root, caName, tlsName)); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	// After the store: what it has drained meanwhile is in the spool no more, and in the store that
	// is copied not yet.
	if err := a.file(root, spoolName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backing up: %w", err)
	}
	if err := a.files(root, keysName); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	return a.close()
}

// close writes the sums and the tar's end.
func (a *archiver) close() error {
	if err := a.entry(sumsName, bytes.Clone(a.sums.Bytes())); err != nil {
		return err
	}
	return a.tar.Close()
}

func (a *archiver) files(root *os.Root, dirs ...string) error {
	for _, dir := range dirs {
		err := fs.WalkDir(root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || !archived().MatchString(name) {
				return err
			}
			return a.file(root, name)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *archiver) file(root *os.Root, name string) error {
	data, err := root.ReadFile(name)
	if err != nil {
		return err
	}
	return a.entry(name, data)
}

func (a *archiver) entry(name string, data []byte) error {
	return a.copy(name, int64(len(data)), bytes.NewReader(data))
}

// copy writes an entry. Its header has nothing that needs more than one block, whose checksum is over
// all of it.
func (a *archiver) copy(name string, size int64, r io.Reader) error {
	err := a.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: size, ModTime: a.now().Truncate(time.Second), Format: tar.FormatUSTAR,
	})
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(a.tar, sum), r); err != nil {
		return err
	}
	if err := a.tar.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&a.sums, "%x  %s\n", sum.Sum(nil), name)
	return nil
}

// partWriter gathers the records of the store's copy, of which nobody knows before how many there are,
// in entries.
type partWriter struct {
	a    *archiver
	part []byte
	n    int
}

func (p *partWriter) Write(record []byte) (int, error) {
	if len(p.part)+len(record) > partBytes {
		if err := p.flush(); err != nil {
			return 0, err
		}
	}
	p.part = append(p.part, record...)
	return len(record), nil
}

func (p *partWriter) flush() error {
	if len(p.part) == 0 {
		return nil
	}
	if p.n >= maxParts {
		return fmt.Errorf("the store has more than %d parts of %d bytes", maxParts, partBytes)
	}
	err := p.a.entry(partName(p.n), p.part)
	p.part, p.n = p.part[:0], p.n+1
	return err
}
