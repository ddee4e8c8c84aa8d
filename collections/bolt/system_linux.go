//go:build linux && (amd64 || arm64 || ppc64le || riscv64 || s390x)

package bolt

import (
	"os"
	"syscall"
)

// initialMap is how much address space is mapped at once: growing the map waits for every reader.
const initialMap = 64 << 30 // bytes

// reserve sets blocks aside for a file without making it longer. Where that cannot be had, nothing is
// lost but the reserve.
func reserve(f *os.File, size int64) {
	const keepSize = 1 // FALLOC_FL_KEEP_SIZE
	_ = syscall.Fallocate(int(f.Fd()), keepSize, 0, size)
}
