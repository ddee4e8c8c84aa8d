package bolt_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"liaison/collections"
	"liaison/collections/bolt"
)

// shelter gives a directory with a new, closed store and the key that a child needs.
func shelter(t *testing.T) (dir string, o bolt.Options) {
	t.Helper()
	dir = t.TempDir()
	private, public, err := note.GenerateKey(rand.Reader, "gateway.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(private+"\n"+public), 0o600); err != nil {
		t.Fatal(err)
	}
	if o, err = childOptions(dir); err != nil {
		t.Fatal(err)
	}
	o.Create = true
	if err := open(t, o).Close(); err != nil {
		t.Fatal(err)
	}
	o.Create = false
	return dir, o
}

// acknowledged is what a killed process had said.
type acknowledged struct {
	published map[collections.StatusID][2]int // first number, objects
	served    map[int]bool
}

// TestKill kills a publishing process again and again: what it acknowledged is there, once and whole.
func TestKill(t *testing.T) {
	t.Parallel()
	dir, o := shelter(t)
	said := acknowledged{map[collections.StatusID][2]int{}, map[int]bool{}}
	for round := range 6 {
		if round == 3 { // from now on every object meets the end of a segment, and ranges are merged
			if err := os.WriteFile(filepath.Join(dir, "small"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd, lines := start(t, "publish", dir)
		after, err := rand.Int(rand.Reader, big.NewInt(300))
		if err != nil {
			t.Fatal(err)
		}
		for n := int64(0); lines.Scan(); n++ {
			said.hear(t, lines.Text())
			if n == after.Int64()+20 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
			t.Fatalf("the process was not killed: %v", cmd.ProcessState)
		}
		s := open(t, o)
		said.check(t, s)
		if list := faults(t, s); list != nil {
			t.Errorf("round %d: %s", round, strings.Join(list, "\n"))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func (a *acknowledged) hear(t *testing.T, line string) {
	t.Helper()
	var id string
	var n, count int
	if k, _ := fmt.Sscanf(line, "published %s %d %d", &id, &n, &count); k == 3 {
		a.published[collections.StatusID(id)] = [2]int{n, count}
		return
	}
	if k, _ := fmt.Sscanf(line, "served %d", &n); k == 1 {
		a.served[n] = true
		return
	}
	t.Errorf("the process said %q", line)
}

func (a *acknowledged) check(t *testing.T, s *bolt.Store) {
	t.Helper()
	inVN, inLK := everything(t, s, vn), everything(t, s, lk)
	if len(inVN) != len(inLK) {
		t.Errorf("%d objects in one collection, %d in the other", len(inVN), len(inLK))
	}
	for id, p := range a.published {
		if _, err := s.Status(t.Context(), secure, north, id); err != nil {
			t.Errorf("acknowledged publication %s: %v", id, err)
		}
		for i := range p[1] {
			if it := item(p[0]*100+i, 1); inVN[it.ID] != string(it.Raw) {
				t.Errorf("object %d of acknowledged publication %s is not there as it came", i, id)
			}
		}
	}
	if _, err := s.VerifyJournal(t.Context()); err != nil {
		t.Error(err)
	}
	total, served := 0, map[int]int{}
	for e, err := range s.Journal(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		var what struct{ N, Success int }
		if err := json.Unmarshal(e.Line.What, &what); err != nil {
			t.Fatal(err)
		}
		switch e.Line.Kind {
		case "publish":
			total += what.Success
		case "read.objects":
			served[what.N]++
		}
	}
	if total != len(inVN) {
		t.Errorf("%d objects there, %d in the journal's publications", len(inVN), total)
	}
	for n := range a.served {
		if served[n] != 1 {
			t.Errorf("read %d is in the journal %d times", n, served[n])
		}
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir, o := shelter(t)
	cmd, lines := start(t, "fill", dir)
	for lines.Scan() {
		t.Error(lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	s := open(t, o)
	defer s.Close()
	all := everything(t, s, vn)
	if n := len(all); n%1000 != 0 || n < 2000 {
		t.Errorf("%d objects, want whole publications of 1000", n)
	}
}

// TestTwoProcesses: the second one is told so.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	dir, o := shelter(t)
	s := open(t, o)
	defer s.Close()
	cmd, lines := start(t, "open", dir)
	lines.Scan()
	if want := "error " + bolt.ErrLocked.Error(); !bytes.HasPrefix(lines.Bytes(), []byte(want)) {
		t.Errorf("the second process said %q, want %q", lines.Text(), want)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the second process opened the store")
	}
	if _, err := bolt.Open(o); !errors.Is(err, bolt.ErrLocked) {
		t.Errorf("opening twice: %v, want ErrLocked", err)
	}
}
