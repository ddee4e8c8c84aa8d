package server

import (
	"hash/crc32"
	"net/http"
	"runtime"
	"strconv"

	"github.com/klauspost/compress/flate"

	"liaison/collections"
)

// Levels of deflate: of what is compressed for one answer, and of what is kept for many.
const (
	levelOnce = flate.BestSpeed
	levelKept = 6
)

// compressors are as many as can run at the same time: an answer has one while it compresses, and none
// while its client reads.
type compressors chan *compressor

type compressor struct {
	once, kept *flate.Writer
	out        sink
}

func newCompressors() compressors {
	c := make(compressors, runtime.GOMAXPROCS(0))
	for range cap(c) {
		c <- &compressor{}
	}
	return c
}

// sink appends what is written to it.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// deflate appends text as whole blocks that end on a byte and refer to nothing before them.
func (c *compressor) deflate(dst, text []byte, level int) []byte {
	w := &c.once
	if level == levelKept {
		w = &c.kept
	}
	c.out.b = dst
	if *w == nil {
		var err error
		if *w, err = flate.NewWriter(&c.out, level); err != nil {
			panic(err) // the level is one of its own
		}
	} else {
		(*w).Reset(&c.out)
	}
	_, err := (*w).Write(text)
	if err == nil {
		err = (*w).Flush()
	}
	if err != nil {
		panic(err) // a sink takes everything
	}
	dst, c.out.b = c.out.b, nil
	return dst
}

// member is an answer that goes to the client as one gzip member, RFC 1952. Its deflate stream (RFC 1951)
// is put together of pieces: runs that were compressed before, and what stands between them. A piece
// begins and ends on a byte and refers to nothing outside of it, so that any sequence of them is a
// stream; the CRC-32 of all is combined from theirs.
type member struct {
	k      *call
	status int
	text   *[]byte // what is to be compressed next
	out    *[]byte // what is to be sent next
	crc    uint32  // of what was compressed
	size   uint32  // its bytes, modulo 2^32
	sent   bool    // the headers are
	making bool    // between begin and end of pools
}

// storedMost is the text up to which compressing is not worth its while, in bytes: a comma, the head of
// an envelope, which is a cursor above all.
const storedMost = 512

// "ID1 ID2 CM FLG MTIME XFL OS": no name, no time, of no file system. RFC 1952 section 2.3.
func gzipHead() string { return "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" }

func (s *Server) newMember(k *call, status int) *member {
	m := &member{k: k, status: status}
	m.resume()
	*m.out = append(*m.out, gzipHead()...)
	return m
}

// resume begins to make a part of the answer, and takes the buffers that are not there.
func (m *member) resume() {
	m.k.s.pools.begin()
	m.making = true
	for _, b := range []**[]byte{&m.text, &m.out} {
		if *b == nil {
			*b = m.k.s.pools.buffer()
		}
	}
}

// pause ends it: nothing is made until resume.
func (m *member) pause() {
	if m.making {
		m.making = false
		m.k.s.pools.end()
	}
}

// release gives the buffers back, while what was in them is sent: but for text that is still to come.
func (m *member) release() {
	m.k.s.pools.release(m.out)
	m.out = nil
	if len(*m.text) == 0 {
		m.k.s.pools.release(m.text)
		m.text = nil
	}
}

// close gives back all of them.
func (m *member) close() {
	m.pause()
	m.k.s.pools.release(m.text)
	m.k.s.pools.release(m.out)
}

// begun reports whether anything was compressed.
func (m *member) begun() bool { return len(*m.out) > len(gzipHead()) || m.sent }

// take adds the next run of a page; started is whether one came before. At the end the error is io.EOF.
func (m *member) take(page *collections.Page, started bool) (took bool, err error) {
	before := len(*m.text)
	if started {
		*m.text = append(*m.text, ',')
	}
	mark := len(*m.text)
	c := m.k.s.pieces
	var id collections.RunID
	var p piece
	var with []byte
	asked, kept := false, false
	text, err := page.Take(*m.text, func(name collections.RunID) bool {
		id, asked = name, true
		with, p, kept = c.append(*m.text, name)
		return kept
	})
	switch {
	case err != nil:
		*m.text = text[:before]
		return false, err
	case kept:
		*m.text = with[:mark]
		m.flush()
		*m.out = append(*m.out, with[mark:]...)
		m.count(p)
	case len(text) == mark: // its objects were deleted meanwhile
		*m.text = text[:before]
		return false, nil
	case asked && len(text)-mark >= pieceMin && len(text)-mark <= pieceMost && c.wanted(id):
		*m.text = text[:mark]
		run := text[mark:]
		m.flush()
		m.keep(id, run)
	default:
		*m.text = text
		if len(text) >= writeSize {
			m.flush()
		}
	}
	return true, nil
}

