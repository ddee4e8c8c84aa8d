package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"liaison/stix"
)

// Warninglist reads a MISP warning list: a JSON object with name, version, type (string, substring,
// hostname, cidr or regex), list and matching_attributes; description is kept, other members are let be.
// Its action is Hold: the operator chooses another. Every error is a *ListError that names the file (as
// the caller calls it), the field and the rule; one bad entry refuses the list, so that nobody believes a
// list to hold that does not.
//
// Without matching_attributes a list meets values of every kind; attributes that say nothing of an
// observable that the gateway compares are let be, a list of nothing but those is refused. Regular
// expressions are RE2's (package regexp), with or without MISP's slashes and the flags i, m, s, u.
func Warninglist(file string, data []byte) (*List, error) {
	w, err := readWarninglist(file, data)
	if err != nil {
		return nil, err
	}
	l := &List{Name: w.name, Version: w.version, Description: w.description, Action: Hold}
	if l.kinds, err = attributeKinds(file, w.attributes); err != nil {
		return nil, err
	}
	switch w.form {
	case "string":
		l.form = whole
	case "hostname":
		l.form = hosts
	case "cidr":
		l.form = whole
	case "substring":
		l.form = substrings
	case "regex":
		l.form = regexes
	default:
		return nil, &ListError{file, "type", fmt.Sprintf("is %q: want string, substring, hostname, cidr or regex", clip(w.form))}
	}
	most := map[string]int{"substring": MaxSubstrings, "regex": MaxRegexes}[w.form]
	if most == 0 {
		most = MaxEntries
	}
	if len(w.list) > most {
		return nil, &ListError{file, "list", fmt.Sprintf("has %d entries: a list of type %s may have %d", len(w.list), w.form, most)}
	}
	for i, entry := range w.list {
		if rule := l.entry(w.form, entry); rule != "" {
			return nil, &ListError{file, fmt.Sprintf("list[%d]", i), fmt.Sprintf("%q %s", clip(entry), rule)}
		}
	}
	if l.form != regexes { // whose expressions stand beside them
		slices.Sort(l.texts)
		l.texts = slices.Compact(l.texts)
	}
	return l, nil
}

// entry takes an entry in, or gives the rule that it breaks.
func (l *List) entry(form, entry string) string {
	switch {
	case entry == "" || strings.TrimSpace(entry) != entry:
		return "is empty or has white space around it"
	case len(entry) > MaxEntry:
		return fmt.Sprintf("has more than %d bytes", MaxEntry)
	case !utf8.ValidString(entry):
		return "is not UTF-8"
	}
	switch form {
	case "cidr":
		return l.addBlock(entry)
	case "string":
		if _, _, ok := normalAddress(entry); ok {
			return l.addBlock(entry)
		}
		l.texts = append(l.texts, l.one(entry)...)
	case "hostname":
		k, block, ok := normalHost(strings.TrimPrefix(entry, "."))
		if !ok {
			return "is no host name"
		}
		if block.IsValid() {
			return l.addBlock(k.Value)
		}
		l.texts = append(l.texts, k.Value)
	case "substring":
		if len(entry) < MinSubstring {
			return fmt.Sprintf("is shorter than %d bytes: it would be in nearly everything", MinSubstring)
		}
		l.texts = append(l.texts, strings.ToLower(entry))
	case "regex":
		r, rule := expression(entry)
		if rule != "" {
			return rule
		}
		l.texts, l.regex = append(l.texts, entry), append(l.regex, r)
	}
	return ""
}

func (l *List) addBlock(entry string) string {
	_, p, ok := normalAddress(entry)
	if !ok {
		return "is no address and no network"
	}
	l.blocks = append(l.blocks, block{p, entry})
	return ""
}

// one gives an entry in the forms of the kinds that the list is for: what they make of it may differ.
func (l *List) one(entry string) []string {
	forms := []string{strings.ToLower(entry)}
	for kind := stix.IPv4Value; kind <= stix.OtherHashValue; kind++ {
		if !l.kinds.has(kind) {
			continue
		}
		if k, ok := Normal(kind, entry); ok && !slices.Contains(forms, k.Value) {
			forms = append(forms, k.Value)
		}
	}
	return forms
}

// expression reads a regular expression: RE2's syntax, bare or as "/…/flags".
func expression(entry string) (*regexp.Regexp, string) {
	const most = 1024 // bytes
	if len(entry) > most {
		return nil, fmt.Sprintf("has more than %d bytes", most)
	}
	text, flags := entry, ""
	if end := strings.LastIndexByte(entry, '/'); len(entry) > 1 && entry[0] == '/' && end > 0 {
		text = entry[1:end]
		for _, f := range entry[end+1:] {
			switch f {
			case 'i', 'm', 's':
				flags += string(f)
			case 'u':
			default:
				return nil, fmt.Sprintf("has the flag %q: want i, m, s or u", f)
			}
		}
		text = strings.ReplaceAll(text, `\/`, `/`)
	}
	if flags != "" {
		text = "(?" + flags + ")" + text
	}
	r, err := regexp.Compile(text)
	if err != nil {
		return nil, "is no regular expression of RE2: " + strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	}
	if r.MatchString("") {
		return nil, "matches the empty text, and so every value"
	}
	return r, ""
}

