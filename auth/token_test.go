package auth_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"

	"liaison/auth"
)

// The corpus below is only worth something if the token that it bends is a good one.
func TestReadTokenAccepts(t *testing.T) {
	h := newHouse(t)
	bound := with(h.claims(), "cnf", map[string]string{"x5t#S256": x5t(h.shown)})
	for name, c := range map[string]auth.Presented{
		"as it is":        bearer(h.sign(h.header(), h.claims())),
		"white space":     bearer(h.signBytes([]byte(" "+string(encode(t, h.header()))+"\n"), []byte(strings.ReplaceAll(string(encode(t, h.claims())), `":`, `" : `)))),
		"all scopes":      bearer(h.sign(h.header(), with(h.claims(), "scope", "taxii:read taxii:write taxii:delete"))),
		"longest life":    bearer(h.sign(h.header(), with(h.claims(), "exp", h.now.Unix()+900))),
		"bound, with it":  {Authorization: []string{"Bearer " + h.sign(h.header(), bound)}, Certificate: &h.shown},
		"free, with one":  {Authorization: []string{"Bearer " + h.sign(h.header(), h.claims())}, Certificate: &h.shown},
		"as it is issued": bearer(h.token(nil)),
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			h.enters(h.id, auth.ByToken, c)
			h.enters(h.id, auth.ByToken, c) // remembered
		})
	}
}

// Threats 1 to 5: what the header may not say, each a test with its own part of the corpus.
func TestThreat01Algorithms(t *testing.T)       { refuseForged(t, 1) }
func TestThreat02Types(t *testing.T)            { refuseForged(t, 2) }
func TestThreat03TwiceInTheHeader(t *testing.T) { refuseForged(t, 3) }
func TestThreat04ForeignKeys(t *testing.T)      { refuseForged(t, 4) }
func TestThreat05KeyNames(t *testing.T)         { refuseForged(t, 5) }

// threatOf says which threat a forged header is of.
func threatOf(name string) int {
	switch {
	case strings.HasPrefix(name, "typ ") || name == "an assertion's typ":
		return 2
	case strings.Contains(name, "twice") || strings.HasPrefix(name, "Alg ") || strings.HasPrefix(name, "TYP "):
		return 3
	case strings.HasPrefix(name, "header with ") || strings.HasPrefix(name, "foreign key"):
		return 4
	case strings.HasPrefix(name, "kid "):
		return 5
	}
	return 1
}

// refuseForged wants the corpus of one threat refused, and by another library too where that looks.
func refuseForged(t *testing.T, threat int) {
	h := newHouse(t)
	tried := 0
	for name, token := range forgedHeaders(t, h) {
		if threatOf(name) != threat {
			continue
		}
		tried++
		t.Run(name, func(t *testing.T) {
			h.t = t
			if _, err := h.in(bearer(token)); err == nil {
				t.Fatalf("accepted %.200s", token)
			}
		})
	}
	h.t = t
	if tried == 0 {
		t.Error("nothing was tried")
	}
	h.enters(h.id, auth.ByToken, bearer(h.sign(h.header(), h.claims())))
}

