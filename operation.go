package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
)

func operationCommand(w *world) *cobra.Command {
	return group("operation", "Joint operations: an api root with a collection for each country",
		operationCreate(w), operationList(w), operationShow(w), operationCeiling(w), operationClose(w), operationRoutes(w))
}

func operationCreate(w *world) *cobra.Command {
	var in admin.NewOperation
	var countries string
	cmd := &cobra.Command{
		Use:     "create SLUG --title TITLE --countries VN,LK,…",
		Short:   "Open an operation with a collection for each country",
		Long:    "Open an operation: an api root at URL/SLUG/ with a collection for each country, whose alias is the country's code, and an\nintake, where vendors publish what is then routed to the countries that it concerns.",
		Example: `  liaison operation create secure --title "Operation Secure" --countries VN,LK,SG`,
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := required(cmd, "title", "countries"); err != nil {
				return err
			}
			in.ID, in.Countries = auth.OperationID(args[0]), splitList(countries)
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				o, err := c.CreateOperation(ctx, in)
				if err != nil {
					return err
				}
				return w.print(o, "opened operation %s with %s at %s\nnext: %s\n", o.ID, count(readable(o.Collections), "collection"), o.URL,
					w.next("partner create ID --role vendor --name NAME --operation "+string(o.ID)+" --countries all"))
			})
		},
	}
	cmd.Flags().StringVar(&in.Title, "title", "", "title, for people")
	cmd.Flags().StringVar(&in.Description, "description", "", "description, for people")
	cmd.Flags().StringVar(&countries, "countries", "", "ISO 3166-1 codes, separated by commas")
	cmd.Flags().BoolVar(&in.Strict, "strict", false, "take only objects that hold against the whole of STIX 2.1's schemas, not just its rules for all objects")
	cmd.Flags().BoolVar(&in.Training, "training", false, "with a training collection, TLP:CLEAR only, which partners reach without an agreement")
	return cmd
}

func operationList(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the operations",
		Args:  arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				all, err := c.Operations(ctx)
				if err != nil {
					return err
				}
				if w.json {
					return w.print(all, "")
				}
				if len(all) == 0 {
					return w.print(nil, "no operations yet\nnext: %s\n", w.next("operation create SLUG --title TITLE --countries VN,LK"))
				}
				rows := [][]string{{"SLUG", "TITLE", "COLLECTIONS", "STATE"}}
				for _, o := range all {
					rows = append(rows, []string{string(o.ID), o.Title, strconv.Itoa(readable(o.Collections)), openOrClosed(o)})
				}
				return w.table(rows)
			})
		},
	}
}

// readable counts what there is to read: not the intake.
func readable(list []collections.Collection) (n int) {
	for _, c := range list {
		if !c.Intake {
			n++
		}
	}
	return n
}

func openOrClosed(o admin.Operation) string {
	if o.Closed {
		return "closed"
	}
	return "open"
}

func operationShow(w *world) *cobra.Command {
	return &cobra.Command{
		Use:               "show SLUG",
		Short:             "Show an operation and its collections",
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: w.completeOperations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				o, err := c.Operation(ctx, auth.OperationID(args[0]))
				if err != nil {
					return err
				}
				return w.showOperation(o)
			})
		},
	}
}

func (w *world) showOperation(o admin.Operation) error {
	if w.json {
		return w.print(o, "")
	}
	fmt.Fprintf(w.stdout, "%s: %s, %s, at %s\n", o.ID, o.Title, openOrClosed(o), o.URL)
	rows := [][]string{{"ALIAS", "TITLE", "ID"}}
	for _, c := range o.Collections {
		rows = append(rows, []string{c.Alias, c.Title, string(c.ID)})
	}
	return w.table(rows)
}

func operationClose(w *world) *cobra.Command {
	return &cobra.Command{
		Use:               "close SLUG",
		Short:             "Close an operation: no more publishing, reading goes on",
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: w.completeOperations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				o, err := c.CloseOperation(ctx, auth.OperationID(args[0]))
				if err != nil {
					return err
				}
				return w.print(o, "closed operation %s: nobody publishes into it any more, reading goes on\n", o.ID)
			})
		},
	}
}

// completeOperations offers the slugs that a running gateway knows.
func (w *world) completeOperations(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return w.complete(cmd, args, func(ctx context.Context, c *admin.Client) (ids []string) {
		all, err := c.Operations(ctx)
		if err != nil {
			return nil
		}
		for _, o := range all {
			if strings.HasPrefix(string(o.ID), prefix) {
				ids = append(ids, cobra.CompletionWithDesc(string(o.ID), o.Title))
			}
		}
		return ids
	})
}

// complete offers what a gateway that runs answers for the first argument; a store is not opened for
// it.
func (w *world) complete(cmd *cobra.Command, args []string, ids func(context.Context, *admin.Client) []string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := admin.Dial(cmd.Context(), w.data)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.Close()
	return ids(cmd.Context(), c), cobra.ShellCompDirectiveNoFileComp
}
