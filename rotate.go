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
while, so that other machines can be told.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := w.partner(cmd, as)
			if err != nil {
				return err
			}
			defer c.Close()
			secret, until, err := c.Rotate(cmd.Context())
			if err != nil {
				return err
			}
			a := c.Account()
			a.ClientSecret = secret
			if err := a.Save(as); err != nil {
				return fmt.Errorf("%w: the old secret goes on until %s: make room and rotate again", err, until.UTC().Format(time.RFC3339))
			}
			return w.print(map[string]any{"client_id": a.ClientID, "dir": as, "previous_expires": until.UTC()},
				"%s has a new secret; the old one goes on until %s: tell whoever else uses it\n", as, until.UTC().Format(time.RFC3339))
		},
	}
	asFlag(cmd, &as)
	return cmd
}