// forgedHeaders is the corpus. Every token but those marked is signed by the key.
func forgedHeaders(t *testing.T, h *house) map[string]string {
	kid, key := h.ring.Signer()
	public := key.Public().(ed25519.PublicKey)
	good, claims := h.header(), h.claims()
	_, foreign, _ := ed25519.GenerateKey(rand.Reader)
	hs256 := func(header any, secret []byte) string {
		in := b64(encode(t, header)) + "." + b64(encode(t, claims))
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(in))
		return in + "." + b64(m.Sum(nil))
	}
	foreignJWK := jose.JSONWebKey{Key: foreign.Public(), Algorithm: "EdDSA", Use: "sig"}

	tokens := map[string]string{
		"HS256 with the public key":      hs256(with(good, "alg", "HS256"), public),
		"HS256 with the key set":         hs256(with(good, "alg", "HS256"), h.ring.JWKS()),
		"HS256 with nothing":             hs256(with(good, "alg", "HS256"), nil),
		"none, without a signature":      b64(encode(t, with(good, "alg", "none"))) + "." + b64(encode(t, claims)) + ".",
		"no signature":                   b64(encode(t, good)) + "." + b64(encode(t, claims)) + ".",
		"another's signature":            signedBy(t, foreign, good, claims),
		"signature of other claims":      swapClaims(h.sign(good, claims), encode(t, with(claims, "tid", "rival"))),
		"an assertion's typ":             h.sign(with(good, "typ", "client-authentication+jwt"), claims),
		"kid of 3 kB":                    h.sign(with(good, "kid", strings.Repeat("k", 2000)), claims),
		"header that is a list":          h.signBytes([]byte(`["EdDSA","at+jwt"]`), encode(t, claims)),
		"header that is null":            h.signBytes([]byte(`null`), encode(t, claims)),
		"two headers":                    h.signBytes([]byte(string(encode(t, good))+"{}"), encode(t, claims)),
		"alg twice":                      h.signBytes([]byte(`{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"`+kid+`"}`), encode(t, claims)),
		"alg twice, the other way":       h.signBytes([]byte(`{"alg":"EdDSA","alg":"none","typ":"at+jwt","kid":"`+kid+`"}`), encode(t, claims)),
		"kid twice":                      h.signBytes([]byte(`{"alg":"EdDSA","typ":"at+jwt","kid":"x","kid":"`+kid+`"}`), encode(t, claims)),
		"kid twice, once escaped":        h.signBytes([]byte(`{"alg":"EdDSA","typ":"at+jwt","k\u0069d":"x","kid":"`+kid+`"}`), encode(t, claims)),
		"Alg beside alg":                 h.sign(with(good, "Alg", "none"), claims),
		"TYP instead of typ":             h.sign(with(good, "typ", nil, "TYP", "at+jwt"), claims),
		"header not UTF-8":               h.signBytes([]byte("{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"\xff\"}"), encode(t, claims)),
		"foreign key in jwk":             signedBy(t, foreign, with(good, "jwk", foreignJWK), claims),
		"foreign key in jwk, its kid":    signedBy(t, foreign, with(good, "jwk", foreignJWK, "kid", "mine"), claims),
		"an encrypted token":             b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + ".." + b64([]byte("iv")) + "." + b64([]byte("text")) + "." + b64([]byte("tag")),
		"JSON serialization":             `{"protected":"` + b64(encode(t, good)) + `","payload":"` + b64(encode(t, claims)) + `","signature":"x"}`,
		"not a token":                    "token",
		"dots alone":                     "..",
		"two million dots":               strings.Repeat(".", 2_000_000),
		"four thousand dots":             strings.Repeat(".", 4000),
		"longer than 4 KiB, well made":   h.sign(good, with(claims, "jti", strings.Repeat("j", 4000))),
		"padding":                        strings.Replace(h.sign(good, claims), ".", "=.", 1),
		"a newline within":               strings.Replace(h.sign(good, claims), ".", "\n.", 1),
		"a signed newline in the header": h.signText(b64(encode(t, good))[:10] + "\n" + b64(encode(t, good))[10:] + "." + b64(encode(t, claims))),
		"a signed newline in the claims": h.signText(b64(encode(t, good)) + "." + b64(encode(t, claims)) + "\r\n"),
		"signed padding":                 h.signText(b64(encode(t, good)) + "." + b64(append(encode(t, claims), ' ')) + "="),
		"a fourth part":                  h.sign(good, claims) + ".",
		"a byte after it":                h.sign(good, claims) + "A",
		"standard alphabet":              strings.NewReplacer("-", "+", "_", "/").Replace(h.sign(good, with(claims, "jti", "???>>>~~~"))) + "+",
		"the signature's spare bits":     spareBits(h.sign(good, claims)),
		"claims twice in the signature":  h.sign(good, claims) + "." + h.sign(good, claims),
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "ES384", "ES512", "eddsa", "Ed25519", "EdDSA ", ""} {
		tokens["alg "+alg] = h.sign(with(good, "alg", alg), claims)
	}
	for _, typ := range []any{"JWT", "jwt", "AT+JWT", "application/at+jwt", "at+jwt ", "", 1, true, nil, []string{"at+jwt"}} {
		tokens[fmt.Sprint("typ ", typ)] = h.sign(with(good, "typ", typ), claims)
	}
	for _, k := range []any{"", "x", kid + " ", strings.ToLower(kid), kid[:20], "../../" + kid, "file:///dev/null", "' OR 1=1 --", "\x00", 0, nil, true, []string{kid}, map[string]string{"kid": kid}} {
		tokens[fmt.Sprint("kid ", k)] = h.sign(with(good, "kid", k), claims)
	}
	for name, v := range map[string]any{
		"crit": []string{"exp"}, "b64": false, "jku": "https://evil.example/jwks", "jwk": foreignJWK, "x5u": "https://evil.example/cert",
		"x5c": []string{"MIIB"}, "x5t": "x", "x5t#S256": "x", "cty": "JWT", "zip": "DEF", "enc": "A256GCM", "iss": issuer, "": "",
	} {
		tokens["header with "+name] = h.sign(with(good, name, v), claims)
	}
	return tokens
}

