package certs_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Threat 29, seen by another implementation than Go's: what openssl can and cannot agree on with the
// gateway. What is refused is offered to a server that takes it, too, for openssl may have unlearnt it.
func TestThreat29Scan(t *testing.T) {
	g := newGateway(t)
	strict := listen(t, g.server.TLSConfig())
	lax := listen(t, laxConfig(t, g))
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, g.RootPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	scan := func(addr, typed string, args ...string) (string, bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, "openssl", append([]string{"s_client", "-connect", addr, "-servername", host, "-CAfile", root,
			"-verify_return_error", "-verify_hostname", host}, args...)...)
		cmd.Stdin = strings.NewReader(typed)
		out, err := cmd.CombinedOutput()
		if _, exited := err.(*exec.ExitError); err != nil && !exited {
			t.Fatalf("openssl, which .ci/setup installs: %v", err)
		}
		return string(out), err == nil
	}

	good := []string{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
		"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"}
	weak := "ALL:COMPLEMENTOFALL:!" + strings.Join(good, ":!") + ":@SECLEVEL=0"
	for name, args := range map[string][]string{
		"TLS 1.0":                      {"-tls1", "-cipher", "ALL:@SECLEVEL=0"},
		"TLS 1.1":                      {"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"},
		"every other suite of TLS 1.2": {"-tls1_2", "-cipher", weak},
		"CBC":                          {"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA256:@SECLEVEL=0"},
		"RSA without forward secrecy":  {"-tls1_2", "-cipher", "AES128-GCM-SHA256:AES256-GCM-SHA384:@SECLEVEL=0"},
	} {
		if out, ok := scan(strict, "", args...); ok || !strings.Contains(out, "Cipher is (NONE)") {
			t.Errorf("%s is taken:\n%s", name, out)
		}
		if out, ok := scan(lax, "", args...); !ok {
			t.Errorf("%s: openssl itself cannot:\n%s", name, out)
		}
	}
	for _, suite := range good {
		key := strings.Split(suite, "-")[1]
		out, ok := scan(strict, "", "-tls1_2", "-cipher", suite)
		if !ok || !strings.Contains(out, "Cipher is "+suite) || !strings.Contains(out, "Protocol  : TLSv1.2") {
			t.Errorf("%s:\n%s", suite, out)
		}
		if key == "RSA" != strings.Contains(out, "a:PKEY: rsaEncryption") {
			t.Errorf("%s: the certificate's key is of another kind:\n%s", suite, out)
		}
		for _, want := range []string{"Compression: NONE", "Secure Renegotiation IS supported", "Session-ID: \n", "Verify return code: 0 (ok)"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: want %q in\n%s", suite, want, out)
			}
		}
		if strings.Contains(out, "session ticket") {
			t.Errorf("%s: a ticket:\n%s", suite, out)
		}
	}
	if out, ok := scan(lax, "", "-tls1_2"); !ok || !strings.Contains(out, "TLS session ticket:") {
		t.Errorf("openssl does not show tickets:\n%s", out)
	}
	if out, ok := scan(strict, "", "-tls1_3"); !ok || !strings.Contains(out, "New, TLSv1.3") || strings.Contains(out, "ession ticket") {
		t.Errorf("TLS 1.3:\n%s", out)
	}
	// "R" alone on a line asks for another handshake on the same connection.
	if out, ok := scan(strict, "R\n", "-tls1_2"); ok || !strings.Contains(out, "RENEGOTIATING") || strings.Count(out, "verify return:1") > 3 {
		t.Errorf("renegotiation:\n%s", out)
	}
}

// listen serves TLS until the test ends: a handshake, and then what comes is read.
func listen(t *testing.T, c *tls.Config) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer raw.Close()
				conn := tls.Server(raw, c)
				if conn.Handshake() == nil {
					io.Copy(io.Discard, conn)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// laxConfig takes whatever Go can.
func laxConfig(t *testing.T, g *gateway) *tls.Config {
	list, err := g.ServerCertificates([]string{host}, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{Certificates: list, MinVersion: tls.VersionTLS10}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		c.CipherSuites = append(c.CipherSuites, s.ID)
	}
	return c
}
