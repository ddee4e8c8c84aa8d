package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.etcd.io/bbolt"

	"liaison/certs"
)

// TestMain makes the program "liaison" of the scripts: the tests' own binary, run as the real one.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"liaison": searchedMain})
}

// TestScript runs the command line as it is typed: testdata/script/*.txtar, one file or more for each
// verb. Besides testscript's own commands a script has:
//
//	start NAME ARG…         runs "liaison ARG…" in the background and waits until it says "serving"
//	await NAME REGEXP       waits until what NAME writes (standard output and error) matches
//	signal NAME SIGNAL      sends HUP, TERM, INT or KILL to NAME
//	halt NAME               sends TERM and wants exit code 0; ! halt wants another
//	certificate NAME        makes NAME.pem and NAME.key, a certificate for localhost of no authority,
//	                        and NAME.sha256, its fingerprint
//	newer DIR               makes the store in DIR one of a newer version
//	ahead DIR DURATION      gives the store in DIR a newest date_added that far ahead of the clock
//	tamper DIR SEQ          changes line SEQ of the journal in DIR
//
// What NAME wrote is in the files NAME.out and NAME.err; what is still running at a script's end is
// killed. "liaison init --listen 127.0.0.1:0" chooses a free port for good, so that scripts can run
// side by side.
func TestScript(t *testing.T) {
	wholeScripts(t)
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			p := &processes{all: map[string]*process{}}
			e.Values[processKey{}] = p
			races := filepath.Join(e.WorkDir, ".tmp", "race")
			e.Setenv("GORACE", raceOptions+" log_path="+races)
			e.Defer(func() {
				p.kill()
				noSecrets(t, e.WorkDir)
				noRaces(t, races)
			})
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start":       startCommand,
			"await":       awaitCommand,
			"signal":      signalCommand,
			"halt":        haltCommand,
			"certificate": certificateCommand,
			"newer":       newerCommand,
			"ahead":       aheadCommand,
			"tamper":      tamperCommand,
			"damage":      damageCommand,
		},
	})
}

// wholeScripts fails t if a script has testscript's own stop or skip: what stands behind one is not run,
// and the script passes.
func wholeScripts(t *testing.T) {
	early := regexp.MustCompile(`(?m)^(\[.*\] *)?(stop|skip)\b.*`)
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts: %v", len(scripts), err)
	}
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if at := early.Find(text); at != nil || err != nil {
			t.Errorf("%s has %q (%v): to end a gateway, halt it", name, at, err)
		}
	}
}

// raceOptions are for the programs that tests start. Built with -race, a program waits a second at its
// end, by default, for races of goroutines that still run: of hundreds of them that is most of the time.
const raceOptions = "atexit_sleep_ms=10"

// noRaces fails t if a program of a script has written of a race: one that is meant to fail would do so
// unseen.
func noRaces(t *testing.T, log string) {
	reports, err := filepath.Glob(log + ".*")
	if err != nil {
		t.Error(err)
	}
	for _, name := range reports {
		said, err := os.ReadFile(name)
		t.Errorf("%s\n%s(%v)", name, said, err)
	}
}

// patience is how long a script waits for what ought to happen soon.
const patience = time.Minute

// processes are the gateways of one script.
type processes struct {
	mu  sync.Mutex
	all map[string]*process
}

type processKey struct{}

type process struct {
	cmd      *exec.Cmd
	out, err string // files
	ended    chan struct{}
	result   error
}

func (p *processes) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.all {
		c.cmd.Process.Kill() // it may have ended
		<-c.ended
	}
}

func processOf(ts *testscript.TestScript, args []string, want int) *process {
	if len(args) != want {
		ts.Fatalf("want %d arguments, have %q", want, args)
	}
	p, ok := ts.Value(processKey{}).(*processes)
	if !ok || p.all[args[0]] == nil {
		ts.Fatalf("%s was not started", args[0])
	}
	return p.all[args[0]]
}

func startCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME ARG…")
	}
	c := &process{out: ts.MkAbs(args[0] + ".out"), err: ts.MkAbs(args[0] + ".err"), ended: make(chan struct{})}
	stdout, err := os.Create(c.out)
	ts.Check(err)
	defer stdout.Close()
	stderr, err := os.Create(c.err)
	ts.Check(err)
	defer stderr.Close()
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		bin := filepath.Join(dir, "liaison")
		if _, err := os.Stat(bin); err == nil {
			c.cmd = exec.Command(bin, args[1:]...)
			break
		}
	}
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = ts.MkAbs("."), stdout, stderr
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LIAISON_DATA", "GOCOVERDIR", "GORACE"} {
		if v := ts.Getenv(name); v != "" {
			c.cmd.Env = append(c.cmd.Env, name+"="+v)
		}
	}
	ts.Check(c.cmd.Start())
	go func() {
		c.result = c.cmd.Wait()
		close(c.ended)
	}()
	p := ts.Value(processKey{}).(*processes)
	p.mu.Lock()
	old := p.all[args[0]]
	p.all[args[0]] = c
	p.mu.Unlock()
	if old != nil {
		select {
		case <-old.ended:
		default:
			ts.Fatalf("%s runs already", args[0])
		}
	}
	c.await(ts, `serving["\s:]`)
}