// value is v as JSON, a string too.
func value(t *testing.T, v any) string {
	b := encode(t, []any{v})
	return string(b[1 : len(b)-1])
}

func signedBy(t *testing.T, key ed25519.PrivateKey, header, claims any) string {
	in := b64(encode(t, header)) + "." + b64(encode(t, claims))
	return in + "." + b64(ed25519.Sign(key, []byte(in)))
}

func swapClaims(token string, claims []byte) string {
	p := strings.Split(token, ".")
	return p[0] + "." + b64(claims) + "." + p[2]
}

// spareBits sets bits of the last character that stand for nothing: another text of the same token.
func spareBits(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[i|1])
}

// Threat 3, and of 7 and 8 what is not of the clock: claims that are not exactly what the gateway
// writes, validly signed.
func TestThreat03Claims(t *testing.T) {
	h := newHouse(t)
	good := h.claims()
	n := h.now.Unix()
	tokens := map[string]string{}
	add := func(name string, kv ...any) { tokens[name] = h.sign(h.header(), with(good, kv...)) }
	raw := func(name, old, new string) {
		s := string(encode(t, good))
		if !strings.Contains(s, old) {
			t.Fatalf("%s: no %s in %s", name, old, s)
		}
		tokens[name] = h.signBytes(encode(t, h.header()), []byte(strings.Replace(s, old, new, 1)))
	}
	for name := range good {
		add(name+" is missing", name, nil)
		add(name+" in upper case", name, nil, strings.ToUpper(name), good[name])
		add(name+" in upper case beside it", strings.ToUpper(name), good[name])
		add(name+" in another case beside it", strings.ToUpper(name[:1])+name[1:], good[name])
		add(name+" is a list", name, []any{good[name]})
		add(name+" is an object", name, map[string]any{})
		add(name+" is true", name, true)
		raw(name+" is null", fmt.Sprintf("%q:%s", name, value(t, good[name])), fmt.Sprintf("%q:null", name))
		raw(name+" twice, alike", "{", fmt.Sprintf("{%q:%s,", name, value(t, good[name])))
		raw(name+" twice, once escaped", "{", fmt.Sprintf(`{"\u%04x%s":%s,`, name[0], name[1:], value(t, good[name])))
		if s, ok := good[name].(string); ok {
			add(name+" is empty", name, "")
			add(name+" is a number", name, 1)
			raw(name+" twice, another first", "{", fmt.Sprintf(`{%q:"rival",`, name))
			raw(name+" twice, another last", `}`, fmt.Sprintf(`,%q:"rival"}`, name))
			if name != "jti" && name != "scope" {
				add(name+" with a space", name, s+" ")
				add(name+" with a zero byte", name, s+"\x00")
			}
			continue
		}
		for _, v := range []string{`"%d"`, `%d.0`, `%d.5`, `%de0`, `-%d`, `1e300`, `1e400`, `1e-300`, `%d0000000000000000`, `9007199254740992`, `18446744073709551616`} {
			if strings.Contains(v, "%") {
				v = fmt.Sprintf(v, good[name])
			}
			raw(name+" is "+v, fmt.Sprintf("%q:%s", name, value(t, good[name])), fmt.Sprintf("%q:%s", name, v))
		}
	}

	add("another issuer", "iss", "https://evil.example")
	add("issuer with a slash", "iss", issuer+"/")
	add("issuer in upper case", "iss", "https://GW.example")
	add("audience is the issuer", "aud", issuer)
	add("audience without the slash", "aud", strings.TrimSuffix(audience, "/"))
	add("audiences", "aud", []string{audience})
	add("two audiences", "aud", []string{audience, "https://evil.example"})
	add("sub is another", "sub", string(h.rivalID))
	add("client is another", "client_id", string(h.rivalID))
	add("both are another", "sub", string(h.rivalID), "client_id", string(h.rivalID))
	add("both are nobody", "sub", "acme_9", "client_id", "acme_9")
	add("client is a partner", "sub", "acme", "client_id", "acme")
	add("tid is another", "tid", "rival")
	add("tid is nobody", "tid", "nobody")
	add("te is older", "te", 0)
	add("te is newer", "te", 2)
	add("ce is older", "ce", 0)
	add("ce is newer", "ce", 2)
	add("unknown scope", "scope", "admin")
	add("a known and an unknown scope", "scope", "taxii:read admin")
	add("scopes in a list", "scope", []string{"taxii:read"})
	add("lives for a year", "exp", n+365*86400)
	add("lives a second too long", "exp", n+901)
	add("ends before it began", "exp", n-1)
	add("ends when it began", "exp", n)
	add("nbf after exp", "nbf", n+601)
	add("an unknown claim", "role", "operator")
	add("an empty name", "", "x")
	add("clearance", "clearance", "red")
	for name, v := range map[string]any{
		"null": map[string]any{"cnf": nil}, "empty": map[string]any{}, "a string": x5t(h.shown), "a list": []string{x5t(h.shown)},
		"jkt": map[string]string{"jkt": x5t(h.shown)}, "two": map[string]string{"jkt": "x", "x5t#S256": x5t(h.shown)},
		"an empty one": map[string]string{"x5t#S256": ""}, "a short one": map[string]string{"x5t#S256": x5t(h.shown)[:42]},
		"a padded one": map[string]string{"x5t#S256": x5t(h.shown) + "="}, "a hex one": map[string]string{"x5t#S256": h.shown.Fingerprint},
		"another case": map[string]string{"X5T#S256": x5t(h.shown)}, "another's": map[string]string{"x5t#S256": x5t(h.rivals)},
	} {
		add("cnf is "+name, "cnf", v)
	}
	raw("cnf is really null", "{", `{"cnf":null,`)
	raw("claims in a list", "{", `[{`)
	raw("a comma too many", "}", ",}")
	raw("more after them", "}", "}{}")
	raw("a comment", "{", "{/*x*/")
	raw("bytes not UTF-8", `"jti":"01"`, "\"jti\":\"\xff\"")
	tokens["null"] = h.signBytes(encode(t, h.header()), []byte("null"))
	tokens["nothing"] = h.signBytes(encode(t, h.header()), nil)
	tokens["a deep one"] = h.signBytes(encode(t, h.header()), []byte(strings.Repeat(`{"a":`, 500)+"1"+strings.Repeat("}", 500)))

	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			for _, c := range []auth.Presented{bearer(token), {Authorization: []string{"Bearer " + token}, Certificate: &h.shown}} {
				if p, err := h.in(c); err == nil {
					t.Fatalf("accepted as %+v: %.600s", p, token)
				}
			}
		})
	}
	h.enters(h.id, auth.ByToken, bearer(h.sign(h.header(), good)))
}

