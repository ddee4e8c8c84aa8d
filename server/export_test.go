package server

import (
	"hash/crc32"
	"log/slog"
	"time"

	"liaison/collections"
)

// PieceFile is what the cache asks of a file.
type PieceFile = pieceFile

// Pieces is the cache of compressed runs.
type Pieces struct{ *pieces }

// OpenPieces makes a cache that nobody serves from.
func OpenPieces(dir string, bytes int64, now func() time.Time) (Pieces, error) {
	c, err := openPieces(dir, bytes, slog.New(slog.DiscardHandler), now)
	return Pieces{c}, err
}

// Pieces gives the cache that s serves from.
func (s *Server) Pieces() Pieces { return Pieces{s.pieces} }

// WithFiles has the cache make its files by wrapping those that it would make. Call it before it is used.
func (c Pieces) WithFiles(wrap func(PieceFile) PieceFile) {
	usual := c.make
	c.make = func(dir string) (pieceFile, error) {
		f, err := usual(dir)
		if err != nil {
			return nil, err
		}
		return wrap(f), nil
	}
}

// WithClock sets what the time is.
func (c Pieces) WithClock(now func() time.Time) { c.now = now }

// Close gives the files back.
func (c Pieces) Close() { c.close() }

// Keep keeps b as what a run was compressed to.
func (c Pieces) Keep(id collections.RunID, b []byte) { c.keep(id, b, piece{}) }

// Kept gives it.
func (c Pieces) Kept(id collections.RunID) (b []byte, ok bool) {
	b, _, ok = c.append([]byte("before"), id)
	return b[len("before"):], ok
}

// Sum gives the CRC-32 of two texts behind each other from theirs.
func Sum(a, b []byte) uint32 {
	return times(crc32.ChecksumIEEE(a), shiftOf(len(b))) ^ crc32.ChecksumIEEE(b)
}
