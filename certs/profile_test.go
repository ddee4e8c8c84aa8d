package certs_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"

	"liaison/certs"
)

// lints are the rules of the standards and of common sense. Those of browsers, root programmes and
// the CA/Browser Forum are about publicly trusted certificates, which these are not.
func lints(t testing.TB, except ...string) lint.Registry {
	t.Helper()
	return must[lint.Registry](t)(lint.GlobalRegistry().Filter(lint.FilterOptions{
		IncludeSources: lint.SourceList{lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC8813, lint.Community},
		ExcludeNames:   except,
	}))
}

// complaints gives the lints that found something, notices aside.
func complaints(r *zlint.ResultSet) (out []string, ran int) {
	for name, res := range r.Results {
		switch res.Status {
		case lint.Warn, lint.Error, lint.Fatal:
			out = append(out, name+": "+res.Details)
			ran++
		case lint.Pass, lint.Notice:
			ran++
		}
	}
	return out, ran
}

func TestThreat21Profiles(t *testing.T) {
	for at, except := range map[string][]string{
		host:        nil,
		"192.0.2.1": nil,
		"::1":       nil,
		// A gateway that is tried out on one machine has no fully qualified name to carry.
		"localhost": {"e_ext_san_uri_host_not_fqdn_or_ip", "e_name_constraint_not_fqdn"},
	} {
		a, _ := authority(t, at)
		a.CRLURL = "http://gw.example/crl"
		list := must[[]tls.Certificate](t)(a.ServerCertificates([]string{"gw.example", "192.0.2.1"}, 0))
		old := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
		issued, _ := newClient(t, a, acme, 0)
		forRSA := must[*certs.Issued](t)(a.Issue(must[[]byte](t)(certs.CSR(old)), acme, 0))
		unnamed, _ := newClient(t, a, certs.Subject{Partner: "acme", Client: strings.Repeat("a", 80)}, 0)
		for name, der := range map[string][]byte{
			"root": a.Root().Raw, "client issuer": a.ClientIssuer().Raw, "server issuer": list[0].Certificate[1],
			"server ECDSA": list[0].Certificate[0], "server RSA": list[1].Certificate[0],
			"client": issued.DER, "client with RSA": forRSA.DER, "client without common name": unnamed.DER,
		} {
			t.Run(at+" "+name, func(t *testing.T) {
				c := must[*zx509.Certificate](t)(zx509.ParseCertificate(der))
				found, ran := complaints(zlint.LintCertificateEx(c, lints(t, except...)))
				for _, f := range found {
					t.Error(f)
				}
				if ran < 40 {
					t.Errorf("only %d lints ran", ran)
				}
			})
		}
	}
}

