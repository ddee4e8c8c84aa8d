package client_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/server/client"
)

// TestMain lets the tests' own binary be the process that is killed: with LIAISON_TEST_ROLE set it
// pulls or publishes what its arguments say, and ends.
func TestMain(m *testing.M) {
	var err error
	switch os.Getenv("LIAISON_TEST_ROLE") {
	case "pull":
		err = pullRole(os.Args[1], os.Args[2])
	case "publish":
		err = publishRole(os.Args[1], os.Args[2])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func roleClient(dir string) (*client.Client, client.Root, error) {
	a, err := client.OpenAccount(dir)
	if err != nil {
		return nil, client.Root{}, err
	}
	conf, err := a.TLS(dir)
	if err != nil {
		return nil, client.Root{}, err
	}
	c, err := client.New(a, client.Options{TLS: conf})
	if err != nil {
		return nil, client.Root{}, err
	}
	root := client.Root{URL: a.APIRoot}
	root.MaxContentLength = 4000
	return c, root, nil
}

func pullRole(dir, out string) error {
	c, root, err := roleClient(dir)
	if err != nil {
		return err
	}
	p := &client.Puller{Client: c, Root: root, Output: out, State: out + ".state", Format: client.FormatOf(out)}
	_, err = p.Run(context.Background())
	return err
}

func publishRole(dir, file string) error {
	c, root, err := roleClient(dir)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	p := &client.Publisher{Client: c, Root: root}
	_, err = p.Publish(context.Background(), toVN, []client.Source{source(file, data)})
	return err
}

// victim is a process that a server kills while it answers it.
type victim struct {
	mu  sync.Mutex
	cmd *exec.Cmd
}

func (v *victim) run(t *testing.T, role string, args ...string) error {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), "LIAISON_TEST_ROLE="+role)
	var said strings.Builder
	cmd.Stderr = &said
	v.mu.Lock()
	err = cmd.Start()
	v.cmd = cmd
	v.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, said.String())
	}
	return nil
}

func (v *victim) kill() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cmd.Process.Kill()
}

// TestKillPull kills a pull at each of its pages, before the page, in the middle of it and behind it,
// and lets the next one go on: in the end everything is there once.
func TestKillPull(t *testing.T) {
	for _, name := range []string{"out.json", "out.ndjson"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDouble(t)
			want := d.fill(lk, 4)
			want = append(d.fill(vn, 35), want...)
			out := filepath.Join(t.TempDir(), name)
			dir := d.directory(t)
			v := &victim{}
			var killed atomic.Int32
			d.intercept(func(n int, w http.ResponseWriter, r *http.Request) bool {
				if killed.Load() > 20 {
					return false
				}
				switch n % 4 {
				case 0:
					v.kill()
				case 1:
					rec := &recorder{header: w.Header()}
					d.get(rec, r)
					b := rec.body.Bytes()
					w.Write(b[:len(b)/2])
					http.NewResponseController(w).Flush()
					v.kill()
					w.Write(b[len(b)/2:])
				case 2:
					d.get(w, r)
					http.NewResponseController(w).Flush()
					v.kill()
				default:
					return false
				}
				killed.Add(1)
				return true
			})
			for n := 0; ; n++ {
				err := v.run(t, "pull", dir, out)
				if err == nil {
					break
				}
				if n > 100 || !strings.Contains(err.Error(), "killed") {
					t.Fatal(err)
				}
			}
			if killed.Load() < 10 {
				t.Errorf("killed only %d times", killed.Load())
			}
			data := read(t, out)
			if name == "out.json" {
				if diff := cmp.Diff(want, envelopeOf(t, data)); diff != "" {
					t.Errorf("objects (-want +got):\n%s", diff)
				}
			} else if diff := cmp.Diff(linesOf(want), string(data)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			list, err := os.ReadDir(filepath.Dir(out))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				if e.Name() != name && e.Name() != name+".state" {
					t.Errorf("left %s", e.Name())
				}
			}
		})
	}
}

// TestKillPublish kills a publication at each of its requests, before it is stored and after; publishing
// again brings everything there once.
func TestKillPublish(t *testing.T) {
	d := newDouble(t)
	d.maxContent = 4000
	var want [][]byte
	for i := range 100 {
		want = append(want, stixObject(i, 100, "good"))
	}
	file := filepath.Join(t.TempDir(), "bundle.json")
	if err := os.WriteFile(file, envelope(want...), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := d.directory(t)
	v := &victim{}
	var next, at atomic.Int32 // the request of a run at which it is killed, and the one it is at
	next.Store(1)
	d.intercept(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if at.Add(1) != next.Load() {
			return false
		}
		if next.Load()%2 == 0 {
			d.add(lost{}, r)
		}
		v.kill()
		return true
	})
	for n := 0; ; n++ {
		at.Store(0)
		err := v.run(t, "publish", dir, file)
		if err == nil {
			break
		}
		if n > 100 || !strings.Contains(err.Error(), "killed") {
			t.Fatal(err)
		}
		next.Add(1)
	}
	if next.Load() < 5 {
		t.Errorf("killed only at %d requests", next.Load())
	}
	if diff := cmp.Diff(want, d.raw(vn)); diff != "" {
		t.Errorf("stored objects (-want +got):\n%s", diff)
	}
}
