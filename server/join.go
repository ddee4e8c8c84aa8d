package server

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"liaison/auth"
	"liaison/certs"
	"liaison/collections"
	"liaison/server/taxii"
)

// rotateOverlap is how long the old secret lives on beside a new one.
const rotateOverlap = 24 * time.Hour

// getJoin tells a person what to do with an invitation. It uses nothing up: mail scanners open links.
func (s *Server) getJoin(k *call) error {
	token := k.Param("token")
	if _, _, err := s.o.Registry.State().Access.Invitation(token, s.now()); err != nil {
		s.turnAway(k, &auth.Refusal{Code: "invalid_invitation", Reason: "invitation: not known"})
		return k.page(http.StatusNotFound, gonePage, nil)
	}
	return k.page(http.StatusOK, joinPage, struct{ URL string }{s.link("/join/" + token)})
}

// joined is what a partner gets of its invitation: the secret is shown this once.
type joined struct {
	Partner     auth.PartnerID `json:"partner"`
	ClientID    auth.ClientID  `json:"client_id"`
	Secret      string         `json:"client_secret"`
	Certificate string         `json:"certificate"` // PEM, with its issuer's
	CA          string         `json:"ca"`          // PEM
	Gateway     string         `json:"gateway"`
	Discovery   string         `json:"discovery"`
	APIRoot     string         `json:"api_root"` // "" without any grant
	TokenURL    string         `json:"token_url"`
	CRL         string         `json:"crl"`
	Identity    string         `json:"identity,omitempty"` // of the identity object that the gateway issued for the partner
}

// postJoin makes a client of an invitation: its certificate, its secret and its rows come to be in
// one step or not at all.
func (s *Server) postJoin(k *call) error {
	var in joining
	if kind, _, err := mime.ParseMediaType(k.r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return taxii.NewError(http.StatusUnsupportedMediaType, "invalid_request", "Unsupported media type", `want application/json, {"csr": PEM}, with "jwks" beside it if need be`)
	}
	if err := k.readJSON(maxJoin, &in); err != nil {
		return err
	}
	// Somebody else of the same partner may join at the same moment and take the number, or the same
	// request may, whose answer did not arrive.
	for i := range 3 {
		out, err := s.join(k, in)
		if errors.Is(err, auth.ErrConflict) || i == 0 && errors.Is(err, auth.ErrNotFound) {
			continue
		}
		if err != nil {
			return s.refuseJoin(k, err)
		}
		return k.plainJSON(http.StatusOK, out)
	}
	return taxii.NewError(http.StatusConflict, "conflict", "Conflict", "others of your organisation join at this moment: try again")
}

// joining is the body of a request to join.
type joining struct {
	CSR  string          `json:"csr"`
	JWKS json.RawMessage `json:"jwks"` // public keys for private_key_jwt, inline; may be left out. RFC 7591 section 2
}

func (s *Server) join(k *call, in joining) (joined, error) {
	token, now := k.Param("token"), s.now()
	invitation, id, err := s.o.Registry.State().Access.Invitation(token, now)
	again := false
	if errors.Is(err, auth.ErrNotFound) {
		invitation, id, err = s.rejoining(token, in, now)
		again = true
	}
	if err != nil {
		return joined{}, err
	}
	var keys []auth.PublicKey
	if in.JWKS != nil {
		if keys, err = auth.ParseKeys(in.JWKS, now); err != nil {
			return joined{}, err
		}
	}
	issued, err := s.o.Authority.Issue([]byte(in.CSR), certs.Subject{Partner: string(invitation.Partner), Client: string(id)}, 0)
	if err != nil {
		return joined{}, err
	}
	text, secret := s.o.Vault.NewSecret(now)
	first := auth.Join{
		Token:       token,
		Client:      id,
		Secret:      secret,
		Certificate: certificateRow(issued),
		Keys:        keys,
		Key:         hex.EncodeToString(issued.Key[:]),
	}
	var change auth.Change = first
	if again {
		change = auth.Rejoin{Join: first}
	}
	err = s.o.Registry.Apply(k.r.Context(), auth.Actor(id), collections.Access(change))
	return joined{
		Partner:     invitation.Partner,
		ClientID:    id,
		Secret:      text,
		Certificate: string(issued.PEM),
		CA:          string(s.o.Authority.RootPEM()),
		Gateway:     s.base,
		Discovery:   s.link(taxii.DiscoveryPath),
		APIRoot:     s.firstRoot(invitation.Partner),
		TokenURL:    s.link("/oauth2/token"),
		CRL:         s.link("/crl"),
		Identity:    string(s.o.Registry.State().Access.Partners[invitation.Partner].Identity),
	}, err
}

