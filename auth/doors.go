package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxAuthorization is the longest header line with a credential that is read, in bytes.
const maxAuthorization = 8 << 10

// Doors turn credentials into principals: the one code path. Safe for concurrent use.
type Doors struct {
	Issuer   string // the gateway's public URL: issuer of tokens
	Audience string // audience of tokens: the TAXII server's URL, ISSUER/taxii2/
	Vault    *Vault
	Ring     *Ring
	Tables   func() *Tables // the snapshot of now
	Now      func() time.Time
	TokenTTL time.Duration // default 10 minutes, at most 15

	Uses *Uses // told what was used; may be nil

	SecretPost bool // take client_secret_post at the token endpoint
	// Spend makes a used assertion last; nil: private_key_jwt is not taken.
	Spend            func(context.Context, UseAssertion) error
	RequireAgreement bool // of every partner: without one that holds it reaches training collections alone

	verified tokenMemory
}

// Presented is what came with a request.
type Presented struct {
	Authorization []string // every Authorization header line, as it came
	APIKey        []string // every X-API-Key header line
	Certificate   *Shown   // a certificate that the TLS layer verified
	Address       string
}

// Shown is a verified client certificate.
type Shown struct {
	Partner     PartnerID
	Client      ClientID
	Serial      string // lower-case hex
	Fingerprint string // lower-case hex SHA-256 of the DER
}

// Refusal is a login that did not hold; it carries no secret.
type Refusal struct {
	Code    string   // "" without credentials, else "invalid_token" or "invalid_client". RFC 6750 section 3.1
	Claimed ClientID // who it says it is: anything, a secret too. Tables.Known tells whether it may be written
	Reason  string   // for the log, never for the caller
	Bound   bool     // the token holds, but for the certificate that it is bound to, which was not there
}

// maxClaimed bounds a claimed name that is kept, in bytes; no client has a longer one.
const maxClaimed = 80

// refused makes a refusal. Whether there is a client of the claimed name is not looked up on the way
// to an answer, so that one that is there and one that is not cost the same.
func refused(code string, claimed ClientID, reason string) *Refusal {
	if len(claimed) > maxClaimed {
		claimed = ""
	}
	return &Refusal{Code: code, Claimed: claimed, Reason: reason}
}

// Known gives the id back if it is a client's, else "".
func (t *Tables) Known(id ClientID) ClientID {
	if _, ok := t.Clients[id]; ok {
		return id
	}
	return ""
}

// errBound is a token that holds, without its certificate. RFC 8705 section 3
var errBound = errors.New("token: bound to a certificate that is not there")

func (r *Refusal) Error() string { return r.Reason }
func (r *Refusal) Unwrap() error { return ErrUnauthenticated }

// The codes of a Refusal.
const (
	invalidToken  = "invalid_token"
	invalidClient = "invalid_client"
)

// credential is what a request says of itself, read and not yet believed.
type credential struct {
	code   string // that a refusal of it has
	secret string
	token  string
	user   string // Basic's user name; it is a claim, never a proof
}

// Identify ends in a Principal, or in an error that is ErrUnauthenticated and a *Refusal.
//
// A secret or a token says who speaks; a user name beside it says nothing. A certificate says it
// alone, or binds: beside a secret or a token it must be the same client's, or the request speaks
// with two voices and the journal could not say whose it was. A token that is bound to a certificate
// opens nothing without it (RFC 8705 section 3).
func (d *Doors) Identify(_ context.Context, c Presented) (Principal, error) {
	k, err := readCredential(c)
	t, now := d.Tables(), d.now()
	var p Principal
	var claimed ClientID
	switch {
	case err != nil:
	case k.secret != "":
		p, claimed, err = d.bySecret(t, k.secret, now)
		if claimed == "" {
			claimed = ClientID(k.user)
		}
	case k.token != "":
		p, claimed, err = d.byToken(t, k.token, c.Certificate, now)
	case c.Certificate != nil:
		k.code = invalidClient
		claimed = c.Certificate.Client
		p, err = t.Principal(claimed, ByCertificate)
	default:
		return Principal{}, &Refusal{Reason: "no credential"}
	}
	if err == nil {
		p, err = d.admit(t, p, c, now)
	}
	if err != nil {
		r := refused(k.code, claimed, err.Error())
		r.Bound = errors.Is(err, errBound)
		return Principal{}, r
	}
	return p, nil
}

// admit holds a client that proved who it is to what its partner is set to, and completes the
// principal. Every door ends here.
func (d *Doors) admit(t *Tables, p Principal, c Presented, now time.Time) (Principal, error) {
	partner := t.Partners[p.Partner]
	var err error
	if p.Certificate, err = t.beside(p, c.Certificate, now); err != nil {
		return Principal{}, err
	}
	if !partner.from(c.Address) {
		return Principal{}, errors.New("address: not one of its partner's networks")
	}
	p.Address = c.Address
	p.EmptyObjects = slices.Contains(partner.Compatibility, EmptyObjects)
	p.Training = (d.RequireAgreement || partner.RequireAgreement) && !partner.Agreement.Holds(now)
	d.Uses.Note(p.Credential, now)
	if c.Certificate != nil {
		d.Uses.Note(c.Certificate.Serial, now)
	}
	return p, nil
}

func (d *Doors) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}

