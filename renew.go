package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"liaison/certs"
	"liaison/server/client"
)

// renewEvery is how often a pull that goes on looks whether its certificate ends.
const renewEvery = time.Hour

// renewal is what came of one.
type renewal struct {
	client.Renewed
	pair tls.Certificate
	name string // of the file with the certificate
}

// renew gets another certificate for a new key. Both are written beside those in use, under names of
// their own, and partner.json names them last: a crash leaves the one pair or the other. The files
// before stay: other programs may have been told of them.
func renew(ctx context.Context, c *client.Client, dir string) (renewal, error) {
	key, err := certs.NewKey()
	if err != nil {
		return renewal{}, err
	}
	keyPEM, err := certs.MarshalKey(key)
	if err != nil {
		return renewal{}, err
	}
	csr, err := certs.CSR(key)
	if err != nil {
		return renewal{}, err
	}
	r, err := c.Renew(ctx, csr)
	if err != nil {
		return renewal{}, err
	}
	pair, err := tls.X509KeyPair(r.Certificate, keyPEM)
	if err != nil {
		return renewal{}, fmt.Errorf("the gateway's certificate is not for the key that was sent: tell the operator: %w", err)
	}
	a, err := client.OpenAccount(dir) // as it is now: the secret may have been rotated meanwhile
	if err != nil {
		return renewal{}, err
	}
	id := hex.EncodeToString(pair.Leaf.SerialNumber.Bytes())[:12]
	a.Cert, a.Key = "cert-"+id+".pem", "key-"+id+".pem"
	if err := client.WriteDurably(filepath.Join(dir, a.Key), keyPEM); err != nil {
		return renewal{}, err
	}
	if err := client.WriteDurably(filepath.Join(dir, a.Cert), r.Certificate); err != nil {
		return renewal{}, err
	}
	return renewal{r, pair, a.Cert}, a.Save(dir)
}

// renewNow is "join --renew DIR".
func renewNow(ctx context.Context, w *world, dir string) error {
	c, err := partnerClient(dir)
	if err != nil {
		return err
	}
	defer c.Close()
	r, err := renew(ctx, c, dir)
	if err != nil {
		return err
	}
	return w.print(map[string]any{
		"client_id": c.Account().ClientID, "dir": dir, "certificate": r.name, "certificate_expires": r.NotAfter, "previous_until": r.Previous,
	}, `%s has a new key and certificate, %s, until %s
the one before goes on until %s: tell whoever else uses it
`, c.Account().ClientID, filepath.Join(dir, r.name), r.NotAfter.UTC().Format(time.DateOnly), r.Previous.UTC().Format(time.RFC3339))
}

// renewer keeps the certificate of a pull that goes on from running out.
type renewer struct {
	dir    string
	now    func() time.Time
	held   atomic.Pointer[tls.Certificate]
	notify func(line string)
}

// hold lets a client show the certificate of now, whatever was read when it began.
func (n *renewer) hold(o *client.Options) {
	if o.TLS == nil || len(o.TLS.Certificates) == 0 {
		return
	}
	first := o.TLS.Certificates[0]
	n.held.Store(&first)
	o.TLS = o.TLS.Clone()
	o.TLS.Certificates = nil
	o.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return n.held.Load(), nil }
}

// run renews in time until ctx ends. An error is told, and tried again the next hour: the certificate
// lasts for weeks yet.
func (n *renewer) run(ctx context.Context, c *client.Client) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		if err := n.check(ctx, c); err != nil && ctx.Err() == nil {
			n.notify(err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// check renews a certificate of which less than a third is left.
func (n *renewer) check(ctx context.Context, c *client.Client) error {
	held := n.held.Load()
	if held == nil || c.Account().Gateway == "" {
		return nil
	}
	leaf, err := x509.ParseCertificate(held.Certificate[0])
	if err != nil {
		return err
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); leaf.NotAfter.Sub(n.now()) > life/3 {
		return nil
	}
	r, err := renew(ctx, c, n.dir)
	if err != nil {
		return err
	}
	n.held.Store(&r.pair)
	c.Close() // idle connections are the old certificate's
	n.notify(fmt.Sprintf("the certificate was renewed: %s, until %s", filepath.Join(n.dir, r.name), r.NotAfter.UTC().Format(time.DateOnly)))
	return nil
}
