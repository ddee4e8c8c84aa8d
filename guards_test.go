package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"liaison/stix"
)

// TestReloadGuards: lists are read again, bad ones are named and change nothing.
func TestReloadGuards(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gw")
	if err := createGateway(t.Context(), dir, initOptions{Listen: "localhost:1"}); err != nil {
		t.Fatal(err)
	}
	g, err := openGateway(t.Context(), dir, gatewayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	on := func(value string) string {
		t.Helper()
		var lists []string
		for _, h := range g.desk.Guard().Value(value) {
			lists = append(lists, h.List)
		}
		return strings.Join(lists, ",")
	}
	list := func(name, entry string) string {
		return `{"name":"` + name + `","version":1,"type":"hostname","list":["` + entry + `"]}`
	}
	write("guards/a.json", list("ours", "bank.kp"))
	write("guards/notes.txt", "not a list")
	if err := g.reloadGuards(); err != nil || on("bank.kp") != "ours" {
		t.Fatalf("read again: %v, bank.kp is on %q", err, on("bank.kp"))
	}
	for name, c := range map[string]struct{ file, text, want string }{
		"no JSON":           {"guards/b.json", "{", "b.json: "},
		"a bad entry":       {"guards/b.json", list("b", "a b"), "b.json: list[0]: "},
		"a name twice":      {"guards/b.json", list("ours", "b.kp"), `two lists are called "ours"`},
		"an unknown list":   {"config.json", `{"url":"https://localhost:1","listen":"localhost:1","guards":{"theirs":"off"}}`, `no list is called "theirs"`},
		"an unknown action": {"config.json", `{"url":"https://localhost:1","listen":"localhost:1","guards":{"ours":"drop"}}`, `want off, hold or block`},
		"a bad domain":      {"config.json", `{"url":"https://localhost:1","listen":"localhost:1","guard_domains":["kp"]}`, `whole top-level domain`},
	} {
		before, _ := os.ReadFile(filepath.Join(dir, c.file))
		write(c.file, c.text)
		if err := g.reloadGuards(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if on("bank.kp") != "ours" {
			t.Errorf("%s: the old lists are gone", name)
		}
		if before == nil {
			os.Remove(filepath.Join(dir, c.file))
		} else {
			write(c.file, string(before))
		}
	}
	write("config.json", `{"url":"https://localhost:1","listen":"localhost:1","guards":{"ours":"off"},"guard_domains":["gov.kp"]}`)
	if err := g.reloadGuards(); err != nil || on("bank.kp") != "" || on("mail.gov.kp") != ownDomains {
		t.Errorf("read again: %v, on %q and %q", err, on("bank.kp"), on("mail.gov.kp"))
	}
}

func TestValueKind(t *testing.T) {
	for text, want := range map[string]stix.ValueKind{
		"192.0.2.1": stix.IPv4Value, "192.0.2.0/24": stix.IPv4Value, "2001:db8::1": stix.IPv6Value, "a.example": stix.DomainValue,
		"https://a.example/": stix.URLValue, "a@b.example": stix.EmailValue, strings.Repeat("0a", 16): stix.MD5Value,
		strings.Repeat("0A", 20): stix.SHA1Value, strings.Repeat("0a", 32): stix.SHA256Value, strings.Repeat("0a", 64): stix.SHA512Value,
	} {
		if got := valueKind(text); got != want {
			t.Errorf("%s is a %s, want %s", text, got, want)
		}
	}
}
