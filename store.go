package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"liaison/server/admin"
)

// errFaults: the check of the store found faults, which are printed.
var errFaults = errors.New("the store has faults: restore the last good backup, or ask for help with this list")

func storeCommand(w *world) *cobra.Command {
	return group("store", "The store: what it takes, what it holds, free room given back", storeShow(w), storeCheck(w), storeCompact(w))
}

func storeShow(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Say what the store takes of the disk and what it has written",
		Args:  arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				u, err := c.Store(ctx)
				if err != nil {
					return err
				}
				return w.print(u, "size     %d bytes\non disk  %d\nwritten  %d since the start\n", u.Size, u.Disk, u.Written)
			})
		},
	}
}

func storeCheck(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Hold everything that is stored against everything else",
		Long: `Hold everything that is stored against everything else: segments, facts, indexes, the digest of every object,
who is shown what, what is kept back, statuses, and the journal's hashes. It works while the gateway serves, and
also on a store that "serve" refuses. Faults are listed, with exit code 1.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			w.damaged = true
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				out, err := c.CheckStore(ctx)
				if err != nil {
					return err
				}
				k := out.Checked
				err = w.print(out, "operations   %d\ncollections  %d\nsegments     %d\nobjects      %d\nkept         %d\nstatuses     %d\nlines        %d\nfaults       %d\n",
					k.Operations, k.Collections, k.Segments, k.Objects, k.Kept, k.Statuses, k.Lines, k.Faults)
				if err != nil || k.Faults == 0 {
					return err
				}
				if !w.json {
					for _, f := range out.Faults {
						if _, err := fmt.Fprintf(w.stdout, "%s: %s\n", f.Where, f.What); err != nil {
							return err
						}
					}
				}
				return errFaults
			})
		},
	}
}

func storeCompact(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "compact",
		Short: "Join small segments and give free room back to the disk, while the gateway serves",
		Long: `Join what many small publications and deletions have left in pieces, and give the room that nothing uses back to
the file system: store.db keeps its length and gets holes. The gateway serves meanwhile; for a moment at the end,
some 0.1 s a GB, requests wait.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				out, err := c.CompactStore(ctx)
				if err != nil {
					return err
				}
				return w.print(out, "joined %d segments; %d bytes on the disk, %d before\n", out.Segments, out.DiskAfter, out.DiskBefore)
			})
		},
	}
}
