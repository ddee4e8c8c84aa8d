package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of the times in /proc/PID/stat: USER_HZ, 100 a second on every Linux that Go knows.
const tick = 10 * time.Millisecond

// cpuOf gives the user and system time that processes have used so far.
func cpuOf(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		// The name in parentheses may hold anything; utime and stime are fields 14 and 15.
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(fields) < 13 {
			return 0, fmt.Errorf("/proc/%d/stat: too short", pid)
		}
		for _, f := range fields[11:13] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * tick
		}
	}
	return sum, nil
}

// childrenOf gives the processes that a process has started.
func childrenOf(pid int) ([]int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil, err
	}
	var list []int
	for f := range strings.FieldsSeq(string(b)) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// numberIn gives the number that follows a name in a file of /proc, like "RssAnon:  1234 kB".
func numberIn(file, name string) (int64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte(name))
		if f := bytes.Fields(rest); ok && len(f) > 0 {
			return strconv.ParseInt(string(f[0]), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s: no %s", file, name)
}

// anonymous gives the anonymous memory of a process in bytes.
func anonymous(pid int) (int64, error) {
	kb, err := numberIn(fmt.Sprintf("/proc/%d/status", pid), "RssAnon:")
	return kb << 10, err
}

// peak samples the anonymous memory of a process each 10 ms until stopped.
func peak(pid int) (stop func() (most int64, err error)) {
	end, ended := make(chan struct{}), make(chan struct{})
	var most int64
	var failed error
	go func() {
		defer close(ended)
		t := time.NewTicker(10 * time.Millisecond)
		defer t.Stop()
		for {
			n, err := anonymous(pid)
			most = max(most, n)
			if err != nil && failed == nil {
				failed = err
			}
			select {
			case <-end:
				return
			case <-t.C:
			}
		}
	}()
	return func() (int64, error) {
		close(end)
		<-ended
		return most, failed
	}
}

// loadNow is the load average of the last minute.
func loadNow() (string, error) {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first, nil
}

// machine describes this one, and the file system that dir is on.
func machine(dir string) (Machine, error) {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH}
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	kb, err := numberIn("/proc/meminfo", "MemTotal:")
	if err != nil {
		return m, err
	}
	m.MemoryMB = kb >> 10
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, err
	}
	m.Kernel = strings.TrimSpace(string(release))
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return m, err
	}
	switch uint32(fs.Type) {
	case 0x01021994:
		return m, fmt.Errorf("%s is in memory, where a sync costs nothing: name a directory on a disk with -dir", dir)
	case 0xEF53:
		m.Disk = "ext4"
	case 0x58465342:
		m.Disk = "xfs"
	case 0x9123683E:
		m.Disk = "btrfs"
	default:
		m.Disk = fmt.Sprintf("file system %#x", uint32(fs.Type))
	}
	return m, nil
}
