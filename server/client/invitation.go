package client

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
)

// Invitation is what an operator gives a new partner: https://HOST[:PORT]/join/TOKEN, and after
// #sha256: the fingerprint of the one authority to trust there.
type Invitation struct {
	URL         string // without the fragment
	Host        string // a name or an address, without the port
	Fingerprint string // 64 hexadecimal digits, or "" for the system's roots
}

// ParseInvitation reads an invitation's URL; its errors are ErrInvitation and do not hold the token.
func ParseInvitation(text string) (Invitation, error) {
	bad := func(what string) (Invitation, error) {
		return Invitation{}, fmt.Errorf("%w: %s: copy the URL whole, https://HOST/join/TOKEN#sha256:FINGERPRINT, in quotes", ErrInvitation, what)
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return bad("it is no URL")
	}
	dir, token, _ := cutLast(u.EscapedPath(), "/")
	switch {
	case u.Scheme != "https":
		return bad("it does not start with https://")
	case u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery:
		return bad("it is not of the form of one")
	case dir != "/join" && !strings.HasSuffix(dir, "/join"):
		return bad("its path is not /join/TOKEN")
	case len(token) < 16 || strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return bad("its token is cut off or changed")
	}
	v := Invitation{Host: u.Hostname()}
	if strings.Contains(text, "#") {
		fp, ok := strings.CutPrefix(u.Fragment, "sha256:")
		if raw, err := hex.DecodeString(fp); !ok || err != nil || len(raw) != 32 {
			return bad("its fingerprint is cut off or changed")
		}
		v.Fingerprint = strings.ToLower(fp)
	}
	u.Fragment, u.RawFragment = "", ""
	v.URL = u.String()
	return v, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
