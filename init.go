package main

import (
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"liaison/certs"
)

func initCommand(w *world) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a gateway in a new data directory",
		Long: `Make a gateway in a new data directory: configuration, keys, certificate authority and store.

--url is the URL by which partners know the gateway. Issuer and audience of tokens, invitations, api
roots and the names in client certificates come from it, and it never changes by itself.`,
		Example: `  liaison init --data ./gateway --url https://gateway.example
  liaison init --data ./gateway --host gateway.example --host 192.0.2.10 --listen :8443`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := o.config(); err != nil {
				return &usageError{err}
			}
			err := createGateway(cmd.Context(), w.data, o)
			if errors.Is(err, certs.ErrHost) {
				return &usageError{err}
			}
			if err != nil {
				return err
			}
			return sayMade(w)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.URL, "url", "", "public URL, https://HOST[:PORT] (default: made of --host and --listen)")
	f.StringArrayVar(&o.Hosts, "host", nil, "name or address in the server's certificate, repeatable (default: that of --url, or localhost)")
	f.StringVar(&o.Listen, "listen", "", "address that serve listens on (default: localhost:8443, or :8443 for another host)")
	f.StringVar(&o.Store, "store", "", `store, "bolt:" (default), the embedded one`)
	return cmd
}

// sayMade tells of a gateway that has just been made.
func sayMade(w *world) error {
	c, err := readConfig(w.data)
	if err != nil {
		return err
	}
	a, err := certs.Open(filepath.Join(w.data, caName))
	if err != nil {
		return err
	}
	return w.print(struct {
		Data        string `json:"data"`
		URL         string `json:"url"`
		Listen      string `json:"listen"`
		Fingerprint string `json:"fingerprint"`
	}{w.data, c.URL, c.Listen, "sha256:" + a.Fingerprint()}, `made a gateway in %s
  public URL   %s
  listens on   %s
  root         sha256:%s
next: %s
`, w.data, c.URL, c.Listen, a.Fingerprint(), w.next("serve"))
}
