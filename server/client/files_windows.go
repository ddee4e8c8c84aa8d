package client

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// syncDir has nothing to do: a rename is in the journal of NTFS, and directories cannot be synced.
func syncDir(string) error { return nil }

// lock takes f for this process until it is closed; ErrBusy when another has it. Locks on Windows
// keep others from reading what is locked, so it is a byte far behind the end.
func lock(f *os.File) error {
	at := &windows.Overlapped{OffsetHigh: 1 << 30}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrBusy
	}
	return err
}
