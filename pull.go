package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"liaison/server/client"
)

func pullCommand(w *world) *cobra.Command {
	p := &pulling{w: w}
	cmd := &cobra.Command{
		Use:   "pull --as DIR",
		Short: "Pull what is shared with this partner",
		Long: `Pulls the objects of collections, all readable ones unless some are named, and remembers in a state
file beside the output how far it came: run again it brings what is new. It may be killed at any
moment; a file is then continued without a gap and without a repetition.

A FILE that ends in .json is an envelope, {"objects":[…]}, with each object's bytes as they came.
Any other FILE, and standard output, has one object a line: line breaks between the tokens of an
object become spaces, nothing else of its bytes changes.

An object that lies in several collections comes once from each.`,
		Example: `  liaison pull --as vn-police --out indicators.ndjson
  liaison pull --as vn-police --collection vn --follow | siem-loader`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd) },
	}
	asFlag(cmd, &p.as)
	f := cmd.Flags()
	f.StringSliceVar(&p.names, "collection", nil, "a collection, by alias or id; may be repeated (default: all)")
	f.StringVar(&p.since, "since", "", "the first time, pull only what was added after this time")
	f.StringVar(&p.out, "out", "-", "the file to write, - for standard output")
	f.StringVar(&p.state, "state", "", "the state file (default: FILE.state, or one in DIR for standard output)")
	f.BoolVar(&p.follow, "follow", false, "go on pulling until stopped, or until the partner is suspended or removed")
	f.DurationVar(&p.every, "every", 10*time.Second, "how often to look, with --follow")
	f.StringVar(&p.apiRoot, "api-root", "", "the api root, by URL or by the last step of its path (default: partner.json's)")
	return cmd
}

// pulling is one run of the verb.
type pulling struct {
	w          *world
	as         string
	names      []string
	since      string
	out, state string
	follow     bool
	every      time.Duration
	apiRoot    string

	bar *progress
}

func (p *pulling) run(cmd *cobra.Command) error {
	if p.every <= 0 {
		return &usageError{errors.New("--every must be longer than nothing, like 10s")}
	}
	if p.since != "" {
		var err error
		if p.since, err = client.ParseSince(p.since); err != nil {
			return &usageError{fmt.Errorf("--since: %w", err)}
		}
	}
	p.bar = newProgress(p.w, "pulling", -1)
	n := &renewer{dir: p.as, now: time.Now}
	c, err := p.w.partner(cmd, p.as, func(o *client.Options) {
		o.Notify = func(line string) { p.bar.line(p.w.stderr, "liaison: %s", line) }
		if p.follow {
			o.Attempts = -1
			n.notify = o.Notify
			n.hold(o)
		}
	})
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := cmd.Context()
	root, err := c.APIRoot(ctx, p.apiRoot)
	if err != nil {
		if p.follow && ctx.Err() != nil {
			return nil
		}
		return err
	}
	pl := p.puller(c, root)
	var got client.Pulled
	if p.follow {
		renewing, stop := context.WithCancel(ctx)
		var tasks sync.WaitGroup
		tasks.Go(func() { n.run(renewing, c) })
		got, err = pl.Follow(ctx, p.every)
		stop()
		tasks.Wait()
	} else {
		got, err = pl.Run(ctx)
	}
	p.bar.clear()
	return p.end(got, pl.State, stopped(err))
}

func (p *pulling) puller(c *client.Client, root client.Root) *client.Puller {
	pl := &client.Puller{
		Client: c, Root: root, Names: p.names, Since: p.since,
		Stream: p.w.stdout, State: p.state,
		Progress: func(objects, bytes int64) { p.bar.set(bytes, plural(objects, "object")) },
	}
	if p.out != "-" && p.out != "" {
		pl.Output, pl.Format = p.out, client.FormatOf(p.out)
	}
	switch {
	case pl.State != "":
	case pl.Output != "":
		pl.State = pl.Output + ".state"
	default:
		pl.State = filepath.Join(p.as, "pull-"+stateName(p.names)+".state")
	}
	return pl
}

// stateName gives the part of a state's name that says which collections it is for.
func stateName(names []string) string {
	if len(names) == 0 {
		return "all"
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	name := strings.Join(names, "+")
	if len(name) > 100 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_+") != "" {
		sum := sha256.Sum256([]byte(name))
		return hex.EncodeToString(sum[:8])
	}
	return name
}

// end says what was pulled; beside objects on standard output it says so on standard error.
func (p *pulling) end(got client.Pulled, state string, err error) error {
	to, where := p.w.stdout, p.out
	if p.out == "-" || p.out == "" {
		to, where = p.w.stderr, "standard output"
	}
	quiet := *p.w
	quiet.stdout = to
	if err == nil || got.Objects > 0 {
		perr := quiet.print(map[string]any{"objects": got.Objects, "bytes": got.Bytes, "out": where, "state": state},
			"pulled %s (%s) to %s; %s knows how far: run again for what is new\n", plural(got.Objects, "object"), byteCount(got.Bytes), where, state)
		err = errors.Join(err, perr)
	}
	if errors.Is(err, client.ErrRefused) {
		return fmt.Errorf("%w; run again to go on from here", advised(err))
	}
	return err
}
