package auth_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
)

// Threat 9: a revoked token is refused on the next request, in flight too; the others live on.
func TestRevokeToken(t *testing.T) {
	h := newHouse(t)
	token, other := h.token(nil), h.token(nil)
	p := h.enters(h.id, auth.ByToken, bearer(token))
	rival := h.enters(h.rivalID, auth.BySecret, bearer(h.rival))
	if c, ok := h.doors.Revocation(rival, token); ok {
		t.Errorf("another client may revoke it: %+v", c)
	}
	for name, s := range map[string]string{"a secret": h.secret, "nothing": "", "an unknown one": "a.b.c", "another key's": token[:len(token)-4] + "AAAA"} {
		if c, ok := h.doors.Revocation(p, s); ok {
			t.Errorf("%s can be revoked: %+v", name, c)
		}
	}
	c, ok := h.doors.Revocation(p, token)
	if !ok || c.ID != p.Token || !c.Expires.Equal(h.now.Add(10*time.Minute+30*time.Second)) {
		t.Fatalf("got %+v, %t", c, ok)
	}
	h.do(c)
	if got, want := h.lastLine(), `token.revoke {"client":"acme_1","partner":"acme","token":"`+p.Token+`"}`; got != want {
		t.Errorf("journal: got %s, want %s", got, want)
	}
	h.stays("invalid_token", h.id, bearer(token))
	if err := h.t0.Still(p); !errors.Is(err, auth.ErrUnauthenticated) {
		t.Errorf("in flight: %v", err)
	}
	h.enters(h.id, auth.ByToken, bearer(other))
	h.enters(h.id, auth.BySecret, bearer(h.secret))
	if _, ok := h.doors.Revocation(p, token); ok {
		t.Error("revoked twice")
	}
	h.refuse(auth.ErrConflict, "revoked already", c)
	if diff := diffTables(h.t0, h.reload()); diff != "" {
		t.Errorf("reloaded (-want +got):\n%s", diff)
	}

	x := func(id string, life time.Duration) auth.RevokeToken {
		return auth.RevokeToken{RevokedToken: auth.RevokedToken{ID: id, Client: h.id, Expires: h.now.Add(life)}}
	}
	h.refuse(auth.ErrInvalid, "id", x("", time.Minute))
	h.refuse(auth.ErrInvalid, "lives", x("x", time.Hour))
	h.refuse(auth.ErrConflict, "expired", x("x", 0))
	bad := x("x", time.Minute)
	bad.Client = "acme_9"
	h.refuse(auth.ErrNotFound, "acme_9", bad)

	h.now = h.now.Add(time.Hour)
	h.do(x("y", time.Minute))
	if len(h.t0.Tokens) != 1 {
		t.Errorf("rows of tokens that are dead are kept: %v", h.t0.Tokens)
	}
	for n := range auth.MaxRevokedTokens - 1 {
		if _, err := x(fmt.Sprint(n), time.Minute).Apply(h.t0, h.now); err != nil {
			t.Fatal(err)
		}
	}
	next := h.t0.Clone()
	if _, err := x("too-many", time.Minute).Apply(next, h.now); err != nil {
		t.Fatal(err)
	}
	if next.Clients[h.id].Epoch != 2 || len(next.Tokens) != 0 {
		t.Errorf("epoch %d, %d rows", next.Clients[h.id].Epoch, len(next.Tokens))
	}
}

func TestIntrospect(t *testing.T) {
	h := newHouse(t)
	h.do(auth.CreatePartner{ID: "au", Role: auth.Auditor, Name: "Auditor"})
	auID, _, _ := h.join("au")
	token := h.token(&h.shown)
	self, err := h.t0.Principal(h.id, auth.BySecret)
	must(t, err)
	auditor, err := h.t0.Principal(auID, auth.BySecret)
	must(t, err)
	rival, err := h.t0.Principal(h.rivalID, auth.BySecret)
	must(t, err)
	n := h.now.Unix()
	for name, p := range map[string]auth.Principal{"itself": self, "an auditor": auditor, "the operator": auth.LocalOperator(0)} {
		got := h.doors.Introspect(p, token)
		b, err := json.Marshal(got)
		must(t, err)
		want := fmt.Sprintf(`{"active":true,"scope":"taxii:read taxii:write taxii:delete","client_id":"acme_1","token_type":"Bearer","exp":%d,"iat":%d,"nbf":%d,`+
			`"sub":"acme_1","aud":"%s","iss":"%s","jti":"%s","tid":"acme","cnf":{"x5t#S256":"%s"}}`, n+600, n, n, audience, issuer, got.ID, x5t(h.shown))
		if diff := cmp.Diff(want, string(b)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	inactive := func(name string, p auth.Principal, token string) {
		t.Helper()
		if b := string(encode(t, h.doors.Introspect(p, token))); b != `{"active":false}` {
			t.Errorf("%s: %s", name, b)
		}
	}
	inactive("a rival asks", rival, token)
	inactive("nobody asks", auth.Principal{}, token)
	inactive("of a secret", self, h.secret)
	inactive("of nonsense", self, strings.Repeat("x", 5000))
	c, ok := h.doors.Revocation(self, token)
	if !ok {
		t.Fatal("its own token cannot be revoked")
	}
	h.do(c)
	inactive("of a revoked one", self, token)
	token = h.token(nil)
	h.do(auth.SuspendPartner{ID: "acme"})
	inactive("of a suspended partner's", auditor, token)
}