func TestCRL(t *testing.T) {
	a, _ := authority(t, host)
	one, _ := newClient(t, a, acme, 0)
	two, _ := newClient(t, a, acme, 0)
	now := time.Now().Truncate(time.Second)
	list := []certs.Revoked{
		{Serial: one.Serial, At: now.Add(-time.Hour), Reason: 1},
		{Serial: two.Serial, At: now},
		{Serial: one.Serial, At: now, Reason: 4},
	}
	der := must[[]byte](t)(a.CRL(big.NewInt(7), list, now, 0))
	crl := must[*x509.RevocationList](t)(x509.ParseRevocationList(der))
	if err := crl.CheckSignatureFrom(a.ClientIssuer()); err != nil {
		t.Error(err)
	}
	if crl.Number.Int64() != 7 || !crl.ThisUpdate.Equal(now) || !crl.NextUpdate.Equal(now.Add(certs.DefaultCRLLife)) {
		t.Errorf("number %v, %v to %v", crl.Number, crl.ThisUpdate, crl.NextUpdate)
	}
	got := crl.RevokedCertificateEntries
	if len(got) != 2 || got[0].SerialNumber.Text(16) != one.Serial || got[0].ReasonCode != 1 || !got[0].RevocationTime.Equal(now.Add(-time.Hour)) ||
		got[1].SerialNumber.Text(16) != two.Serial || got[1].ReasonCode != 0 {
		t.Errorf("entries %+v", got)
	}
	for _, der := range [][]byte{der, must[[]byte](t)(a.CRL(big.NewInt(1), nil, time.Time{}, time.Hour))} {
		z := must[*zx509.RevocationList](t)(zx509.ParseRevocationList(der))
		found, ran := complaints(zlint.LintRevocationListEx(z, lints(t)))
		if len(found) > 0 || ran < 3 {
			t.Errorf("%d lints: %v", ran, found)
		}
	}
	for name, f := range map[string]func() ([]byte, error){
		"no number":       func() ([]byte, error) { return a.CRL(nil, nil, now, 0) },
		"number 0":        func() ([]byte, error) { return a.CRL(big.NewInt(0), nil, now, 0) },
		"negative number": func() ([]byte, error) { return a.CRL(big.NewInt(-1), nil, now, 0) },
		"number too long": func() ([]byte, error) { return a.CRL(new(big.Int).Lsh(big.NewInt(1), 160), nil, now, 0) },
		"ends before":     func() ([]byte, error) { return a.CRL(big.NewInt(1), nil, now, -time.Second) },
		"empty serial":    func() ([]byte, error) { return a.CRL(big.NewInt(1), []certs.Revoked{{At: now}}, now, 0) },
		"negative serial": func() ([]byte, error) { return a.CRL(big.NewInt(1), []certs.Revoked{{Serial: "-1", At: now}}, now, 0) },
		"prefix":          func() ([]byte, error) { return a.CRL(big.NewInt(1), []certs.Revoked{{Serial: "0x1", At: now}}, now, 0) },
		"unused reason": func() ([]byte, error) {
			return a.CRL(big.NewInt(1), []certs.Revoked{{Serial: "1", At: now, Reason: 7}}, now, 0)
		},
		"reason of deltas": func() ([]byte, error) {
			return a.CRL(big.NewInt(1), []certs.Revoked{{Serial: "1", At: now, Reason: 8}}, now, 0)
		},
		"unknown reason": func() ([]byte, error) {
			return a.CRL(big.NewInt(1), []certs.Revoked{{Serial: "1", At: now, Reason: 11}}, now, 0)
		},
	} {
		if der, err := f(); err == nil || der != nil {
			t.Errorf("%s: signed", name)
		}
	}
	if _, err := a.CRL(big.NewInt(1), nil, now, -1); !errors.Is(err, certs.ErrValidity) {
		t.Errorf("negative life: %v", err)
	}
}

func TestThreat27Serials(t *testing.T) {
	a, _ := authority(t, host)
	csr := must[[]byte](t)(certs.CSR(must[crypto.Signer](t)(certs.NewKey())))
	seen := map[string]bool{}
	union := new(big.Int)
	for range 300 {
		issued := must[*certs.Issued](t)(a.Issue(csr, acme, 0))
		if seen[issued.Serial] || len(issued.Serial) != 40 {
			t.Fatalf("serial %s", issued.Serial)
		}
		seen[issued.Serial] = true
		n, _ := new(big.Int).SetString(issued.Serial, 16)
		union.Or(union, n)
	}
	bits := 0
	for i := range union.BitLen() {
		bits += int(union.Bit(i))
	}
	if bits < 159 {
		t.Errorf("only %d bits of the serial ever vary", bits)
	}
}

func TestCRLURL(t *testing.T) {
	a, _ := authority(t, host)
	a.CRLURL = "http://gw.example/crl"
	issued, _ := newClient(t, a, acme, 0)
	if got := parse(t, issued.DER).CRLDistributionPoints; len(got) != 1 || got[0] != a.CRLURL {
		t.Errorf("distribution points %v", got)
	}
}
