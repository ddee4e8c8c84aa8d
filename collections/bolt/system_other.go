//go:build !(linux && (amd64 || arm64 || ppc64le || riscv64 || s390x))

package bolt

import "os"

// initialMap is left to bbolt: elsewhere a large map costs memory or a file of its size.
const initialMap = 0

func reserve(*os.File, int64) {}
