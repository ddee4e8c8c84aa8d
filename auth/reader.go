package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxToken is the longest token that is read, in bytes; those that are issued have about 600.
const maxToken = 4 << 10

// The protected header of an access token. RFC 9068 section 2.1.
type header struct{ alg, typ, kid string }

// claims of an access token. RFC 9068 section 2.2, RFC 8705 section 3.1.
type claims struct {
	Issuer       string        `json:"iss"`
	Audience     string        `json:"aud"`
	Subject      string        `json:"sub"`
	Client       ClientID      `json:"client_id"`
	Expires      int64         `json:"exp"` // seconds, as the next two
	Issued       int64         `json:"iat"`
	NotBefore    int64         `json:"nbf"`
	ID           string        `json:"jti"`
	Scope        string        `json:"scope"`
	Partner      PartnerID     `json:"tid"`
	PartnerEpoch uint64        `json:"te"`
	ClientEpoch  uint64        `json:"ce"`
	Confirmation *confirmation `json:"cnf,omitempty"`
}

type confirmation struct {
	Thumbprint string `json:"x5t#S256"` // base64url SHA-256 of the certificate's DER
}

// readToken reads a token, of a length that was looked at before, without verifying it, and refuses whatever the gateway would not have
// written. JWT libraries are made to read everybody's tokens: they take a claim that stands twice or
// in another case, a header that they do not know, any typ. Here all that is an error, before a
// library sees it.
func readToken(s string) (header, claims, error) {
	var h header
	var c claims
	raw, err := jwtParts(s)
	if err != nil {
		return h, c, err
	}
	if err := readObject(raw[0], h.fields()); err != nil {
		return h, c, fmt.Errorf("header: %w", err)
	}
	// RFC 9068 section 4: "The resource server MUST verify that the 'typ' header value is 'at+jwt'".
	if h.typ != "at+jwt" {
		return h, c, errors.New("header: typ is not at+jwt")
	}
	if h.alg != "EdDSA" && h.alg != "ES256" {
		return h, c, errors.New("header: alg is neither EdDSA nor ES256")
	}
	if err := readObject(raw[1], c.fields()); err != nil {
		return h, c, fmt.Errorf("claims: %w", err)
	}
	return h, c, nil
}

// jwtParts decodes header, claims and signature. RFC 7515 section 3.1.
func jwtParts(s string) (raw [3][]byte, err error) {
	parts := strings.SplitN(s, ".", 4)
	if len(parts) != 3 {
		return raw, errors.New("not three parts")
	}
	for i, p := range parts {
		// The decoder skips line ends, so they are looked for first.
		b, err := base64.RawURLEncoding.Strict().DecodeString(p)
		if err != nil || len(p) == 0 || strings.ContainsAny(p, "\r\n") {
			return raw, fmt.Errorf("part %d is not base64url", i+1)
		}
		raw[i] = b
	}
	return raw, nil
}

// A field is a member that must be there, unless it is optional, and how its value is read.
type field struct {
	name     string
	optional bool
	read     func(json.RawMessage) error
}

func (h *header) fields() []field {
	return []field{
		{name: "alg", read: text(&h.alg)},
		{name: "typ", read: text(&h.typ)},
		{name: "kid", read: text(&h.kid)},
	}
}

func (c *claims) fields() []field {
	return []field{
		{name: "iss", read: text(&c.Issuer)},
		{name: "aud", read: text(&c.Audience)},
		{name: "sub", read: text(&c.Subject)},
		{name: "client_id", read: text(&c.Client)},
		{name: "exp", read: number(&c.Expires)},
		{name: "iat", read: number(&c.Issued)},
		{name: "nbf", read: number(&c.NotBefore)},
		{name: "jti", read: text(&c.ID)},
		{name: "scope", read: text(&c.Scope)},
		{name: "tid", read: text(&c.Partner)},
		{name: "te", read: number(&c.PartnerEpoch)},
		{name: "ce", read: number(&c.ClientEpoch)},
		{name: "cnf", optional: true, read: func(b json.RawMessage) error {
			c.Confirmation = &confirmation{}
			return readObject(b, []field{{name: "x5t#S256", read: text(&c.Confirmation.Thumbprint)}})
		}},
	}
}

// readObject reads one JSON object that has these members and no others, each once, by their exact
// names.
func readObject(b []byte, fields []field) error {
	return readMembers(b, fields, func(name string, _ json.RawMessage) error {
		return fmt.Errorf("%.40q is not a member that is known", name)
	})
}

// readMembers is readObject with others, which is given what is not among the fields. What differs
// from a field in case alone is an error whatever others says, and so is anything that stands twice.
func readMembers(b []byte, fields []field, others func(string, json.RawMessage) error) error {
	if !utf8.Valid(b) || !json.Valid(b) {
		return errors.New("not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not an object")
	}
	seen := make(map[string]bool, len(fields))
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return errors.New("not JSON")
		}
		name, _ := t.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return errors.New("not JSON")
		}
		if seen[name] {
			return fmt.Errorf("%.40q twice", name)
		}
		seen[name] = true
		if err := readMember(name, value, fields, others); err != nil {
			return err
		}
	}
	for _, f := range fields {
		if !f.optional && !seen[f.name] {
			return fmt.Errorf("%s is missing", f.name)
		}
	}
	return nil
}

func readMember(name string, value json.RawMessage, fields []field, others func(string, json.RawMessage) error) error {
	for _, f := range fields {
		switch {
		case f.name == name:
			if err := f.read(value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		case strings.EqualFold(f.name, name):
			return fmt.Errorf("%.40q is not a member that is known", name)
		}
	}
	return others(name, value)
}

func text[T ~string](to *T) func(json.RawMessage) error {
	return func(b json.RawMessage) error {
		var s string
		if b[0] != '"' || json.Unmarshal(b, &s) != nil || s == "" {
			return errors.New("not a string with something in it")
		}
		*to = T(s)
		return nil
	}
}

// number reads a whole number that is not negative, in plain digits.
func number[T ~int64 | ~uint64](to *T) func(json.RawMessage) error {
	return func(b json.RawMessage) error {
		n, err := strconv.ParseInt(string(b), 10, 64)
		if err != nil || n < 0 || n > maxInt || strconv.FormatInt(n, 10) != string(b) {
			return errors.New("not a whole number")
		}
		*to = T(n)
		return nil
	}
}

// mustBase64 decodes what jwtParts has decoded before.
func mustBase64(s string) []byte {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
