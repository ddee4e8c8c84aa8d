package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"liaison/auth"
)

// A renewed certificate lives on for a week, and is then as good as revoked.
func TestRenewCertificate(t *testing.T) {
	h := newHouse(t)
	next := certificate("acme", h.id, 700)
	h.do(auth.RenewCertificate{Client: h.id, Old: h.shown.Serial, Certificate: h.certificate(next)})
	if !strings.HasPrefix(h.lastLine(), "certificate.renew ") || !strings.Contains(h.lastLine(), h.shown.Serial) {
		t.Errorf("journal: %s", h.lastLine())
	}
	h.enters(h.id, auth.ByCertificate, auth.Presented{Certificate: &next})
	h.enters(h.id, auth.ByCertificate, auth.Presented{Certificate: &h.shown})
	if list := h.t0.RevokedCertificates(h.now); len(list) != 0 {
		t.Errorf("revoked already: %v", list)
	}
	// Renewing with the old one again does not lengthen its life.
	was := h.now
	h.now = h.now.Add(24 * time.Hour)
	third := certificate("acme", h.id, 701)
	h.do(auth.RenewCertificate{Client: h.id, Old: h.shown.Serial, Certificate: h.certificate(third)})
	h.now = was.Add(auth.RenewOverlap - time.Second)
	h.enters(h.id, auth.ByCertificate, auth.Presented{Certificate: &h.shown})
	h.now = was.Add(auth.RenewOverlap)
	h.stays("invalid_client", h.id, auth.Presented{Certificate: &h.shown})
	h.enters(h.id, auth.ByCertificate, auth.Presented{Certificate: &next})
	list := h.t0.RevokedCertificates(h.now)
	if len(list) != 1 || list[0].Serial != h.shown.Serial || !list[0].Gone(h.now).Equal(was.Add(auth.RenewOverlap)) {
		t.Errorf("revocation list: %+v", list)
	}
	h.refuse(auth.ErrConflict, "does not hold", auth.RenewCertificate{Client: h.id, Old: h.shown.Serial, Certificate: h.certificate(certificate("acme", h.id, 702))})
	if diff := diffTables(h.t0, h.reload()); diff != "" {
		t.Errorf("reloaded (-have +reloaded):\n%s", diff)
	}
}

// Threat 26: nothing is renewed by a certificate that does not hold, or for one that is another's.
func TestThreat26Renewals(t *testing.T) {
	renew := func(h *house, id auth.ClientID, old string) auth.RenewCertificate {
		return auth.RenewCertificate{Client: id, Old: old, Certificate: h.certificate(certificate("acme", id, 800))}
	}
	for name, c := range map[string]func(h *house) auth.RenewCertificate{
		"revoked": func(h *house) auth.RenewCertificate {
			h.do(auth.RevokeCertificate{Client: h.id, Serial: h.shown.Serial})
			return renew(h, h.id, h.shown.Serial)
		},
		"expired": func(h *house) auth.RenewCertificate {
			h.now = h.now.Add(90 * 24 * time.Hour)
			return renew(h, h.id, h.shown.Serial)
		},
		"suspended": func(h *house) auth.RenewCertificate {
			h.do(auth.SuspendPartner{ID: "acme"})
			return renew(h, h.id, h.shown.Serial)
		},
		"removed": func(h *house) auth.RenewCertificate {
			h.do(auth.RemovePartner{ID: "acme"})
			return renew(h, h.id, h.shown.Serial)
		},
		"client revoked": func(h *house) auth.RenewCertificate {
			h.do(auth.RevokeClient{ID: h.id})
			return renew(h, h.id, h.shown.Serial)
		},
		"other tenant's": func(h *house) auth.RenewCertificate { return renew(h, h.id, h.rivals.Serial) },
		"nobody's":       func(h *house) auth.RenewCertificate { return renew(h, h.id, "00") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.refuse(auth.ErrConflict, "", c(h))
		})
	}
}