// await polls what the process wrote: a file tells nobody that it has grown.
func (c *process) await(ts *testscript.TestScript, pattern string) {
	re, err := regexp.Compile(pattern)
	ts.Check(err)
	for deadline := time.Now().Add(patience); ; {
		ended := false
		select {
		case <-c.ended:
			ended = true
		default:
		}
		out, err := os.ReadFile(c.out)
		ts.Check(err)
		said, err := os.ReadFile(c.err)
		ts.Check(err)
		switch {
		case re.Match(out) || re.Match(said):
			return
		case ended:
			ts.Fatalf("it ended (%v) before it said %q; it said:\n%s%s", c.result, pattern, out, said)
		case time.Now().After(deadline):
			ts.Fatalf("it did not say %q within %s; it said:\n%s%s", pattern, patience, out, said)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("await cannot be negated")
	}
	processOf(ts, args, 2).await(ts, args[1])
}

func signalCommand(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{
		"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL,
	}
	c := processOf(ts, args, 2)
	if neg || signals[args[1]] == nil {
		ts.Fatalf("usage: signal NAME HUP|TERM|INT|KILL")
	}
	ts.Check(c.cmd.Process.Signal(signals[args[1]]))
	if args[1] == "KILL" {
		<-c.ended
	}
}

func haltCommand(ts *testscript.TestScript, neg bool, args []string) {
	c := processOf(ts, args, 1)
	c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-c.ended:
	case <-time.After(patience):
		ts.Fatalf("%s did not stop within %s", args[0], patience)
	}
	if (c.result != nil) != neg {
		said, err := os.ReadFile(c.err)
		ts.Check(err)
		ts.Fatalf("%s ended with %v:\n%s", args[0], c.result, said)
	}
}

func certificateCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: certificate NAME")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: args[0]}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &x509.Certificate{Subject: pkix.Name{CommonName: args[0]}}, key.Public(), key)
	ts.Check(err)
	secret, err := certs.MarshalKey(key)
	ts.Check(err)
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pem"), chain, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".key"), secret, 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".sha256"), fmt.Appendf(nil, "%x\n", sha256.Sum256(der)), 0o600))
}

// edit changes the file of a store that nobody has open. Its drawing is collections/bolt/layout.go.
func edit(ts *testscript.TestScript, dir string, change func(*bbolt.Tx) error) {
	db, err := bbolt.Open(filepath.Join(ts.MkAbs(dir), storeName), 0o600, &bbolt.Options{Timeout: patience})
	ts.Check(err)
	ts.Check(db.Update(change))
	ts.Check(db.Close())
}

func newerCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newer DIR")
	}
	edit(ts, args[0], func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("schema"), binary.LittleEndian.AppendUint64(nil, 1_000_000))
	})
}

func tamperCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tamper DIR SEQ")
	}
	seq, ok := new(big.Int).SetString(args[1], 10)
	if !ok {
		ts.Fatalf("no number: %s", args[1])
	}
	edit(ts, args[0], func(tx *bbolt.Tx) error {
		b, k := tx.Bucket([]byte("journal")), binary.BigEndian.AppendUint64(nil, seq.Uint64())
		return b.Put(k, bytes.Replace(b.Get(k), []byte(`"actor":"`), []byte(`"actor":"x`), 1))
	})
}

// damageCommand takes the facts of the newest objects away.
func damageCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage DIR")
	}
	edit(ts, args[0], func(tx *bbolt.Tx) error {
		op := tx.Bucket([]byte("osecure"))
		return op.ForEachBucket(func(name []byte) error {
			if name[0] != 'c' {
				return nil
			}
			b := op.Bucket(name).Bucket([]byte("s"))
			return b.Put(binary.BigEndian.AppendUint64(nil, 1), []byte("damaged"))
		})
	})
}

func aheadCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ahead DIR DURATION")
	}
	d, err := time.ParseDuration(args[1])
	ts.Check(err)
	edit(ts, args[0], func(tx *bbolt.Tx) error {
		last := time.Now().Add(d).UnixMicro()
		return tx.Bucket([]byte("meta")).Put([]byte("last"), binary.LittleEndian.AppendUint64(nil, uint64(last)))
	})
}
