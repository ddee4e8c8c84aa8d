//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes f for this process until it is closed.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return errAnotherBackup
	case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.EINVAL):
		return nil // a file system without locks
	}
	return err
}

// renameLocked gives f another name while it is this process's.
func renameLocked(f *os.File, name string) error { return os.Rename(f.Name(), name) }
