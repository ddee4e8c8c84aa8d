package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A backup is a tar of regular files, mode 0600, in this order:
//
//	config.json  ca/…  tls/…
//	store.db.00000 …      the store in parts of 16 MiB: cat store.db.* gives it back
//	journal.spool
//	keys/…                after the store, which may hold secrets under a key that is made meanwhile
//	SHA256SUMS            of all before it, as sha256sum writes them; a tar without it is cut off
const (
	sumsName  = "SHA256SUMS"
	partBytes = 16 << 20 // of the store in one entry, which is gathered in memory
	maxParts  = 100_000
)

// archived is every name that a backup may have. What is not here is not unpacked.
func archived() *regexp.Regexp {
	return regexp.MustCompile(`^(config\.json|journal\.spool|SHA256SUMS|store\.db\.[0-9]{5}|(keys|ca|tls)/[A-Za-z0-9][A-Za-z0-9._-]*)$`)
}

// archiver writes a backup's entries and remembers their sums.
type archiver struct {
	tar  *tar.Writer
	g    *gateway
	sums bytes.Buffer
}

// archive writes a backup of the whole data directory while the gateway serves.
func (g *gateway) archive(ctx context.Context, w io.Writer) error {
	root, err := os.OpenRoot(g.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	a := &archiver{tar: tar.NewWriter(w), g: g}
	if err := errors.Join(a.file(root, configName), a.files(root, caName, tlsName)); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	parts := &partWriter{a: a}
	if err := errors.Join(g.store.Backup(ctx, parts), parts.flush()); err != nil {
		return fmt.Errorf("backing up the store: %w", err)
	}
	// After the store: what it has drained meanwhile is in the spool no more, and in the store that
	// is copied not yet.
	if err := a.file(root, spoolName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("backing up: %w", err)
	}
	if err := a.files(root, keysName); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
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
	fmt.Fprintf(&a.sums, "%x  %s\n", sha256.Sum256(data), name)
	err := a.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(data)), ModTime: a.g.now(), Format: tar.FormatPAX,
	})
	if err != nil {
		return err
	}
	_, err = a.tar.Write(data)
	return err
}

// partWriter cuts the store's copy, whose size nobody knows before, into entries.
type partWriter struct {
	a    *archiver
	part []byte
	n    int
}

func (p *partWriter) Write(b []byte) (int, error) {
	done := 0
	for len(b) > 0 {
		if p.part == nil {
			p.part = make([]byte, 0, partBytes)
		}
		n := min(len(b), partBytes-len(p.part))
		p.part, b, done = append(p.part, b[:n]...), b[n:], done+n
		if len(p.part) < partBytes {
			continue
		}
		if err := p.flush(); err != nil {
			return done, err
		}
	}
	return done, nil
}

func (p *partWriter) flush() error {
	if len(p.part) == 0 {
		return nil
	}
	if p.n >= maxParts {
		return fmt.Errorf("the store has more than %d parts of %d bytes", maxParts, partBytes)
	}
	err := p.a.entry(fmt.Sprintf("%s.%05d", storeName, p.n), p.part)
	p.part, p.n = p.part[:0], p.n+1
	return err
}

// readArchive reads a backup and hands each file to keep, which must read it whole. It ends without
// error only when every entry is there once, in its place, with its sum.
func readArchive(r io.Reader, keep func(name string, r io.Reader) error) error {
	names, sums := archived(), map[string]string{}
	parts := 0
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		switch {
		case err == io.EOF:
			return errors.New("the backup is cut off: it has no " + sumsName)
		case err != nil:
			return fmt.Errorf("not a whole backup: %w", err)
		case h.Typeflag != tar.TypeReg || !names.MatchString(h.Name):
			return fmt.Errorf("%q does not belong into a backup", h.Name)
		case sums[h.Name] != "":
			return fmt.Errorf("%s is in the backup twice", h.Name)
		case h.Name == sumsName:
			return checkSums(in, sums)
		}
		if strings.HasPrefix(h.Name, storeName+".") {
			if h.Name != fmt.Sprintf("%s.%05d", storeName, parts) {
				return fmt.Errorf("part %d of the store is not in its place", parts)
			}
			parts++
		}
		sum := sha256.New()
		if err := keep(h.Name, io.TeeReader(in, sum)); err != nil {
			return err
		}
		sums[h.Name] = hex.EncodeToString(sum.Sum(nil))
	}
}

// checkSums holds what was read against the list at the end.
func checkSums(r io.Reader, have map[string]string) error {
	lines := bufio.NewScanner(io.LimitReader(r, partBytes))
	for lines.Scan() {
		sum, name, ok := strings.Cut(lines.Text(), "  ")
		switch {
		case !ok:
			return fmt.Errorf("%s is not a list of sums", sumsName)
		case have[name] == "":
			return fmt.Errorf("%s is missing in the backup", name)
		case have[name] != sum:
			return fmt.Errorf("%s is not as it was backed up: its checksum differs", name)
		}
		delete(have, name)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("not a whole backup: %w", err)
	}
	if len(have) > 0 {
		return fmt.Errorf("%s is not in %s", slices.Sorted(maps.Keys(have))[0], sumsName)
	}
	return nil
}

// unpack puts a backup into dir, which is empty, and syncs what it writes.
func unpack(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, name := range []string{keysName, caName, tlsName, cacheName} {
		if err := root.Mkdir(name, 0o700); err != nil {
			return err
		}
	}
	err = readArchive(r, func(name string, r io.Reader) error {
		flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
		if strings.HasPrefix(name, storeName+".") {
			name, flags = storeName, os.O_WRONLY|os.O_CREATE|os.O_APPEND
		}
		f, err := root.OpenFile(filepath.FromSlash(path.Clean(name)), flags, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	})
	if err != nil {
		return err
	}
	return syncFiles(dir)
}

// syncFiles makes the contents of all files of a tree last.
func syncFiles(dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
