package bolt

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"

	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"liaison/auth"
	"liaison/collections"
)

// head is the journal's size and root hash, key journal of meta.
type head struct {
	size int64
	root tlog.Hash
}

func readHead(tx *bbolt.Tx) (head, error) {
	b := tx.Bucket([]byte(bucketMeta)).Get([]byte(keyJournal))
	if len(b) != 8+tlog.HashSize {
		return head{}, fmt.Errorf("head of the journal: %w", errDamaged)
	}
	return head{int64(binary.LittleEndian.Uint64(b)), tlog.Hash(b[8:])}, nil
}

func (h head) bytes() []byte { return append(number(h.size), h.root[:]...) }

// text is the head as a checkpoint. c2sp.org/tlog-checkpoint.
func (h head) text(origin string) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, h.size, base64.StdEncoding.EncodeToString(h.root[:]))
}

func sequenceKey(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// storedHashes reads bucket hash.
func storedHashes(tx *bbolt.Tx) tlog.HashReaderFunc {
	b := tx.Bucket([]byte(bucketHash))
	return func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			v := b.Get(sequenceKey(x))
			if len(v) != tlog.HashSize {
				return nil, fmt.Errorf("hash %d of the journal: %w", x, errDamaged)
			}
			list[i] = tlog.Hash(v)
		}
		return list, nil
	}
}

// putLines appends the batch's lines to the journal with their hashes and signs the new head.
func (b *batch) putLines() error {
	if len(b.lines) == 0 {
		return nil
	}
	h, err := readHead(b.tx)
	if err != nil {
		return err
	}
	journal, hashes := b.tx.Bucket([]byte(bucketJournal)), b.tx.Bucket([]byte(bucketHash))
	journal.FillPercent, hashes.FillPercent = 1, 1
	stored := storedHashes(b.tx)
	// What the next lines ask for is mostly what the last ones have made: it is not looked for in the file.
	made := make(map[int64]tlog.Hash, 2*len(b.lines))
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			h, ok := made[x]
			if !ok {
				one, err := stored(indexes[i : i+1])
				if err != nil {
					return nil, err
				}
				h = one[0]
			}
			list[i] = h
		}
		return list, nil
	})
	for _, l := range b.lines {
		raw := l.Canonical(h.size)
		if err := journal.Put(sequenceKey(h.size), raw); err != nil {
			return err
		}
		list, err := tlog.StoredHashes(h.size, raw, reader)
		if err != nil {
			return err
		}
		at := tlog.StoredHashIndex(0, h.size)
		for i := range list {
			if err := hashes.Put(sequenceKey(at+int64(i)), list[i][:]); err != nil {
				return err
			}
			made[at+int64(i)] = list[i]
		}
		h.size++
	}
	if h.root, err = tlog.TreeHash(h.size, reader); err != nil {
		return err
	}
	return b.s.putHead(b.tx, h)
}

// putHead writes the head of the journal and signs it.
func (s *Store) putHead(tx *bbolt.Tx, h head) error {
	signed, err := note.Sign(&note.Note{Text: h.text(s.o.Signer.Name())}, s.o.Signer)
	if err != nil {
		return fmt.Errorf("signing the checkpoint: %w", err)
	}
	meta := tx.Bucket([]byte(bucketMeta))
	if err := meta.Put([]byte(keyCheckpoint), signed); err != nil {
		return err
	}
	return meta.Put([]byte(keyJournal), h.bytes())
}

// linesAtOnce is how many lines one read transaction copies.
const linesAtOnce = 512

