package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"liaison/auth"
	"liaison/server/admin"
	"liaison/server/client"
	"liaison/server/taxii"
)

// Placeholders of a snippet: the operator never sees a secret.
const (
	secretHere = "CLIENT_SECRET"
	caHere     = "ca.pem"
)

func partnerSnippet(w *world) *cobra.Command {
	var kind, operation, collection string
	cmd := &cobra.Command{
		Use:   "snippet ID --for CLIENT",
		Short: "Print what a partner types into its TAXII client",
		Long: `Print what a partner types into the TAXII client that it has, for one of its collections. The secret is not
known here: where CLIENT_SECRET stands the partner puts the one in its partner.json, and ca.pem is the file
beside it.

Clients: ` + strings.Join(snippetNames(), ", ") + ".",
		Example:           `  liaison partner snippet vn-police --for opencti`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: w.completePartners,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := required(cmd, "for"); err != nil {
				return err
			}
			if !slices.Contains(snippetNames(), kind) {
				return &usageError{fmt.Errorf("--for %q: want %s", kind, strings.Join(snippetNames(), ", "))}
			}
			return w.ask(cmd, func(ctx context.Context, c *admin.Client) error {
				s, err := snippetFor(ctx, c, auth.PartnerID(args[0]), kind, operation, collection)
				if err != nil {
					return err
				}
				return w.print(map[string]string{"for": s.For, "client": s.Client, "text": s.Text}, "%s\n\n%s", s.Client, s.Text)
			})
		},
	}
	cmd.Flags().StringVar(&kind, "for", "", strings.Join(snippetNames(), ", "))
	cmd.Flags().StringVar(&operation, "operation", "", "operation of the collection (default: the first that it may use)")
	cmd.Flags().StringVar(&collection, "collection", "", "alias or id of the collection (default: the first that it may use)")
	return cmd
}

func allSnippets(a client.Account, id, title string) []snippet {
	return append(snippets(a, caHere, id, title), moreSnippets(a, id, title)...)
}

func snippetNames() (names []string) {
	for _, s := range allSnippets(client.Account{}, "", "") {
		names = append(names, s.For)
	}
	slices.Sort(names)
	return names
}

func snippetFor(ctx context.Context, c *admin.Client, id auth.PartnerID, kind, operation, collection string) (snippet, error) {
	p, err := c.Partner(ctx, id)
	if err != nil {
		return snippet{}, err
	}
	i := slices.IndexFunc(p.Grants, func(g admin.Grant) bool {
		return (operation == "" || string(g.Operation) == operation) &&
			(collection == "" || g.Alias == collection || string(g.Collection) == collection)
	})
	if i < 0 {
		return snippet{}, fmt.Errorf("partner %q has no such collection: \"liaison partner show %s\" lists those that it has", id, id)
	}
	g := p.Grants[i]
	op, err := c.Operation(ctx, g.Operation)
	if err != nil {
		return snippet{}, err
	}
	gateway := strings.TrimSuffix(op.URL, "/"+string(op.ID)+"/")
	a := client.Account{
		Partner: string(id), Gateway: gateway, Discovery: gateway + taxii.DiscoveryPath, APIRoot: op.URL,
		ClientID: string(id) + "_1", ClientSecret: secretHere, TokenURL: gateway + "/oauth2/token",
	}
	clients, err := c.Clients(ctx, id)
	if err != nil {
		return snippet{}, err
	}
	for _, k := range clients {
		if k.Revoked.IsZero() {
			a.ClientID = string(k.ID)
			break
		}
	}
	all := allSnippets(a, string(g.Collection), g.Title)
	return all[slices.IndexFunc(all, func(s snippet) bool { return s.For == kind })], nil
}
