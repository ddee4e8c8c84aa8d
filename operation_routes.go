package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/collections"
	"liaison/server/admin"
	"liaison/stix"
)

func operationRoutes(w *world) *cobra.Command {
	var op string
	cmd := &cobra.Command{
		Use:   "routes ID",
		Short: "Show why the versions of an object went where they are",
		Long: `Show for every version of an object in which collections it is, and why: what its publisher stated, what a
database or a domain told, what brought it along. What was published to a country's collection directly has
no reasons. What waits is in "liaison queue list". The journal says that you looked.`,
		Example: `  liaison operation routes indicator--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f`,
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.inOperation(cmd, op, func(ctx context.Context, c *admin.Client, op auth.OperationID) error {
				list, err := c.Routes(ctx, op, stix.ID(args[0]))
				if err != nil {
					return err
				}
				if w.json {
					return w.print(list, "")
				}
				rows := [][]string{{"ADDED", "PUBLISHER", "LEVEL", "VERSION", "IN", "WHY"}}
				for _, r := range list {
					rows = append(rows, []string{
						collections.AddedAt(r.Added).String(), string(r.Publisher), r.Level.String(), r.Version, strings.Join(r.In, ", "),
						textOr(collections.Reasons(r.Reasons), "published there"),
					})
				}
				return w.table(rows)
			})
		},
	}
	ofOperation(w, cmd, &op)
	return cmd
}