// Threat 7: a second around each end of the leeway.
func TestThreat07Clock(t *testing.T) {
	const leeway = 30
	for name, c := range map[string]struct {
		iat, nbf, exp int64 // from now
		holds         bool
	}{
		"expires in a second":              {-599, -599, 1, true},
		"expires now":                      {-600, -600, 0, true},
		"expired within the leeway":        {-629, -629, -leeway + 1, true},
		"expired at the leeway":            {-630, -630, -leeway, false},
		"expired beyond it":                {-631, -631, -leeway - 1, false},
		"issued within the leeway":         {leeway - 1, 0, 600, true},
		"issued at the leeway":             {leeway, 0, 600, true},
		"issued beyond it":                 {leeway + 1, 0, 600, false},
		"not before, within the leeway":    {0, leeway - 1, 600, true},
		"not before, at the leeway":        {0, leeway, 600, true},
		"not before, beyond it":            {0, leeway + 1, 600, false},
		"fifteen minutes":                  {0, 0, 900, true},
		"fifteen minutes and one second":   {0, 0, 901, false},
		"as long, from the future":         {30, 30, 930, true},
		"as long, from the farther future": {31, 31, 931, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			n := h.now.Unix()
			token := h.sign(h.header(), with(h.claims(), "iat", n+c.iat, "nbf", n+c.nbf, "exp", n+c.exp))
			if _, err := h.in(bearer(token)); (err == nil) != c.holds {
				t.Fatalf("%v, want it to hold: %t", err, c.holds)
			}
			if !c.holds {
				return
			}
			// What was accepted once is asked again when the clock has moved.
			left := time.Duration(c.exp+leeway) * time.Second
			h.now = h.now.Add(left - 1)
			h.enters(h.id, auth.ByToken, bearer(token))
			h.now = h.now.Add(1)
			h.stays("invalid_token", h.id, bearer(token))
			h.now = time.Unix(n+max(c.iat, c.nbf)-leeway-1, 0)
			h.stays("invalid_token", h.id, bearer(token)) // or it went back
		})
	}
}

