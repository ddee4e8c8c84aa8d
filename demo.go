package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// demoListen is where the demo serves unless it is told otherwise; when something else is there, it
// takes a free port.
const demoListen = "127.0.0.1:9443"

type demoOptions struct {
	dir    string
	listen string
	once   bool

	indicators int // of the story
}

func demoCommand(w *world) *cobra.Command {
	o := demoOptions{indicators: storyIndicators}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Operation Secure in a box",
		Long: `Make a gateway in a fresh directory and play Operation Secure on it: 27 countries with a
collection each, three vendors that publish 25,917 indicators of infostealer infrastructure with what
belongs to them, and the police of each country, which pulls what is its own. Everybody joins,
publishes and pulls over TAXII as real partners do. Then what each police force received is compared
with what it was entitled to, object by object, both ways.

Addresses and domains are of ranges that are reserved for documentation; nobody real is meant.

It goes on serving until Ctrl-C, with lines to paste into other clients. With --once it ends after the
story: with exit code 0, or with 1 and the difference if anybody received anything but its due.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), w, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "directory to make, and to keep (default: a temporary one, removed at the end)")
	f.StringVar(&o.listen, "listen", "", "address to serve on, HOST:PORT (default "+demoListen+", or a free port)")
	f.BoolVar(&o.once, "once", false, "end after the story")
	return cmd
}

func runDemo(ctx context.Context, w *world, o demoOptions) (err error) {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "liaison-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	if list, err := os.ReadDir(o.dir); err == nil && len(list) > 0 {
		return fmt.Errorf("%s is not empty: name another directory with --dir", o.dir)
	}
	listen, err := demoAddress(o.listen)
	if err != nil {
		return err
	}
	d := &demo{dir: o.dir, out: w.stdout, json: w.json, began: time.Now(), indicators: o.indicators}
	d.say("Operation Secure in a box, in %s\n\n", o.dir)
	data := filepath.Join(o.dir, "gateway")
	if err := d.step("A gateway is made: authority, keys, store", func() (string, error) {
		return data, createGateway(ctx, data, initOptions{Listen: listen})
	}); err != nil {
		return err
	}
	g, err := openGateway(ctx, data, gatewayOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()

	l, err := g.listen()
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- g.serve(serving, l, func(url string) { ready <- url }) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	select {
	case d.url = <-ready:
	case err := <-ended:
		ended <- nil
		return err
	}
	result, err := d.play(ctx, g)
	if err != nil {
		return err
	}
	d.report(w, result)
	if !result.Right {
		return &silent{errors.New("somebody received anything but its due")}
	}
	if o.once {
		return nil
	}
	d.invite(g)
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		ended <- nil
		return err
	}
}

// demoAddress gives the address to serve on.
func demoAddress(asked string) (string, error) {
	if asked != "" {
		if _, _, err := net.SplitHostPort(asked); err != nil {
			return "", &usageError{fmt.Errorf("--listen %q: want HOST:PORT, like 127.0.0.1:9443", asked)}
		}
		return asked, nil
	}
	l, err := net.Listen("tcp", demoListen)
	if err != nil {
		return "127.0.0.1:0", nil
	}
	return demoListen, l.Close()
}

// demo is one play of the story.
type demo struct {
	dir   string
	out   io.Writer
	json  bool
	url   string
	began time.Time
	steps []demoStep

	indicators int
}

// demoStep is one step with its time.
type demoStep struct {
	Name    string  `json:"step"`
	Seconds float64 `json:"seconds"`
	Detail  string  `json:"detail"`
}

// say prints for people; with --json only the result is printed.
func (d *demo) say(format string, args ...any) {
	if !d.json {
		fmt.Fprintf(d.out, format, args...)
	}
}

// step does one thing and says how long it took and what came of it.
func (d *demo) step(name string, do func() (detail string, err error)) error {
	began := time.Now()
	detail, err := do()
	if err != nil {
		return fmt.Errorf("demo: %s: %w", name, err)
	}
	s := demoStep{Name: name, Seconds: time.Since(began).Seconds(), Detail: detail}
	d.steps = append(d.steps, s)
	d.say("  %6.2f s  %-54s %s\n", s.Seconds, s.Name, s.Detail)
	return nil
}
