package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"liaison/certs"
	"liaison/server/client"
)

func joinCommand(w *world) *cobra.Command {
	var out, again string
	cmd := &cobra.Command{
		Use:   "join URL --out DIR | join --renew DIR",
		Short: "Take up an operator's invitation, or renew the certificate that came of one",
		Long: `Takes up an invitation: makes a key, which never leaves DIR, sends a certificate request and
keeps what the gateway gives: a client certificate, a client id and a secret. Exactly the authority
that the invitation names by its fingerprint is trusted; without one, the system's roots.

An invitation works once. Put the URL in quotes: the # in it means something to shells.

With --renew no invitation is needed: the certificate in DIR, while it holds, gets another one for a new
key, and lives on for a week itself. "liaison pull --follow" does so by itself.`,
		Example: `  liaison join 'https://gateway.example/join/TOKEN#sha256:FINGERPRINT' --out ./acme`,
		Args: func(cmd *cobra.Command, args []string) error {
			if again != "" {
				return arguments(cobra.NoArgs)(cmd, args)
			}
			return arguments(cobra.ExactArgs(1))(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if again != "" {
				return renewNow(cmd.Context(), w, again)
			}
			if err := needs(cmd, "out", out); err != nil {
				return err
			}
			return join(cmd.Context(), w, args[0], out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the directory to make for this partner")
	cmd.Flags().StringVar(&again, "renew", "", "the partner's directory whose certificate to renew")
	cmd.MarkFlagsMutuallyExclusive("out", "renew")
	return cmd
}

// join takes the invitation up and says so.
func join(ctx context.Context, w *world, invitation, dir string) error {
	a, err := joinGateway(ctx, invitation, dir)
	if err != nil {
		return err
	}
	expires := expiryOf(filepath.Join(dir, client.CertFile))
	return w.print(map[string]any{
		"partner": a.Partner, "client_id": a.ClientID, "gateway": a.Gateway, "dir": dir, "certificate_expires": expires,
	}, `joined %s as %s (client %s)
%s holds the key, the certificate (until %s) and the secret: keep it to yourself
next: liaison check --as %[4]s
`, a.Gateway, a.Partner, a.ClientID, dir, expires.Format(time.DateOnly))
}

// joinGateway makes dir a partner's directory with an invitation. It is put together beside dir and
// given its name at the end, so that dir is there whole or not at all. What a join that was killed
// had received already is taken up, and the invitation not used.
func joinGateway(ctx context.Context, invitation, dir string) (client.Account, error) {
	v, err := client.ParseInvitation(invitation)
	if err != nil {
		return client.Account{}, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return client.Account{}, err
	}
	if err := vacant(dir); err != nil {
		return client.Account{}, err
	}
	stage := dir + ".joining"
	if a, err := client.OpenAccount(stage); err == nil {
		if _, err := a.TLS(stage); err == nil {
			return a, nameStage(stage, dir)
		}
	}
	if err := os.RemoveAll(stage); err != nil {
		return client.Account{}, err
	}
	if err := os.MkdirAll(filepath.Dir(stage), 0o755); err != nil {
		return client.Account{}, err
	}
	if err := os.Mkdir(stage, 0o700); err != nil {
		return client.Account{}, err
	}
	a, err := askToJoin(ctx, v, stage)
	if err != nil {
		return client.Account{}, errors.Join(err, os.RemoveAll(stage))
	}
	return a, nameStage(stage, dir)
}

// vacant refuses a directory with something in it.
func vacant(dir string) error {
	list, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%s cannot be made a partner's directory: name another with --out: %w", dir, err)
	case exists(filepath.Join(dir, client.AccountFile)):
		return fmt.Errorf("%s is a partner's directory already: name another with --out, or remove it", dir)
	case len(list) > 0:
		return fmt.Errorf("%s is not empty: name another with --out", dir)
	}
	return nil
}

// askToJoin writes the key, asks the gateway, and writes what it gives; the account comes last.
func askToJoin(ctx context.Context, v client.Invitation, stage string) (client.Account, error) {
	key, err := certs.NewKey()
	if err != nil {
		return client.Account{}, err
	}
	keyPEM, err := certs.MarshalKey(key)
	if err != nil {
		return client.Account{}, err
	}
	csr, err := certs.CSR(key)
	if err != nil {
		return client.Account{}, err
	}
	// Before the invitation is used up it must be certain that there is room for what it brings.
	if err := client.WriteDurably(filepath.Join(stage, client.KeyFile), keyPEM); err != nil {
		return client.Account{}, err
	}
	o := partnerOptions()
	if v.Fingerprint != "" {
		o.TLS = certs.PinnedConfig(v.Host, v.Fingerprint)
	}
	j, err := client.Join(ctx, v, csr, o)
	if errors.Is(err, certs.ErrPin) {
		return client.Account{}, fmt.Errorf("%s: nothing was sent: %w", v.Host, certs.ErrPin)
	}
	if err != nil {
		return client.Account{}, err
	}
	if _, err := tls.X509KeyPair(j.Certificate, keyPEM); err != nil {
		return client.Account{}, fmt.Errorf("the gateway's certificate is not for the key that was sent: tell the operator: %w", err)
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{client.CertFile, j.Certificate}, {client.CAFile, j.CA}} {
		if len(f.data) == 0 {
			continue
		}
		if err := client.WriteDurably(filepath.Join(stage, f.name), f.data); err != nil {
			return client.Account{}, fmt.Errorf("%w; the invitation is used up: ask the operator for a new one", err)
		}
	}
	if err := j.Account.Save(stage); err != nil {
		return client.Account{}, fmt.Errorf("%w; the invitation is used up: ask the operator for a new one", err)
	}
	return j.Account, nil
}

// nameStage gives a complete directory its name.
func nameStage(stage, dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s cannot be replaced by %s, which is complete: move it there: %w", dir, stage, err)
	}
	if err := os.Rename(stage, dir); err != nil {
		return fmt.Errorf("%s is complete, move it to %s: %w", stage, dir, err)
	}
	return syncDirectory(filepath.Dir(dir))
}

// expiryOf gives the end of the first certificate in a file; zero when there is none.
func expiryOf(name string) time.Time {
	f, err := os.Open(name)
	if err != nil {
		return time.Time{}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return time.Time{}
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return time.Time{}
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}
	}
	return c.NotAfter.UTC()
}
