//go:build unix

package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// ownerOf gives the user id of a directory's owner.
func ownerOf(dir string) (int, error) {
	fi, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	s, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("%s: its owner cannot be told", dir)
	}
	return int(s.Uid), nil
}

// notifyReload sends a signal to ch when the certificates are to be read again.
func notifyReload(ch chan<- os.Signal) { signal.Notify(ch, syscall.SIGHUP) }