// rejoining finds who joined with an invitation and asks for the answer again: with the key that
// joined, and before anything of the first answer was used. docs/decisions/0058-a-lost-answer-to-joining.md
func (s *Server) rejoining(token string, in joining, now time.Time) (auth.Invitation, auth.ClientID, error) {
	v, k, err := s.o.Registry.State().Access.Rejoining(token, now)
	if err != nil {
		return v, "", err
	}
	key, err := certs.RequestKey([]byte(in.CSR))
	if err != nil || hex.EncodeToString(key[:]) != v.Key || s.used(k) {
		return v, "", auth.ErrNotFound
	}
	return v, k.ID, nil
}

// used reports whether a credential of the client opened a door.
func (s *Server) used(k auth.Client) bool {
	for _, c := range k.Certificates {
		if !s.o.Doors.Uses.Last(c.Serial).IsZero() {
			return true
		}
	}
	return slices.ContainsFunc(k.Secrets, func(c auth.Secret) bool { return !s.o.Doors.Uses.Last(c.ID).IsZero() }) ||
		slices.ContainsFunc(k.Keys, func(c auth.PublicKey) bool { return !s.o.Doors.Uses.Last(c.ID).IsZero() })
}

// firstRoot gives the first api root that the partner has a grant in, "" for none.
func (s *Server) firstRoot(p auth.PartnerID) string {
	var roots []string
	for _, g := range s.o.Registry.State().Access.Grants[p] {
		roots = append(roots, string(g.Operation))
	}
	if len(roots) == 0 {
		return ""
	}
	return s.apiRoot(auth.OperationID(slices.Min(roots)))
}

// refuseJoin answers one thing to an invitation that was used, ran out or never was: who guesses
// learns nothing.
func (s *Server) refuseJoin(k *call, err error) error {
	switch {
	case errors.Is(err, auth.ErrNotFound):
		s.turnAway(k, &auth.Refusal{Code: "invalid_invitation", Reason: "invitation: not known"})
		return taxii.NewError(http.StatusNotFound, "invalid_invitation", "No such invitation",
			"this invitation was used, ran out or never was: ask the operator for a new one")
	case errors.Is(err, certs.ErrRequest), errors.Is(err, certs.ErrKey):
		return badRequest(strings.ToValidUTF8(err.Error(), ""))
	case errors.Is(err, auth.ErrInvalid):
		return taxii.NewError(http.StatusBadRequest, "invalid_jwks", "Keys refused", strings.ToValidUTF8(err.Error(), ""))
	}
	return s.health.note(err, s.now())
}

// postSecret gives the client a new secret; the old one lives on for rotateOverlap. Who holds a
// token alone cannot make a lasting credential of it, unless it is bound to a certificate that is
// there too.
func (s *Server) postSecret(k *call) error {
	if k.p.Method == auth.ByToken && k.p.Certificate == "" || !k.p.Scope.Has(auth.FullScope) {
		return taxii.NewError(http.StatusForbidden, "insufficient_proof", "Not permitted",
			"a token alone does not rotate secrets: send the secret as HTTP Basic, or come with the certificate")
	}
	done, err := s.changing.take(k.p.Client) // the operator's acts wait in the same queue
	if err != nil {
		return err
	}
	defer done()
	text, secret := s.o.Vault.NewSecret(s.now())
	change := auth.AddSecret{Client: k.p.Client, Secret: secret, Overlap: rotateOverlap}
	held := 0 // secrets of the client
	for _, old := range s.o.Registry.State().Access.Clients[k.p.Client].Secrets {
		if !old.Expired(s.now()) {
			held++
		}
	}
	if err := s.o.Registry.Apply(k.r.Context(), k.p.Actor(), collections.Access(change)); err != nil {
		if errors.Is(err, auth.ErrConflict) { // revoked or suspended since it was let in
			return auth.ErrUnauthenticated
		}
		return s.health.note(err, s.now())
	}
	out := struct {
		Secret  string    `json:"client_secret"`
		Expires time.Time `json:"previous_expires,omitzero"` // zero: there was none
		Ended   bool      `json:"ended,omitempty"`           // the one before the previous one still held, and ended now
	}{Secret: text, Ended: held > 1}
	for _, old := range s.o.Registry.State().Access.Clients[k.p.Client].Secrets {
		if old.ID != secret.ID {
			out.Expires = old.Expires
		}
	}
	return k.plainJSON(http.StatusOK, out)
}