// bySecret also gives the client that the secret is of when the secret does not hold any more.
func (d *Doors) bySecret(t *Tables, secret string, now time.Time) (Principal, ClientID, error) {
	c, s, ok := d.Vault.find(t, secret)
	if !ok {
		return Principal{}, "", errors.New("secret: not known")
	}
	if s.Expired(now) {
		return Principal{}, c.ID, fmt.Errorf("secret %s: expired", s.ID)
	}
	p, err := t.Principal(c.ID, BySecret)
	p.Credential = s.ID
	return p, c.ID, err
}

func (d *Doors) byToken(t *Tables, token string, shown *Shown, now time.Time) (Principal, ClientID, error) {
	p, c, err := d.tokenHolder(t, token, now)
	if err != nil {
		return Principal{}, c.Client, err
	}
	if c.Confirmation != nil {
		// RFC 8705 section 3: "The protected resource MUST obtain, from its TLS implementation layer, the
		// client certificate used for mutual TLS and MUST verify that the certificate matches the
		// certificate associated with the access token."
		bound, err := c.Confirmation.fingerprint()
		if err != nil || shown == nil || shown.Fingerprint != bound {
			return Principal{}, c.Client, errBound
		}
	}
	return p, c.Client, nil
}

// tokenHolder gives the principal and the claims of a token that is alive: its partner and client as
// they are now, in the token's epochs.
func (d *Doors) tokenHolder(t *Tables, token string, now time.Time) (Principal, claims, error) {
	c, err := d.verify(token, now)
	if err != nil {
		return Principal{}, c, err
	}
	p, err := t.Principal(c.Client, ByToken)
	if err != nil {
		return Principal{}, c, err
	}
	if p.Partner != c.Partner {
		return Principal{}, c, errors.New("token: of another partner")
	}
	p.PartnerEpoch, p.ClientEpoch, p.Token = c.PartnerEpoch, c.ClientEpoch, c.ID
	if err := t.Still(p); err != nil {
		return Principal{}, c, err
	}
	p.Scope, err = ParseScope(c.Scope)
	return p, c, err
}

// beside gives the fingerprint of the certificate that came with p, "" when none did and none is
// required.
func (t *Tables) beside(p Principal, s *Shown, now time.Time) (string, error) {
	if s == nil {
		if t.Partners[p.Partner].RequireCertificate {
			return "", errors.New("certificate: required and not there")
		}
		return "", nil
	}
	if s.Client != p.Client || s.Partner != p.Partner {
		return "", errors.New("certificate: another client's")
	}
	if _, err := t.Certificate(*s, now); err != nil {
		return "", err
	}
	return s.Fingerprint, nil
}

// readCredential finds the one credential in the headers, or none.
//
// RFC 6750 section 2: "Clients MUST NOT use more than one method to transmit the token in each
// request."
func readCredential(c Presented) (credential, error) {
	k := credential{code: invalidClient}
	switch {
	case len(c.Authorization)+len(c.APIKey) > 1:
		return k, errors.New("more than one credential")
	case len(c.APIKey) == 1:
		if err := checkHeader(c.APIKey[0]); err != nil {
			return k, err
		}
		k.secret = strings.Trim(c.APIKey[0], " \t")
		return k, notEmpty(k.secret)
	case len(c.Authorization) == 1:
		if err := checkHeader(c.Authorization[0]); err != nil {
			return k, err
		}
		return readAuthorization(c.Authorization[0])
	}
	return k, nil
}

// readAuthorization reads `SCHEME CREDENTIAL`; the scheme's case does not count. RFC 9110 section 11.4.
func readAuthorization(v string) (credential, error) {
	scheme, rest, _ := strings.Cut(strings.Trim(v, " \t"), " ")
	rest = strings.Trim(rest, " \t")
	k := credential{code: invalidClient}
	switch strings.ToLower(scheme) {
	case "basic":
		user, password, err := readBasic(rest)
		if err != nil {
			return k, err
		}
		k.user, k.secret = user, password
		if password == "" { // some clients have one field only
			k.user, k.secret = "", user
		}
		return k, notEmpty(k.secret)
	case "bearer":
		k.code = invalidToken
		if strings.HasPrefix(rest, secretPrefix) {
			k.secret = rest
		} else {
			k.token = rest
		}
		return k, notEmpty(rest)
	case "token":
		k.secret = rest
		return k, notEmpty(rest)
	}
	// The scheme is not said again: it may be a secret that somebody sent without one.
	return k, errors.New("authorization: want the scheme Basic, Bearer or Token")
}

// readBasic reads the user-id and the password of RFC 7617 section 2.
func readBasic(s string) (user, password string, err error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", "", errors.New("basic: not base64")
	}
	if !utf8.Valid(b) {
		return "", "", errors.New("basic: not UTF-8")
	}
	user, password, ok := strings.Cut(string(b), ":")
	if !ok {
		return "", "", errors.New("basic: no colon")
	}
	return user, password, nil
}

func checkHeader(v string) error {
	if len(v) > maxAuthorization {
		return fmt.Errorf("credential: longer than %d bytes", maxAuthorization)
	}
	if !utf8.ValidString(v) {
		return errors.New("credential: not UTF-8")
	}
	return nil
}

func notEmpty(s string) error {
	if s == "" {
		return errors.New("credential: empty")
	}
	return nil
}
