package client

// batch is the body of a request while it grows: an envelope without its end, and where its objects
// lie in it.
type batch struct {
	buf  []byte
	ends []int // of each object
}

func newBatch() *batch { return &batch{buf: append(make([]byte, 0, 64<<10), envelopeStart...)} }

func (b *batch) reset() {
	b.buf, b.ends = b.buf[:len(envelopeStart)], b.ends[:0]
}

func (b *batch) len() int { return len(b.ends) }

// size is that of the whole body.
func (b *batch) size() int64 { return int64(len(b.buf) + len(envelopeEnd)) }

func (b *batch) add(raw []byte) {
	if len(b.ends) > 0 {
		b.buf = append(b.buf, ',')
	}
	b.buf = append(b.buf, raw...)
	b.ends = append(b.ends, len(b.buf))
}

func (b *batch) all() batchPart { return batchPart{b, 0, len(b.ends)} }

// batchPart is some objects of a batch that follow each other.
type batchPart struct {
	b        *batch
	from, to int
}

func (p batchPart) len() int { return p.to - p.from }

// span is where its objects lie.
func (p batchPart) span() (from, to int) {
	from = len(envelopeStart)
	if p.from > 0 {
		from = p.b.ends[p.from-1] + 1 // the comma
	}
	return from, p.b.ends[p.to-1]
}

// bytes is how many bytes its objects have, without what is between them.
func (p batchPart) bytes() int64 {
	from, to := p.span()
	return int64(to - from - (p.len() - 1))
}

// size is that of its body.
func (p batchPart) size() int64 {
	from, to := p.span()
	return int64(len(envelopeStart) + to - from + len(envelopeEnd))
}

// body is an envelope of its objects. That of the whole batch is not copied.
func (p batchPart) body() []byte {
	if p.len() == p.b.len() {
		n := len(p.b.buf)
		body := append(p.b.buf, envelopeEnd...)
		p.b.buf = body[:n]
		return body
	}
	from, to := p.span()
	body := append(make([]byte, 0, p.size()), envelopeStart...)
	body = append(body, p.b.buf[from:to]...)
	return append(body, envelopeEnd...)
}

func (p batchPart) halves() (a, b batchPart) {
	half := p.from + p.len()/2
	return batchPart{p.b, p.from, half}, batchPart{p.b, half, p.to}
}
