package main

import "github.com/spf13/cobra"

func tokenCommand(w *world) *cobra.Command {
	var as string
	cmd := &cobra.Command{
		Use:   "token --as DIR",
		Short: "Print an access token",
		Long: `Prints an access token of a few minutes' life, for another program's Authorization: Bearer header.

The token is bound to the client certificate in DIR: it opens nothing on a connection without that
certificate, so the other program needs cert.pem and key.pem too.`,
		Example: `  curl --cacert acme/ca.pem --cert acme/cert.pem --key acme/key.pem \
    --header "Authorization: Bearer $(liaison token --as acme)" \
    --header 'Accept: application/taxii+json;version=2.1' https://gateway.example/taxii2/`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := w.partner(cmd, as)
			if err != nil {
				return err
			}
			defer c.Close()
			t, err := c.Token(cmd.Context())
			if err != nil {
				return err
			}
			return w.print(t, "%s\n", t.Access)
		},
	}
	asFlag(cmd, &as)
	return cmd
}
