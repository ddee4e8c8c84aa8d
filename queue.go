package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
)

func queueCommand(w *world) *cobra.Command {
	return group("queue", "What was taken and nobody sees yet: held, without a country, waiting for other objects",
		queueList(w), queueShow(w), queueRelease(w), queueRoute(w), queueDrop(w))
}

// ofOperation adds --operation, which may be left out where there is one.
func ofOperation(w *world, cmd *cobra.Command, op *string) {
	cmd.Flags().StringVar(op, "operation", "", "operation; may be left out where there is only one")
	cmd.RegisterFlagCompletionFunc("operation", w.completeOperations)
}

// theOperation gives the operation that is meant.
func theOperation(ctx context.Context, c *admin.Client, named string) (auth.OperationID, error) {
	if named != "" {
		return auth.OperationID(named), nil
	}
	all, err := c.Operations(ctx)
	switch {
	case err != nil:
		return "", err
	case len(all) != 1:
		return "", &usageError{fmt.Errorf("--operation is missing, and there are %d operations", len(all))}
	}
	return all[0].ID, nil
}

// inOperation runs an act on the operation that is meant.
func (w *world) inOperation(cmd *cobra.Command, named string, act func(context.Context, *admin.Client, auth.OperationID) error) error {
	return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
		op, err := theOperation(ctx, c, named)
		if err != nil {
			return err
		}
		return act(ctx, c, op)
	})
}

func queueList(w *world) *cobra.Command {
	var op, kind, publisher, batch string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what waits, and why",
		Args:  arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := collections.KeptQuery{
				Kind: collections.KeepKind(kind), Publisher: auth.PartnerID(publisher), Batch: collections.StatusID(batch), Limit: 1000,
			}
			return w.inOperation(cmd, op, func(ctx context.Context, c *admin.Client, op auth.OperationID) error {
				return w.printQueue(ctx, c, op, q)
			})
		},
	}
	ofOperation(w, cmd, &op)
	cmd.Flags().StringVar(&kind, "kind", "", "held, unrouted or pending (default: all)")
	cmd.Flags().StringVar(&publisher, "publisher", "", "of this partner")
	cmd.Flags().StringVar(&batch, "batch", "", "of this publication, by the id of its status")
	return cmd
}

func (w *world) printQueue(ctx context.Context, c *admin.Client, op auth.OperationID, q collections.KeptQuery) error {
	rows := [][]string{{"KEY", "KIND", "PUBLISHER", "LEVEL", "OBJECT", "TO", "WHY"}}
	all := []admin.Waiting{}
	for {
		page, err := c.Queue(ctx, op, q)
		if err != nil {
			return err
		}
		for _, k := range page.Items {
			rows = append(rows, []string{
				strconv.FormatInt(int64(k.Key), 10), string(k.Kind), string(k.Publisher), k.Level.String(), string(k.ID),
				textOr(strings.Join(k.To, ","), "-"), why(k),
			})
		}
		if w.json {
			all = append(all, page.Items...)
		}
		if q.After = page.Next; page.Next == 0 {
			break
		}
	}
	switch {
	case w.json:
		return w.print(all, "")
	case len(rows) == 1:
		return w.print(nil, "nothing waits\n")
	}
	if err := w.table(rows); err != nil {
		return err
	}
	orders := []struct {
		kind collections.KeepKind
		verb string
	}{{collections.KeepHeld, "queue release KEY…"}, {collections.KeepUnrouted, "queue route KEY… --countries CODES"}}
	for _, o := range orders {
		if slices.ContainsFunc(rows, func(r []string) bool { return r[1] == string(o.kind) }) {
			if err := w.print(nil, "next: %s\n", w.next(o.verb+" --operation "+string(op)+" --reason TEXT")); err != nil {
				return err
			}
		}
	}
	return nil
}

// why says in a line why it waits, and for whom.
func why(k admin.Waiting) string {
	text := collections.Reasons(k.Reasons)
	if k.Asked != "" {
		text += fmt.Sprintf("; %s asks for its release: %s", k.Asked, k.Because)
	} else if k.Two {
		text += "; its release takes two"
	}
	return text
}

func textOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func queueShow(w *world) *cobra.Command {
	var op string
	cmd := &cobra.Command{
		Use:   "show KEY",
		Short: "Show one object that waits, with its bytes; the journal says that you looked",
		Args:  arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := parseKeys(args)
			if err != nil {
				return err
			}
			return w.inOperation(cmd, op, func(ctx context.Context, c *admin.Client, op auth.OperationID) error {
				k, err := c.Waiting(ctx, op, keys[0])
				if err != nil {
					return err
				}
				return w.print(k, "%d: %s, %s, of %s, received %s\n  object     %s\n  level      %s\n  batch      %s\n  sent to    %s\n  goes to    %s\n  because    %s\n%s\n",
					k.Key, k.Kind, k.Type, k.Publisher, when(k.Received), k.ID, k.Level, k.Batch, k.Sent, textOr(strings.Join(k.To, ", "), "-"), why(k), k.Object)
			})
		},
	}
	ofOperation(w, cmd, &op)
	return cmd
}

