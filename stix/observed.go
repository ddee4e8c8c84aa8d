package stix

import (
	"bytes"
	"net/netip"
	"strconv"
)

// ValueKind is which sort of thing the value of an observable names.
type ValueKind uint8

// The kinds. OtherValue is everything that the gateway does not compare by value: names, keys,
// paths, command lines.
const (
	OtherValue    ValueKind = iota
	IPv4Value               // an address or a CIDR block. STIX 2.1 section 6.8
	IPv6Value               // likewise. Section 6.9
	DomainValue             // section 6.4
	URLValue                // section 6.15
	EmailValue              // section 6.5
	MACValue                // section 6.10
	ASNumberValue           // section 6.2
	MD5Value                // section 10.7, as the four below
	SHA1Value
	SHA256Value
	SHA512Value
	OtherHashValue
)

// String gives the name that configuration and messages use: the observable's type, or the hash
// algorithm in the vocabulary of STIX 2.1 section 10.7; "hash" for other algorithms, "other" else.
func (k ValueKind) String() string {
	switch k {
	case IPv4Value:
		return "ipv4-addr"
	case IPv6Value:
		return "ipv6-addr"
	case DomainValue:
		return "domain-name"
	case URLValue:
		return "url"
	case EmailValue:
		return "email-addr"
	case MACValue:
		return "mac-addr"
	case ASNumberValue:
		return "autonomous-system"
	case MD5Value:
		return "MD5"
	case SHA1Value:
		return "SHA-1"
	case SHA256Value:
		return "SHA-256"
	case SHA512Value:
		return "SHA-512"
	case OtherHashValue:
		return "hash"
	}
	return "other"
}

// Hash reports a kind that is the digest of a file.
func (k ValueKind) Hash() bool { return k >= MD5Value && k <= OtherHashValue }

// Operator is how a pattern compares an object path with a constant. STIX 2.1 section 9.6.
type Operator uint8

// The operators; an observable that is an object of its own Equals its value.
const (
	Equals Operator = iota
	Differs
	Orders // <, <=, >, >=
	InSet
	Like
	Matches
	Subset
	Superset
	Exists
)

// Comparison is one comparison of a pattern, or the value of an observable object. Its bytes are
// valid as long as those that it was read from.
type Comparison struct {
	Path     []byte // "ipv4-addr:value", without white space and comments
	Operator Operator
	Negated  bool
	Value    []byte // of a string its text, of another constant as written; nil for EXISTS
	Kind     ValueKind
}

// Names reports whether the comparison says that the value itself is there: =, IN or ISSUBSET, not
// negated.
func (c *Comparison) Names() bool {
	return !c.Negated && (c.Operator == Equals || c.Operator == InSet || c.Operator == Subset)
}

// Comparisons gives every comparison of a valid pattern in order, negated ones too; of a text that is
// no pattern those before the slip. The comparison is the callee's until it returns.
func Comparisons(pattern []byte, each func(c *Comparison)) {
	if path, value, ok := simpleParts(pattern); ok {
		each(&Comparison{Path: path, Value: value, Kind: kindOf(path, value)})
		return
	}
	Holds(pattern, func(c *Comparison) bool {
		each(c)
		return true
	})
}

// simpleParts takes a pattern of simplePattern's form apart.
func simpleParts(t []byte) (path, value []byte, ok bool) {
	if !simplePattern(t) {
		return nil, nil, false
	}
	open := bytes.IndexByte(t, '\'')
	path = bytes.TrimRight(t[1:open], " =")
	return path, t[open+1 : len(t)-2], true
}

// Observed gives the values that the object speaks of, each with its JSON pointer (RFC 6901) in the
// object: the comparisons of an indicator's STIX pattern, the value or the hashes of an observable, and
// those of the observables inside an observed-data of STIX 2.0. A pattern in another language has none.
// The comparison is the callee's until it returns.
func (o *Object) Observed(each func(c *Comparison, pointer string)) {
	if o.p == nil || len(o.p.nodes) == 0 {
		return
	}
	switch string(o.Type) {
	case "indicator":
		if o.Pattern != nil && (o.PatternType == nil || string(o.PatternType) == "stix") {
			if path, value, ok := simpleParts(o.Pattern); ok {
				o.simple = Comparison{Path: path, Value: value, Kind: kindOf(path, value)}
				each(&o.simple, "/pattern")
				return
			}
			Comparisons(o.Pattern, func(c *Comparison) { each(c, "/pattern") })
		}
	case "observed-data":
		o.observedInside(each)
	default:
		if o.kind != nil && o.kind.class == observable {
			o.observedAt(0, o.Type, "", each)
		}
	}
}

// observedInside gives the values of the observables in `objects`. STIX 2.0 part 2, section 2.8.
func (o *Object) observedInside(each func(*Comparison, string)) {
	nodes := o.p.nodes
	all := o.member(nObjects)
	if all.absent() || all.kind != kObject {
		return
	}
	at := int(o.p.at[nObjects])
	for i := at + 1; i < int(nodes[at].next) && i < len(nodes); i = int(nodes[i].next) {
		if nodes[i].kind != kObject {
			continue
		}
		for k := i + 1; k < int(nodes[i].next) && k < len(nodes); k = int(nodes[k].next) {
			if nodes[k].name == nType && nodes[k].kind == kString {
				o.observedAt(i, o.text(&nodes[k]), "/objects/"+escapePointer(o.key(&nodes[i])), each)
				break
			}
		}
	}
}

