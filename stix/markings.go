package stix

import (
	"bytes"
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// The extension by which a marking-definition carries TLP 2.0, as OASIS publishes it.
const tlp2Extension = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"

// A standardMarking is a marking-definition that the standards fix.
type standardMarking struct {
	id    string
	level Level
	one   bool // TLP 1.0
	raw   string
}

// StandardMarking gives the definition that the gateway serves for a standard marking id: the four
// of STIX 2.1 section 7.2.1.4 (TLP 1.0) and the five that OASIS publishes for TLP 2.0. The caller
// owns raw.
func StandardMarking(id []byte) (raw []byte, level Level, ok bool) {
	m := standard(id)
	if m == nil {
		return nil, Unmarked, false
	}
	return []byte(m.raw), m.level, true
}

// standard finds a standard marking; "UUIDs are case insensitive on input" (RFC 4122 section 3), and so
// no other spelling of its id is anybody else's.
func standard(id []byte) *standardMarking {
	if len(id) != len("marking-definition--")+uuidLength {
		return nil
	}
	for _, c := range id {
		if c-'A' <= 'Z'-'A' {
			id = bytes.ToLower(id)
			break
		}
	}
	switch string(id) {
	case "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9":
		return &tlpWhite
	case "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da":
		return &tlpGreen1
	case "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82":
		return &tlpAmber1
	case "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed":
		return &tlpRed1
	case "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487":
		return &tlpClear
	case "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb":
		return &tlpGreen
	case "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421":
		return &tlpAmber
	case "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003":
		return &tlpAmberStrict
	case "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1":
		return &tlpRed
	}
	return nil
}

var (
	tlpWhite       = tlp1("613f2e26-407d-48c7-9eca-b8e91df99dc9", "white", Clear)
	tlpGreen1      = tlp1("34098fce-860f-48ae-8e50-ebd3cc5e41da", "green", Green)
	tlpAmber1      = tlp1("f88d31f6-486f-44da-b317-01333bde0b82", "amber", Amber)
	tlpRed1        = tlp1("5e57c739-391a-4eb3-b6be-7d15ca92d5ed", "red", Red)
	tlpClear       = tlp2("94868c89-83c2-464b-929b-a1a8aa3c8487", Clear)
	tlpGreen       = tlp2("bab4a63c-aed9-4cf5-a766-dfca5abac2bb", Green)
	tlpAmber       = tlp2("55d920b0-5e8b-4f79-9ee9-91f868d9b421", Amber)
	tlpAmberStrict = tlp2("939a9414-2ddd-4d32-a0cd-375ea402b003", AmberStrict)
	tlpRed         = tlp2("e828b379-4e03-4974-9ac4-e53a884c97c1", Red)
)

// tlp1 writes a definition of STIX 2.1 section 7.2.1.4.
func tlp1(uuid, colour string, l Level) standardMarking {
	id := "marking-definition--" + uuid
	return standardMarking{id, l, true, `{"type":"marking-definition","spec_version":"2.1","id":"` + id +
		`","created":"` + tlp1Created + `","definition_type":"tlp","name":"TLP:` + strings.ToUpper(colour) +
		`","definition":{"tlp":"` + colour + `"}}`}
}

// colour gives TLP 1.0's name of the level.
func (m *standardMarking) colour() string {
	if m.level == Clear {
		return "white"
	}
	return m.level.String()
}

// tlp2 writes a definition as OASIS publishes it with the TLP 2.0 extension.
func tlp2(uuid string, l Level) standardMarking {
	id := "marking-definition--" + uuid
	return standardMarking{id, l, false, `{"type":"marking-definition","spec_version":"2.1","id":"` + id +
		`","created":"` + tlp2Created + `","name":"TLP:` + strings.ToUpper(l.String()) +
		`","extensions":{"` + tlp2Extension + `":{"extension_type":"property-extension","tlp_2_0":"` + l.String() + `"}}}`}
}

const (
	tlp1Created = "2017-01-20T00:00:00.000Z"
	tlp2Created = "2022-10-01T00:00:00.000Z"
)

// LevelOf joins the levels of all markings of o, object and granular. lookup gives the level of a
// definition that is not standard (its DefinitionLevel); nil knows none. unknown is the first marking
// that nobody knows or understands, or nil; the level is then Unknown. A marking-definition has the
// level that it defines (a statement: Clear), an extension-definition is Clear, each joined with its
// own markings; others without any marking are Unmarked. A statement carries no level: an object
// marked with statements alone is Unmarked. DESIGN.md section 3, law 4.
func LevelOf(o *Object, lookup func(id []byte) (Level, bool)) (level Level, unknown []byte) {
	switch string(o.Type) {
	case "marking-definition":
		if m := standard(o.ID); m != nil {
			level = m.level
		} else {
			level = o.DefinitionLevel
		}
		if level == Unknown {
			unknown = append([]byte{}, o.ID...)
		}
		level = level.Join(Clear)
	case "extension-definition":
		level = Clear
	}
	for _, ids := range [2][][]byte{o.Markings, o.GranularMarkings} {
		for _, id := range ids {
			l := levelOfMarking(id, lookup)
			if l == Unknown && unknown == nil {
				unknown = id
			}
			level = level.Join(l)
		}
	}
	return level, unknown
}

func levelOfMarking(id []byte, lookup func(id []byte) (Level, bool)) Level {
	if m := standard(id); m != nil {
		return m.level
	}
	if lookup != nil {
		if l, ok := lookup(id); ok {
			return l
		}
	}
	return Unknown
}

// definitionLevel reads the level that a marking-definition defines. Publishers write TLP in many
// ways: definition_type "tlp" with a colour or with "TLP:AMBER+STRICT"; the TLP 2.0 extension; a
// statement whose whole text is "TLP:AMBER+STRICT" (or "tlp:amber+strict", MISP's tag), or whose
// text is nothing while the name or OpenCTI's own properties say it. Every hint is read and the
// strictest wins, also one in a place that nobody has defined; one that claims TLP and cannot be read
// makes the definition Unknown. PAP and statements carry no level. What remains is not understood:
// Unknown.
func (o *Object) definitionLevel() Level {
	level, known, coloured := Unmarked, false, false
	hint := func(text []byte, colour bool) bool {
		l, claims := readTLP(text, colour)
		level = level.Join(l)
		return claims
	}
	nodes := o.p.nodes
	kind := bytes.ToLower(o.DefinitionType)
	switch string(kind) {
	case "statement", "pap", "tlp":
	default:
		known = hint(kind, false)
	}
	for i := 1; i < int(nodes[0].next); i = int(nodes[i].next) {
		m := &nodes[i]
		switch {
		case m.name == nDefinition:
			known = o.definitionHints(i, string(kind), hint) || known
		case m.name == nName:
			if m.kind == kString {
				hint(o.text(m), false) // may raise the level, but is not the definition
				coloured = isColour(o.text(m))
			}
		case m.name == nExtensions:
			known = o.extensionHints(i, hint) || known
		case m.name == 0 && m.kind == kString && string(o.key(m)) == "x_opencti_definition":
			known = hint(o.text(m), false) || pap(o.text(m)) || known
		case m.name == nTLP || m.name == nTLP20:
			o.stray(i, hint)
		case m.name == 0 || m.name == nDescription || m.name == nLabels:
			level = level.Join(o.labelled(i))
		}
	}
	if !known || coloured && level == Unmarked {
		return Unknown
	}
	return level
}

// definitionHints reads the definition at i and reports whether it is understood: it claims a level,
// or is of a kind that carries none.
func (o *Object) definitionHints(i int, kind string, hint func([]byte, bool) bool) (known bool) {
	nodes := o.p.nodes
	if nodes[i].kind != kObject {
		return false
	}
	for c := i + 1; c < int(nodes[i].next); c = int(nodes[c].next) {
		m := &nodes[c]
		if m.kind != kString {
			continue
		}
		name := strings.ToLower(string(o.key(m)))
		claims := hint(o.text(m), name == "tlp" || kind == "tlp")
		known = known || claims || kind == "statement" && name == "statement" && !isColour(o.text(m)) || kind == "pap" || name == "pap" || pap(o.text(m))
	}
	return known
}

// extensionHints reads the TLP 2.0 extension and reports whether it is there. Others say nothing of
// the level: a definition that has nothing else is not understood.
func (o *Object) extensionHints(i int, hint func([]byte, bool) bool) (known bool) {
	nodes := o.p.nodes
	for c := i + 1; c < int(nodes[i].next); c = int(nodes[c].next) {
		if string(o.key(&nodes[c])) != tlp2Extension {
			for e := c + 1; e < int(nodes[c].next); e++ {
				if nodes[e].name == nTLP || nodes[e].name == nTLP20 {
					o.stray(e, hint)
				}
			}
			continue
		}
		var label []byte // none is a level that TLP does not have
		for e := c + 1; e < int(nodes[c].next); e = int(nodes[e].next) {
			if m := &nodes[e]; m.name == nTLP20 && m.kind == kString {
				label = o.text(m)
			}
		}
		known = hint(label, true)
	}
	return known
}

// stray reads a property of TLP where it is not defined: it raises the level, whatever it is.
func (o *Object) stray(i int, hint func([]byte, bool) bool) {
	var label []byte
	if m := &o.p.nodes[i]; m.kind == kString {
		label = o.text(m)
	}
	hint(label, true)
}

// labelled joins the levels of the strings at i that are labels of TLP and nothing else.
func (o *Object) labelled(i int) Level {
	level := Unmarked
	nodes := o.p.nodes
	for k := i; k < int(nodes[i].next); k++ {
		if nodes[k].kind != kString {
			continue
		}
		if l, claims := readTLP(o.text(&nodes[k]), false); claims && l != Unknown {
			level = level.Join(l)
		}
	}
	return level
}

// readTLP reads a TLP label: "TLP:AMBER+STRICT" in any case, or with colour also "amber+strict"
// alone. claims is whether the text means TLP at all; a label that TLP does not have is Unknown, and so
// is a longer text that speaks of one: who may see what it marks is for a person to say.
func readTLP(text []byte, colour bool) (l Level, claims bool) {
	s := plainText(text)
	if rest, ok := strings.CutPrefix(s, "tlp"); ok && rest != "" && strings.ContainsAny(rest[:1], ":-_ ") {
		s, colour = strings.TrimSpace(rest[1:]), true
	}
	if !colour && speaksOfTLP(s) {
		return Unknown, true
	}
	if !colour {
		return Unmarked, false
	}
	switch strings.ReplaceAll(strings.ReplaceAll(s, "+ ", "+"), " +", "+") {
	case "white", "clear":
		return Clear, true
	case "green":
		return Green, true
	case "amber":
		return Amber, true
	case "amber+strict", "amber-strict", "amber_strict", "amber strict", "amberstrict":
		return AmberStrict, true
	case "red":
		return Red, true
	}
	return Unknown, true
}

// speaksOfTLP reports a text, in lower case, in which a label of TLP stands among others, like "[TLP:RED]
// do not forward", or that names TLP and one of its colours.
func speaksOfTLP(s string) bool {
	if !strings.Contains(s, "tlp") && !strings.Contains(s, "traffic light protocol") {
		return false
	}
	return tlpLabel.MatchString(s) || tlpColour.MatchString(s)
}

var (
	tlpLabel  = regexp.MustCompile(`tlp(\s*:|white|clear|green|amber|red)`)
	tlpColour = regexp.MustCompile(`(^|[^a-z])(white|clear|green|amber|red)($|[^a-z])`)
)

// plainText is what is compared: lower case, one space between words, and the usual characters for
// those that only look different; the last is left out for what is too long to be a label.
func plainText(text []byte) string {
	const most = 4096 // bytes
	if len(text) <= most {
		text = norm.NFKC.Bytes(text)
	}
	return strings.Join(strings.Fields(strings.ToLower(string(text))), " ")
}

// isColour reports a text that is the name of one of TLP's levels, without saying that it means TLP.
func isColour(text []byte) bool {
	l, _ := readTLP(text, true)
	return l != Unknown
}

// pap reports a label of the Permissible Actions Protocol, which says what may be done with a thing
// and not who may see it.
func pap(text []byte) bool {
	return len(text) > 4 && strings.EqualFold(string(text[:4]), "pap:")
}
