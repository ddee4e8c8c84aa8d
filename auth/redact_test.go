package auth_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"liaison/auth"
)

// Threat 19: what somebody else wrote is quoted without its credentials.
func TestRedact(t *testing.T) {
	h := newHouse(t)
	token := h.token(nil)
	for range 20 {
		secret, _ := h.vault.NewSecret(morning)
		invitation := auth.NewInvitation()
		list := []string{secret, secret[:30], secret + "x", strings.ToUpper(secret[:4]) + secret[4:], secret[4:], invitation, invitation[:35], token, token[:90]}
		for _, user := range []string{"", "a", "ab", "acme_1"} {
			list = append(list, base64.StdEncoding.EncodeToString([]byte(user+":"+secret)),
				base64.RawURLEncoding.EncodeToString([]byte(user+":"+secret)))
		}
		for _, s := range list {
			for _, text := range []string{s, "limit: have " + fmt.Sprintf("%q", s), "/join/" + s + "?x=y", "a," + s + ",b", "Bearer " + s} {
				got := auth.Redact(text)
				if strings.Contains(got, s[len(s)/2:]) || !strings.Contains(got, auth.Redacted) {
					t.Errorf("%q gives %q", text, got)
				}
				if want := strings.Replace(text, s, auth.Redacted, 1); got != want {
					t.Errorf("%q gives %q, want %q", text, got, want)
				}
			}
		}
	}
	for _, s := range []string{
		"", "lsn_", "lsn_short", `limit: want a positive integer, have "-1"`,
		`have "indicator--8E2E2D2B-17d4-4cbf-938f-98ee46b3cd3f"`, "mutex--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f",
		`"x-a-very-long-type-of-object-that-nobody-else-has-in-use"`, "2025-01-31T09:30:00.000000Z",
		"collection 4f1d7a0e-0c2b-4f0e-9d41-6f8e1d8d5a10", strings.Repeat("0a", 32), "https://gateway.example:8443/secure/collections/vn/objects/",
		"opening /Users/Someone/Liaison/liaison-data/store.db: no space left on device",
	} {
		if got := auth.Redact(s); got != s {
			t.Errorf("%q gives %q", s, got)
		}
	}
}

func TestDiscreetLog(t *testing.T) {
	secret, _ := newHouse(t).vault.NewSecret(morning)
	var b bytes.Buffer
	log := slog.New(auth.Discreet(slog.NewTextHandler(&b, nil)))
	log = log.With("with", secret).WithGroup("group")
	log.Info("message "+secret, "text", secret, "error", fmt.Errorf("wrapped: %w", errors.New(secret)),
		slog.Group("inner", "deep", "x "+secret), "valuer", valuer(secret), "count", 7, "stack", "at main.go:12")
	got := b.String()
	if strings.Contains(got, secret[4:]) || strings.Count(got, auth.Redacted) != 6 {
		t.Errorf("log: %s", got)
	}
	for _, want := range []string{"group.count=7", `group.stack="at main.go:12"`, "group.inner.deep=", "group.error=\"wrapped: [redacted]\""} {
		if !strings.Contains(got, want) {
			t.Errorf("log: %s: want %s in it", got, want)
		}
	}
}

type valuer string

func (v valuer) LogValue() slog.Value { return slog.StringValue(string(v)) }

// FuzzRedact holds that nothing that looks like a credential remains, whatever is around it, and that
// what is redacted once is not changed again.
func FuzzRedact(f *testing.F) {
	f.Add("lsn_", "aB3_-xYz", "user:")
	f.Add(" have \"", "eyJhbGciOiJub25lIn0.e30.", "\"")
	f.Add("/join/", "zpCNXH4NTmcyQD5zwCrYyR6j3MewBbuxOYLBGVRhXlQ", "--")
	f.Fuzz(func(t *testing.T, before, middle, after string) {
		secret := "lsn_zpCNXH4NTmcyQD5zwCrYyR6j3MewBbu_OYLBGVRhXlQ"
		for _, s := range []string{before + secret + after, before + middle + secret + after, before + secret[:20] + middle + after} {
			got := auth.Redact(s)
			if strings.Contains(got, secret[:20]) || strings.Contains(got, secret[4:]) {
				t.Errorf("%q gives %q", s, got)
			}
			if again := auth.Redact(got); again != got {
				t.Errorf("%q becomes %q", got, again)
			}
		}
	})
}