type warninglist struct {
	name, version, description, form string
	list, attributes                 []string
}

// readWarninglist reads the members that matter, each once.
func readWarninglist(file string, data []byte) (w warninglist, err error) {
	if len(data) > MaxListFile {
		return w, &ListError{file, "(file)", fmt.Sprintf("has more than %d bytes", MaxListFile)}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return w, &ListError{file, "(file)", "is no JSON object"}
	}
	seen := make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return w, syntax(file, err)
		}
		if seen[name] {
			return w, &ListError{file, clip(name), "is there twice"}
		}
		seen[name] = true
		if err := w.member(d, file, name); err != nil {
			return w, err
		}
	}
	if _, err := d.Token(); err != nil {
		return w, syntax(file, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return w, &ListError{file, "(file)", "goes on after the object's end"}
	}
	for _, name := range []string{"name", "version", "type", "list"} {
		if !seen[name] {
			return w, &ListError{file, name, "is missing"}
		}
	}
	switch {
	case w.name == "" || len(w.name) > 200 || !utf8.ValidString(w.name) || strings.ContainsFunc(w.name, func(r rune) bool { return r < ' ' }):
		return w, &ListError{file, "name", "want 1 to 200 bytes of text without control characters"}
	case len(w.list) == 0:
		return w, &ListError{file, "list", "is empty"}
	}
	return w, nil
}

func syntax(file string, err error) error {
	rule := "is no JSON"
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		rule = "is cut off"
	} else if err != nil {
		rule += ": " + clip(err.Error())
	}
	return &ListError{file, "(file)", rule}
}

func (w *warninglist) member(d *json.Decoder, file, name string) error {
	var into any
	rule := ""
	switch name {
	case "name":
		into, rule = &w.name, "want a string"
	case "description":
		into, rule = &w.description, "want a string"
	case "type":
		into, rule = &w.form, "want a string"
	case "list":
		into, rule = &w.list, "want a list of strings"
	case "matching_attributes":
		into, rule = &w.attributes, "want a list of strings"
	case "version":
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return syntax(file, err)
		}
		if json.Unmarshal(raw, &w.version) != nil || len(raw) > 0 && raw[0] == 'n' {
			if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && n >= 0 {
				w.version = strconv.FormatInt(n, 10)
				return nil
			}
			return &ListError{file, name, "want a whole number or a string"}
		}
		return nil
	default:
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return syntax(file, err)
		}
		return nil
	}
	if err := d.Decode(into); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return &ListError{file, name, rule}
		}
		return syntax(file, err)
	}
	return nil
}

// attributeKinds reads MISP's attribute types, those that are two in one among them.
func attributeKinds(file string, attributes []string) (kinds, error) {
	if len(attributes) == 0 {
		return everyKind, nil
	}
	var k kinds
	for _, a := range attributes {
		for part := range strings.SplitSeq(strings.ToLower(a), "|") {
			k |= attributeKind(part)
		}
	}
	if k == 0 {
		return 0, &ListError{file, "matching_attributes", "names nothing that the gateway compares: addresses, domains, URLs, mail addresses, MAC addresses, AS numbers, digests of files"}
	}
	return k, nil
}

func attributeKind(a string) kinds {
	switch a {
	case "ip-src", "ip-dst", "ip":
		return kindsOf(stix.IPv4Value, stix.IPv6Value)
	case "domain", "hostname":
		return kindsOf(stix.DomainValue)
	case "url", "uri", "link":
		return kindsOf(stix.URLValue)
	case "email", "email-src", "email-dst", "email-reply-to", "target-email", "whois-registrant-email", "dns-soa-email":
		return kindsOf(stix.EmailValue)
	case "mac-address", "mac-eui-64":
		return kindsOf(stix.MACValue)
	case "as":
		return kindsOf(stix.ASNumberValue)
	case "md5":
		return kindsOf(stix.MD5Value)
	case "sha1":
		return kindsOf(stix.SHA1Value)
	case "sha256":
		return kindsOf(stix.SHA256Value)
	case "sha512":
		return kindsOf(stix.SHA512Value)
	case "sha224", "sha384", "sha512/224", "sha512/256", "sha3-224", "sha3-256", "sha3-384", "sha3-512", "ssdeep", "tlsh", "imphash",
		"authentihash", "vhash", "impfuzzy", "pehash", "cdhash":
		return kindsOf(stix.OtherHashValue)
	}
	return 0
}
