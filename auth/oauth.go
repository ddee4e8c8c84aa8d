package auth

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"
)

// TokenRequest is the form of POST /oauth2/token with what came beside it. RFC 6749 section 4.4.
type TokenRequest struct {
	Presented
	Form map[string][]string
}

// TokenResponse is RFC 6749 section 5.1.
type TokenResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
}

// OAuthError is RFC 6749 section 5.2; Status is 400 or 401.
type OAuthError struct {
	Status      int      `json:"-"`
	Code        string   `json:"error"`
	Description string   `json:"error_description,omitempty"`
	Refusal     *Refusal `json:"-"` // for the log, when the client was refused; else nil
}

func (e *OAuthError) Error() string { return e.Code + ": " + e.Description }

// Unwrap gives the refusal, which is ErrUnauthenticated.
func (e *OAuthError) Unwrap() error {
	if e.Refusal == nil {
		return nil
	}
	return e.Refusal
}

func badRequest(code, description string) *OAuthError {
	return &OAuthError{Status: 400, Code: code, Description: description}
}

// Token answers the token endpoint. The error is an *OAuthError; another one is the gateway's own
// fault (a key that cannot sign).
//
// Clients prove who they are by client_secret_basic (RFC 6749 section 2.3.1), client_secret_post when
// SecretPost is set, private_key_jwt (RFC 7523) or tls_client_auth (RFC 8705 section 2.1); a
// certificate beside the others binds the token to it. The principal is the client as it proved
// itself, with the scope that the token has.
func (d *Doors) Token(ctx context.Context, r TokenRequest) (TokenResponse, Principal, error) {
	p, scope, err := d.grant(ctx, r)
	if err != nil {
		return TokenResponse{}, Principal{}, err
	}
	p.Scope = scope
	token, ttl, err := d.issue(p, d.now())
	if err != nil {
		return TokenResponse{}, Principal{}, err // RFC 6749 section 5.2 has no code for it
	}
	return TokenResponse{AccessToken: token, TokenType: "Bearer", ExpiresIn: int(ttl / time.Second), Scope: scope.String()}, p, nil
}

// grant says who gets a token, and of which scope.
func (d *Doors) grant(ctx context.Context, r TokenRequest) (Principal, Scope, error) {
	p, err := d.Client(ctx, r)
	if err != nil {
		return Principal{}, 0, err
	}
	switch r.param("grant_type") {
	case "client_credentials":
	case "":
		return Principal{}, 0, badRequest("invalid_request", "grant_type is missing: want client_credentials")
	default:
		return Principal{}, 0, badRequest("unsupported_grant_type", "grant_type: want client_credentials")
	}
	scope, err := ParseScope(r.param("scope"))
	if err != nil {
		return Principal{}, 0, badRequest("invalid_scope", "scope: want some of "+FullScope.String()+" with one space between them, or leave it out for all")
	}
	if !p.Scope.Has(scope) {
		return Principal{}, 0, badRequest("invalid_scope", "scope: more than this client has")
	}
	return p, scope, nil
}

// AuthMethods lists the ways of client authentication that Client takes, by their names in RFC 8414
// section 2.
func (d *Doors) AuthMethods() []string {
	list := []string{"client_secret_basic"}
	if d.SecretPost {
		list = append(list, "client_secret_post")
	}
	if d.Spend != nil {
		list = append(list, "private_key_jwt")
	}
	return append(list, "tls_client_auth")
}