// observedAt gives the values of the observable of this type whose node is at.
func (o *Object) observedAt(at int, kind []byte, pointer string, each func(*Comparison, string)) {
	want := nValue
	switch string(kind) {
	case "ipv4-addr", "ipv6-addr", "domain-name", "url", "email-addr", "mac-addr":
	case "autonomous-system":
		want = nNumber
	case "file", "x509-certificate":
		want = nHashes
	case "artifact":
		want = nHashes
		o.valueAt(at, kind, nURL, pointer, each)
	default:
		return
	}
	o.valueAt(at, kind, want, pointer, each)
}

// valueAt gives the value, or the values of a dictionary of hashes, of the member want.
func (o *Object) valueAt(at int, kind []byte, want name, pointer string, each func(*Comparison, string)) {
	nodes := o.p.nodes
	for i := at + 1; i < int(nodes[at].next) && i < len(nodes); i = int(nodes[i].next) {
		m := &nodes[i]
		if m.next == 0 {
			return // the rest of it is not there
		}
		if m.name != want {
			continue
		}
		path := append(append(append(make([]byte, 0, 48), kind...), ':'), want.String()...)
		switch m.kind {
		case kString:
			c := Comparison{Path: path, Value: o.text(m)}
			c.Kind = kindOf(path, c.Value)
			each(&c, pointer+"/"+want.String())
		case kInteger:
			each(&Comparison{Path: path, Value: o.raw(m), Kind: kindOf(path, nil)}, pointer+"/"+want.String())
		case kObject:
			for k := i + 1; k < int(m.next) && k < len(nodes); k = int(nodes[k].next) {
				if nodes[k].kind != kString {
					continue
				}
				algorithm := o.key(&nodes[k])
				full := append(append(append(bytes.Clone(path), ".'"...), algorithm...), '\'')
				each(&Comparison{Path: full, Value: o.text(&nodes[k]), Kind: hashKind(algorithm)},
					pointer+"/"+want.String()+"/"+escapePointer(algorithm))
			}
		}
		return
	}
}

// escapePointer writes a member's name as a part of a JSON pointer. RFC 6901 section 3.
func escapePointer(key []byte) string {
	return string(bytes.ReplaceAll(bytes.ReplaceAll(key, []byte("~"), []byte("~0")), []byte("/"), []byte("~1")))
}

// kindOf tells what a path's value names. A path that ends at another object's value says nothing of
// that object's type, so there the text itself is looked at.
func kindOf(path, value []byte) ValueKind {
	colon := bytes.IndexByte(path, ':')
	if colon < 0 {
		return OtherValue
	}
	typ, prop := path[:colon], path[colon+1:]
	if len(prop) > 1 && prop[0] == '\'' {
		prop = bytes.Trim(prop, "'")
	}
	if string(prop) == "value" {
		switch string(typ) {
		case "ipv4-addr":
			return IPv4Value
		case "ipv6-addr":
			return IPv6Value
		case "domain-name":
			return DomainValue
		case "url":
			return URLValue
		case "email-addr":
			return EmailValue
		case "mac-addr":
			return MACValue
		}
		return OtherValue
	}
	switch {
	case string(typ) == "autonomous-system" && string(prop) == "number":
		return ASNumberValue
	case string(typ) == "artifact" && string(prop) == "url":
		return URLValue
	case bytes.HasPrefix(prop, []byte("hashes.")):
		return hashKind(bytes.Trim(prop[len("hashes."):], "'"))
	case bytes.HasSuffix(prop, []byte("_ref.value")), bytes.HasSuffix(prop, []byte("].value")) && bytes.Contains(prop, []byte("_refs[")):
		return sniff(value)
	case bytes.HasPrefix(prop, []byte("extensions.'http-request-ext'.request_header.")):
		if bytes.EqualFold(bytes.Trim(prop[len("extensions.'http-request-ext'.request_header."):], "'"), []byte("Host")) {
			return DomainValue
		}
	}
	return OtherValue
}

// hashKind reads the name of an algorithm as people write it: SHA-256, sha256, SHA_256.
func hashKind(algorithm []byte) ValueKind {
	var b [8]byte
	n := 0
	for _, c := range algorithm {
		if c-'A' <= 'Z'-'A' {
			c |= 0x20
		}
		if c == '-' || c == '_' || c == ' ' {
			continue
		}
		if n == len(b) {
			return OtherHashValue
		}
		b[n] = c
		n++
	}
	switch string(b[:n]) {
	case "md5":
		return MD5Value
	case "sha1":
		return SHA1Value
	case "sha256":
		return SHA256Value
	case "sha512":
		return SHA512Value
	}
	return OtherHashValue
}

// sniff tells addresses, networks, URLs, mail addresses and domain names apart by their form.
func sniff(value []byte) ValueKind {
	const most = 2048
	if len(value) == 0 || len(value) > most {
		return OtherValue
	}
	text := value
	if slash := bytes.IndexByte(text, '/'); slash > 0 {
		if bits, err := strconv.Atoi(string(text[slash+1:])); err == nil && bits >= 0 && bits <= 128 {
			text = text[:slash]
		}
	}
	if a, err := netip.ParseAddr(string(text)); err == nil {
		if a.Is4() {
			return IPv4Value
		}
		return IPv6Value
	}
	switch {
	case bytes.Contains(value, []byte("://")):
		return URLValue
	case bytes.IndexByte(value, '@') >= 0:
		return EmailValue
	case len(value) == len("00:00:00:00:00:00") && (value[2] == ':' || value[2] == '-'):
		return MACValue
	case bytes.IndexByte(value, '.') > 0 && bytes.IndexByte(value, '/') < 0:
		return DomainValue
	}
	return OtherValue
}