// joseAccepts reads a token with another library, as strictly as that one can be.
func (h *house) joseAccepts(token string) (josejwt.Claims, error) {
	var c josejwt.Claims
	var more struct {
		Client string `json:"client_id"`
		Tenant string `json:"tid"`
	}
	parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil {
		return c, err
	}
	if len(parsed.Headers) != 1 {
		return c, fmt.Errorf("%d headers", len(parsed.Headers))
	}
	if typ := parsed.Headers[0].ExtraHeaders["typ"]; typ != "at+jwt" {
		return c, fmt.Errorf("typ %v", typ)
	}
	set := keySet(h.t, h.ring)
	if err := parsed.Claims(&set, &c, &more); err != nil {
		return c, err
	}
	if more.Client != c.Subject || more.Tenant == "" {
		return c, fmt.Errorf("client %q, sub %q", more.Client, c.Subject)
	}
	if c.Expiry == nil || c.IssuedAt == nil {
		return c, fmt.Errorf("no exp or no iat")
	}
	return c, c.ValidateWithLeeway(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}, Time: h.now}, 30*time.Second)
}

func TestIssuedTokensAreEverybodys(t *testing.T) {
	h := newHouse(t)
	c, err := h.joseAccepts(h.token(&h.shown))
	if err != nil || c.Subject != string(h.id) {
		t.Errorf("another library: %+v, %v", c, err)
	}
	h.ring = ringES256(t)
	h.doors.Ring = h.ring
	if c, err := h.joseAccepts(h.token(nil)); err != nil || c.Subject != string(h.id) {
		t.Errorf("another library, ES256: %+v, %v", c, err)
	}
}

