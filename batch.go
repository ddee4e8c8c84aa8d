package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
)

func batchCommand(w *world) *cobra.Command {
	return group("batch", "Whole publications, by the id of their status", batchWithdraw(w))
}

func batchWithdraw(w *world) *cobra.Command {
	var op, reason string
	var without bool
	cmd := &cobra.Command{
		Use:   "withdraw BATCH",
		Short: "Take a whole publication back",
		Long: `Take a whole publication back: what waits of it is dropped, what was added disappears from its collections.

What somebody was given before cannot disappear there. For that, a note by the operation's identity goes into
the same collection, marked as what it names. The gateway makes no revoked versions of a partner's objects;
the publisher can: "liaison publish --revoke". With --without-notes it is left to that.

The answer says who was given what, by the journal. BATCH is the id of the publication's status, which its
publisher was told and which the journal has.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := required(cmd, "reason"); err != nil {
				return err
			}
			return w.inOperation(cmd, op, func(ctx context.Context, c *admin.Client, op auth.OperationID) error {
				r, err := c.WithdrawBatch(ctx, op, collections.StatusID(args[0]), admin.BatchWithdrawal{Reason: reason, WithoutNotes: without})
				if err != nil {
					return err
				}
				if w.json {
					return w.print(r, "")
				}
				fmt.Fprintf(w.stdout, "withdrew batch %s of %s: %s gone, %d of them pulled before; %d dropped that waited\n",
					r.Batch, r.Publisher, count(r.Withdrawn, "object version"), r.Pulled, r.Dropped)
				for _, n := range r.Notes {
					fmt.Fprintf(w.stdout, "recalled by %s\n", n)
				}
				return w.readers(r.Exposure)
			})
		},
	}
	ofOperation(w, cmd, &op)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal and the notes")
	cmd.Flags().BoolVar(&without, "without-notes", false, "make no notes: the publisher revokes what was pulled")
	return cmd
}

// readers lists who was given what.
func (w *world) readers(e collections.Exposure) error {
	if len(e.Readers) == 0 {
		return w.print(nil, "nobody was given any of it\n")
	}
	rows := [][]string{{"PARTNER", "OBJECTS", "FIRST", "LAST", "CLIENTS"}}
	for _, r := range e.Readers {
		clients := ""
		for i, c := range r.Clients {
			if i > 0 {
				clients += ","
			}
			clients += string(c)
		}
		rows = append(rows, []string{string(r.Partner), strconv.Itoa(r.Objects), when(r.First), when(r.Last), clients})
	}
	return w.table(rows)
}

func journalExposure(w *world) *cobra.Command {
	var op string
	cmd := &cobra.Command{
		Use:   "exposure BATCH|ID",
		Short: "Say who was given what of a publication, or of an object",
		Long: `Say who was given what of a publication (by the id of its status) or of an object (by its id). The journal
has a line for each page, written before the page; what a page may have held counts.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.inOperation(cmd, op, func(ctx context.Context, c *admin.Client, op auth.OperationID) error {
				e, err := c.Exposure(ctx, op, args[0])
				if err != nil {
					return err
				}
				if w.json {
					return w.print(e, "")
				}
				fmt.Fprintf(w.stdout, "%s of %s, %d of them pulled\n", count(e.Objects, "object version"), e.Publisher, e.Pulled)
				return w.readers(e)
			})
		},
	}
	ofOperation(w, cmd, &op)
	return cmd
}
