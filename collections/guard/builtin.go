package guard

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"liaison/stix"
)

// The names of the built-in lists, which configuration, exemptions and the journal use.
const (
	ReservedAddresses      = "reserved-addresses"
	DocumentationAddresses = "documentation-addresses"
	ReservedDomains        = "reserved-domains"
	DocumentationDomains   = "documentation-domains"
	PublicResolvers        = "public-resolvers"
	RootServers            = "root-servers"
	TopSites               = "top-sites"
	SharedHosting          = "shared-hosting"
	EmptyFiles             = "empty-files"
	MatchesEverything      = "matches-everything"
	MatchesMuch            = "matches-much"
)

// builtinVersion is the day on which the tables below were last looked over.
const builtinVersion = "2026-11-23"

// Builtin gives the built-in lists with their default actions. Those that nobody can be a threat under
// (addresses that are nobody's, digests of nothing) are blocked, and so is what would match everything and
// what whole countries resolve names with; sites that are abused as well as used are held.
func Builtin() []*List {
	addresses := kindsOf(stix.IPv4Value, stix.IPv6Value, stix.DomainValue, stix.URLValue, stix.EmailValue)
	names := kindsOf(stix.DomainValue, stix.URLValue, stix.EmailValue)
	return []*List{
		{Name: ReservedAddresses, Action: Block, Version: builtinVersion, kinds: addresses, blocks: blocks(reserved),
			Description: "private, shared, loopback, link-local, multicast, benchmarking and unassigned addresses"},
		{Name: DocumentationAddresses, Action: Block, Version: builtinVersion, kinds: addresses, blocks: blocks(documentation),
			Description: "addresses for examples in documents"},
		{Name: ReservedDomains, Action: Block, Version: builtinVersion, kinds: names, form: hosts, texts: strings.Fields(reservedNames),
			Description: "names that the public DNS does not have"},
		{Name: DocumentationDomains, Action: Block, Version: builtinVersion, kinds: names, form: hosts, texts: strings.Fields(documentationNames),
			Description: "names for examples in documents"},
		{Name: PublicResolvers, Action: Block, Version: builtinVersion, kinds: addresses, blocks: blocks(resolvers),
			form: hosts, texts: strings.Fields(resolverNames),
			Description: "well-known public DNS resolvers"},
		{Name: RootServers, Action: Block, Version: builtinVersion, kinds: addresses, blocks: blocks(roots),
			form: hosts, texts: []string{"root-servers.net"},
			Description: "the root servers of the DNS"},
		{Name: TopSites, Action: Hold, Version: builtinVersion, kinds: names &^ kindsOf(stix.EmailValue), form: sites, texts: strings.Fields(topSites),
			Description: "sites that everybody uses, by their bare name; what lies on or under them is let be"},
		{Name: SharedHosting, Action: Hold, Version: builtinVersion, kinds: names &^ kindsOf(stix.EmailValue), form: sites, texts: strings.Fields(sharedHosts),
			Description: "names under which hosting services put their customers, by the bare name; the customers are let be"},
		{Name: EmptyFiles, Action: Block, Version: builtinVersion, form: whole, texts: emptyFiles(),
			kinds:       kindsOf(stix.MD5Value, stix.SHA1Value, stix.SHA256Value, stix.SHA512Value, stix.OtherHashValue),
			Description: "digests of empty files and of files that are as good as empty"},
		{Name: MatchesEverything, Action: Block, Version: builtinVersion, form: patterns, shape: isEverything,
			Description: "patterns that match everything of their kind"},
		{Name: MatchesMuch, Action: Hold, Version: builtinVersion, form: patterns, shape: isMuch,
			Description: "patterns that name nothing: all but one value, whole top-level domains, ports, very wide networks"},
	}
}

