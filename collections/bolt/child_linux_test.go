package bolt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"liaison/auth"
	"liaison/collections"
	"liaison/collections/bolt"
)

// The test binary runs itself as another process that has a store.
const (
	childRole = "LIAISON_BOLT_CHILD" // what it does
	childDir  = "LIAISON_BOLT_DIR"   // where: store.db, journal.spool, key
)

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		if err := child(role, os.Getenv(childDir)); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(role, dir string) error {
	o, err := childOptions(dir)
	if err != nil {
		return err
	}
	s, err := bolt.Open(o)
	if err != nil {
		return err
	}
	switch role {
	case "publish":
		return publishForever(s)
	case "fill":
		return fillDisk(s, o)
	}
	return s.Close()
}

func childOptions(dir string) (bolt.Options, error) {
	o := bolt.Options{Path: filepath.Join(dir, "store.db"), Spool: filepath.Join(dir, "journal.spool")}
	key, err := os.ReadFile(filepath.Join(dir, "key"))
	if err != nil {
		return o, err
	}
	private, public, _ := strings.Cut(string(key), "\n")
	if o.Signer, err = note.NewSigner(private); err != nil {
		return o, err
	}
	if o.Verifier, err = note.NewVerifier(public); err != nil {
		return o, err
	}
	if _, err := os.Stat(filepath.Join(dir, "small")); err == nil {
		o = o.WithSegments(4000, 900)
	}
	return o, nil
}

// start runs the test binary in a role.
func start(t *testing.T, role, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// publishForever publishes from four goroutines and records reads, and says what was acknowledged.
func publishForever(s *bolt.Store) error {
	base := int(time.Now().UnixNano() % 1_000_000_000_000) // apart from earlier rounds
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format, args...) // one write, straight to the pipe
	}
	ctx := context.Background()
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				n := base + g*100_000 + i
				p := publication(n, north, items(n*100, 1+i%40, 1, vn, lk))
				st, err := s.Publish(ctx, p)
				if err != nil {
					say("error %v\n", err)
					return
				}
				say("published %s %d %d\n", st.ID, n, st.Success)
				l := auth.NewLine(time.Now(), "hanoi_1", "read.objects", map[string]int{"n": n})
				if err := s.Served(ctx, l); err != nil {
					say("error %v\n", err)
					return
				}
				say("served %d\n", n)
			}
		})
	}
	all.Go(func() { // meanwhile the store is joined and compacted, and large publications come in parts
		for i := 0; ; i++ {
			_, err := s.Seal(ctx)
			if err == nil && i%20 == 19 {
				_, err = s.Compact(ctx)
			}
			n := base + 500_000 + i
			p := publication(n, north, items(n*100, 30, 1, vn, lk))
			for from := 0; err == nil && from < len(p.Items); from += 10 {
				var raws [][]byte
				for k := range 10 {
					it := &p.Items[from+k]
					raws = append(raws, it.Raw)
					it.Raw, it.Size, it.Staged = nil, len(it.Raw), from+k+1
				}
				err = s.Stage(ctx, secure, p.Status, raws)
			}
			if err == nil && i%3 > 0 { // the others never come
				_, err = s.Publish(ctx, p)
			}
			if err != nil {
				say("error %v\n", err)
				return
			}
		}
	})
	all.Wait()
	return nil
}

// fillDisk publishes on a disk that becomes full in the middle of a write, and after that is not.
func fillDisk(s *bolt.Store, o bolt.Options) error {
	ctx := context.Background()
	if _, err := s.Publish(ctx, publication(1, north, items(0, 1000, 1, vn))); err != nil {
		return err
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	// The file is longer than what is used of it: a write is cut short inside.
	full := syscall.Rlimit{Cur: 3<<20 + 1000, Max: old.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		return err
	}
	failed := 0
	for n := 2; n < 20; n++ {
		_, err := s.Publish(ctx, publication(n, north, items(n*10_000, 1000, 1, vn)))
		switch {
		case err == nil && failed > 0:
			return fmt.Errorf("publication %d of 800 kB was taken by a full disk", n)
		case err == nil:
			continue
		case errors.Is(err, collections.ErrFull):
			failed++
		case !errors.Is(err, collections.ErrUnavailable):
			return fmt.Errorf("full disk: %w", err)
		}
		p, err := s.Objects(ctx, amber(), at(vn), collections.Query{Limit: 10})
		if err != nil || p.Count != 10 {
			return fmt.Errorf("reading on a full disk: %d objects, %w", p.Count, err)
		}
	}
	if failed == 0 {
		return errors.New("the disk never was full")
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if _, err := s.Publish(ctx, publication(100, north, items(1_000_000, 1000, 1, vn))); err != nil {
		return fmt.Errorf("after room was made: %w", err)
	}
	if _, err := s.VerifyJournal(ctx); err != nil {
		return err
	}
	return s.Close()
}