// Whatever header and claims are signed with the gateway's key: what is accepted here is accepted by
// another library, as the same subject. The same for tokens that are not signed at all.
func FuzzReadToken(f *testing.F) {
	h := newHouse(f)
	header, claims := encode(f, h.header()), encode(f, h.claims())
	f.Add(true, header, claims)
	f.Add(true, header, encode(f, with(h.claims(), "cnf", map[string]string{"x5t#S256": x5t(h.shown)})))
	f.Add(true, []byte(strings.Replace(string(header), "{", `{"crit":["x"],`, 1)), claims)
	f.Add(true, header, []byte(strings.Replace(string(claims), "{", `{"TID":"rival","tid":"rival",`, 1)))
	f.Add(true, header, []byte(strings.Replace(string(claims), `"te":1`, `"te":1.0`, 1)))
	f.Add(true, []byte(strings.Replace(string(header), "EdDSA", "none", 1)), claims)
	f.Add(false, []byte(h.sign(header, claims)), []byte(nil))
	f.Add(false, []byte(h.sign(header, claims)+"."), []byte(nil))
	f.Fuzz(func(t *testing.T, signed bool, a, b []byte) {
		h.t = t
		token := string(a)
		if signed {
			token = h.signBytes(a, b)
		}
		for _, shown := range []*auth.Shown{nil, &h.shown} {
			p, err := h.in(auth.Presented{Authorization: []string{"Bearer " + token}, Certificate: shown})
			if err != nil {
				continue
			}
			if p.Method == auth.BySecret {
				t.Fatalf("%q is a secret", token)
			}
			c, err := h.joseAccepts(token)
			if err != nil || c.Subject != string(p.Client) || p.Client != h.id || p.Partner != "acme" {
				t.Fatalf("accepted %q as %+v; another library: %+v, %v", token, p, c, err)
			}
		}
	})
}

// No header opens a door without a credential that was given out.
func FuzzIdentify(f *testing.F) {
	h := newHouse(f)
	token := h.sign(h.header(), h.claims())
	secrets := map[string]auth.ClientID{h.secret: h.id, h.rival: h.rivalID}
	for _, s := range []string{
		"", "Basic", "Basic ", basic("a", "b"), basic("", ""), "Bearer " + token, "bearer " + token + ".", "Token x", "Digest x", "\xff", "lsn_", "Basic ====",
		basic("警察", "lsn_"+strings.Repeat("A", 43)), "Bearer ..", "Bearer e30.e30.e30", strings.Repeat("a", 9000),
	} {
		f.Add(s, s, 1, 0)
		f.Add(s, "", 1, 0)
		f.Add("", s, 0, 1)
		f.Add(s, s, 2, 0)
	}
	f.Fuzz(func(t *testing.T, a, b string, lines, keys int) {
		var c auth.Presented
		for range min(max(lines, 0), 2) {
			c.Authorization = append(c.Authorization, a)
		}
		for range min(max(keys, 0), 2) {
			c.APIKey = append(c.APIKey, b)
		}
		p, err := h.in(c)
		if err != nil {
			if p.Client != "" {
				t.Fatalf("%+v came with %v", p, err)
			}
			return
		}
		if len(c.Authorization)+len(c.APIKey) != 1 {
			t.Fatalf("%q and %q made %+v", c.Authorization, c.APIKey, p)
		}
		if p.Method == auth.ByToken && strings.Contains(a, token) && p.Client == h.id {
			return
		}
		t.Fatalf("%q and %q made %+v; the secrets are of %v", c.Authorization, c.APIKey, p, secrets)
	})
}