// reserved are the addresses that IANA's special-purpose registries (RFC 6890) say are not globally
// reachable, multicast (RFC 5771, RFC 4291) and what is not assigned to be used.
const reserved = `
0.0.0.0/8         RFC 791: this network
10.0.0.0/8        RFC 1918: private
100.64.0.0/10     RFC 6598: shared by a provider's customers
127.0.0.0/8       RFC 1122: loopback
169.254.0.0/16    RFC 3927: link-local
172.16.0.0/12     RFC 1918: private
192.0.0.0/24      RFC 6890: protocol assignments
192.88.99.0/24    RFC 7526: 6to4 relays, given up
192.168.0.0/16    RFC 1918: private
198.18.0.0/15     RFC 2544: benchmarking
224.0.0.0/4       RFC 5771: multicast
240.0.0.0/4       RFC 1112: reserved, and broadcast
::/128            RFC 4291: unspecified
::1/128           RFC 4291: loopback
64:ff9b:1::/48    RFC 8215: translation, local
100::/64          RFC 6666: discard-only
2001::/32         RFC 4380: Teredo
2001:2::/48       RFC 5180: benchmarking
2001:10::/28      RFC 4843: ORCHID, given up
2001:20::/28      RFC 7343: ORCHIDv2
2002::/16         RFC 3056: 6to4
5f00::/16         RFC 9602: segment routing
fc00::/7          RFC 4193: unique local
fe80::/10         RFC 4291: link-local
fec0::/10         RFC 3879: site-local, given up
ff00::/8          RFC 4291: multicast
`

const documentation = `
192.0.2.0/24      RFC 5737: TEST-NET-1
198.51.100.0/24   RFC 5737: TEST-NET-2
203.0.113.0/24    RFC 5737: TEST-NET-3
233.252.0.0/24    RFC 6676: MCAST-TEST-NET
2001:db8::/32     RFC 3849
3fff::/20         RFC 9637
`

// reservedNames: RFC 6761, RFC 6762 (local), RFC 8375 (home.arpa), ICANN 2024 (internal). Names under
// onion (RFC 7686) are real services, and are let be.
const reservedNames = "test invalid localhost local home.arpa internal"

// documentationNames: RFC 2606, RFC 6761.
const documentationNames = "example example.com example.net example.org"

// resolvers are addresses that their operators publish for everybody.
const resolvers = `
8.8.8.8                 Google Public DNS
8.8.4.4                 Google Public DNS
2001:4860:4860::8888    Google Public DNS
2001:4860:4860::8844    Google Public DNS
1.1.1.1                 Cloudflare
1.0.0.1                 Cloudflare
1.1.1.2                 Cloudflare
1.0.0.2                 Cloudflare
1.1.1.3                 Cloudflare
1.0.0.3                 Cloudflare
2606:4700:4700::1111    Cloudflare
2606:4700:4700::1001    Cloudflare
9.9.9.9                 Quad9
149.112.112.112         Quad9
2620:fe::fe             Quad9
2620:fe::9              Quad9
208.67.222.222          OpenDNS
208.67.220.220          OpenDNS
2620:119:35::35         OpenDNS
2620:119:53::53         OpenDNS
94.140.14.14            AdGuard
94.140.15.15            AdGuard
4.2.2.1                 Level 3
4.2.2.2                 Level 3
64.6.64.6               Vercara
64.6.65.6               Vercara
114.114.114.114         114DNS
114.114.115.115         114DNS
223.5.5.5               AliDNS
223.6.6.6               AliDNS
119.29.29.29            DNSPod
168.126.63.1            KT
77.88.8.8               Yandex
77.88.8.1               Yandex
`

const resolverNames = "dns.google one.one.one.one cloudflare-dns.com dns.quad9.net dns.opendns.com dns.adguard-dns.com"

