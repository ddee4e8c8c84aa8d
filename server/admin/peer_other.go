//go:build !linux

package admin

import (
	"fmt"
	"net"
	"os"
	"runtime"
)

func peerUID(*net.UnixConn) (int, error) { return 0, ErrNoSocket }

func socketPath(*os.File) (string, error) {
	return "", fmt.Errorf("%w: %s", ErrNoSocket, runtime.GOOS)
}