func parseKeys(args []string) (keys []collections.KeptKey, err error) {
	for _, a := range args {
		n, err := strconv.ParseInt(a, 10, 64)
		if err != nil || n < 1 {
			return nil, &usageError{fmt.Errorf("key %q: want a number, as \"liaison queue list\" shows it", a)}
		}
		keys = append(keys, collections.KeptKey(n))
	}
	return keys, nil
}

// orderFlags are those of every verb that decides about what waits.
type orderFlags struct{ op, batch, kind, reason string }

func (o *orderFlags) add(w *world, cmd *cobra.Command) {
	ofOperation(w, cmd, &o.op)
	cmd.Flags().StringVar(&o.batch, "batch", "", "all that waits of this publication, by the id of its status")
	cmd.Flags().StringVar(&o.kind, "kind", "", "of the batch only what is held, unrouted or pending")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the journal")
}

func (o *orderFlags) order(cmd *cobra.Command, args []string) (admin.QueueOrder, error) {
	in := admin.QueueOrder{Batch: collections.StatusID(o.batch), Kind: collections.KeepKind(o.kind), Reason: o.reason}
	if err := required(cmd, "reason"); err != nil {
		return in, err
	}
	if (len(args) == 0) == (o.batch == "") {
		return in, &usageError{fmt.Errorf("name some keys, or --batch; see \"%s --help\"", cmd.CommandPath())}
	}
	var err error
	in.Keys, err = parseKeys(args)
	return in, err
}

// settle gives an order and says what came of it.
func (w *world) settle(cmd *cobra.Command, op string, in admin.QueueOrder,
	act func(*admin.Client, context.Context, auth.OperationID, admin.QueueOrder) (collections.Settled, error),
) error {
	return w.inOperation(cmd, op, func(ctx context.Context, c *admin.Client, op auth.OperationID) error {
		s, err := act(c, ctx, op, in)
		if err != nil {
			return err
		}
		return w.settled(op, s)
	})
}

// settled says what came of an order; what was refused makes the verb fail.
func (w *world) settled(op auth.OperationID, s collections.Settled) error {
	var b strings.Builder
	for _, line := range []struct {
		n    int
		said string
	}{
		{s.Released, "released"}, {s.Repeated, "there already"}, {s.Dropped, "dropped"}, {s.Asked, "asked for: another operator has to release what a guard blocked"},
	} {
		if line.n > 0 {
			fmt.Fprintf(&b, "%s %s\n", count(line.n, "object"), line.said)
		}
	}
	if err := w.print(s, "%s", b.String()); err != nil {
		return err
	}
	if s.Stay == 0 {
		return nil
	}
	if !w.json {
		for _, r := range s.Refused {
			fmt.Fprintf(w.stderr, "%d %s: %s\n", r.Key, r.ID, r.Why)
		}
	}
	return fmt.Errorf("%s of operation %s stay as they were", count(s.Stay, "object"), op)
}

func queueRelease(w *world) *cobra.Command {
	var o orderFlags
	cmd := &cobra.Command{
		Use:   "release KEY…",
		Short: "Let objects go where they were meant to go",
		Long: `Let objects go where they were meant to go. They get their date_added now, and their readers find them as if
they were published now.

What a guard blocked takes two operators: the first release asks, another operator's releases. An operator is
a user of this machine who may run this verb (root, or the data directory's owner), or a client of a partner
with the role operator. Where there is one person, a blocked object can be dropped, or its publisher exempted
from the list ("liaison partner set ID --exempt LIST") and asked to publish it again: both stand in the journal.`,
		Example: `  liaison queue release 17 18 --reason "seen by the duty officer"
  liaison queue release --batch 5f0c7f3e-… --reason "a good batch"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := o.order(cmd, args)
			if err != nil {
				return err
			}
			return w.settle(cmd, o.op, in, (*admin.Client).Release)
		},
	}
	o.add(w, cmd)
	return cmd
}

func queueRoute(w *world) *cobra.Command {
	var o orderFlags
	var countries string
	cmd := &cobra.Command{
		Use:     "route KEY… --countries VN,LK",
		Short:   "Let objects go into the collections of these countries",
		Long:    "Let objects go into the collections of these countries, wherever they were meant to go. A publisher's objects go only where it may publish.",
		Example: `  liaison queue route 17 --countries VN --reason "the victim is in VN"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := o.order(cmd, args)
			if err != nil {
				return err
			}
			if in.To = splitList(countries); len(in.To) == 0 {
				return required(cmd, "countries")
			}
			return w.settle(cmd, o.op, in, (*admin.Client).Release)
		},
	}
	o.add(w, cmd)
	cmd.Flags().StringVar(&countries, "countries", "", "ISO 3166-1 codes, separated by commas")
	return cmd
}

func queueDrop(w *world) *cobra.Command {
	var o orderFlags
	cmd := &cobra.Command{
		Use:   "drop KEY…",
		Short: "Take objects away that wait, for good",
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := o.order(cmd, args)
			if err != nil {
				return err
			}
			return w.settle(cmd, o.op, in, (*admin.Client).Drop)
		},
	}
	o.add(w, cmd)
	return cmd
}