// param gives a parameter of the form; without a value it counts as absent. RFC 6749 section 3.2.
func (r TokenRequest) param(name string) string {
	if v := r.Form[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Client proves who asks at the token, revocation and introspection endpoints. Its errors are those
// of Token.
func (d *Doors) Client(ctx context.Context, r TokenRequest) (Principal, error) {
	for _, name := range sortedKeys(r.Form) {
		// RFC 6749 section 3.2: "Request and response parameters MUST NOT be included more than once."
		if len(r.Form[name]) > 1 {
			return Principal{}, badRequest("invalid_request", "a parameter stands twice")
		}
	}
	p, err := d.client(ctx, r)
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return Principal{}, refuse(refusal, "the client is not known, or what it came with does not hold")
	}
	return p, err
}

func (d *Doors) client(ctx context.Context, r TokenRequest) (Principal, error) {
	secret := r.param("client_secret") != ""
	assertion := r.param("client_assertion") != "" || r.param("client_assertion_type") != ""
	methods := len(r.Authorization) + len(r.APIKey)
	for _, used := range []bool{secret, assertion} {
		if used {
			methods++
		}
	}
	switch {
	case methods > 1:
		// RFC 6749 section 2.3: "The client MUST NOT use more than one authentication method in each
		// request."
		return Principal{}, badRequest("invalid_request", "more than one way of client authentication")
	case secret && !d.SecretPost:
		return Principal{}, refuse(&Refusal{Code: invalidClient, Reason: "token endpoint: client_secret_post"},
			"client_secret in the form is not accepted: send it as HTTP Basic (client_secret_basic)")
	case secret:
		return d.byClientSecret(r, r.param("client_id"), r.param("client_secret"))
	case assertion && d.Spend == nil:
		return Principal{}, refuse(&Refusal{Code: invalidClient, Reason: "token endpoint: client_assertion"},
			"client_assertion_type is not supported: use client_secret_basic or tls_client_auth")
	case assertion:
		return d.byAssertion(ctx, r)
	case methods == 0 && r.Certificate != nil:
		return d.byCertificateOf(r)
	}
	return d.byBasic(r)
}

func refuse(r *Refusal, description string) *OAuthError {
	return &OAuthError{Status: 401, Code: invalidClient, Description: description, Refusal: r}
}

// byCertificateOf is tls_client_auth. RFC 8705 section 2: "the client MUST include the 'client_id'
// parameter".
func (d *Doors) byCertificateOf(r TokenRequest) (Principal, error) {
	id := ClientID(r.param("client_id"))
	if id == "" {
		return Principal{}, badRequest("invalid_request", "client_id is missing: it must be beside a client certificate")
	}
	p, err := d.Identify(context.Background(), r.Presented)
	if err == nil && p.Client != id {
		return Principal{}, refused(invalidClient, p.Client, "token endpoint: client_id is not the certificate's")
	}
	return p, err
}

// byBasic is client_secret_basic. The id and the secret are form-encoded before they become Basic
// (RFC 6749 section 2.3.1), and unlike at the other doors the user name counts: it is the client_id.
func (d *Doors) byBasic(r TokenRequest) (Principal, error) {
	refusal := &Refusal{Code: invalidClient}
	if len(r.Authorization) != 1 || len(r.APIKey) > 0 {
		if len(r.APIKey) == 0 {
			refusal.Code = "" // nothing was sent
		}
		refusal.Reason = "token endpoint: no client authentication"
		return Principal{}, refusal
	}
	v := r.Authorization[0]
	if err := checkHeader(v); err != nil {
		refusal.Reason = err.Error()
		return Principal{}, refusal
	}
	scheme, rest, _ := strings.Cut(strings.Trim(v, " \t"), " ")
	if !strings.EqualFold(scheme, "basic") {
		refusal.Reason = "token endpoint: another scheme than Basic"
		return Principal{}, refusal
	}
	user, password, err := readBasic(strings.Trim(rest, " \t"))
	if err == nil {
		user, err = formDecode(user)
	}
	if err == nil {
		password, err = formDecode(password)
	}
	if err != nil {
		refusal.Reason = err.Error()
		return Principal{}, refusal
	}
	if id := r.param("client_id"); id != "" && id != user {
		return Principal{}, badRequest("invalid_request", "client_id is not the one of the Authorization header")
	}
	return d.byClientSecret(r, user, password)
}

// byClientSecret holds a secret to the client_id that it came with.
func (d *Doors) byClientSecret(r TokenRequest, user, password string) (Principal, error) {
	t, now := d.Tables(), d.now()
	p, claimed, err := d.bySecret(t, password, now)
	if err == nil && string(p.Client) != user {
		err = errors.New("token endpoint: client_id is not the secret's")
	}
	if err == nil {
		p, err = d.admit(t, p, r.Presented, now)
	}
	if err != nil {
		if claimed == "" {
			claimed = ClientID(user)
		}
		return Principal{}, refused(invalidClient, claimed, err.Error())
	}
	return p, nil
}

func formDecode(s string) (string, error) {
	out, err := url.QueryUnescape(s)
	if err != nil {
		return "", errors.New("basic: not form-encoded")
	}
	return out, nil
}
