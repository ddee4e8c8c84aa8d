//go:build linux && (amd64 || arm64 || ppc64le || riscv64 || s390x)

package bolt

import (
	"errors"
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

// punchHole gives a part of a file back to the file system; it reads as zeros after.
func punchHole(f *os.File, from, n int64) error {
	const keepSize, hole = 1, 2
	err := syscall.Fallocate(int(f.Fd()), keepSize|hole, from, n)
	if errors.Is(err, syscall.EOPNOTSUPP) { // a file system without holes
		return nil
	}
	return err
}

// diskUse gives what a file takes of the disk, in bytes.
func diskUse(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512, nil
	}
	return info.Size(), nil
}
