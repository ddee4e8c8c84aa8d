package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

	"liaison/collections/bolt"
)

// readArchive reads a backup whose store begins with a part, and hands each file to keep, which must read
// it whole. It ends without error only when every entry is there once, in its place, with its sum, and
// nothing beside them.
func readArchive(r io.Reader, part int, keep func(name string, size int64, r io.Reader) error) error {
	in := newEntries(r)
	sums := map[string]string{}
	for {
		h, err := in.next()
		if err == io.EOF {
			return errors.New("the backup is cut off: it has no " + sumsName)
		}
		if err == nil {
			err = inPlace(h.Name, len(sums), &part)
		}
		switch {
		case err != nil:
			return err
		case sums[h.Name] != "":
			return fmt.Errorf("%s is in the backup twice", h.Name)
		case h.Name == sumsName:
			return errors.Join(checkSums(in.tar, sums), in.end())
		}
		body, sum := io.Reader(in.tar), sha256.New()
		if h.Name == aboutName {
			if body, err = checkAbout(body); err != nil {
				return err
			}
		}
		if err := keep(h.Name, h.Size, io.TeeReader(body, sum)); err != nil && writing(err) {
			return err
		} else if err != nil {
			return fmt.Errorf("not a whole backup: %s: %w", h.Name, err)
		}
		sums[h.Name] = hex.EncodeToString(sum.Sum(nil))
	}
}

// writing reports whether an error is of a file that is written, and not of the backup.
func writing(err error) bool {
	_, is := errors.AsType[*fs.PathError](err)
	return is
}

// inPlace refuses an entry that is not where it belongs. n entries were before it.
func inPlace(name string, n int, part *int) error {
	switch {
	case (name == aboutName) != (n == 0):
		return fmt.Errorf("not a backup: its first file has to be %s", aboutName)
	case isPart(name) && name != partName(*part):
		return fmt.Errorf("part %d of the store is not in its place", *part)
	case isPart(name):
		*part++
	}
	return nil
}

// checkAbout reads aboutBackup and gives it once more.
func checkAbout(r io.Reader) (io.Reader, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxAbout+1))
	if err != nil {
		return nil, fmt.Errorf("not a whole backup: %s: %w", aboutName, err)
	}
	_, err = readAbout(b)
	return bytes.NewReader(b), err
}

func readAbout(b []byte) (about aboutBackup, err error) {
	err = json.Unmarshal(b, &about)
	switch {
	case err != nil || len(b) > maxAbout:
		return about, fmt.Errorf("%s is not as it was backed up", aboutName)
	case about.Format > backupFormat:
		return about, fmt.Errorf("the backup has format %d, this program knows %d: use the newer program", about.Format, backupFormat)
	case about.Format != backupFormat || about.Store == "":
		return about, fmt.Errorf("%s is not as it was backed up: no format or store", aboutName)
	}
	return about, nil
}

// entries reads a tar as strictly as it was written: a byte that no checksum is over is a zero.
type entries struct {
	tar   *tar.Reader
	zeros zeroReader
	names *regexp.Regexp
	last  string
}

const tarBlock = 512 // bytes; an entry's header is one, and its last one is filled

func newEntries(r io.Reader) *entries {
	e := &entries{zeros: zeroReader{r: r}, names: archived()}
	e.tar = tar.NewReader(&e.zeros)
	return e
}

func (e *entries) next() (*tar.Header, error) {
	h, err := e.tar.Next()
	switch {
	case err == io.EOF:
		return nil, err
	case err != nil && e.last == "":
		return nil, fmt.Errorf("not a whole backup: %w", err)
	case err != nil:
		return nil, fmt.Errorf("not a whole backup: after %s: %w", e.last, err)
	case h.Typeflag != tar.TypeReg || h.Format != tar.FormatUSTAR || !e.names.MatchString(h.Name):
		return nil, fmt.Errorf("%q does not belong into a backup", h.Name)
	}
	e.last = h.Name
	e.zeros.begin(h.Size)
	return h, nil
}

// end wants nothing after the last entry but the tar's end.
func (e *entries) end() error {
	if _, err := e.next(); err != io.EOF {
		if err == nil {
			err = errors.New("another file")
		}
		return fmt.Errorf("something follows %s: %w", sumsName, err)
	}
	switch n, err := io.Copy(io.Discard, e.zeros.r); {
	case err != nil:
		return err
	case n > 0:
		return fmt.Errorf("something follows the end of the backup: %d bytes", n)
	}
	return nil
}

// zeroReader wants zeros between the end of an entry and the end of its last block, which a reader of
// tars passes over.
type zeroReader struct {
	r         io.Reader
	body, pad int64 // bytes of the entry that are to come, and of what fills its last block
}

func (z *zeroReader) begin(size int64) { z.body, z.pad = size, -size&(tarBlock-1) }

func (z *zeroReader) Read(b []byte) (n int, err error) {
	switch {
	case z.body > 0:
		n, err = z.r.Read(b[:min(int64(len(b)), z.body)])
		z.body -= int64(n)
	case z.pad > 0:
		n, err = z.r.Read(b[:min(int64(len(b)), z.pad)])
		z.pad -= int64(n)
		if len(bytes.Trim(b[:n], "\x00")) > 0 {
			return 0, errors.New("what fills its last block is not zeros")
		}
	default:
		n, err = z.r.Read(b)
	}
	return n, err
}

// checkSums holds what was read against the list at the end.
func checkSums(r io.Reader, have map[string]string) error {
	lines := bufio.NewScanner(io.LimitReader(r, maxSums))
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
func unpack(ctx context.Context, r io.Reader, dir string) error {
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
	store, err := root.OpenFile(storeName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer store.Close()
	size := int64(-1)
	err = readArchive(patient{ctx, r}, 0, func(name string, _ int64, r io.Reader) (err error) {
		switch {
		case name == aboutName:
			_, err = io.Copy(io.Discard, r)
			return err
		case isPart(name):
			size, err = bolt.ReadCopy(r, func(at int64, b []byte) error {
				_, err := store.WriteAt(b, at)
				return err
			})
			return err
		}
		f, err := root.OpenFile(filepath.FromSlash(path.Clean(name)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	})
	if err == nil && size < 0 {
		err = errNoEnd
	}
	if err != nil {
		return err
	}
	if err := errors.Join(store.Truncate(size), store.Close()); err != nil {
		return err
	}
	return syncFiles(dir)
}

var errNoEnd = errors.New("the store in the backup has no end")

// patient is a reader that ends with its context.
type patient struct {
	ctx context.Context
	r   io.Reader
}

func (p patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
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
