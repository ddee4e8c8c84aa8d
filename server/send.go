package server

import (
	"io"
	"net/http"
	"runtime"
	"strconv"
	"sync"

	"github.com/klauspost/compress/zstd"

	"liaison/server/taxii"
)

const (
	writeSize   = 64 << 10  // bytes that are written at once
	pageSize    = 96 << 10  // bytes of a page that are gathered before they are written
	bufferSize  = 200 << 10 // what a pooled buffer begins with: a run may go beyond pageSize
	bufferMost  = 256 << 10 // a larger buffer is not kept
	bufferCount = 24        // buffers that are kept
	compressMin = 1400      // bytes of a body below which compressing does not pay: one packet
	zstdWindow  = 256 << 10 // bytes; a client needs as much to read it
)

// pools keep what is costly to make. Each has its own New, so that an empty pool is a working one.
type pools struct {
	buffers     chan *[]byte
	makers      chan struct{} // see begin
	zstd        sync.Pool
	compressors compressors
}

func newPools() *pools {
	return &pools{
		buffers: make(chan *[]byte, bufferCount),
		makers:  make(chan struct{}, 4*runtime.GOMAXPROCS(0)),
		zstd: sync.Pool{New: func() any {
			w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
				zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true))
			if err != nil {
				panic(err) // the options are right or never are
			}
			return w
		}},
		compressors: newCompressors(),
	}
}

// begin and end are around the making of a part of an answer, which waits for the store and for a
// processor and never for a client: so many at a time, for each of them has buffers.
func (p *pools) begin() { p.makers <- struct{}{} }
func (p *pools) end()   { <-p.makers }

// buffer gives an empty buffer. An answer has one while it is made, and none while its client reads.
func (p *pools) buffer() *[]byte {
	select {
	case b := <-p.buffers:
		*b = (*b)[:0]
		return b
	default:
		b := make([]byte, 0, bufferSize)
		return &b
	}
}

// release takes a buffer back; nil is none.
func (p *pools) release(b *[]byte) {
	if b == nil || cap(*b) > bufferMost {
		return
	}
	select {
	case p.buffers <- b:
	default:
	}
}

// encoder is the way of a body to the client: as it is, or through a content coding.
type encoder struct {
	io.Writer
	close func() error // ends the coding; nil for none
	back  func()
}

func (e *encoder) finish() error {
	if e.close == nil {
		return nil
	}
	return e.close()
}

func (e *encoder) release() {
	if e.back != nil {
		e.back()
	}
}

// coding is what an answer may be written in; ok is false when there is nothing.
func (k *call) coding() (name string, ok bool) {
	return taxii.Coding(k.r.Header.Values("Accept-Encoding"), "gzip", "zstd")
}

// encoder begins a coding other than gzip, for which there is member, and names it in the headers. RFC
// 9110 section 8.4.
func (s *Server) encoder(k *call, coding string) *encoder {
	w := k.Response().Writer
	if coding != "zstd" {
		return &encoder{Writer: w}
	}
	k.Response().Header().Set("Content-Encoding", coding)
	z := s.pools.zstd.Get().(*zstd.Encoder)
	z.Reset(w)
	return &encoder{Writer: z, close: z.Close, back: func() { z.Reset(nil); s.pools.zstd.Put(z) }}
}

// head writes the headers of a TAXII answer. They are the same for all: a body of the one media
// type, which depends on what the caller accepts and who it is, and which nobody keeps.
//
// "All responses MUST specify the media type and version in the Content-Type header." TAXII 2.1
// section 3.1.
func (s *Server) head(k *call, status int) {
	s.headers.set(k.Response().Header())
	k.Response().WriteHeader(status)
}

// headers are those that all TAXII answers have, made once: nobody changes the values of a header in place.
type headers struct{ kind, cache, vary, sniff []string }

func newHeaders() headers {
	return headers{
		kind:  []string{taxii.MediaType},
		cache: []string{"no-store"},
		vary:  []string{"Accept, Accept-Encoding, Authorization, X-API-Key"},
		sniff: []string{"nosniff"},
	}
}

func (c *headers) set(h http.Header) {
	h["Content-Type"] = c.kind
	h["Cache-Control"] = c.cache
	h["Vary"] = c.vary
	h["X-Content-Type-Options"] = c.sniff
}

// send writes a body that is there as a whole.
func (s *Server) send(k *call, status int, body []byte) error {
	return s.sendBuffer(k, status, body, nil)
}

// sendBuffer is send, and releases a buffer when the body is not needed any more.
func (s *Server) sendBuffer(k *call, status int, body []byte, b *[]byte) error {
	defer func() { s.pools.release(b) }()
	coding, ok := k.coding()
	if len(body) < compressMin && (coding != "" || !ok) {
		if _, identity := taxii.Coding(k.r.Header.Values("Accept-Encoding")); identity {
			coding, ok = "", true
		}
	}
	if !ok {
		return errNoCoding()
	}
	if coding == "gzip" {
		return s.sendMember(k, status, body)
	}
	out := s.encoder(k, coding)
	defer out.release()
	if out.close == nil {
		k.Response().Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	k.limits.writing(len(body))
	s.head(k, status)
	if k.r.Method == http.MethodHead {
		return nil
	}
	write := func() error {
		_, err := out.Write(body)
		s.pools.release(b)
		b = nil
		if err == nil {
			err = out.finish()
		}
		return err
	}
	var err error
	if len(body) < compressMin {
		err = write() // net/http gathers it
	} else {
		err = k.gather(false, write)
	}
	if err != nil {
		return s.broken(k, "writing an answer", err)
	}
	return nil
}

// sendMember is send for gzip.
func (s *Server) sendMember(k *call, status int, body []byte) error {
	m := s.newMember(k, status)
	defer m.close()
	for last := false; !last; {
		n := min(len(body), bufferSize)
		m.add(body[:n])
		body = body[n:]
		if last = len(body) == 0; last {
			m.end()
		}
		if over, err := m.push(last); err != nil {
			return s.broken(k, "writing an answer", err)
		} else if over {
			break
		}
	}
	return nil
}
