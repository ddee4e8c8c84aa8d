package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"liaison/collections/bolt"
	"liaison/server/admin"
)

// print writes v as one line of JSON, or, without --json, the text.
func (w *world) print(v any, format string, args ...any) error {
	if w.json {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w.stdout, "%s\n", b)
		return err
	}
	_, err := fmt.Fprintf(w.stdout, format, args...)
	return err
}

// table writes rows in columns, the first of them the headings.
func (w *world) table(rows [][]string) error {
	t := tabwriter.NewWriter(w.stdout, 0, 8, 2, ' ', 0)
	for _, r := range rows {
		cells := make([]string, len(r))
		for i := range r {
			cells[i] = plain(r[i])
		}
		fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	return t.Flush()
}

// plain takes out of a text what a terminal obeys: partners write patterns and names.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return utf8.RuneError
		}
		return r
	}, s)
}

// next gives a command line of this gateway, for the end of what a verb prints.
func (w *world) next(verb string) string {
	if w.data == defaultData || w.data == w.getenv("LIAISON_DATA") {
		return "liaison " + verb
	}
	return "liaison " + verb + " --data " + w.data
}

const defaultData = "./liaison-data"

// lockWait is how long a verb waits for a store that another verb, or a gateway that is starting or
// stopping, holds.
const lockWait = 5 * time.Second

// operator gives a client of the gateway in the data directory: of the one that runs, else of one
// that this process opens and that close closes.
func (w *world) operator(ctx context.Context) (c *admin.Client, done func() error, err error) {
	patience, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		c, err := admin.Dial(ctx, w.data)
		if err == nil {
			return c, func() error { c.Close(); return nil }, nil
		}
		if !errors.Is(err, admin.ErrNoGateway) {
			return nil, nil, err
		}
		g, err := openGateway(ctx, w.data, gatewayOptions{Log: newLog(w, slog.LevelWarn), Damaged: w.damaged})
		if err == nil {
			return g.client(), g.Close, nil
		}
		if !errors.Is(err, bolt.ErrLocked) {
			return nil, nil, err
		}
		select {
		case <-patience.Done():
			return nil, nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// ask runs an act with a client of the operator's API.
func (w *world) ask(cmd *cobra.Command, act func(ctx context.Context, c *admin.Client) error) (err error) {
	c, done, err := w.operator(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	return act(cmd.Context(), c)
}

// group is a verb that only has verbs below it.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("no verb %q of %s; see \"%s --help\"", args[0], cmd.Name(), cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(below...)
	return cmd
}

// required names the flags that must be given.
func required(cmd *cobra.Command, names ...string) error {
	for _, n := range names {
		if !cmd.Flags().Changed(n) {
			return &usageError{fmt.Errorf("--%s is missing; see \"%s --help\"", n, cmd.CommandPath())}
		}
	}
	return nil
}

// splitList reads "VN,LK" as people type it.
func splitList(s string) []string {
	var out []string
	for v := range strings.SplitSeq(s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}

// count writes "1 collection", "2 collections".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
