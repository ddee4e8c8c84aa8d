package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"liaison/auth"
	"liaison/collections"
)

// connections are those that are open, with who was let in on them.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]*connection
}

// connection is one of them.
type connection struct {
	under  *gathered // nil: its listener does not gather
	remote string    // as requests have it
	from   string    // see address

	mu  sync.Mutex
	who map[auth.ClientID]guest
}

// guest is a client as it was when it was last let in.
type guest struct {
	principal auth.Principal
	shown     *auth.Shown
}

type connectionKey struct{}

// begin is http.Server.ConnContext.
func (c *connections) begin(ctx context.Context, n net.Conn) context.Context {
	one := &connection{who: map[auth.ClientID]guest{}}
	if a := n.RemoteAddr(); a != nil {
		one.remote, one.from = a.String(), addressOf(a.String())
	}
	if t, ok := n.(*tls.Conn); ok {
		one.under, _ = t.NetConn().(*gathered)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[n] = one
	return context.WithValue(ctx, connectionKey{}, one)
}

// changed is http.Server.ConnState.
func (c *connections) changed(n net.Conn, s http.ConnState) {
	if s != http.StateClosed && s != http.StateHijacked {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, n)
}

// maxGuests bounds the clients that are remembered of one connection: a proxy that is before many of
// them is asked again at each request anyway.
const maxGuests = 64

// admitted remembers who was let in on the connection of a request.
func admitted(ctx context.Context, p auth.Principal, shown *auth.Shown) {
	one, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return
	}
	p.Token = "" // a token may end; its client may come with another
	one.mu.Lock()
	defer one.mu.Unlock()
	if _, known := one.who[p.Client]; known || len(one.who) < maxGuests {
		one.who[p.Client] = guest{p, shown}
	}
}

// sever closes the connections on which somebody was let in who would not be now: at once, in the
// middle of an answer too. It is called after each change of what was decided. That every request is
// asked again does not depend on it.
func (s *Server) sever(st *collections.State) {
	now := s.now()
	var cut []net.Conn
	s.connections.mu.Lock()
	for n, one := range s.connections.open {
		if !one.holds(func(g guest) bool {
			if st.Access.Still(g.principal) != nil {
				return false
			}
			if g.shown == nil {
				return true
			}
			_, err := st.Access.Certificate(*g.shown, now)
			return err == nil
		}) {
			cut = append(cut, n)
		}
	}
	s.connections.mu.Unlock()
	for _, n := range cut {
		// Closing TLS would wait for a peer that does not read.
		if t, ok := n.(*tls.Conn); ok {
			n = t.NetConn()
		}
		if err := n.Close(); err != nil {
			s.o.Log.Debug("closing a connection", "error", err)
		}
	}
}

func (c *connection) holds(still func(guest) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.who {
		if !still(g) {
			return false
		}
	}
	return true
}
