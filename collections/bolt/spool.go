package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"liaison/auth"
)

// The file journal.spool holds the lines of reads until a transaction takes them into the journal:
//
//	liaison-spool GENERATION           16 hex digits
//	CRC LINE                           8 hex digits of CRC-32C; the line with sequence number 0
//	…
//
// Meta says up to where which generation has been drained, in the transaction that drained it. When
// much has been drained, the rest goes into a file of the next generation that replaces this one; a
// file of a later generation than meta's has not been drained at all.
const (
	spoolMagic  = "liaison-spool "
	spoolHeader = len(spoolMagic) + 16 + 1
	spoolRotate = 4 << 20 // bytes drained before the file is replaced
	spoolRead   = 2 << 20 // bytes drained by one transaction
	spoolSpare  = 8 << 20 // bytes reserved on the disk, so that reading goes on when it is full
	spoolSync   = 25 * time.Millisecond
)

// spoolMark is a place in the spool.
type spoolMark struct {
	generation uint64
	offset     int64
}

func (m spoolMark) bytes() []byte {
	return append(binary.LittleEndian.AppendUint64(nil, m.generation), number(m.offset)...)
}

func readSpoolMark(b []byte) spoolMark {
	if len(b) != 16 {
		return spoolMark{}
	}
	return spoolMark{binary.LittleEndian.Uint64(b), numberOf(b[8:])}
}

// spoolFile is what is asked of the file.
type spoolFile interface {
	io.ReaderAt
	io.WriteCloser
	Stat() (os.FileInfo, error)
	Sync() error
	Truncate(int64) error
}

// spool is the open file. Safe for concurrent use.
type spool struct {
	path    string
	log     *slog.Logger
	wrap    func(*os.File) spoolFile
	syncDir func(string) error
	table   *crc32.Table
	lines   sync.Pool // buffers
	wake    chan struct{}
	stop    chan struct{}
	done    sync.WaitGroup

	mu         sync.Mutex
	file       spoolFile
	generation uint64
	size       int64
	torn       int64 // bytes after size, of a line that could be neither written whole nor taken back
	closed     bool
}

// openSpool opens or makes the file and gives the place from which it is to be drained. gaps says
// what was wrong with it.
func openSpool(o *Options, log *slog.Logger, mark spoolMark) (s *spool, from spoolMark, gaps []string, err error) {
	s = &spool{
		path: o.Spool, log: log, wrap: o.spools, syncDir: o.syncDir,
		table: spoolTable(), lines: sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }},
		wake: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_APPEND, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		s.generation = mark.generation
		err = s.replace(nil)
	case err == nil:
		s.file = s.wrap(f)
		gaps, err = s.inspect(&mark)
	}
	if err != nil {
		if s.file != nil {
			err = errors.Join(err, s.file.Close())
		}
		return nil, from, nil, fmt.Errorf("opening the journal's spool: %w", err)
	}
	if s.generation > mark.generation {
		mark = spoolMark{s.generation, int64(spoolHeader)}
	}
	s.done.Go(s.syncs)
	return s, mark, gaps, nil
}

// inspect reads an existing file's head and drops what was torn off at its end.
func (s *spool) inspect(mark *spoolMark) (gaps []string, err error) {
	info, err := s.file.Stat()
	if err != nil {
		return nil, err
	}
	s.size = info.Size()
	head := make([]byte, spoolHeader)
	if _, err := s.file.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	g, ok := bytes.CutPrefix(head[:spoolHeader-1], []byte(spoolMagic))
	s.generation, err = strconv.ParseUint(string(g), 16, 64)
	if !ok || err != nil || s.generation < mark.generation || s.generation == mark.generation && mark.offset > s.size {
		if err := os.Rename(s.path, s.path+".unreadable"); err != nil {
			return nil, err
		}
		s.generation = mark.generation
		return []string{"the spool was not this store's: it is kept as " + filepath.Base(s.path) + ".unreadable"}, s.replace(nil)
	}
	end, err := s.lastLine()
	if err != nil || end == s.size {
		return nil, err
	}
	s.size = end
	if s.generation == mark.generation {
		mark.offset = min(mark.offset, end)
	}
	return []string{"the last line of the spool was cut off"}, s.file.Truncate(end)
}

// lastLine gives where the last whole line ends.
func (s *spool) lastLine() (int64, error) {
	buf := make([]byte, 64<<10)
	for end := s.size; end > int64(spoolHeader); {
		from := max(end-int64(len(buf)), int64(spoolHeader))
		b := buf[:end-from]
		if _, err := s.file.ReadAt(b, from); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		end = from
	}
	return int64(spoolHeader), nil
}

