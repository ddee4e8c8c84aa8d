package stix

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// strictMIME checks an artifact's mime_type. STIX 2.1 section 6.1.
func (c *checker) strictMIME() bool {
	i := c.find(0, nMimeType)
	if i == 0 {
		return true
	}
	kind, sub, _ := bytes.Cut(c.o.text(&c.o.p.nodes[i]), []byte("/"))
	known := among(kind, []string{"application", "audio", "font", "image", "message", "model", "multipart", "text", "video"})
	if !known || len(sub) == 0 || !(word(sub[0]) || sub[0]-'0' <= 9 || strings.IndexByte(".+-", sub[0]) >= 0) {
		return c.fail(i, "STIX 2.1 section 6.1", "a mime_type is one that IANA registers, like application/zip, not ", c.show(i))
	}
	return true
}

// strictRegistry: "the hive MUST be fully expanded and not truncated". STIX 2.1 section 6.17.
func (c *checker) strictRegistry() bool {
	i := c.find(0, nKey)
	if i == 0 {
		return true
	}
	hive, _, _ := strings.Cut(strings.ToUpper(string(c.o.text(&c.o.p.nodes[i]))), `\`)
	switch hive {
	case "HKLM", "HKCC", "HKCR", "HKCU", "HKU":
		return c.fail(i, "STIX 2.1 section 6.17", "the hive must be written out, not ", hive)
	}
	return true
}

// strictMail checks the value of an email-addr: an addr-spec, without a display name. STIX 2.1
// section 6.5, RFC 5322 section 3.4.1.
func (c *checker) strictMail() bool {
	i := c.at(nValue)
	text := c.o.text(&c.o.p.nodes[i])
	at := bytes.LastIndexByte(text, '@')
	if at < 1 || at == len(text)-1 || bytes.ContainsAny(text, "<> \t") && text[0] != '"' {
		return c.fail(i, "STIX 2.1 section 6.5", "the value must be an e-mail address without a display name, not ", c.show(i))
	}
	return true
}

// strictIPv6 checks the value of an ipv6-addr: an address, or a block in CIDR notation. STIX 2.1
// section 6.9.
func (c *checker) strictIPv6() bool {
	i := c.at(nValue)
	text := string(c.o.text(&c.o.p.nodes[i]))
	addr, bits, block := strings.Cut(text, "/")
	ip, err := netip.ParseAddr(addr)
	ok := err == nil && ip.Is6()
	if block {
		n, err := strconv.Atoi(bits)
		ok = ok && err == nil && n >= 0 && n <= 128 && itoa(n) == bits
	}
	if !ok {
		return c.fail(i, "STIX 2.1 section 6.9", "the value must be an IPv6 address or a block of them, not ", c.show(i))
	}
	return true
}

// strictMAC checks the value of a mac-addr: "a single colon-delimited, lowercase MAC-48 address,
// which MUST include leading zeros". STIX 2.1 section 6.10.
func (c *checker) strictMAC() bool {
	i := c.at(nValue)
	text := c.o.text(&c.o.p.nodes[i])
	ok := len(text) == len("00:00:00:00:00:00")
	for k := 0; ok && k < len(text); k++ {
		if k%3 == 2 {
			ok = text[k] == ':'
		} else {
			ok = text[k]-'0' <= 9 || text[k]-'a' <= 5
		}
	}
	if !ok {
		return c.fail(i, "STIX 2.1 section 6.10", "the value must be a MAC address like d2:fb:49:24:37:18, not ", c.show(i))
	}
	return true
}

// strictCPE checks software's cpe: a formatted string of CPE 2.3, "cpe:2.3:" and eleven parts.
// STIX 2.1 section 6.14; NISTIR 7695 section 6.2.
func (c *checker) strictCPE() bool {
	i := c.find(0, nCPE)
	if i == 0 {
		return true
	}
	rest, ok := bytes.CutPrefix(c.o.text(&c.o.p.nodes[i]), []byte("cpe:2.3:"))
	parts := 1
	for k := 0; ok && k < len(rest); k++ {
		switch b := rest[k]; {
		case b == '\\':
			k++
			ok = k < len(rest)
		case b == ':':
			parts++
		default:
			ok = word(b) || b-'0' <= 9 || strings.IndexByte("-.*?", b) >= 0
		}
	}
	if !ok || parts != 11 || strings.IndexByte("aho*-", rest[0]) < 0 || rest[1] != ':' {
		return c.fail(i, "STIX 2.1 section 6.14", "the value must be a CPE 2.3 formatted string, not ", c.show(i))
	}
	return true
}

// strictExtension checks a member of extensions: one that STIX defines against its table, one of an
// extension-definition for its extension_type. STIX 2.1 sections 6 and 7.3.
func (c *checker) strictExtension(i int) bool {
	const section = "STIX 2.1 section 7.3"
	m := &c.o.p.nodes[i]
	key := c.o.key(m)
	if i+1 == int(m.next) {
		return c.fail(i, section, "an extension must not be empty")
	}
	if s := extensionShape(key); s != nil {
		return c.part(i, s, s)
	}
	if !bytes.HasPrefix(key, []byte("extension-definition--")) {
		if !bytes.HasSuffix(key, []byte("-ext")) {
			return c.fail(i, section, "the key of an extension is the id of an extension-definition, or ends in -ext, unlike ", quote(key))
		}
		return true
	}
	if _, ok := splitID(key); !ok {
		return c.fail(i, section, quote(key), " is no identifier")
	}
	t := c.find(i, nExtensionType)
	if t == 0 {
		return c.fail(i, section, "extension_type is required")
	}
	return c.enum(t, &extensionType, granularMarking)
}

var extensionType = enum("new-sdo", "new-sco", "new-sro", "property-extension", "toplevel-property-extension")
