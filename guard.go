package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/server/admin"
)

func guardCommand(w *world) *cobra.Command {
	return group("guard", "What must not leave: values that are no threat whoever reports them",
		guardList(w), guardCheck(w), guardExempt(w))
}

func guardList(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the lists, what they do, and who is exempted from which",
		Long: `List the lists of the guard. Built in are those of docs/guards.md; more are read from DIR/guards/*.json (MISP
warning lists), at the start and at SIGHUP; "guards" and "guard_domains" in config.json say what each list does
and which domains are the operator's own.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				all, err := c.Guards(ctx)
				if err != nil {
					return err
				}
				if w.json {
					return w.print(all, "")
				}
				rows := [][]string{{"LIST", "ACTION", "VERSION", "ENTRIES", "EXEMPT", "ABOUT"}}
				for _, l := range all {
					var exempt []string
					for _, p := range l.Exempt {
						exempt = append(exempt, string(p))
					}
					rows = append(rows, []string{l.Name, l.Action, textOr(l.Version, "-"), strconv.Itoa(l.Entries),
						textOr(strings.Join(exempt, ","), "-"), l.Description})
				}
				return w.table(rows)
			})
		},
	}
}

func guardCheck(w *world) *cobra.Command {
	return &cobra.Command{
		Use:     "check VALUE",
		Short:   "Say which lists an address, a domain, a URL, a mail address or a hash is on",
		Example: "  liaison guard check 8.8.8.8\n  liaison guard check https://www.google.com/",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				hits, err := c.CheckGuard(ctx, args[0])
				if err != nil {
					return err
				}
				if w.json {
					return w.print(hits, "")
				}
				if len(hits) == 0 {
					return w.print(nil, "%s is on no list\n", args[0])
				}
				for _, h := range hits {
					fmt.Fprintf(w.stdout, "%-5s  %s\n", h.Action, strings.TrimPrefix(h.Text, ": "))
				}
				return nil
			})
		},
	}
}

func guardExempt(w *world) *cobra.Command {
	var end bool
	cmd := &cobra.Command{
		Use:   "exempt PARTNER LIST…",
		Short: "Let lists not hold for a publisher, or hold again",
		Long:  "Let lists not hold for a publisher, by name. It stands in the journal, \"guard list\" and \"partner show\" show it.",
		Args:  arguments(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := auth.PartnerID(args[0])
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				p, err := c.Partner(ctx, id)
				if err != nil {
					return err
				}
				list := slices.DeleteFunc(append([]string{}, p.Exempt...), func(l string) bool { return slices.Contains(args[1:], l) })
				if !end {
					list = append(list, args[1:]...)
				}
				changed, err := c.SetPartner(ctx, id, admin.PartnerChange{Exempt: &list})
				if err != nil {
					return err
				}
				return w.print(changed, "%s is exempt from %s\n", id, textOr(strings.Join(changed.Exempt, ", "), "no list"))
			})
		},
	}
	cmd.Flags().BoolVar(&end, "end", false, "end the exemption from these lists")
	return cmd
}
