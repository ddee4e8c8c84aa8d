package auth

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
)

// Redacted stands where a credential stood.
const Redacted = "[redacted]"

// credentialText finds what a credential looks like, whole or cut off:
//
//	lsn_…            a secret
//	base64           of something with a secret in it, as HTTP Basic sends it: "lsn_" has three forms there
//	eyJ….…           a JWT
//	32 and more      of base64url: an invitation's token, or a secret without its prefix
var credentialText = regexp.MustCompile(`(?i:lsn_)[A-Za-z0-9_-]{8,}` +
	`|[A-Za-z0-9_-]*(?:bHNuX|xzbl[89+/_-]|sc25f)[A-Za-z0-9+/_-]{16,}=*` +
	`|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]*` +
	`|[A-Za-z0-9_-]{32,}`)

// Redact gives s with Redacted in the place of each credential, and of each text that could be one.
// It is for what somebody else wrote and is quoted in an error or in a log: people put credentials
// where they do not belong. STIX identifiers, UUIDs, hexadecimal and words in one case stay.
func Redact(s string) string {
	if !longWord(s) {
		return s
	}
	return credentialText.ReplaceAllStringFunc(s, func(word string) string {
		if plainWord(word) {
			return word
		}
		return Redacted
	})
}

// longWord reports whether there is anything in s that is long enough for a credential; it is cheap.
func longWord(s string) bool {
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
			if n++; n >= len(secretPrefix)+8 {
				return true
			}
		default:
			n = 0
		}
	}
	return false
}

// stixName is an identifier of STIX, however its letters are written.
var stixName = regexp.MustCompile(`^[A-Za-z0-9-]+--[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// plainWord reports whether what only is long is no credential: 32 random characters of base64url are
// never all in one case.
func plainWord(s string) bool {
	lower := strings.ToLower(s)
	if strings.Contains(lower, secretPrefix) || strings.ContainsAny(s, "+/.=") {
		return false
	}
	return lower == s || strings.ToUpper(s) == s || stixName.MatchString(s)
}

// Discreet gives a handler of logs that redacts the texts and the errors among the attributes, and
// the message. A stack trace stays as it is: it has addresses and names of this program, no values.
func Discreet(h slog.Handler) slog.Handler { return discreet{h} }

type discreet struct{ slog.Handler }

func (d discreet) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, Redact(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(redactAttr(a))
		return true
	})
	return d.Handler.Handle(ctx, out)
}

func (d discreet) WithAttrs(list []slog.Attr) slog.Handler {
	out := make([]slog.Attr, len(list))
	for i, a := range list {
		out[i] = redactAttr(a)
	}
	return discreet{d.Handler.WithAttrs(out)}
}

func (d discreet) WithGroup(name string) slog.Handler { return discreet{d.Handler.WithGroup(name)} }

func redactAttr(a slog.Attr) slog.Attr {
	if a.Key == "stack" {
		return a
	}
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Redact(v.String()))
	case slog.KindGroup:
		var out []slog.Attr
		for _, one := range v.Group() {
			out = append(out, redactAttr(one))
		}
		a.Value = slog.GroupValue(out...)
	case slog.KindAny:
		if err, ok := v.Any().(error); ok {
			a.Value = slog.StringValue(Redact(err.Error()))
		}
	}
	return a
}
