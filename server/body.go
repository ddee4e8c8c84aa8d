package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"liaison/server/taxii"
)

// errTooLong is a body over max_content_length.
var errTooLong = errors.New("body is over max_content_length")

// errGzip is a body that is not what its Content-Encoding says.
var errGzip = errors.New("body is not gzip")

// content is the body of a publication: bounded, decoded, with a deadline.
type content struct {
	k     *call
	raw   io.ReadCloser
	in    io.Reader // raw, or what it decodes to
	coded bool      // in decodes
	left  int64     // bytes that may still come
	err   error     // sticky

	held   int64         // bytes of contents.rest
	credit int64         // bytes that were taken of contents and not read yet
	waited time.Duration // for contents
	drain  bool          // nothing that is read is kept
}

// body checks the headers of a publication and gives its body.
//
// "If the length of the request body is larger than max_content_length [...] 413": whatever else is
// wrong, whether the length is told, chunked or behind a content coding. TAXII 2.1 section 5.5.
func (s *Server) body(k *call) (*content, error) {
	b := &content{k: k, raw: k.r.Body, left: s.o.MaxContent}
	b.in = (*counted)(b)
	if err := b.decode(k.r.Header.Values("Content-Encoding")); err != nil {
		return nil, b.verdict(err)
	}
	if !k.accepts() {
		return nil, b.verdict(errNotAcceptable())
	}
	// Before anything is stored: a refusal means that nothing was.
	if _, ok := k.coding(); !ok {
		return nil, b.verdict(errNoCoding())
	}
	if !taxii.Content(k.r.Header.Values("Content-Type")) {
		return nil, b.verdict(taxii.NewError(http.StatusUnsupportedMediaType, "unsupported_media_type", "Unsupported media type",
			"send an envelope as "+taxii.MediaType+", or STIX as "+taxii.STIX21))
	}
	return b, nil
}

// decode takes one coding, gzip, or none. RFC 9110 section 8.4.1.
func (b *content) decode(lines []string) error {
	coding := strings.ToLower(strings.TrimSpace(strings.Join(lines, ",")))
	switch coding {
	case "", "identity":
		return nil
	case "gzip", "x-gzip":
	default:
		return errCoding()
	}
	// "A gzip file consists of a series of members": RFC 1952 section 2.2. They decode to one body.
	z, err := gzip.NewReader((*counted)(b))
	if err != nil {
		if b.err != nil {
			return b.err
		}
		return errGzip
	}
	b.in, b.coded = z, true
	return nil
}

// counted reads the body as it comes over the wire.
type counted content

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.raw.Read(p)
	c.k.limits.reading(n, err == io.EOF)
	switch {
	case err != nil && err != io.EOF:
		c.err = err
	case int64(c.k.limits.read) > c.k.s.o.MaxContent: // a coding may decode much of it to nothing
		c.err = errTooLong
		return n, errTooLong
	}
	return n, err
}

// Read gives what is decoded, up to the bound.
func (b *content) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.in.Read(p)
	if int64(n) > b.left {
		b.err = errTooLong
		return int(b.left), errTooLong
	}
	b.left -= int64(n)
	if e := b.hold(int64(n)); e != nil {
		b.err = e
		return 0, e
	}
	if err != nil && err != io.EOF && b.err == nil {
		b.err = err
		if b.coded {
			b.err = errGzip
		}
	}
	if b.err != nil {
		return n, b.err
	}
	return n, err
}

// hold takes room for n bytes that were read.
func (b *content) hold(n int64) error {
	if b.drain {
		return nil
	}
	if n > b.credit {
		more := max(n-b.credit, contentStep)
		if err := b.k.s.contents.take(b.k.r.Context(), b, more); err != nil {
			return err
		}
		b.credit += more
	}
	b.credit -= n
	return nil
}

// release gives back the room that the body takes: nothing of it is kept any more.
func (b *content) release() {
	b.drain = true
	b.k.s.contents.release(b)
}

// verdict gives the error of a publication. What was refused before its end is read on, up to the
// bound, to know whether it is over it.
func (b *content) verdict(err error) error {
	b.release()
	if err == nil {
		return nil
	}
	if b.err == nil && b.worthReading(err) {
		io.Copy(io.Discard, b)
	}
	switch {
	case errors.Is(b.err, errTooLong), errors.Is(b.err, errGzip):
		return b.err
	case busy(b.err):
		return b.err
	case errors.Is(b.err, os.ErrDeadlineExceeded):
		return taxii.NewError(http.StatusRequestTimeout, "too_slow", "Request timeout", "the body came too slowly")
	case b.err != nil:
		return taxii.NewError(http.StatusBadRequest, "cut_off", "Body cut off", "the body ended before its length")
	}
	return err
}

// busy: the gateway has too much under way.
func busy(err error) bool {
	_, ok := errors.AsType[*retry](err)
	return ok
}

// worthReading: a refusal by the body's or the headers' form is, one by who asks or by the store is
// not. A body whose length was told has been measured.
func (b *content) worthReading(err error) bool {
	if b.k.r.ContentLength >= 0 && !b.coded || errors.Is(err, context.Canceled) {
		return false
	}
	status := problemOf(err).Status()
	return status == http.StatusBadRequest || status == http.StatusNotAcceptable ||
		status == http.StatusUnsupportedMediaType || status == http.StatusUnprocessableEntity
}

// Close lets the server know that nothing more is read, and nothing kept.
func (b *content) Close() error {
	b.release()
	return b.raw.Close()
}
