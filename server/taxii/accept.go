package taxii

import (
	"mime"
	"slices"
	"strconv"
	"strings"
)

// Accepted is what the Accept header of a request allows.
type Accepted struct {
	TAXII bool // MediaType may be the answer
	HTML  bool // the caller names text/html and likes it better: a browser
}

// element is one member of a list of RFC 9110 section 12.5 with its weight.
type element struct {
	value  string // lower case, without parameters
	params map[string]string
	weight float64 // 0: not acceptable
}

// Accept reads the Accept header's lines. RFC 9110 section 12.5.1; TAXII 2.1 sections 1.6.8 and 3.1.
//
// No header, an empty one and wildcards accept everything. A range of a TAXII version that this is
// not accepts nothing; "if no version parameter is specified [...] the server SHOULD respond with the
// latest version". application/stix+json counts as TAXII's, for the standard's own table lists it
// beside. Elements that are malformed say nothing.
func Accept(lines []string) Accepted {
	if len(lines) == 1 && lines[0] == MediaType { // as almost all have it
		return Accepted{TAXII: true}
	}
	list, present := elements(lines)
	if !present {
		return Accepted{TAXII: true}
	}
	var taxii, html best
	for _, e := range list {
		rank := 0
		switch e.value {
		case "*/*":
			rank = 1
		case "application/*":
			rank = 2
		case "application/taxii+json":
			rank = 3 + rankOf(e.params["version"])
		case "application/stix+json":
			rank = 2
		case "text/html":
			html.take(1, e.weight)
		}
		if rank > 0 && !unsupported(e) {
			taxii.take(rank, e.weight)
		}
	}
	return Accepted{
		TAXII: taxii.weight > 0,
		HTML:  html.weight > taxii.weight || html.weight > 0 && html.weight == taxii.weight && taxii.rank < 3,
	}
}

// best keeps the weight of the most specific range. RFC 9110 section 12.5.1: "the most specific
// reference has precedence".
type best struct {
	rank   int
	weight float64
}

func (b *best) take(rank int, weight float64) {
	if rank > b.rank || rank == b.rank && weight > b.weight {
		b.rank, b.weight = rank, weight
	}
}

func rankOf(version string) int {
	if version == "" {
		return 0
	}
	return 1
}

// unsupported reports whether the range asks for a version that is not served. "2" is what some
// clients write for 2.1.
//
// "If the Accept header contains a media type that is defined but not supported, the request MUST NOT
// be satisfied." TAXII 2.1 section 3.1.
func unsupported(e element) bool {
	v, ok := e.params["version"]
	switch {
	case !ok || !strings.HasSuffix(e.value, "+json"):
		return false
	case e.value == "application/stix+json" && v == "2.0":
		return false
	}
	return v != "2.1" && v != "2"
}

// elements splits the lines of a list header. present is false when there is nothing in them.
func elements(lines []string) (list []element, present bool) {
	for _, line := range lines {
		for text := range cut(line, ',') {
			if text == "" {
				continue
			}
			present = true
			if e, ok := parseElement(text); ok {
				list = append(list, e)
			}
		}
	}
	return list, present
}

// cut splits at separators that stand outside of quoted strings. RFC 9110 section 5.6.4.
func cut(s string, separator byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start, quoted := 0, false
		for i := 0; i < len(s); i++ {
			switch {
			case quoted && s[i] == '\\':
				i++
			case s[i] == '"':
				quoted = !quoted
			case s[i] == separator && !quoted:
				if !yield(strings.Trim(s[start:i], " \t")) {
					return
				}
				start = i + 1
			}
		}
		yield(strings.Trim(s[start:], " \t"))
	}
}

func parseElement(text string) (element, bool) {
	e := element{weight: 1}
	first := true
	for part := range cut(text, ';') {
		if first {
			first = false
			e.value = strings.ToLower(part)
			if !token(strings.Replace(e.value, "/", "", 1)) {
				return element{}, false
			}
			continue
		}
		if part == "" { // RFC 9110 section 5.6.6: empty parameters are allowed
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.ToLower(name)
		if !ok || !token(name) {
			return element{}, false
		}
		value, ok = unquote(value)
		if !ok {
			return element{}, false
		}
		if name == "q" {
			if e.weight, ok = weight(value); !ok {
				return element{}, false
			}
			continue
		}
		if _, twice := e.params[name]; twice {
			return element{}, false
		}
		if e.params == nil {
			e.params = map[string]string{}
		}
		e.params[name] = value
	}
	return e, true
}

// weight reads a qvalue, of any number of decimals. RFC 9110 section 12.4.2.
func weight(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	q, err := strconv.ParseFloat(s, 64)
	return q, err == nil && q >= 0 && q <= 1
}

// unquote reads a token or a quoted string. RFC 9110 section 5.6.4.
func unquote(s string) (string, bool) {
	if !strings.HasPrefix(s, `"`) {
		return s, token(s)
	}
	if len(s) < 2 || !strings.HasSuffix(s, `"`) {
		return "", false
	}
	var b strings.Builder
	body := s[1 : len(s)-1]
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			return "", false
		case c == '\\':
			if i++; i == len(body) {
				return "", false
			}
			b.WriteByte(body[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), true
}

// token is RFC 9110 section 5.6.2.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// Content reports whether a POST with these Content-Type lines can be read: an envelope by its own
// media type, or STIX by its, for clients that push bundles. TAXII 2.1 sections 3.1 and 5.5.
func Content(lines []string) bool {
	if len(lines) != 1 {
		return false
	}
	value, params, err := mime.ParseMediaType(lines[0])
	if err != nil {
		return false
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	switch value {
	case "application/taxii+json":
		v, ok := params["version"]
		return !ok || v == "2.1" || v == "2"
	case "application/stix+json":
		return true
	}
	return false
}

// Coding chooses a content coding for an answer, of those offered in order of preference, by the
// Accept-Encoding header's lines. "" is identity; ok is false when the caller wants none of them and
// not identity either. RFC 9110 section 12.5.3.
func Coding(lines []string, offered ...string) (coding string, ok bool) {
	list, present := elements(lines)
	if !present {
		return "", true
	}
	weightOf := func(coding string) (float64, bool) {
		for _, e := range list {
			if e.value == coding || coding == "gzip" && e.value == "x-gzip" {
				return e.weight, true
			}
		}
		i := slices.IndexFunc(list, func(e element) bool { return e.value == "*" })
		if i < 0 {
			return 0, false
		}
		return list[i].weight, true
	}
	most := 0.0
	for _, o := range offered {
		if w, _ := weightOf(o); w > most {
			coding, most = o, w
		}
	}
	identity, said := weightOf("identity")
	if !said {
		// "If the representation has no content coding, then it is acceptable by default". Being
		// named, the others are liked better.
		return coding, true
	}
	if identity > most {
		return "", true
	}
	return coding, most > 0
}
