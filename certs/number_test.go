package certs_test

import (
	"bufio"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"liaison/certs"
)

// Threat 27: the number of a revocation list never goes back, though the clock does and the process
// is new.
func TestThreat27CRLNumbers(t *testing.T) {
	a, dir := authority(t, "gw.example")
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	last := new(big.Int)
	next := func(a *certs.Authority, at time.Time) {
		t.Helper()
		n, err := a.NextCRLNumber(at)
		if err != nil {
			t.Fatal(err)
		}
		if n.Cmp(last) <= 0 {
			t.Fatalf("number %s after %s", n, last)
		}
		last = n
		if _, err := a.CRL(n, nil, at, 0); err != nil {
			t.Fatal(err)
		}
	}
	next(a, now)
	next(a, now)
	next(a, now.AddDate(-10, 0, 0))
	again := must[*certs.Authority](t)(certs.Open(dir))
	next(again, now.AddDate(-20, 0, 0))
	next(again, time.Unix(0, 0))
	next(again, now.AddDate(1, 0, 0))
	if want := big.NewInt(now.AddDate(1, 0, 0).UnixMicro()); last.Cmp(want) != 0 {
		t.Errorf("number %s, want the clock's %s", last, want)
	}
	for _, bad := range []string{"", "x\n", "-1\n", "1 2\n", "0\n"} {
		if err := os.WriteFile(filepath.Join(dir, "crl.number"), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, err := must[*certs.Authority](t)(certs.Open(dir)).NextCRLNumber(now); err == nil {
			t.Errorf("%q gives %s", bad, n)
		}
	}
}

// childDir tells the test's own binary, started again, to give numbers until it is killed.
const childDir = "CERTS_TEST_NUMBERS"

// Threat 27: killed at any moment, it goes on above what anybody has seen.
func TestThreat27KilledWhileNumbering(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		number(dir)
	}
	_, dir := authority(t, "gw.example")
	last := new(big.Int)
	for round := range 8 {
		c := exec.Command(os.Args[0], "-test.run=^TestThreat27KilledWhileNumbering$")
		c.Env = append(os.Environ(), childDir+"="+dir)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 3+5*round {
				c.Process.Kill()
			}
			v, ok := new(big.Int).SetString(lines.Text(), 10)
			if !ok {
				break // half a line: nobody has seen that number
			}
			if v.Cmp(last) <= 0 {
				t.Fatalf("round %d: %s after %s", round, v, last)
			}
			last = v
		}
		c.Wait() // it was killed
	}
	if last.Sign() == 0 {
		t.Fatal("no number was given")
	}
}

// number gives numbers by a clock that stands still, and never returns.
func number(dir string) {
	a, err := certs.Open(dir)
	for err == nil {
		var n *big.Int
		if n, err = a.NextCRLNumber(time.Unix(0, 0)); err == nil {
			_, err = fmt.Println(n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
