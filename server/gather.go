package server

import (
	"net"
	"sync"
)

// gatherSize is what goes to the kernel at once of what TLS makes of an answer, in bytes.
const gatherSize = 96 << 10

// Gather wraps the listener that is under TLS, so that an answer of many records goes to the kernel in
// few writes: TLS makes records of 16 KiB and writes each by itself, which costs as much as encrypting
// them. A Server whose listener is not wrapped works as well, only slower.
func Gather(l net.Listener) net.Listener {
	return &gathering{l, &sync.Pool{New: func() any { b := make([]byte, 0, gatherSize); return &b }}}
}

type gathering struct {
	net.Listener
	buffers *sync.Pool
}

func (l *gathering) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &gathered{Conn: c, buffers: l.buffers}, nil
}

// gathered is a connection that keeps what is written to it between begin and end of a write. Outside of
// that it keeps nothing.
type gathered struct {
	net.Conn
	buffers *sync.Pool

	mu   sync.Mutex
	buf  *[]byte // nil: what is written is sent
	held bool    // what is kept is sent with the next write
}

func (c *gathered) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.buf == nil {
		return c.Conn.Write(b)
	}
	if len(*c.buf)+len(b) > gatherSize {
		if err := c.send(); err != nil {
			return 0, err
		}
	}
	if len(b) > gatherSize {
		return c.Conn.Write(b)
	}
	*c.buf = append(*c.buf, b...)
	if c.held {
		if err := c.end(); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// end sends what is kept, and keeps nothing from then on. The caller holds the lock.
func (c *gathered) end() error {
	err := c.send()
	c.buffers.Put(c.buf)
	c.buf, c.held = nil, false
	return err
}

// send sends what is kept. The caller holds the lock.
func (c *gathered) send() error {
	b := *c.buf
	*c.buf = b[:0]
	if len(b) == 0 {
		return nil
	}
	_, err := c.Conn.Write(b)
	return err
}

// gather calls f, which writes a part of the answer, and sends what became of it in few writes after f
// has returned: what f gives back before then is not held while a slow client reads.
//
// Behind the last part of an answer whose length was not told goes its last chunk, which net/http writes
// when the handler has returned, at once: they are sent together. Before HTTP/1.1 there are no chunks.
func (k *call) gather(last bool, f func() error) error {
	if w, ok := k.Response().Writer.(*watched); ok {
		return w.under.write(last && k.r.ProtoAtLeast(1, 1), f)
	}
	return f()
}

// write calls f, which writes to the connection, and sends what it wrote in few writes; the rest of it only
// with what is written next, if hold. A nil connection has it write as usual.
func (c *gathered) write(hold bool, f func() error) error {
	if c == nil {
		return f()
	}
	c.mu.Lock()
	c.buf = c.buffers.Get().(*[]byte)
	c.mu.Unlock()
	err := f()
	c.mu.Lock()
	defer c.mu.Unlock()
	if hold && err == nil && len(*c.buf) > 0 {
		c.held = true
		return nil
	}
	if e := c.end(); err == nil {
		err = e
	}
	return err
}