func TestUses(t *testing.T) {
	h := newHouse(t)
	h.doors.Uses = &auth.Uses{}
	secret := h.t0.Clients[h.id].Secrets[0].ID
	at := func(id string) time.Time { return h.doors.Uses.Last(id) }
	if !at(secret).IsZero() {
		t.Error("used before its use")
	}
	c := bearer(h.secret)
	c.Certificate = &h.shown
	h.enters(h.id, auth.BySecret, c)
	first := h.now.Truncate(time.Second)
	for _, id := range []string{secret, h.shown.Serial} {
		if !at(id).Equal(first) {
			t.Errorf("%s: %s", id, at(id))
		}
	}
	h.stays("invalid_token", "", bearer(h.secret[:46]+"x"))
	h.now = h.now.Add(30 * time.Second)
	h.enters(h.id, auth.BySecret, c)
	if !at(secret).Equal(first) {
		t.Error("known more exactly than to the minute")
	}
	h.now = h.now.Add(30 * time.Second)
	h.enters(h.id, auth.BySecret, bearer(h.secret))
	kept := h.doors.Uses.All(h.t0)
	want := map[string]time.Time{secret: first.Add(time.Minute), h.shown.Serial: first}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var again auth.Uses
	again.Restore(kept)
	if !again.Last(secret).Equal(want[secret]) {
		t.Error("not restored")
	}
	h.do(auth.RevokeClient{ID: h.id}) // its secrets are gone, its certificates' rows stay
	if kept = h.doors.Uses.All(h.t0); len(kept) != 1 || !at(secret).IsZero() {
		t.Errorf("after revocation: %v", kept)
	}
}

// The server key rotates, and nobody notices: neither secrets nor what was sealed before.
func TestVaultRotates(t *testing.T) {
	h := newHouse(t)
	data := []byte("cursor")
	seal := h.vault.MAC("cursor", data)
	id, err := h.vault.Rotate(h.now)
	must(t, err)
	h.enters(h.id, auth.BySecret, bearer(h.secret))
	if !h.vault.Holds("cursor", data, seal[:16]) || h.vault.MAC("cursor", data) == seal {
		t.Error("sealing over a rotation")
	}
	for _, bad := range [][]byte{nil, {}, seal[:15:15], append(seal[:], 0)} {
		if got, want := h.vault.Holds("cursor", data, bad), len(bad) == 15; got != want {
			t.Errorf("%d bytes hold: %t", len(bad), got)
		}
	}
	if h.vault.Holds("other", data, seal[:]) || h.vault.Holds("cursor", []byte("x"), seal[:]) {
		t.Error("holds for other data")
	}
	old := h.t0.Clients[h.id].Secrets[0].Key
	text, secret := h.vault.NewSecret(h.now)
	if secret.Key != id {
		t.Errorf("a new secret is under %s", secret.Key)
	}
	h.do(auth.AddSecret{Client: h.id, Secret: secret})
	h.enters(h.id, auth.BySecret, bearer(text))
	keys := h.vault.Keys(h.t0)
	if len(keys) != 2 || keys[0].ID != id || keys[0].State != "active" || keys[0].Secrets != 1 || keys[1].ID != old || keys[1].Secrets != 1 {
		t.Errorf("keys %+v", keys)
	}

	// The rival's secret is still under the old key.
	later := h.now.AddDate(0, 2, 0)
	if gone, err := h.vault.Tend(h.t0, later); err != nil || len(gone) != 0 {
		t.Errorf("%v, %v", gone, err)
	}
	h.do(auth.RemovePartner{ID: "rival"})
	if gone, err := h.vault.Tend(h.t0, h.now.AddDate(0, 0, 29)); err != nil || len(gone) != 0 {
		t.Errorf("cursors of the last month: %v, %v", gone, err)
	}
	if gone, err := h.vault.Tend(h.t0, later); err != nil || len(gone) != 1 || gone[0] != old {
		t.Errorf("%v, %v", gone, err)
	}
	again, err := auth.OpenVault(h.vaultDir)
	must(t, err)
	if list := again.Keys(h.t0); len(list) != 1 || list[0].ID != id {
		t.Errorf("reopened: %+v", list)
	}

	must(t, h.vault.Revoke(id, h.now))
	h.stays("invalid_token", "", bearer(text))
	if err := h.vault.Revoke(id, h.now); err == nil {
		t.Error("revoked twice")
	}
	for range 7 {
		_, err := h.vault.Rotate(h.now)
		must(t, err)
	}
	if _, err := h.vault.Rotate(h.now); err == nil || !strings.Contains(err.Error(), "rotate their secrets") {
		t.Errorf("keys without end: %v", err)
	}
}
