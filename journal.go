package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

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
	var kinds []string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print the journal, a line each; with --json the records as they are hashed",
		Example: `  liaison journal list --kind ownership.refused
  liaison journal list --kind kept.release,kept.drop,batch.withdraw --json`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from < 0 || cmd.Flags().Changed("limit") && limit < 0 {
				return &usageError{errors.New("--from and --limit: want a number from 0 on")}
			}
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) (err error) {
				if len(kinds) > 0 {
					return w.journalOf(ctx, c, from, limit, kinds)
				}
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
	cmd.Flags().StringSliceVar(&kinds, "kind", nil, "only lines of these kinds, like ownership.refused")
	cmd.Flags().Int64Var(&limit, "limit", -1, "how many lines at most (default: all)")
	cmd.Flags().Lookup("limit").DefValue = "0" // so that -1 is not said to be the default
	return cmd
}

// journalOf prints the lines of some kinds, at most limit of them, unless it is below 0.
func (w *world) journalOf(ctx context.Context, c *admin.Client, from, limit int64, kinds []string) error {
	body, err := c.Journal(ctx, from, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	in := bufio.NewScanner(body)
	in.Buffer(nil, maxLine)
	for limit != 0 && in.Scan() {
		l, seq, err := auth.ParseLine(in.Bytes())
		if err != nil {
			return fmt.Errorf("%w: see \"%s\"", err, w.next("journal verify"))
		}
		if !slices.Contains(kinds, l.Kind) {
			continue
		}
		limit--
		if w.json {
			_, err = fmt.Fprintf(w.stdout, "%s\n", in.Bytes())
		} else {
			_, err = fmt.Fprintf(w.stdout, "%d  %s  %s  %s  %s\n", seq, l.Time.Format("2006-01-02T15:04:05.000000Z"), l.Actor, l.Kind, l.What)
		}
		if err != nil {
			return err
		}
	}
	return in.Err()
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
