package auth_test

import (
	"context"
	"strings"
	"testing"

	"liaison/auth"
)

func benchmarkIdentify(b *testing.B, c func(h *house) auth.Presented) {
	h := newHouse(b)
	p := c(h)
	if _, err := h.in(p); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.doors.Identify(context.Background(), p); err != nil {
			b.Fatal(err)
		}
	}
}

// A verified request: the goal is under 5 µs.

func BenchmarkIdentifyBasic(b *testing.B) {
	benchmarkIdentify(b, func(h *house) auth.Presented { return authorization(basic(string(h.id), h.secret)) })
}

func BenchmarkIdentifyBearerSecret(b *testing.B) {
	benchmarkIdentify(b, func(h *house) auth.Presented { return bearer(h.secret) })
}

func BenchmarkIdentifyToken(b *testing.B) {
	benchmarkIdentify(b, func(h *house) auth.Presented { return bearer(h.token(nil)) })
}

func BenchmarkIdentifyBoundToken(b *testing.B) {
	benchmarkIdentify(b, func(h *house) auth.Presented {
		return auth.Presented{Authorization: []string{"Bearer " + h.token(&h.shown)}, Certificate: &h.shown}
	})
}

func BenchmarkIdentifyCertificate(b *testing.B) {
	benchmarkIdentify(b, func(h *house) auth.Presented { return auth.Presented{Certificate: &h.shown} })
}

// The first request with a token pays for its signature.
func BenchmarkIdentifyTokenFirst(b *testing.B) {
	h := newHouse(b)
	p := bearer(h.token(nil))
	b.ReportAllocs()
	for b.Loop() {
		fresh := &auth.Doors{Issuer: issuer, Audience: audience, Vault: h.vault, Ring: h.ring, Tables: h.doors.Tables, Now: h.doors.Now}
		if _, err := fresh.Identify(context.Background(), p); err != nil {
			b.Fatal(err)
		}
	}
}

// Threat 6: what is refused unread is refused at once, under 1 ms.
func BenchmarkThreat06Dots(b *testing.B) {
	h := newHouse(b)
	p := bearer(strings.Repeat(".", 8000))
	for b.Loop() {
		if _, err := h.doors.Identify(context.Background(), p); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkIssue(b *testing.B) {
	h := newHouse(b)
	for b.Loop() {
		h.token(nil)
	}
}

func BenchmarkLine(b *testing.B) {
	what := map[string]any{"collection": vn, "count": 1000, "first": "2025-01-31T09:30:00.000001Z", "last": "2025-01-31T09:30:00.001000Z", "status": 200}
	for b.Loop() {
		auth.NewLine(morning, "acme_1", "read.objects", what).Canonical(42)
	}
}
