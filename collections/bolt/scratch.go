package bolt

// scratch is the committer's memory for one transaction after the other: what a publication needs of it is
// needed again by the next. Nothing of it outlives the transaction that it was given to.
type scratch struct {
	versions reel[version]
	spots    reel[spot]
	buffers  [][]byte // of bufferSize, that nobody uses
	given    [][]byte
}

const (
	reelChunk   = 512
	reelChunks  = 8        // that are kept
	bufferSize  = 80 << 10 // bytes: a full segment
	bufferBytes = 2 << 20  // of buffers that are kept
)

// reel gives out memory in chunks.
type reel[T any] struct {
	chunks [][]T
	at     int // the chunk that is given out of
	used   int // of it
}

// take gives room for n, at most reelChunk, all of them zero.
func (r *reel[T]) take(n int) []T {
	if r.at < len(r.chunks) && r.used+n > reelChunk {
		r.at, r.used = r.at+1, 0
	}
	if r.at == len(r.chunks) {
		r.chunks = append(r.chunks, make([]T, reelChunk))
	}
	list := r.chunks[r.at][r.used : r.used+n : r.used+n]
	r.used += n
	return list
}

// rewind takes everything back.
func (r *reel[T]) rewind() {
	for i := range r.chunks[:min(r.at+1, len(r.chunks))] {
		clear(r.chunks[i])
	}
	if len(r.chunks) > reelChunks {
		clear(r.chunks[reelChunks:])
		r.chunks = r.chunks[:reelChunks]
	}
	r.at, r.used = 0, 0
}

// buffer gives an empty buffer for n bytes.
func (s *scratch) buffer(n int) []byte {
	if s == nil || n > bufferSize || n < bufferSize/4 {
		return make([]byte, 0, n)
	}
	var b []byte
	if last := len(s.buffers) - 1; last >= 0 {
		b, s.buffers = s.buffers[last], s.buffers[:last]
	} else {
		b = make([]byte, 0, bufferSize)
	}
	s.given = append(s.given, b)
	return b
}

// rewind takes everything back, after the transaction.
func (s *scratch) rewind() {
	s.versions.rewind()
	s.spots.rewind()
	room := max(bufferBytes/bufferSize-len(s.buffers), 0)
	s.buffers = append(s.buffers, s.given[:min(room, len(s.given))]...)
	clear(s.given)
	s.given = s.given[:0]
}
