package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"liaison/collections/bolt"
	"liaison/server/admin"
)

// partialName is what a backup is called until it is complete.
func partialName(name string) string { return name + ".partial" }

// openPartial opens the file of a backup that is being taken, which nobody else may read, and takes it for this
// process.
func openPartial(name string) (f *os.File, err error) {
	name = partialName(name)
	fi, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	case err != nil:
	case !fi.Mode().IsRegular():
		err = fmt.Errorf("%s is not a file: remove it, or name another file", name)
	default:
		if err = ownPrivate(name); err == nil {
			f, err = os.OpenFile(name, os.O_RDWR, 0)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	// What was opened is what has the name: another backup may have completed it meanwhile.
	opened, err := f.Stat()
	if err == nil {
		fi, err = os.Lstat(name)
	}
	if err == nil && !os.SameFile(opened, fi) {
		err = errAnotherBackup
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return f, nil
}

var errAnotherBackup = errors.New("another backup is being written there: wait for it, or name another file")

// ownPrivate refuses a file that is somebody else's, or that others can open.
func ownPrivate(name string) error {
	owner, err := ownerOf(name)
	if err != nil {
		return err
	}
	if owner != os.Getuid() {
		return fmt.Errorf("%s is of user %d: remove it, or name another file", name, owner)
	}
	return privateFile(name)
}

// partial is what a backup that broke off has: whole entries, of the store alone.
type partial struct {
	store string // its id, "" when there is nothing
	parts int
	sums  []byte      // lines of SHA256SUMS
	block []admin.Sum // of the store's blocks
	body  int64       // where the last entry ends in the file
	end   int64       // where its last block ends
}

func (p *partial) had() admin.Had { return admin.Had{Store: p.store, Parts: p.parts, Sums: p.block} }

// readPartial reads the entries that are whole, to the first that is not or that is not of the store. What
// the gateway is told of them is of the bytes that are there. The error is that of ctx.
func readPartial(ctx context.Context, f io.Reader) (*partial, error) {
	p := &partial{}
	in := newEntries(patient{ctx, f})
	for {
		h, err := in.next()
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		if err != nil || (h.Name == aboutName) != (p.store == "") || h.Name != aboutName && h.Name != partName(p.parts) {
			return p, nil
		}
		sum, blocks := sha256.New(), map[int]admin.Sum{}
		r := io.TeeReader(in.tar, sum)
		var about aboutBackup
		if h.Name == aboutName {
			var b []byte
			if b, err = io.ReadAll(io.LimitReader(r, maxAbout+1)); err == nil {
				about, err = readAbout(b)
			}
		} else {
			_, err = bolt.ReadCopy(r, func(at int64, b []byte) error {
				i := at / bolt.BlockBytes
				if i >= maxParts*(partBytes/bolt.BlockBytes) {
					return errors.New("no store is so large")
				}
				blocks[int(i)] = sha256.Sum256(b)
				return nil
			})
		}
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		if err != nil || in.zeros.body > 0 {
			return p, nil
		}
		if h.Name == aboutName {
			p.store = about.Store
		} else {
			p.parts++
		}
		for i, s := range blocks {
			if i >= len(p.block) {
				p.block = append(p.block, make([]admin.Sum, i+1-len(p.block))...)
			}
			p.block[i] = s
		}
		p.sums = fmt.Appendf(p.sums, "%x  %s\n", sum.Sum(nil), h.Name)
		p.body = p.end + tarBlock + h.Size
		p.end = p.body + -h.Size&(tarBlock-1)
	}
}
