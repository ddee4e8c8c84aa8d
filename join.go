package main

import (
	"context"
	"crypto"
	"crypto/sha256"
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
	var assertions bool
	cmd := &cobra.Command{
		Use:   "join URL --out DIR | join --renew DIR",
		Short: "Take up an operator's invitation, or renew the certificate that came of one",
		Long: `Takes up an invitation: makes a key, which never leaves DIR, sends a certificate request and
keeps what the gateway gives: a client certificate, a client id and a secret. Exactly the authority
that the invitation names by its fingerprint is trusted; without one, the system's roots.

An invitation works once. Put the URL in quotes: the # in it means something to shells. When the answer
to it is lost on the way, run the same command again within ten minutes: the gateway gives the same key
another certificate and another secret in the place of the first.

With --private-key-jwt a second key is made, for signing: its public half is registered with the
invitation, the private one is DIR/assertion.jwk, and "liaison token", publish and pull ask for tokens
with it (RFC 7523, private_key_jwt), not with the secret.

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
			return join(cmd.Context(), w, args[0], out, assertions)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the directory to make for this partner")
	cmd.Flags().BoolVar(&assertions, "private-key-jwt", false, "make a signing key too, and ask for tokens with it")
	cmd.Flags().StringVar(&again, "renew", "", "the partner's directory whose certificate to renew")
	cmd.MarkFlagsMutuallyExclusive("out", "renew")
	cmd.MarkFlagsMutuallyExclusive("private-key-jwt", "renew")
	return cmd
}

// join takes the invitation up and says so.
func join(ctx context.Context, w *world, invitation, dir string, assertions bool) error {
	a, err := joinWith(ctx, invitation, dir, assertions)
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

// joinGateway makes dir a partner's directory with an invitation.
func joinGateway(ctx context.Context, invitation, dir string) (client.Account, error) {
	return joinWith(ctx, invitation, dir, false)
}

// joinWith makes dir a partner's directory with an invitation, with a key for assertions or without. It
// is put together beside dir and given its name at the end, so that dir is there whole or not at all.
// What a join that was killed had received already is taken up, and the invitation not used; when only
// the answer was lost, the keys that were sent are kept, for the gateway answers them again.
func joinWith(ctx context.Context, invitation, dir string, assertions bool) (client.Account, error) {
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
		if err := a.Open(stage, &client.Options{}); err == nil {
			return a, nameStage(stage, dir)
		}
	}
	keys, err := stageKeys(stage, v, assertions)
	if err != nil {
		return client.Account{}, err
	}
	a, err := askToJoin(ctx, v, stage, keys)
	if errors.Is(err, client.ErrLost) {
		return client.Account{}, fmt.Errorf("%w: run the same command again within ten minutes, or ask the operator for a new invitation", err)
	}
	if err != nil {
		return client.Account{}, errors.Join(err, os.RemoveAll(stage))
	}
	return a, nameStage(stage, dir)
}

// joinFor is the file in a stage that says which invitation its keys were made for: the SHA-256 of its
// URL.
const joinFor = "invitation.sha256"

// joinKeys are those of a client that is to be.
type joinKeys struct {
	pem       []byte
	signer    crypto.Signer
	assertion *client.AssertionKey // nil for none
}

// stageKeys gives the keys that a join of this invitation before has left, or makes a stage with new
// ones. Before the invitation is used it must be certain that there is room for what it brings.
func stageKeys(stage string, v client.Invitation, assertions bool) (k joinKeys, err error) {
	mark := fmt.Sprintf("%x\n", sha256.Sum256([]byte(v.URL)))
	if was, err := os.ReadFile(filepath.Join(stage, joinFor)); err == nil && string(was) == mark {
		if k, err = readKeys(stage); err == nil && (k.assertion != nil) == assertions {
			return k, nil
		}
	}
	if err := os.RemoveAll(stage); err != nil {
		return k, err
	}
	if err := os.MkdirAll(filepath.Dir(stage), 0o755); err != nil {
		return k, err
	}
	if err := os.Mkdir(stage, 0o700); err != nil {
		return k, err
	}
	if k.signer, err = certs.NewKey(); err != nil {
		return k, err
	}
	if k.pem, err = certs.MarshalKey(k.signer); err != nil {
		return k, err
	}
	files := []stageFile{{client.KeyFile, k.pem}}
	if assertions {
		if k.assertion, err = client.NewAssertionKey(); err != nil {
			return k, err
		}
		text, err := k.assertion.Marshal()
		if err != nil {
			return k, err
		}
		files = append(files, stageFile{client.AssertionFile, text})
	}
	return k, writeStage(stage, append(files, stageFile{joinFor, []byte(mark)})...)
}

// readKeys reads the keys of a stage.
func readKeys(stage string) (k joinKeys, err error) {
	if k.pem, err = os.ReadFile(filepath.Join(stage, client.KeyFile)); err != nil {
		return k, err
	}
	block, _ := pem.Decode(k.pem)
	if block == nil {
		return k, errors.New("no key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return k, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return k, errors.New("no key")
	}
	k.signer = signer
	text, err := os.ReadFile(filepath.Join(stage, client.AssertionFile))
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		k.assertion, err = client.ParseAssertionKey(text)
	}
	return k, err
}

type stageFile struct {
	name string
	data []byte
}

func writeStage(stage string, files ...stageFile) error {
	for _, f := range files {
		if len(f.data) == 0 {
			continue
		}
		if err := client.WriteDurably(filepath.Join(stage, f.name), f.data); err != nil {
			return err
		}
	}
	return nil
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

// askToJoin asks the gateway and writes what it gives; the account comes last.
func askToJoin(ctx context.Context, v client.Invitation, stage string, k joinKeys) (client.Account, error) {
	csr, err := certs.CSR(k.signer)
	if err != nil {
		return client.Account{}, err
	}
	in := client.Joining{CSR: string(csr)}
	if k.assertion != nil {
		if in.JWKS, err = k.assertion.JWKS(); err != nil {
			return client.Account{}, err
		}
	}
	o := partnerOptions()
	if v.Fingerprint != "" {
		o.TLS = certs.PinnedConfig(v.Host, v.Fingerprint)
	}
	j, err := client.Join(ctx, v, in, o)
	if errors.Is(err, certs.ErrPin) {
		return client.Account{}, fmt.Errorf("%s: nothing was sent: %w", v.Host, certs.ErrPin)
	}
	if err != nil {
		return client.Account{}, err
	}
	if _, err := tls.X509KeyPair(j.Certificate, k.pem); err != nil {
		return client.Account{}, fmt.Errorf("the gateway's certificate is not for the key that was sent: tell the operator: %w", err)
	}
	err = writeStage(stage, stageFile{client.CertFile, j.Certificate}, stageFile{client.CAFile, j.CA})
	if err == nil {
		err = j.Account.Save(stage)
	}
	if err != nil {
		return client.Account{}, fmt.Errorf("%w: %w", client.ErrLost, err)
	}
	return j.Account, nil
}

// nameStage gives a complete directory its name.
func nameStage(stage, dir string) error {
	if err := os.Remove(filepath.Join(stage, joinFor)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
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
