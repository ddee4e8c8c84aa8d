package auth

import (
	"fmt"
	"time"
)

// MaxRevokedTokens bounds the tokens of one client that are revoked one by one. When there are more,
// its epoch is raised and all its tokens die.
const MaxRevokedTokens = 1000

// RevokedToken is an access token that was revoked before its time. Its row goes when the token
// would be dead anyway.
type RevokedToken struct {
	ID      string    `json:"id"` // its jti
	Client  ClientID  `json:"client"`
	Expires time.Time `json:"expires"` // leeway included
}

// RevokeToken revokes one access token, as Doors.Revocation made it.
type RevokeToken struct{ RevokedToken }

// Apply revokes the token. A token that is revoked already, or dead, is ErrConflict.
func (c RevokeToken) Apply(t *Tables, now time.Time) (Effect, error) {
	k, err := t.client(c.Client)
	if err != nil {
		return Effect{}, err
	}
	if c.ID == "" || len(c.ID) > 64 {
		return Effect{}, fmt.Errorf("%w: token's id: want 1 to 64 bytes", ErrInvalid)
	}
	if _, ok := t.Tokens[c.ID]; ok || !now.Before(c.Expires) {
		return Effect{}, fmt.Errorf("%w: token %.64q is revoked already, or has expired", ErrConflict, c.ID)
	}
	if c.Expires.After(now.Add(MaxTokenTTL + 2*leeway)) {
		return Effect{}, fmt.Errorf("%w: token %.64q: no token lives until %s", ErrInvalid, c.ID, c.Expires.Format(time.RFC3339))
	}
	e := Effect{Kind: "token.revoke"}
	var mine []string
	for _, id := range sortedKeys(t.Tokens) {
		switch old := t.Tokens[id]; {
		case !now.Before(old.Expires):
			e.Records = append(e.Records, t.dropToken(id))
		case old.Client == c.Client:
			mine = append(mine, id)
		}
	}
	what := struct {
		ofClient
		Token string `json:"token"` // its id
	}{ofClient: ofClient{Partner: k.Partner, Client: k.ID}, Token: c.ID}
	if len(mine) < MaxRevokedTokens {
		c.Expires = micro(c.Expires)
		e.Records = append(e.Records, t.putToken(c.RevokedToken))
	} else {
		for _, id := range mine {
			e.Records = append(e.Records, t.dropToken(id))
		}
		k.Epoch++
		what.Epoch = &changed[uint64]{k.Epoch - 1, k.Epoch}
		e.Records = append(e.Records, t.putClient(k))
	}
	e.What = what
	return e, nil
}

// Revocation gives the change that revokes a token for the client that it was issued to; ok is false
// when there is nothing to revoke: the token is not known, dead, revoked, or another client's. All
// of them are answered alike. RFC 7009 sections 2.1 and 2.2.
func (d *Doors) Revocation(caller Principal, token string) (c RevokeToken, ok bool) {
	p, k, err := d.tokenHolder(d.Tables(), token, d.now())
	if err != nil || p.Client != caller.Client || p.Partner != caller.Partner {
		return RevokeToken{}, false
	}
	return RevokeToken{RevokedToken{ID: k.ID, Client: k.Client, Expires: time.Unix(k.Expires, 0).Add(leeway).UTC()}}, true
}

// Introspection is RFC 7662 section 2.2. The zero value is the answer for every token that the caller
// need not know of: not active, and not why.
type Introspection struct {
	Active       bool          `json:"active"`
	Scope        string        `json:"scope,omitempty"`
	Client       ClientID      `json:"client_id,omitempty"`
	TokenType    string        `json:"token_type,omitempty"`
	Expires      int64         `json:"exp,omitempty"`
	Issued       int64         `json:"iat,omitempty"`
	NotBefore    int64         `json:"nbf,omitempty"`
	Subject      string        `json:"sub,omitempty"`
	Audience     string        `json:"aud,omitempty"`
	Issuer       string        `json:"iss,omitempty"`
	ID           string        `json:"jti,omitempty"`
	Partner      PartnerID     `json:"tid,omitempty"`
	Confirmation *confirmation `json:"cnf,omitempty"` // the caller has to see the certificate. RFC 8705 section 3.2
}

// Introspect tells operators and auditors of every token, the others of their own partner's. A secret
// is never active here.
func (d *Doors) Introspect(caller Principal, token string) Introspection {
	p, c, err := d.tokenHolder(d.Tables(), token, d.now())
	if err != nil || caller.Role != Operator && caller.Role != Auditor && caller.Partner != p.Partner {
		return Introspection{}
	}
	return Introspection{
		Active: true, Scope: c.Scope, Client: c.Client, TokenType: "Bearer", Expires: c.Expires, Issued: c.Issued,
		NotBefore: c.NotBefore, Subject: c.Subject, Audience: c.Audience, Issuer: c.Issuer, ID: c.ID, Partner: c.Partner,
		Confirmation: c.Confirmation,
	}
}
