package server

import (
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"liaison/auth"
	"liaison/server/taxii"
)

// deadlines hold the peer of one request to a rate, in reading and in writing: whoever keeps
// it, after a grace, may take as long as it takes; whoever does not is cut off.
type deadlines struct {
	control       *http.ResponseController
	now           func() time.Time
	o             *Options
	begin         time.Time // of reading
	write         time.Time // of writing; zero before the first byte
	read, written int
	set           int  // bytes read when the deadline was last moved
	ended         bool // the body was read to its end
	writes        bool // the deadline of writing is this request's, not the one's before it
}

func (s *Server) deadlines(c echo.Context) *deadlines {
	w := c.Response().Writer.(*watched) // which serve makes
	d := &w.limits
	if d.control != nil {
		return d
	}
	*d = deadlines{control: http.NewResponseController(w.ResponseWriter), now: s.wall, o: &s.o, begin: s.wall()}
	// Of a request without a body net/http has cleared the deadline of reading, for it watches the
	// connection meanwhile; and that of writing waits until something is written.
	if c.Request().Body != http.NoBody {
		d.control.SetReadDeadline(d.begin.Add(d.o.Grace))
		d.until(d.begin.Add(2*d.o.Grace + commitTimeout))
	}
	return d
}

// until sets the deadline of writing.
func (d *deadlines) until(t time.Time) {
	d.writes = true
	d.control.SetWriteDeadline(t)
}

// begins is called when an answer begins: it has a deadline of its own whoever writes it.
func (d *deadlines) begins() {
	if d.control != nil && !d.writes {
		d.until(d.begin.Add(2*d.o.Grace + commitTimeout))
	}
}

// reading counts n bytes of the body; done when it was read to its end.
func (d *deadlines) reading(n int, done bool) {
	d.read += n
	switch {
	case done:
		d.ended = true
		d.control.SetReadDeadline(time.Time{})
		d.answer()
	case d.read-d.set >= writeSize:
		d.set = d.read
		d.move()
	}
}

// move gives the peer the time that what it sent so far has earned it.
func (d *deadlines) move() {
	end := d.begin.Add(d.o.Grace + d.o.rate(d.read))
	d.control.SetReadDeadline(end)
	d.until(end.Add(2*d.o.Grace + commitTimeout))
}

// paused says that the gateway did not read for a while, which is not the peer's fault.
func (d *deadlines) paused(t time.Duration) {
	d.begin = d.begin.Add(t)
	if d.ended {
		d.answer()
		return
	}
	d.move()
}

// answer gives the answer its time from now on.
func (d *deadlines) answer() {
	d.write = time.Time{}
	d.until(d.now().Add(d.o.Grace + commitTimeout))
}

// writing is called before n bytes are written.
func (d *deadlines) writing(n int) {
	if d.write.IsZero() {
		d.write = d.now()
	}
	d.written += n
	d.until(d.write.Add(d.o.Grace + d.o.rate(d.written)))
}

func (o *Options) rate(n int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(o.MinRate)
}

// publishingTime bounds a publication whole, reading at the slowest rate included.
func (s *Server) publishingTime() time.Duration {
	return s.o.Grace + s.o.rate(int(s.o.MaxContent)) + contentWait + commitTimeout
}

// flights counts the requests of each client that are under way.
type flights struct {
	most int
	mu   sync.Mutex
	now  map[auth.ClientID]int
}

// take admits a request of c, or refuses it. RFC 6585 section 4.
func (f *flights) take(c auth.ClientID) (leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now[c] >= f.most {
		return nil, &retry{after: time.Second, problem: taxii.NewError(http.StatusTooManyRequests, "too_many_requests",
			"Too many requests at the same time", "wait for some of your requests to end before sending more")}
	}
	f.now[c]++
	return func() { f.leave(c) }, nil
}

func (f *flights) leave(c auth.ClientID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now[c]--; f.now[c] <= 0 {
		delete(f.now, c)
	}
}

// InFlight counts the requests of identified callers that are under way.
func (s *Server) InFlight() int {
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	n := 0
	for _, k := range s.flights.now {
		n += k
	}
	return n
}
