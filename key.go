package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"liaison/server/admin"
)

func keyCommand(w *world) *cobra.Command {
	return group("key", "The gateway's own keys: those that sign tokens, and those that secrets are kept under",
		keyList(w), keyRotate(w), keyRevoke(w))
}

func keyList(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the keys and what state they are in",
		Args:  arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				k, err := c.Keys(ctx)
				if err != nil {
					return err
				}
				if w.json {
					return w.print(k, "")
				}
				return w.table(keyRows(k))
			})
		},
	}
}

func keyRows(k admin.Keys) [][]string {
	rows := [][]string{{"KIND", "ID", "STATE", "CREATED", "SINCE", "SECRETS"}}
	for _, s := range k.Signing {
		rows = append(rows, []string{admin.SigningKeys, s.ID, s.State, when(s.Created), when(s.Since), "-"})
	}
	for _, s := range k.Server {
		rows = append(rows, []string{admin.ServerKeys, s.ID, s.State, when(s.Created), "-", strconv.Itoa(s.Secrets)})
	}
	return rows
}

func keyRotate(w *world) *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Begin a rotation; nobody has to do anything for it",
		Long: `Begin a rotation. A new signing key is published for five minutes before it signs, and the one before it
verifies until its last token is dead; this happens by itself every 90 days.

With --kind server, new secrets are kept under a new server key from now on. The ones before stay until no
secret is under them any more: partners move with "liaison rotate".`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kind != admin.SigningKeys && kind != admin.ServerKeys {
				return &usageError{fmt.Errorf("--kind %q: want %s or %s", kind, admin.SigningKeys, admin.ServerKeys)}
			}
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				k, err := c.RotateKeys(ctx, kind)
				if err != nil {
					return err
				}
				said := "a new signing key is published and signs in five minutes, while the gateway runs\n"
				if kind == admin.ServerKeys {
					said = "new secrets are kept under a new server key\n"
				}
				return w.print(k, said+"next: %s\n", w.next("key list"))
			})
		},
	}
	cmd.Flags().StringVar(&kind, "kind", admin.SigningKeys, "signing or server")
	return cmd
}

func keyRevoke(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "Take a key away at once, in an emergency",
		Long: `Take a key away at once, when somebody else may have it. Of a signing key, the tokens die at their next
request and clients ask for new ones by themselves. Of a server key, the secrets that are kept under it die:
their partners have to be invited again.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				k, err := c.RevokeKey(ctx, args[0])
				if err != nil {
					return err
				}
				return w.print(k, "revoked %s\nnext: %s\n", args[0], w.next("key list"))
			})
		},
	}
}
