package routing

import (
	"bytes"
	"math/bits"
	"net/netip"

	"liaison/stix"
)

// guess finds the countries of the addresses and names that an object holds.
func (g *Graph) guess(o *stix.Object, n int32) {
	o.Observed(func(c *stix.Comparison, _ string) {
		switch c.Kind {
		case stix.IPv4Value, stix.IPv6Value:
			if c.Names() {
				g.address(n, c.Value)
			}
		case stix.DomainValue, stix.URLValue, stix.EmailValue:
			if c.Names() || c.Operator == stix.Like && !c.Negated {
				g.host(n, hostOf(c.Kind, c.Value))
			}
		}
	})
	v := &g.nodes[n]
	v.seen.base = v.seen.n
}

// hostOf gives the host of a URL, the domain of a mail address, or the text itself. It is not decoded
// and not checked: what is no host has no country.
func hostOf(kind stix.ValueKind, text []byte) []byte {
	switch kind {
	case stix.URLValue:
		_, rest, ok := bytes.Cut(text, []byte("://"))
		if !ok {
			return nil
		}
		if end := bytes.IndexAny(rest, "/?#\\"); end >= 0 {
			rest = rest[:end]
		}
		if at := bytes.LastIndexByte(rest, '@'); at >= 0 {
			rest = rest[at+1:]
		}
		if len(rest) > 0 && rest[0] == '[' { // RFC 3986 section 3.2.2
			end := bytes.IndexByte(rest, ']')
			if end < 0 {
				return nil
			}
			return rest[1:end]
		}
		return withoutPort(rest)
	case stix.EmailValue:
		return text[bytes.LastIndexByte(text, '@')+1:]
	}
	return withoutPort(text)
}

func withoutPort(host []byte) []byte {
	if colon := bytes.IndexByte(host, ':'); colon >= 0 && bytes.IndexByte(host[colon+1:], ':') < 0 {
		return host[:colon]
	}
	return host
}

// host finds the country of a name, or of the address that stands in its place.
func (g *Graph) host(n int32, host []byte) {
	const most = 253 + 1 // RFC 1035 section 2.3.4, with the dot at the end
	if len(host) == 0 || len(host) > most {
		return
	}
	if last := host[len(host)-1]; last-'0' <= 9 || bytes.IndexByte(host, ':') >= 0 {
		g.address(n, host)
		return
	}
	if c, under := g.router.domain(host); c != "" {
		g.see(n, Domain, slot(c), under)
	}
}

// address finds the country of an address or the countries of a block.
func (g *Graph) address(n int32, text []byte) {
	const most = 49 // of an IPv6 address with an IPv4 one in it, and a length
	if g.router.addresses == nil || len(text) > most {
		return
	}
	if bytes.IndexByte(text, '/') < 0 {
		a, ok := parseAddr(text)
		if !ok {
			return
		}
		if c, _ := g.router.addresses.Country(a); c != "" {
			g.see(n, Address, slot(c), string(text))
		}
		return
	}
	block, err := netip.ParsePrefix(string(text))
	if err != nil {
		return
	}
	for _, c := range g.block(block.Masked()) {
		g.see(n, Address, slot(c), string(text))
	}
}

// parseAddr reads an IPv4 address without making a string of it, and any other by netip.
func parseAddr(text []byte) (netip.Addr, bool) {
	var b [4]byte
	part, digits, value := 0, 0, 0
	for _, c := range text {
		switch {
		case c == '.':
			if digits == 0 || part == 3 {
				return netip.Addr{}, false
			}
			b[part] = byte(value)
			part, digits, value = part+1, 0, 0
		case c-'0' <= 9 && digits < 3 && (digits == 0 || value > 0):
			value, digits = value*10+int(c-'0'), digits+1
			if value > 255 {
				return netip.Addr{}, false
			}
		default:
			a, err := netip.ParseAddr(string(text))
			return a, err == nil
		}
	}
	if part != 3 || digits == 0 {
		return netip.Addr{}, false
	}
	b[3] = byte(value)
	return netip.AddrFrom4(b), true
}

// block gives the countries of a block: it is looked up from its first address on, after each network
// that the database answers for, but in no more than MaxBlockPlaces pieces of it. A block that spans more
// than MaxBlockSpread countries, and one that the publication has no more work for, has none.
func (g *Graph) block(block netip.Prefix) []Country {
	var found []Country
	host := block.Addr().BitLen() - block.Bits() // bits of addresses in the block
	piece := max(0, host-bits.Len(MaxBlockPlaces-1))
	for a := block.Addr(); ; {
		if g.work++; g.work > MaxBlockWork {
			return nil
		}
		c, around := g.router.addresses.Country(a)
		if c != "" && !contains(found, c) {
			if len(found) == MaxBlockSpread {
				return nil
			}
			found = append(found, c)
		}
		size := piece
		if around.IsValid() {
			size = max(size, around.Addr().BitLen()-around.Bits())
		}
		next, ok := after(a, size)
		if !ok || !block.Contains(next) {
			return found
		}
		a = next
	}
}

func contains(list []Country, c Country) bool {
	for _, have := range list {
		if have == c {
			return true
		}
	}
	return false
}

// after gives the first address after the block of 2^size addresses that a lies in; false at the end.
func after(a netip.Addr, size int) (netip.Addr, bool) {
	if a.Is4() {
		b := a.As4()
		n := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
		n = (n>>size + 1) << size
		if n > 0xFFFFFFFF {
			return a, false
		}
		return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), true
	}
	b := a.As16()
	if size >= 128 {
		return a, false
	}
	for bit := range size { // clear the low bits
		b[15-bit/8] &^= 1 << (bit % 8)
	}
	carry := uint16(1) << (size % 8)
	for i := 15 - size/8; i >= 0 && carry != 0; i-- {
		sum := uint16(b[i]) + carry
		b[i] = byte(sum)
		carry = sum >> 8
	}
	return netip.AddrFrom16(b), carry == 0
}
