package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"liaison/auth"
	"liaison/certs"
	"liaison/collections"
)

// health remembers that the store did not take a write.
type health struct{ until atomic.Int64 } // Unix seconds

// sickness is how long one write that was not taken makes the gateway answer 503 at /healthz: it
// passes by itself, for nobody may write meanwhile.
const sickness = 30 * time.Second

// note remembers an error of a write and gives it back.
func (h *health) note(err error, now time.Time) error {
	if errors.Is(err, collections.ErrFull) || errors.Is(err, collections.ErrUnavailable) {
		h.until.Store(now.Add(sickness).Unix())
	}
	return err
}

// getHealth is 200 while the store answers and has taken its last write, for those who watch.
func (s *Server) getHealth(k *call) error {
	k.Response().Header().Set("Cache-Control", "no-store")
	_, err := s.o.Desk.Store.Last(k.r.Context())
	if err != nil || s.now().Unix() < s.health.until.Load() {
		return k.String(http.StatusServiceUnavailable, "the store does not take writes\n")
	}
	return k.String(http.StatusOK, "ok\n")
}

// crlLife is how often a revocation list is made anew when nothing changes: a quarter of its life.
const crlLife = certs.DefaultCRLLife / 4

// crl is the revocation list of now.
type crl struct {
	mu   sync.Mutex
	from *collections.State // what it was made from
	made time.Time
	der  []byte
	tag  string
}

// getCRL gives the revocation list of the client issuer. RFC 5280 section 5, RFC 2585 section 4.2.
func (s *Server) getCRL(k *call) error {
	der, tag, made, err := s.crl.get(s)
	if err != nil {
		return err
	}
	h := k.Response().Header()
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Last-Modified", made.Format(http.TimeFormat))
	h.Set("ETag", tag)
	if k.r.Header.Get("If-None-Match") == tag {
		return k.NoContent(http.StatusNotModified)
	}
	return k.Blob(http.StatusOK, "application/pkix-crl", der)
}

// get makes the list anew when the registry changed or crlLife is over.
func (c *crl) get(s *Server) (der []byte, tag string, made time.Time, err error) {
	state, now := s.o.Registry.State(), s.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.from != state || now.Sub(c.made) >= crlLife {
		number, err := s.o.Authority.NextCRLNumber(now)
		if err != nil {
			return nil, "", now, err
		}
		der, err := s.o.Authority.CRL(number, revoked(state.Access, now), now, 0)
		if err != nil {
			return nil, "", now, err
		}
		sum := sha256.Sum256(der)
		c.from, c.made, c.der = state, now, der
		c.tag = `"` + hex.EncodeToString(sum[:16]) + `"`
	}
	return c.der, c.tag, c.made, nil
}

func revoked(t *auth.Tables, now time.Time) []certs.Revoked {
	var list []certs.Revoked
	for _, c := range t.RevokedCertificates(now) {
		r := certs.Revoked{Serial: c.Serial, At: c.Gone(now)}
		if c.Revoked.IsZero() {
			r.Reason = 4 // superseded. RFC 5280 section 5.3.1
		}
		list = append(list, r)
	}
	return list
}
