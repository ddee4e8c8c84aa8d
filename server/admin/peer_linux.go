package admin

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// peerUID asks the kernel who connected. unix(7), SO_PEERCRED.
func peerUID(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, fmt.Errorf("asking for peer credentials: %w", failed)
	}
	return int(cred.Uid), nil
}

// socketPath gives a name of dir/SocketName that fits into the 108 bytes of a socket's address
// (unix(7)) whatever the length of dir. It holds while dir is open.
func socketPath(dir *os.File) (string, error) {
	return "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + SocketName, nil
}
