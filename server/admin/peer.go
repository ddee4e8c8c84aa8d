package admin

import (
	"context"
	"net"

	"liaison/auth"
)

type (
	peerKey   struct{}
	remoteKey struct{}
)

// withRemote says who a request comes from that the listener for partners identified.
func withRemote(ctx context.Context, p auth.Principal) context.Context {
	return context.WithValue(ctx, remoteKey{}, p)
}

func remote(ctx context.Context) (p auth.Principal, ok bool) {
	p, ok = ctx.Value(remoteKey{}).(auth.Principal)
	return p, ok
}

// withPeer says which user a request comes from. Only the two transports of this package call it.
func withPeer(ctx context.Context, uid int) context.Context {
	return context.WithValue(ctx, peerKey{}, uid)
}

func peer(ctx context.Context) (uid int, ok bool) {
	uid, ok = ctx.Value(peerKey{}).(int)
	return uid, ok
}

// withConn is http.Server.ConnContext: who is at the other end, once for each connection.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if u, ok := c.(*net.UnixConn); ok {
		if uid, err := peerUID(u); err == nil {
			return withPeer(ctx, uid)
		}
	}
	return ctx
}
