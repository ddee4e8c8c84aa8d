package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// SocketName is the socket's name in the data directory.
const SocketName = "admin.sock"

var (
	// ErrNoSocket: this system does not say who connects to a socket. The verbs work while no gateway
	// runs.
	ErrNoSocket = errors.New("the operator's socket is not supported on this system")
	// ErrNoGateway: nobody answers on the socket.
	ErrNoGateway = errors.New("no gateway is running")
)

// Listen makes DIR/admin.sock, mode 0600, in place of one that a killed gateway left. The caller
// holds the lock of the store in dir, so that no living gateway loses its own.
func Listen(dir string) (net.Listener, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the operator's socket: %w", err)
	}
	l, err := listen(d, dir)
	if err != nil {
		d.Close()
		return nil, fmt.Errorf("opening the operator's socket %s: %w", filepath.Join(dir, SocketName), err)
	}
	return l, nil
}

func listen(d *os.File, dir string) (net.Listener, error) {
	path, err := socketPath(d)
	if err != nil {
		return nil, err
	}
	switch fi, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case fi.Mode()&fs.ModeSocket == 0:
		return nil, fmt.Errorf("there is something that is not a socket: move it away")
	default:
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(true)
	// Until here the directory's mode 0700 keeps others out.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &listener{l, d}, nil
}

// listener keeps the directory open that its address goes through.
type listener struct {
	*net.UnixListener
	dir *os.File
}

func (l *listener) Close() error { return errors.Join(l.UnixListener.Close(), l.dir.Close()) }

// dial connects to the gateway in dir; ErrNoGateway when nobody answers.
func dial(ctx context.Context, dir string) (net.Conn, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, notReached(dir, err)
	}
	defer d.Close()
	path, err := socketPath(d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoGateway, err)
	}
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", path)
	if err != nil && ctx.Err() == nil {
		return nil, notReached(dir, err)
	}
	return c, err
}

func notReached(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s may not be opened by this user: run the verb as the user who runs the gateway", dir)
	}
	return fmt.Errorf("%w in %s: %w", ErrNoGateway, dir, err)
}
