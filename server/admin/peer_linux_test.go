package admin_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"liaison/auth"
	"liaison/server/admin"
)

// TestPeer wants the kernel's word for who connects: root and the owner, nobody else.
func TestPeer(t *testing.T) {
	const stranger = 65_534
	e := newEnv(t, nil)
	e.serve(t)
	check(t, os.Chmod(filepath.Join(e.dir, admin.SocketName), 0o666)) // the credentials alone are to decide
	for dir := e.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		check(t, os.Chmod(dir, 0o755))
	}
	status, answer := askAs(t, e, os.Getuid())
	if status != 200 {
		t.Errorf("the owner: %d %s", status, answer)
	}
	if os.Getuid() == 0 {
		status, answer = askAs(t, e, stranger)
	} else {
		// Who is not root cannot be somebody else, but can be somebody else's guest.
		e = newEnv(t, func(o *admin.Options) { o.Owner = stranger })
		e.serve(t)
		status, answer = askAs(t, e, os.Getuid())
	}
	if status != 403 || !strings.Contains(answer, "neither root nor the owner") {
		t.Errorf("a stranger: %d %s", status, answer)
	}
	c := admin.InProcess(e.api, stranger+1)
	if _, err := c.Health(t.Context()); !errors.Is(err, auth.ErrDenied) {
		t.Errorf("a stranger in the process: %v", err)
	}
}

// askAs makes a request from a thread of another user. The kernel notes who connects at connect(2).
func askAs(t *testing.T, e *env, uid int) (status int, answer string) {
	t.Helper()
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if uid != os.Getuid() {
			if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
				done <- result{err: e}
				return
			}
		}
		c, err := net.Dial("unix", filepath.Join(e.dir, admin.SocketName))
		done <- result{c, err}
	}()
	r := <-done
	check(t, r.err)
	defer r.conn.Close()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return r.conn, nil },
	}}
	resp, err := client.Get("http://gateway" + admin.Prefix + "/health")
	check(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	check(t, err)
	return resp.StatusCode, string(b)
}

// TestSocket wants the socket where it belongs, whatever was there.
func TestSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("a-long-name-", 10), strings.Repeat("and-another-", 10))
	check(t, os.MkdirAll(dir, 0o700))
	if _, err := admin.Dial(t.Context(), dir); !errors.Is(err, admin.ErrNoGateway) {
		t.Errorf("without a socket: %v", err)
	}
	if _, err := admin.Dial(t.Context(), filepath.Join(dir, "nowhere")); !errors.Is(err, admin.ErrNoGateway) {
		t.Errorf("without a directory: %v", err)
	}
	l, err := admin.Listen(dir)
	check(t, err)
	name := filepath.Join(dir, admin.SocketName)
	fi, err := os.Lstat(name)
	check(t, err)
	if fi.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket's mode is %v", fi.Mode())
	}
	check(t, l.Close())
	if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}

	// One that a killed gateway left: nobody answers there, and the next gateway takes its place.
	stale(t, dir)
	if _, err := admin.Dial(t.Context(), dir); !errors.Is(err, admin.ErrNoGateway) {
		t.Errorf("with a stale socket: %v", err)
	}
	l, err = admin.Listen(dir)
	check(t, err)
	check(t, l.Close())

	check(t, os.WriteFile(name, []byte("mine"), 0o600))
	if _, err := admin.Listen(dir); err == nil {
		t.Error("a file was taken for a socket")
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "mine" {
		t.Errorf("the file is gone: %q, %v", b, err)
	}
}

// stale leaves a socket behind that nobody listens on.
func stale(t *testing.T, dir string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	check(t, err)
	defer unix.Close(fd)
	d, err := os.Open(dir)
	check(t, err)
	defer d.Close()
	short := filepath.Join(t.TempDir(), "d")
	check(t, os.Symlink(dir, short))
	check(t, unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(short, admin.SocketName)}))
}