// roots: IANA, root hints.
const roots = `
198.41.0.4            a.root-servers.net
2001:503:ba3e::2:30   a.root-servers.net
170.247.170.2         b.root-servers.net
2801:1b8:10::b        b.root-servers.net
192.33.4.12           c.root-servers.net
2001:500:2::c         c.root-servers.net
199.7.91.13           d.root-servers.net
2001:500:2d::d        d.root-servers.net
192.203.230.10        e.root-servers.net
2001:500:a8::e        e.root-servers.net
192.5.5.241           f.root-servers.net
2001:500:2f::f        f.root-servers.net
192.112.36.4          g.root-servers.net
2001:500:12::d0d      g.root-servers.net
198.97.190.53         h.root-servers.net
2001:500:1::53        h.root-servers.net
192.36.148.17         i.root-servers.net
2001:7fe::53          i.root-servers.net
192.58.128.30         j.root-servers.net
2001:503:c27::2:30    j.root-servers.net
193.0.14.129          k.root-servers.net
2001:7fd::1           k.root-servers.net
199.7.83.42           l.root-servers.net
2001:500:9f::42       l.root-servers.net
202.12.27.33          m.root-servers.net
2001:dc3::35          m.root-servers.net
`

const topSites = `
google.com youtube.com facebook.com instagram.com whatsapp.com whatsapp.net x.com twitter.com wikipedia.org
reddit.com amazon.com microsoft.com apple.com icloud.com live.com office.com bing.com yahoo.com yahoo.co.jp
linkedin.com netflix.com tiktok.com telegram.org t.me zoom.us github.com gitlab.com stackoverflow.com
cloudflare.com mozilla.org adobe.com paypal.com baidu.com qq.com weixin.qq.com taobao.com jd.com bilibili.com
naver.com daum.net kakao.com line.me zalo.me vnexpress.net shopee.vn shopee.co.id shopee.com tokopedia.com lazada.com
grab.com gmail.com googleapis.com gstatic.com googleusercontent.com windowsupdate.com akamai.net akamaiedge.net
fbcdn.net interpol.int
`

const sharedHosts = `
amazonaws.com s3.amazonaws.com cloudfront.net azurewebsites.net azureedge.net blob.core.windows.net windows.net
herokuapp.com github.io githubusercontent.com raw.githubusercontent.com gitlab.io pages.dev workers.dev r2.dev
web.app firebaseapp.com appspot.com run.app blogspot.com sites.google.com docs.google.com drive.google.com
netlify.app vercel.app onrender.com glitch.me wordpress.com wixsite.com weebly.com 000webhostapp.com
myshopify.com ngrok.io ngrok-free.app trycloudflare.com duckdns.org no-ip.org ddns.net dropbox.com
dropboxusercontent.com mediafire.com mega.nz pastebin.com cdn.discordapp.com bit.ly tinyurl.com
`

// blocks reads a table of addresses and networks, each with what it is.
func blocks(table string) []block {
	var list []block
	for line := range strings.Lines(strings.TrimSpace(table)) {
		text, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a := netip.MustParseAddr(text)
			p = netip.PrefixFrom(a, a.BitLen())
		}
		list = append(list, block{p, text + ", " + strings.TrimSpace(what)})
	}
	return list
}

// emptyFiles computes the digests of what many different people have in their logs: nothing, a byte or a
// line without anything in it, and zeros in the sizes of blocks.
func emptyFiles() []string {
	contents := [][]byte{nil, {0}, []byte("\n"), []byte("\r\n"), []byte(" "), []byte("{}"), []byte("[]"), make([]byte, 512), make([]byte, 1024), make([]byte, 4096)}
	list := []string{"3::"} // SSDEEP of nothing
	for _, c := range contents {
		a, b, d, e := md5.Sum(c), sha1.Sum(c), sha256.Sum256(c), sha512.Sum512(c)
		for _, sum := range [][]byte{a[:], b[:], d[:], e[:]} {
			list = append(list, hex.EncodeToString(sum))
		}
	}
	return list
}

// Choose gives the lists the actions that an operator chose, by name; a name that no list has is ErrInvalid.
func Choose(lists []*List, actions map[string]Action) error {
	left := len(actions)
	for _, l := range lists {
		if a, ok := actions[l.Name]; ok {
			l.Action = a
			left--
		}
	}
	if left == 0 {
		return nil
	}
	for name := range actions {
		found := false
		for _, l := range lists {
			found = found || l.Name == name
		}
		if !found {
			return fmt.Errorf("%w: no list is called %q", ErrInvalid, clip(name))
		}
	}
	return nil
}
