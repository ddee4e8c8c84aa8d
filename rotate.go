package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func rotateCommand(w *world) *cobra.Command {
	var as string
	cmd := &cobra.Command{
		Use:   "rotate --as DIR",
		Short: "Change this partner's secret",
		Long: `Asks the gateway for a new secret and writes it into DIR/partner.json. The old one lives on for a
day, so that other machines can be told.

At most two secrets are alive: rotating again within the day ends at once the one that was to live on.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := w.partner(cmd, as)
			if err != nil {
				return err
			}
			defer c.Close()
			r, err := c.Rotate(cmd.Context())
			if err != nil {
				return err
			}
			a := c.Account()
			a.ClientSecret = r.Secret
			until := r.Previous.UTC().Format(time.RFC3339)
			if err := a.Save(as); err != nil {
				return fmt.Errorf("%w: the old secret goes on until %s: make room and rotate again", err, until)
			}
			before := ""
			if r.Ended {
				before = "the secret before that one ended now, because at most two are alive\n"
			}
			return w.print(map[string]any{"client_id": a.ClientID, "dir": as, "previous_expires": r.Previous.UTC(), "ended": r.Ended},
				"%s has a new secret; the old one goes on until %s: tell whoever else uses it\n%s", as, until, before)
		},
	}
	asFlag(cmd, &as)
	return cmd
}
