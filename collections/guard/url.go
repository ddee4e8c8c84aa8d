package guard

import (
	"net/netip"
	"strings"

	"liaison/stix"
)

// url is a URL in its parts, each in its one form.
type url struct {
	scheme, user, host, port, path, rest string       // rest: query and fragment, as they were
	key                                  Key          // of the host
	block                                netip.Prefix // of a host that is an address
}

// splitURL takes a URL with an authority apart. RFC 3986 appendix B.
func splitURL(text string) (u url, ok bool) {
	for i := 0; i < len(text); i++ {
		if text[i] <= ' ' || text[i] == 0x7F {
			return u, false
		}
	}
	scheme, rest, found := strings.Cut(text, "://")
	if !found || !schemeName(scheme) {
		return u, false
	}
	u.scheme = strings.ToLower(scheme)
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, rest = rest[:end], rest[end:]
	} else {
		rest = ""
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		u.user, authority = authority[:at+1], authority[at+1:]
	}
	host := authority
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 {
			return u, false
		}
		host, u.port = authority[1:end], authority[end+1:]
		if strings.IndexByte(host, ':') < 0 || strings.IndexByte(host, '/') >= 0 {
			return u, false
		}
	} else if colon := strings.LastIndexByte(authority, ':'); colon >= 0 {
		host, u.port = authority[:colon], authority[colon:]
	}
	if u.key, u.block, ok = normalHost(host); !ok || strings.IndexByte(u.key.Value, '/') >= 0 {
		return u, false
	}
	u.host = u.key.Value
	if u.key.Kind == stix.IPv6Value {
		u.host = "[" + u.host + "]"
	}
	if !u.normalPort() {
		return u, false
	}
	u.path = rest
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		u.path, u.rest = rest[:end], rest[end:]
	}
	u.path = normalPath(u.path)
	return u, true
}

func normalURL(text string) (Key, bool) {
	u, ok := splitURL(text)
	if !ok {
		return Key{}, false
	}
	return Key{stix.URLValue, u.scheme + "://" + u.user + u.host + u.port + u.path + u.rest}, true
}

func schemeName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c|0x20-'a' > 'z'-'a' && (i == 0 || c-'0' > 9 && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// normalPort leaves out the port that the scheme has anyway, and zeros before it. RFC 3986 section 6.2.3.
func (u *url) normalPort() bool {
	if u.port == "" {
		return true
	}
	digits := u.port[1:]
	if u.port[0] != ':' || len(digits) > 16 {
		return false
	}
	for i := 0; i < len(digits); i++ {
		if digits[i]-'0' > 9 {
			return false
		}
	}
	digits = strings.TrimLeft(digits, "0")
	own := ""
	switch u.scheme {
	case "http", "ws":
		own = "80"
	case "https", "wss":
		own = "443"
	case "ftp":
		own = "21"
	}
	if digits == "" && u.port != ":" || len(digits) > 5 { // port 0, or none that there is
		return false
	}
	u.port = ""
	if digits != "" && digits != own {
		u.port = ":" + digits
	}
	return true
}

// normalPath decodes what need not be escaped, writes escapes in capitals and removes dot segments. An
// empty path is "/". RFC 3986 sections 6.2.2 and 5.2.4.
func normalPath(path string) string {
	if path == "" {
		return "/"
	}
	decoded, ok := unescape(path)
	if !ok || !strings.Contains(decoded, "/.") {
		return decoded
	}
	var out []string
	segments := strings.Split(decoded[1:], "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}

// unescape decodes the escapes of letters, digits and -._~ and writes the others in capitals. A path with
// a percent sign that begins no escape stays as it is, and ok is false: what it means is for its server
// to say.
func unescape(path string) (decoded string, ok bool) {
	if strings.IndexByte(path, '%') < 0 {
		return path, true
	}
	var b strings.Builder
	b.Grow(len(path))
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			b.WriteByte(path[i])
			continue
		}
		if i+2 >= len(path) || !hexDigit(path[i+1]) || !hexDigit(path[i+2]) {
			return path, false
		}
		c := digit(path[i+1])<<4 | digit(path[i+2])
		if c|0x20-'a' <= 'z'-'a' || c-'0' <= 9 || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteString(strings.ToUpper(path[i+1 : i+3]))
		}
		i += 2
	}
	return b.String(), true
}

func digit(c byte) byte {
	if c-'0' <= 9 {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
