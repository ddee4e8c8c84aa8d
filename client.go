package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/server/admin"
)

func clientCommand(w *world) *cobra.Command {
	return group("client", "Clients: the credentials that partners hold", clientList(w), clientSet(w), clientRevoke(w))
}

func clientList(w *world) *cobra.Command {
	return &cobra.Command{
		Use:               "list [PARTNER]",
		Short:             "List the clients of a partner, or of all, with their secrets and certificates",
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: w.completePartners,
		RunE: func(cmd *cobra.Command, args []string) error {
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				var partner auth.PartnerID
				if len(args) > 0 {
					partner = auth.PartnerID(args[0])
				}
				all, err := c.Clients(ctx, partner)
				if err != nil {
					return err
				}
				if w.json {
					return w.print(all, "")
				}
				if len(all) == 0 {
					return w.print(nil, "no clients yet\nnext: %s\n", w.next("partner invite "+cmp.Or(string(partner), "ID")))
				}
				return w.table(clientRows(all))
			})
		},
	}
}

// clientRows has a row for each credential.
func clientRows(all []admin.Holder) [][]string {
	rows := [][]string{{"CLIENT", "KIND", "ID", "SINCE", "UNTIL", "LAST USE", "STATE"}}
	for _, c := range all {
		state := "live"
		if !c.Revoked.IsZero() {
			state = "revoked " + when(c.Revoked)
		}
		if c.Onward {
			state += ", onward"
		}
		rows = append(rows, []string{string(c.ID), "client", "-", when(c.Created), "-", "-", state})
		for _, s := range c.Secrets {
			rows = append(rows, []string{string(c.ID), "secret", s.ID, when(s.Created), when(s.Expires), when(s.LastUsed), "live"})
		}
		for _, k := range c.Certificates {
			state := "live"
			switch {
			case !k.Revoked.IsZero():
				state = "revoked " + when(k.Revoked)
			case !k.Superseded.IsZero():
				state = "renewed, until " + when(k.Superseded)
			}
			rows = append(rows, []string{string(c.ID), "certificate", k.Serial, "-", when(k.NotAfter), when(k.LastUsed), state})
		}
		for _, k := range c.Keys {
			rows = append(rows, []string{string(c.ID), "key", k.ID, when(k.Created), "-", when(k.LastUsed), "live"})
		}
	}
	return rows
}

func clientSet(w *world) *cobra.Command {
	var onward bool
	cmd := &cobra.Command{
		Use:   "set CLIENT --onward",
		Short: "Mark a client of an agency as one that feeds others: it gets nothing above AMBER",
		Long: `Mark a client of an agency as one that feeds others: it gets nothing above AMBER from its next request on, while
the agency's other clients get what they got. --onward=false takes the mark away; what the client has passed by
by then is not given to it. "liaison partner set ID --onward" marks all clients of a partner, those to come too.`,
		Example: "  liaison client set vn-police_2 --onward",
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("onward") {
				return &usageError{fmt.Errorf("say what to set: --onward, or --onward=false; see \"%s --help\"", cmd.CommandPath())}
			}
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				h, err := c.SetClient(ctx, auth.ClientID(args[0]), admin.ClientSetting{Onward: &onward})
				if err != nil {
					return err
				}
				return w.print(h, "changed %s\nnext: %s\n", h.ID, w.next("client list "+string(h.Partner)))
			})
		},
	}
	cmd.Flags().BoolVar(&onward, "onward", false, "it feeds others: it gets nothing above AMBER")
	return cmd
}

func clientRevoke(w *world) *cobra.Command {
	var in admin.Revocation
	var partner string
	cmd := &cobra.Command{
		Use:   "revoke CLIENT | --partner ID",
		Short: "Take a client's credentials away for good: all, one secret, one certificate, or one key",
		Long: `Take credentials of a client away for good, at its next request: all of them, or the one that --secret,
--certificate or --key names; tokens that were had with it die too, and its connections are closed. With --partner all clients of a partner.`,
		Example: `  liaison client revoke acme_1
  liaison client revoke acme_1 --secret qjd3kq7hf2xa
  liaison client revoke --partner acme`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case (len(args) == 1) == (partner != ""):
				return &usageError{fmt.Errorf("name a client, or a partner with --partner; see \"%s --help\"", cmd.CommandPath())}
			case cmd.Flags().Changed("secret") && cmd.Flags().Changed("certificate"):
				return &usageError{fmt.Errorf("name one of --secret and --certificate, or none for everything")}
			case partner != "" && in != (admin.Revocation{}):
				return &usageError{fmt.Errorf("--secret and --certificate are of one client: name it")}
			}
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				if partner != "" {
					return w.revokeAll(ctx, c, auth.PartnerID(partner))
				}
				h, err := c.Revoke(ctx, auth.ClientID(args[0]), in)
				if err != nil {
					return err
				}
				return w.print(h, "revoked %s of %s\nnext: %s\n", revokedText(in), h.ID, w.next("partner invite "+string(h.Partner)))
			})
		},
	}
	cmd.Flags().StringVar(&in.Secret, "secret", "", "id of one secret")
	cmd.Flags().StringVar(&in.Certificate, "certificate", "", "serial of one certificate")
	cmd.Flags().StringVar(&in.Key, "key", "", "thumbprint of one public key")
	cmd.MarkFlagsMutuallyExclusive("secret", "key")
	cmd.MarkFlagsMutuallyExclusive("certificate", "key")
	cmd.Flags().StringVar(&partner, "partner", "", "all clients of this partner")
	return cmd
}

func revokedText(in admin.Revocation) string {
	switch {
	case in.Secret != "":
		return "secret " + in.Secret
	case in.Certificate != "":
		return "certificate " + in.Certificate
	case in.Key != "":
		return "key " + in.Key
	}
	return "everything"
}

func (w *world) revokeAll(ctx context.Context, c *admin.Client, p auth.PartnerID) error {
	gone, err := c.RevokePartner(ctx, p)
	if err != nil {
		return err
	}
	return w.print(gone, "revoked %s of %s\nnext: %s\n", count(len(gone), "client"), p, w.next("partner invite "+string(p)))
}
