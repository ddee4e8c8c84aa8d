package client_test

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"liaison/server/client"
)

func TestAccount(t *testing.T) {
	want := client.Account{Partner: "acme", Gateway: "https://gw.example", Discovery: "https://gw.example/taxii2/",
		ClientID: "acme_1", ClientSecret: "lsn_x", TokenURL: "https://gw.example/oauth2/token", CA: "ca.pem", Cert: "cert.pem", Key: "key.pem"}
	dir := t.TempDir()
	for range 2 {
		if err := want.Save(dir); err != nil {
			t.Fatal(err)
		}
	}
	got, err := client.OpenAccount(dir)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	if fi, err := list[0].Info(); err != nil || runtime.GOOS != "windows" && fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
}

func TestAccountRefused(t *testing.T) {
	for text, says := range map[string]string{
		``:        "cut off",
		`{`:       "cut off",
		`[]`:      "wrong type",
		`{"x":1}`: "unknown member",
		`{}`:      "neither discovery nor api_root",
		`{"client_id":1,"api_root":"https://h/"}`:                                             `"client_id"`,
		`{"client_id":"a","client_secret":"lsn_geheim","api_root":"http://h/"}`:               "https://",
		`{"client_id":"a","client_secret":"lsn_geheim","api_root":"https://u:lsn_geheim@h/"}`: "nothing else",
		`{"client_id":"a","client_secret":"lsn_geheim","api_root":"https://h/?lsn_geheim"}`:   "nothing else",
		`{"client_id":"a","client_secret":"lsn_geheim","api_root":"https:///x"}`:              "nothing else",
		`{"client_id":"a","client_secret":"lsn_geheim"}`:                                      "neither",
		`{"client_id":"a","api_root":"https://h/"}`:                                           "no client_secret",
		`{"client_secret":"lsn_geheim","api_root":"https://h/"}`:                              "no client_id",
		`{"client_id":"a:b","client_secret":"lsn_geheim","api_root":"https://h/"}`:            "colon",
		`{"client_id":"a","client_secret":"lsn_\n","api_root":"https://h/"}`:                  "control",
		`{"client_id":"a","client_secret":"lsn_geheim","api_root":"https://h/","cert":"c"}`:   "go together",
		`{"client_id":"a","client_secret":"lsn_geheim","api_root":"https://h/"} {}`:           "follows",
	} {
		_, err := client.ParseAccount([]byte(text))
		if !errors.Is(err, client.ErrAccount) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := client.OpenAccount(t.TempDir()); !errors.Is(err, client.ErrAccount) || !strings.Contains(err.Error(), "liaison join") {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestAccountTLS(t *testing.T) {
	d := newDouble(t)
	dir := d.directory(t)
	a, err := client.OpenAccount(dir)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := a.TLS(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := x509.NewCertPool()
	want.AddCert(d.Certificate())
	if !conf.RootCAs.Equal(want) {
		t.Error("trusts something else than ca.pem")
	}
	for name, change := range map[string]func(a *client.Account){
		"no such ca":   func(a *client.Account) { a.CA = "x.pem" },
		"no ca in it":  func(a *client.Account) { a.CA = client.AccountFile },
		"no such cert": func(a *client.Account) { a.Cert, a.Key = "x.pem", "y.pem" },
		"no such key":  func(a *client.Account) { a.Cert, a.Key = "ca.pem", "y.pem" },
		"no key in it": func(a *client.Account) { a.Cert, a.Key = "ca.pem", "ca.pem" },
	} {
		b := a
		change(&b)
		if _, err := b.TLS(dir); !errors.Is(err, client.ErrAccount) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a.CA = ""
	if conf, err := a.TLS(filepath.Join(dir, "x")); err != nil || conf.RootCAs != nil {
		t.Errorf("the system's roots: %v, %v", conf, err)
	}
}

func FuzzAccount(f *testing.F) {
	f.Add([]byte(`{"partner":"acme","gateway":"https://gw.example","discovery":"https://gw.example/taxii2/","api_root":"","client_id":"acme_1","client_secret":"lsn_x","token_url":"","ca":"ca.pem","cert":"cert.pem","key":"key.pem"}`))
	f.Add([]byte(`{"client_id":"a","client_secret":"b","api_root":"https://[::1]:8443/x"}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := client.ParseAccount(data)
		if err != nil {
			if !errors.Is(err, client.ErrAccount) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("%q", err)
			}
			return
		}
		if err := a.Save(dir); err != nil {
			t.Fatal(err)
		}
		if b, err := client.OpenAccount(dir); err != nil || a != b {
			t.Fatalf("%+v became %+v, %v", a, b, err)
		}
		if _, err := client.New(a, client.Options{}); err != nil {
			t.Fatal(err)
		}
	})
}
