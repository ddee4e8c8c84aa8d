package main

import (
	"context"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/server/admin"
)

func operationCeiling(w *world) *cobra.Command {
	var collection, level string
	cmd := &cobra.Command{
		Use:   "ceiling SLUG --collection ALIAS --level LEVEL",
		Short: "Say up to which marking a collection takes objects",
		Long: `Say up to which marking a collection takes objects: clear, green, amber, amber+strict, red, or none for any.
What is marked above it fails with a message; what is there already stays.`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: w.completeOperations,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := required(cmd, "collection", "level"); err != nil {
				return err
			}
			if level == nothingSet {
				level = ""
			}
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				o, err := c.SetCeiling(ctx, auth.OperationID(args[0]), collection, level)
				if err != nil {
					return err
				}
				return w.print(o, "%s takes %s in %s\n", o.ID, textOr(level, "any marking"), collection)
			})
		},
	}
	cmd.Flags().StringVar(&collection, "collection", "", "alias or id of the collection, or all")
	cmd.Flags().StringVar(&level, "level", "", "clear, green, amber, amber+strict, red, or none")
	return cmd
}
