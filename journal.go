package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/server/admin"
)

func journalCommand(w *world) *cobra.Command {
	return group("journal", "The journal: who did what, who was given what",
		journalList(w), journalVerify(w), later("who"), journalExposure(w))
}

func journalList(w *world) *cobra.Command {
	var from, limit int64
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the journal, a line each; with --json the records as they are hashed",
		Args:  arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from < 0 || cmd.Flags().Changed("limit") && limit < 0 {
				return &usageError{errors.New("--from and --limit: want a number from 0 on")}
			}
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) (err error) {
				body, err := c.Journal(ctx, from, limit)
				if err != nil {
					return err
				}
				defer body.Close()
				if w.json {
					_, err = io.Copy(w.stdout, body)
					return err
				}
				return w.printJournal(body)
			})
		},
	}
	cmd.Flags().Int64Var(&from, "from", 0, "number of the first line")
	cmd.Flags().Int64Var(&limit, "limit", -1, "how many lines at most (default: all)")
	cmd.Flags().Lookup("limit").DefValue = "0" // so that -1 is not said to be the default
	return cmd
}

const maxLine = 16 << 20 // bytes of a journal line that is printed

func (w *world) printJournal(body io.Reader) error {
	out := bufio.NewWriter(w.stdout)
	in := bufio.NewScanner(body)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		l, seq, err := auth.ParseLine(in.Bytes())
		if err != nil {
			return errors.Join(fmt.Errorf("%w: see \"%s\"", err, w.next("journal verify")), out.Flush())
		}
		fmt.Fprintf(out, "%d  %s  %s  %s  %s\n", seq, l.Time.Format("2006-01-02T15:04:05.000000Z"), l.Actor, l.Kind, l.What)
	}
	return errors.Join(in.Err(), out.Flush())
}

func journalVerify(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Recompute every hash of the journal and its signed checkpoint",
		Long: `Recompute every hash of the journal and its signed checkpoint. A line that was changed, removed or moved is
named, with exit code 1.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w.damaged = true
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				v, err := c.VerifyJournal(ctx)
				if err != nil {
					return err
				}
				return w.print(v, "lines  %d\nroot   %s\nverified\n", v.Lines, v.Root)
			})
		},
	}
}
