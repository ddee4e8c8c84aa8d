//go:build !(linux && (amd64 || arm64 || ppc64le || riscv64 || s390x))

package bolt

import "os"

// initialMap is left to bbolt: elsewhere a large map costs memory or a file of its size.
const initialMap = 0

func reserve(*os.File, int64) {}

// punchHole does nothing where nobody knows how.
func punchHole(*os.File, int64, int64) error { return nil }

// diskUse gives what a file takes of the disk, in bytes.
func diskUse(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