// Journal yields the journal from a sequence number on.
func (s *Store) Journal(ctx context.Context, from int64) iter.Seq2[collections.Entry, error] {
	return func(yield func(collections.Entry, error) bool) {
		for from = max(from, 0); ; {
			var list []collections.Entry
			err := s.view(ctx, func(tx *bbolt.Tx) error {
				c := tx.Bucket([]byte(bucketJournal)).Cursor()
				for k, v := c.Seek(sequenceKey(from)); k != nil && len(list) < linesAtOnce; k, v = c.Next() {
					seq := int64(binary.BigEndian.Uint64(k))
					l, _, err := auth.ParseLine(v)
					if err != nil {
						return &collections.JournalFault{Seq: seq, What: "changed"}
					}
					list = append(list, collections.Entry{Seq: seq, Raw: slices.Clone(v), Line: l})
				}
				return nil
			})
			for _, e := range list {
				if !yield(e, nil) {
					return
				}
				from = e.Seq + 1
			}
			if err != nil {
				yield(collections.Entry{}, err)
				return
			}
			if len(list) < linesAtOnce {
				return
			}
		}
	}
}

// VerifyJournal recomputes the journal from its lines.
func (s *Store) VerifyJournal(ctx context.Context) (collections.Checkpoint, error) {
	var cp collections.Checkpoint
	var h head
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		var err error
		if h, err = readHead(tx); err != nil {
			return &collections.JournalFault{Seq: -1, What: "its head is damaged"}
		}
		signed := tx.Bucket([]byte(bucketMeta)).Get([]byte(keyCheckpoint))
		cp = collections.Checkpoint{Size: h.size, Root: base64.StdEncoding.EncodeToString(h.root[:]), Note: string(signed)}
		if k, _ := tx.Bucket([]byte(bucketJournal)).Cursor().Last(); k != nil && int64(binary.BigEndian.Uint64(k)) >= h.size {
			return &collections.JournalFault{Seq: h.size, What: "not in the checkpoint"}
		}
		return nil
	})
	for from := int64(0); err == nil && from < h.size; from += linesAtOnce {
		err = s.view(ctx, func(tx *bbolt.Tx) error { return verifyLines(tx, from, min(from+linesAtOnce, h.size)) })
	}
	if err == nil {
		err = s.verifyHead(ctx, h, cp)
	}
	if err != nil {
		return collections.Checkpoint{}, err
	}
	return cp, nil
}

// verifyLines checks lines from up to but not including to against their numbers and their hashes.
func verifyLines(tx *bbolt.Tx, from, to int64) error {
	journal, reader := tx.Bucket([]byte(bucketJournal)), storedHashes(tx)
	for seq := from; seq < to; seq++ {
		raw := journal.Get(sequenceKey(seq))
		if raw == nil {
			return &collections.JournalFault{Seq: seq, What: "missing"}
		}
		switch _, n, err := auth.ParseLine(raw); {
		case err != nil:
			return &collections.JournalFault{Seq: seq, What: "changed"}
		case n != seq:
			return &collections.JournalFault{Seq: seq, What: "out of order"}
		}
		want, err := tlog.StoredHashes(seq, raw, reader)
		if err != nil {
			return &collections.JournalFault{Seq: seq, What: "its hashes are missing"}
		}
		at := tlog.StoredHashIndex(0, seq)
		for i, w := range want {
			have := tx.Bucket([]byte(bucketHash)).Get(sequenceKey(at + int64(i)))
			if have == nil {
				return &collections.JournalFault{Seq: seq, What: "its hashes are missing"}
			}
			if !bytes.Equal(have, w[:]) {
				return &collections.JournalFault{Seq: seq, What: "changed"}
			}
		}
	}
	return nil
}

// verifyHead checks the root and the signature.
func (s *Store) verifyHead(ctx context.Context, h head, cp collections.Checkpoint) error {
	return s.view(ctx, func(tx *bbolt.Tx) error {
		root, err := tlog.TreeHash(h.size, storedHashes(tx))
		if err != nil {
			return &collections.JournalFault{Seq: -1, What: "its hashes are missing"}
		}
		if root != h.root {
			return &collections.JournalFault{Seq: -1, What: "the root hash is not that of the lines"}
		}
		n, err := note.Open([]byte(cp.Note), note.VerifierList(s.o.Verifier))
		if err != nil {
			return &collections.JournalFault{Seq: -1, What: "the checkpoint is not signed by this gateway"}
		}
		if n.Text != h.text(s.o.Verifier.Name()) {
			return &collections.JournalFault{Seq: -1, What: "the signed checkpoint is another one"}
		}
		return nil
	})
}
