package server

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"liaison/auth"
	"liaison/collections"
)

// postToken is RFC 6749 sections 3.2 and 4.4.
func (s *Server) postToken(k *call) error {
	r, err := s.tokenRequest(k)
	if err != nil {
		return err
	}
	token, p, err := s.o.Doors.Token(k.r.Context(), r)
	if err != nil {
		return s.refuseClient(k, err)
	}
	admitted(k.r.Context(), p, r.Certificate)
	leave, err := s.flights.take(p.Client)
	if err != nil {
		return err
	}
	defer leave()
	return k.plainJSON(http.StatusOK, token)
}

// postRevoke is RFC 7009 section 2. A token that is not known, or another client's, is answered like
// one that was revoked: "The authorization server responds with HTTP status code 200 if the token has
// been revoked successfully or if the client submitted an invalid token."
func (s *Server) postRevoke(k *call) error {
	p, token, leave, err := s.aboutToken(k)
	if err != nil {
		return err
	}
	defer leave()
	if change, ok := s.o.Doors.Revocation(p, token); ok {
		done, err := s.changing.take(p.Client) // the operator's acts wait in the same queue
		if err != nil {
			return err
		}
		defer done()
		err = s.o.Registry.Apply(k.r.Context(), p.Actor(), collections.Access(change))
		if err != nil && !errors.Is(err, auth.ErrConflict) { // revoked meanwhile
			return s.health.note(err, s.now())
		}
	}
	return k.plainJSON(http.StatusOK, struct{}{})
}

// postIntrospect is RFC 7662 section 2.
func (s *Server) postIntrospect(k *call) error {
	p, token, leave, err := s.aboutToken(k)
	if err != nil {
		return err
	}
	defer leave()
	return k.plainJSON(http.StatusOK, s.o.Doors.Introspect(p, token))
}

// aboutToken gives who asks about which token, and counts its request.
func (s *Server) aboutToken(k *call) (p auth.Principal, about string, leave func(), err error) {
	r, err := s.tokenRequest(k)
	if err != nil {
		return p, "", nil, err
	}
	p, err = s.o.Doors.Client(k.r.Context(), r)
	if err != nil {
		return p, "", nil, s.refuseClient(k, err)
	}
	admitted(k.r.Context(), p, r.Certificate)
	token := r.Form["token"]
	if len(token) == 0 || token[0] == "" {
		return p, "", nil, &auth.OAuthError{Status: http.StatusBadRequest, Code: "invalid_request", Description: "token is missing"}
	}
	leave, err = s.flights.take(p.Client)
	return p, token[0], leave, err
}

func (s *Server) tokenRequest(k *call) (auth.TokenRequest, error) {
	form, err := s.form(k)
	if err != nil {
		return auth.TokenRequest{}, err
	}
	shown, err := s.presented(k.r)
	if err != nil {
		s.turnAway(k, err)
		return auth.TokenRequest{}, &auth.OAuthError{Status: http.StatusUnauthorized, Code: "invalid_client",
			Description: "the client certificate does not hold"}
	}
	return auth.TokenRequest{Presented: shown, Form: form}, nil
}

// refuseClient counts a client that did not prove who it is.
func (s *Server) refuseClient(k *call, err error) error {
	if e, ok := errors.AsType[*auth.OAuthError](err); ok && e.Status == http.StatusUnauthorized {
		s.turnAway(k, err)
	}
	return err
}

// form reads the body of a token request.
//
// RFC 6749 section 2.3.1: "The parameters can only be transmitted in the request-body and MUST NOT
// be included in the request URI."
func (s *Server) form(k *call) (url.Values, error) {
	wrong := func(why string) error {
		return &auth.OAuthError{Status: http.StatusBadRequest, Code: "invalid_request", Description: why}
	}
	if k.r.URL.RawQuery != "" {
		return nil, wrong("parameters belong into the body, not into the URL")
	}
	kind, _, err := mime.ParseMediaType(k.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, wrong("want a body of application/x-www-form-urlencoded")
	}
	b, err := io.ReadAll(http.MaxBytesReader(k.Response(), k.r.Body, maxForm))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, err
	}
	if err != nil {
		return nil, wrong("the body ended early")
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, wrong("the body is not form-encoded")
	}
	return form, nil
}

// getKeys is the set of keys that tokens are verified with. RFC 7517 section 5.
func (s *Server) getKeys(k *call) error {
	k.Response().Header().Set("Cache-Control", "public, max-age=300")
	return k.Blob(http.StatusOK, "application/jwk-set+json", s.o.Doors.Ring.JWKS())
}

// getIssuer is the metadata of RFC 8414 section 2.
func (s *Server) getIssuer(k *call) error {
	methods := s.o.Doors.AuthMethods()
	var algs []string // "MUST be present if" an authentication method signs, else left out
	if slices.Contains(methods, "private_key_jwt") {
		algs = []string{"EdDSA", "ES256"}
	}
	return k.metadata(struct {
		Issuer        string   `json:"issuer"`
		Token         string   `json:"token_endpoint"`
		Keys          string   `json:"jwks_uri"`
		Scopes        []string `json:"scopes_supported"`
		ResponseTypes []string `json:"response_types_supported"` // none: there is no authorization endpoint
		Grants        []string `json:"grant_types_supported"`
		Methods       []string `json:"token_endpoint_auth_methods_supported"`
		Algs          []string `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`

		Revocation           string   `json:"revocation_endpoint"`
		RevocationMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
		RevocationAlgs       []string `json:"revocation_endpoint_auth_signing_alg_values_supported,omitempty"`
		Introspection        string   `json:"introspection_endpoint"`
		IntrospectionMethods []string `json:"introspection_endpoint_auth_methods_supported"`
		IntrospectionAlgs    []string `json:"introspection_endpoint_auth_signing_alg_values_supported,omitempty"`

		Bound bool `json:"tls_client_certificate_bound_access_tokens"` // RFC 8705 section 3.3
	}{
		Issuer:        s.o.Doors.Issuer,
		Token:         s.link("/oauth2/token"),
		Keys:          s.link("/oauth2/jwks"),
		Scopes:        scopes(),
		ResponseTypes: []string{},
		Grants:        []string{"client_credentials"},
		Methods:       methods,
		Algs:          algs,

		Revocation:           s.link("/oauth2/revoke"),
		RevocationMethods:    methods,
		RevocationAlgs:       algs,
		Introspection:        s.link("/oauth2/introspect"),
		IntrospectionMethods: methods,
		IntrospectionAlgs:    algs,

		Bound: true,
	})
}

// getResource is the metadata of RFC 9728 section 2.
func (s *Server) getResource(k *call) error {
	return k.metadata(struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers"`
		Keys     string   `json:"jwks_uri,omitempty"`
		Scopes   []string `json:"scopes_supported"`
		Methods  []string `json:"bearer_methods_supported"`
		Name     string   `json:"resource_name,omitempty"`
		Bound    bool     `json:"tls_client_certificate_bound_access_tokens"`
	}{
		Resource: s.o.Doors.Audience,
		Servers:  []string{s.o.Doors.Issuer},
		Scopes:   scopes(),
		Methods:  []string{"header"},
		Name:     s.o.Title,
		Bound:    true,
	})
}

func scopes() []string {
	return []string{auth.ScopeRead.String(), auth.ScopeWrite.String(), auth.ScopeDelete.String()}
}

func (k *call) metadata(v any) error {
	b, err := marshal(v)
	if err != nil {
		return err
	}
	k.Response().Header().Set("Cache-Control", "public, max-age=300")
	return k.Blob(http.StatusOK, "application/json", b)
}