// replace puts a file of the next generation with this rest in the place of the present one. It may
// have done so although it returns an error: when the directory could not be synced.
func (s *spool) replace(rest []byte) error {
	next := s.path + ".new"
	f, err := os.OpenFile(next, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	reserve(f, spoolSpare)
	all := fmt.Appendf(make([]byte, 0, spoolHeader+len(rest)), "%s%016x\n", spoolMagic, s.generation+1)
	_, err = f.Write(append(all, rest...))
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(next, s.path)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if s.file != nil {
		s.file.Close() // all of it is in the new one
	}
	s.file, s.generation, s.size, s.torn = s.wrap(f), s.generation+1, int64(spoolHeader+len(rest)), 0
	return s.syncDir(filepath.Dir(s.path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func spoolTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// spoolRoom is where the checksum of a line goes.
const spoolRoom = "         "

// append writes one line, with sequence number 0, that stands in b behind spoolRoom and before its end of
// line. It is in the hands of the operating system when append returns.
func (s *spool) append(b []byte) error {
	sum := crc32.Checksum(b[len(spoolRoom):len(b)-1], s.table)
	for i := range 8 {
		b[i] = "0123456789abcdef"[sum>>(28-4*i)&15]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	if s.torn > 0 {
		if s.mend() != nil {
			b = append([]byte("\n"), b...) // ends the torn line, which counts as damaged
		}
	}
	if n, err := s.file.Write(b); err != nil {
		if s.torn += int64(n); s.torn > 0 {
			err = errors.Join(err, s.mend())
		}
		return err
	}
	s.size += s.torn + int64(len(b))
	s.torn = 0
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// mend takes a torn line back.
func (s *spool) mend() error {
	err := s.file.Truncate(s.size)
	if err == nil {
		s.torn = 0
	}
	return err
}

// syncs makes lines durable within 50 ms of their writing.
func (s *spool) syncs() {
	for failing := false; ; {
		select {
		case <-s.stop:
			return
		case <-s.wake:
		}
		select {
		case <-s.stop:
			return
		case <-time.After(spoolSync):
		}
		s.mu.Lock()
		f := s.file
		s.mu.Unlock()
		err := f.Sync()
		if errors.Is(err, os.ErrClosed) { // replaced meanwhile, by one that is synced
			continue
		}
		if err != nil && !failing {
			s.log.Error("journal spool not synced: a power cut may lose reads until it is", "error", err)
		}
		failing = err != nil
	}
}

// drain reads lines from a place on, as many as one transaction takes, and gives the place behind
// them. bad counts lines that were damaged.
func (s *spool) drain(from spoolMark) (lines []auth.Line, to spoolMark, bad int, err error) {
	s.mu.Lock()
	f, size, generation := s.file, s.size, s.generation
	s.mu.Unlock()
	if generation != from.generation {
		from = spoolMark{generation, int64(spoolHeader)}
	}
	if from.offset >= size {
		return nil, from, 0, nil
	}
	b := make([]byte, min(size-from.offset, spoolRead))
	if _, err := f.ReadAt(b, from.offset); err != nil {
		return nil, from, 0, fmt.Errorf("reading the journal's spool: %w", err)
	}
	to, lines = from, make([]auth.Line, 0, bytes.Count(b, []byte("\n")))
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			if to == from { // longer than a read: no line is
				return nil, spoolMark{generation, from.offset + int64(len(b))}, 1, nil
			}
			break
		}
		if l, ok := parseSpooled(b[:i]); ok {
			lines = append(lines, l)
		} else {
			bad++
		}
		b = b[i+1:]
		to.offset += int64(i) + 1
	}
	return lines, to, bad, nil
}

func parseSpooled(b []byte) (auth.Line, bool) {
	if len(b) < 10 || b[8] != ' ' {
		return auth.Line{}, false
	}
	sum, err := strconv.ParseUint(string(b[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(b[9:], spoolTable()) {
		return auth.Line{}, false
	}
	l, _, err := auth.ParseLine(b[9:])
	return l, err == nil
}

// drained tells that everything before a place is in the journal for good. It gives the place where
// that is after the file has been replaced, if it was.
func (s *spool) drained(m spoolMark) (spoolMark, error) {
	if m.offset < spoolRotate {
		return m, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := make([]byte, s.size-m.offset)
	if _, err := s.file.ReadAt(rest, m.offset); err != nil && len(rest) > 0 {
		return m, err
	}
	err := s.replace(rest)
	if err != nil {
		err = fmt.Errorf("replacing the journal's spool: %w", err)
	}
	if s.generation != m.generation {
		m = spoolMark{s.generation, int64(spoolHeader)}
	}
	return m, err
}

func (s *spool) close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	close(s.stop)
	s.done.Wait()
	return errors.Join(s.file.Sync(), s.file.Close())
}
