package server

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"liaison/auth"
	"liaison/certs"
	"liaison/collections"
	"liaison/server/taxii"
)

// postCertificate gives a client that came with a certificate another one, for a new key; the one it
// came with lives on for a week. Everything in it is made from the registry, nothing is copied.
func (s *Server) postCertificate(k *call) error {
	if k.p.Certificate == "" || !k.p.Scope.Has(auth.FullScope) {
		return taxii.NewError(http.StatusForbidden, "insufficient_proof", "Not permitted",
			"a certificate is renewed by the one that it follows: open the connection with it")
	}
	done, err := s.changing.take(k.p.Client) // the operator's acts wait in the same queue
	if err != nil {
		return err
	}
	defer done()
	var in struct {
		CSR string `json:"csr"`
	}
	if err := k.readJSON(maxJoin, &in); err != nil {
		return err
	}
	issued, err := s.o.Authority.Issue([]byte(in.CSR), certs.Subject{Partner: string(k.p.Partner), Client: string(k.p.Client)}, 0)
	if errors.Is(err, certs.ErrRequest) || errors.Is(err, certs.ErrKey) {
		return badRequest(strings.ToValidUTF8(err.Error(), ""))
	}
	if err != nil {
		return err
	}
	old := k.r.TLS.PeerCertificates[0]
	if same, err := sameKey(old, issued.DER); err != nil || same {
		return errors.Join(err, badRequest("a new certificate is for a new key: make one"))
	}
	change := auth.RenewCertificate{Client: k.p.Client, Old: serialOf(old), Certificate: certificateRow(issued)}
	if err := s.o.Registry.Apply(k.r.Context(), k.p.Actor(), collections.Access(change)); err != nil {
		return s.notRenewed(k, err)
	}
	out := struct {
		Certificate string    `json:"certificate"` // PEM, with its issuer's
		NotAfter    time.Time `json:"not_after"`
		Previous    time.Time `json:"previous_until"` // how long the one before lives on
	}{Certificate: string(issued.PEM), NotAfter: issued.NotAfter}
	for _, c := range s.o.Registry.State().Access.Clients[k.p.Client].Certificates {
		if c.Serial == change.Old {
			out.Previous = c.NotAfter
			if !c.Superseded.IsZero() && c.Superseded.Before(c.NotAfter) {
				out.Previous = c.Superseded
			}
		}
	}
	return k.plainJSON(http.StatusOK, out)
}

func (s *Server) notRenewed(k *call, err error) error {
	switch {
	case !errors.Is(err, auth.ErrConflict):
		return s.health.note(err, s.now())
	case s.o.Registry.State().Access.Still(k.p) != nil: // revoked or suspended since it was let in
		return auth.ErrUnauthenticated
	}
	return taxii.NewError(http.StatusConflict, "conflict", "Conflict", strings.ToValidUTF8(err.Error(), ""))
}

func badRequest(why string) error {
	return taxii.NewError(http.StatusBadRequest, "invalid_csr", "Certificate request refused", why)
}

func sameKey(old *x509.Certificate, der []byte) (bool, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return false, err
	}
	pub, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(old.PublicKey), nil
}

func certificateRow(c *certs.Issued) auth.Certificate {
	return auth.Certificate{Serial: c.Serial, Fingerprint: hex.EncodeToString(c.Fingerprint[:]), NotAfter: c.NotAfter}
}
