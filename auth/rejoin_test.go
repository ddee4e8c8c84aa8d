package auth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"liaison/auth"
)

// rejoin is a client that has joined, with what it takes to ask again.
type rejoin struct {
	*desk
	first, again auth.Join
	shown        auth.Shown // the first certificate
	text         string     // the first secret
	newText      string
}

func newRejoin(t *testing.T) *rejoin {
	r := &rejoin{desk: newDesk(t)}
	r.do(vendor("acme"))
	token, key := auth.NewInvitation(), strings.Repeat("ab", 32)
	r.do(auth.Invite{Partner: "acme", Token: token, TTL: time.Hour})
	var secret auth.Secret
	r.text, secret = r.vault.NewSecret(r.now)
	r.shown = certificate("acme", "acme_1", 1)
	r.first = auth.Join{Token: token, Client: "acme_1", Secret: secret, Certificate: r.certificate(r.shown), Key: key}
	r.do(r.first)
	r.again = r.first
	r.newText, r.again.Secret = r.vault.NewSecret(r.now)
	r.again.Certificate = r.certificate(certificate("acme", "acme_1", 2))
	return r
}

func TestRejoin(t *testing.T) {
	r := newRejoin(t)
	r.now = r.now.Add(10*time.Minute - time.Second)
	r.do(auth.Rejoin{Join: r.again})
	k := r.t0.Clients["acme_1"]
	if len(k.Secrets) != 1 || k.Secrets[0].ID != r.again.Secret.ID || k.Epoch != 2 || r.t0.Partners["acme"].Clients != 1 {
		t.Errorf("after it: %+v", k)
	}
	if _, err := r.t0.Certificate(r.shown, r.now); err == nil {
		t.Error("the first certificate holds")
	}
	if _, err := r.t0.Certificate(certificate("acme", "acme_1", 2), r.now); err != nil {
		t.Error(err)
	}
	if got := r.t0.RevokedCertificates(r.now); len(got) != 1 || got[0].Serial != r.shown.Serial {
		t.Errorf("revoked: %+v", got)
	}
	line := r.lastLine()
	for _, want := range []string{"client.rejoin ", r.first.Secret.ID, r.again.Secret.ID, r.shown.Serial, r.again.Certificate.Serial} {
		if !strings.Contains(line, want) {
			t.Errorf("journal %s: want %s in it", line, want)
		}
	}
	// Once more, for this answer may be lost too; not beyond the ten minutes of the first.
	third := r.again
	_, third.Secret = r.vault.NewSecret(r.now)
	third.Certificate = r.certificate(certificate("acme", "acme_1", 3))
	r.do(auth.Rejoin{Join: third})
	r.now = r.now.Add(time.Second)
	_, r.again.Secret = r.vault.NewSecret(r.now)
	r.again.Certificate = r.certificate(certificate("acme", "acme_1", 4))
	r.refuse(auth.ErrNotFound, "invitation", auth.Rejoin{Join: r.again})
}

// Threat 22: who did not join with the key, or comes when something else happened to the client, is
// told what everybody is told of an invitation that was used.
func TestThreat22Rejoin(t *testing.T) {
	for name, change := range map[string]func(r *rejoin){
		"another key":    func(r *rejoin) { r.again.Key = strings.Repeat("cd", 32) },
		"no key":         func(r *rejoin) { r.again.Key = "" },
		"another token":  func(r *rejoin) { r.again.Token = auth.NewInvitation() },
		"another client": func(r *rejoin) { r.again.Client = "acme_2" },
		"signing keys": func(r *rejoin) {
			r.again.Keys = withKey(newHouse(r.t), jwt.SigningMethodEdDSA).t0.Clients["acme_2"].Keys
		},
		"too late":         func(r *rejoin) { r.now = r.now.Add(10 * time.Minute) },
		"suspended":        func(r *rejoin) { r.do(auth.SuspendPartner{ID: "acme"}) },
		"removed":          func(r *rejoin) { r.do(auth.RemovePartner{ID: "acme"}) },
		"revoked":          func(r *rejoin) { r.do(auth.RevokeClient{ID: "acme_1"}) },
		"secret revoked":   func(r *rejoin) { r.do(auth.RevokeSecret{Client: "acme_1", ID: r.first.Secret.ID}) },
		"certificate gone": func(r *rejoin) { r.do(auth.RevokeCertificate{Client: "acme_1", Serial: r.shown.Serial}) },
		"rotated": func(r *rejoin) {
			_, s := r.vault.NewSecret(r.now)
			r.do(auth.AddSecret{Client: "acme_1", Secret: s, Overlap: time.Hour})
		},
		"rotated at once": func(r *rejoin) {
			_, s := r.vault.NewSecret(r.now)
			r.do(auth.AddSecret{Client: "acme_1", Secret: s})
		},
		"renewed": func(r *rejoin) {
			r.do(auth.RenewCertificate{Client: "acme_1", Old: r.shown.Serial, Certificate: r.certificate(certificate("acme", "acme_1", 7))})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRejoin(t)
			change(r)
			r.refuse(auth.ErrNotFound, "it was used, ran out or never was", auth.Rejoin{Join: r.again})
		})
	}
	// One that is not used yet is for joining, and a key without its form is none.
	d := newDesk(t)
	d.do(vendor("acme"))
	token := auth.NewInvitation()
	d.do(auth.Invite{Partner: "acme", Token: token, TTL: time.Hour})
	_, secret := d.vault.NewSecret(d.now)
	j := auth.Join{Token: token, Client: "acme_1", Secret: secret, Certificate: d.certificate(certificate("acme", "acme_1", 1)), Key: "x"}
	d.refuse(auth.ErrInvalid, "key", j)
	j.Key = strings.Repeat("ab", 32)
	d.refuse(auth.ErrNotFound, "invitation", auth.Rejoin{Join: j})
	// An invitation that is over cannot be asked about again, however lately it was used.
	d.now = d.now.Add(59 * time.Minute)
	j.Certificate = d.certificate(certificate("acme", "acme_1", 1))
	d.do(j)
	d.now = d.now.Add(time.Minute)
	_, j.Secret = d.vault.NewSecret(d.now)
	j.Certificate = d.certificate(certificate("acme", "acme_1", 2))
	d.refuse(auth.ErrNotFound, "invitation", auth.Rejoin{Join: j})
}