// flush compresses the text.
func (m *member) flush() {
	m.add(*m.text)
	*m.text = (*m.text)[:0]
}

// add compresses text for this answer.
func (m *member) add(text []byte) {
	m.crc = crc32.Update(m.crc, crc32.IEEETable, text)
	m.size += uint32(len(text))
	switch {
	case len(text) == 0:
	case len(text) <= storedMost:
		// RFC 1951 section 3.2.4: a block of type 00 that is not the last, its length and the complement.
		n := uint16(len(text))
		*m.out = append(*m.out, 0, byte(n), byte(n>>8), byte(^n), byte(^n>>8))
		*m.out = append(*m.out, text...)
	default:
		all := m.k.s.pools.compressors
		z := <-all
		defer func() { all <- z }()
		*m.out = z.deflate(*m.out, text, levelOnce)
	}
}

// keep compresses a run for all who will ask for it, unless somebody has done so while this answer waited
// for its turn.
func (m *member) keep(id collections.RunID, run []byte) {
	c, all := m.k.s.pieces, m.k.s.pools.compressors
	z := <-all
	defer func() { all <- z }()
	mark := len(*m.out)
	if with, p, ok := c.append(*m.out, id); ok {
		*m.out = with
		m.count(p)
		return
	}
	*m.out = z.deflate(*m.out, run, levelKept)
	p := piece{raw: uint32(len(run)), crc: crc32.ChecksumIEEE(run), shift: shiftOf(len(run))}
	c.keep(id, (*m.out)[mark:], p)
	m.count(p)
}

// count takes a run into the CRC-32 and the size of all.
func (m *member) count(p piece) {
	m.crc = times(m.crc, p.shift) ^ p.crc
	m.size += p.raw
}

// end compresses what is left and ends the member: an empty last block with fixed codes (RFC 1951 section
// 3.2.6), "CRC32" and "ISIZE" (RFC 1952 section 2.3.1).
func (m *member) end() {
	m.flush()
	*m.out = append(*m.out, 3, 0,
		byte(m.crc), byte(m.crc>>8), byte(m.crc>>16), byte(m.crc>>24),
		byte(m.size), byte(m.size>>8), byte(m.size>>16), byte(m.size>>24))
}

// push sends what is there when it is worth a write, or when it is the last. over is whether the client
// wants no more than the headers, which it was sent.
func (m *member) push(last bool) (over bool, err error) {
	if len(*m.out) < writeSize && !last {
		return false, nil
	}
	more := m.sent
	if !m.sent {
		m.sent = true
		h := m.k.Response().Header()
		h.Set("Content-Encoding", "gzip")
		if last {
			h.Set("Content-Length", strconv.Itoa(len(*m.out)))
		}
		m.k.limits.writing(len(*m.out))
		m.k.s.head(m.k, m.status)
		if m.k.r.Method == http.MethodHead {
			return true, nil
		}
	} else {
		m.k.limits.writing(len(*m.out))
	}
	m.pause()
	err = m.k.gather(last && more, func() error {
		_, err := m.k.Response().Writer.Write(*m.out)
		m.release()
		return err
	})
	m.resume()
	return false, err
}

// CRC-32 is arithmetic with polynomials over GF(2), modulo one of degree 32. What a text has counts, in
// that of the text and n bytes behind it, times x^8n: so that of two texts is combined in one product of
// theirs. Bit 31 is the coefficient of x^0.

// times multiplies two polynomials.
func times(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 31)
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return product
}

// shiftOf gives x^8n.
func shiftOf(n int) uint32 {
	shift, square := uint32(1)<<31, uint32(1)<<23 // 1 and x^8
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			shift = times(square, shift)
		}
		square = times(square, square)
	}
	return shift
}
