package server_test

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// issued are the secrets, tokens and invitations that came to be in a test, by their text. Whoever
// makes one tells, and what the gateway answers is read for more. Nothing that the gateway writes may
// hold one of them, but for the one answer that each was given in.
type issued struct {
	mu   sync.Mutex
	list []form
	seen map[string]bool
}

// form is one way in which a secret could be written.
type form struct {
	what string
	text []byte
}

func (i *issued) add(what, text string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.seen[text] {
		return
	}
	if i.seen == nil {
		i.seen = map[string]bool{}
	}
	i.seen[text] = true
	i.list = append(i.list, form{what, []byte(text[max(0, len(text)-40):])}) // a token's signature too
	for _, before := range []string{"aaa", "aa", "a"} {                      // wherever it begins in a group of three
		coded := base64.RawStdEncoding.EncodeToString([]byte(before + text))
		i.list = append(i.list, form{what + " in base64", []byte(coded[4:min(len(coded)-4, 44)])})
	}
}

var (
	secretShape = regexp.MustCompile(`lsn_[A-Za-z0-9_-]{43}`)
	tokenShape  = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{40,}`)
)

// learn reads an answer that gives something out.
func (i *issued) learn(answer []byte) {
	for _, s := range secretShape.FindAll(answer, -1) {
		i.add("secret", string(s))
	}
	for _, s := range tokenShape.FindAll(answer, -1) {
		i.add("token", string(s))
	}
}

// in gives what of it is in b, as it is or in the base64 of HTTP Basic; and what only looks like a
// secret, for somebody may have been given it of whom this test does not know.
func (i *issued) in(b []byte) string {
	if bytes.Contains(b, []byte("lsn_")) && secretShape.Match(b) {
		return "a secret's text"
	}
	if bytes.Contains(b, []byte("eyJ")) && tokenShape.Match(b) {
		return "a token's text"
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, f := range i.list {
		if bytes.Contains(b, f.text) {
			return f.what
		}
	}
	return ""
}

// files looks into every file below a directory.
func (i *issued) files(t testing.TB, dir string) {
	looked := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		looked++
		if what := i.in(b); what != "" {
			t.Errorf("%s holds %s", filepath.Base(name), what)
		}
		return err
	})
	if err != nil || looked == 0 {
		t.Errorf("looked into %d files: %v", looked, err)
	}
}

// answers reads what the gateway answers: what gives something out is learnt from, all else searched.
func (i *issued) answers(t testing.TB, w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	path := strings.TrimSuffix(r.URL.Path, "/")
	return &overheard{ResponseWriter: w, t: t, from: r.Method + " " + r.URL.Path, all: i,
		gives: path == "/oauth2/token" || path == "/client/secret" || strings.HasPrefix(path, "/join/")}
}

// overheard is an answer that is listened to.
type overheard struct {
	http.ResponseWriter
	t     testing.TB
	from  string
	all   *issued
	gives bool
}

func (o *overheard) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (o *overheard) WriteHeader(status int) {
	var b bytes.Buffer
	o.Header().Write(&b)
	if what := o.all.in(b.Bytes()); what != "" {
		o.t.Errorf("the header of %s has %s", o.from, what)
	}
	o.ResponseWriter.WriteHeader(status)
}

// Write searches small writes whole: what errors say fits into one.
func (o *overheard) Write(b []byte) (int, error) {
	switch {
	case o.gives:
		o.all.learn(b)
	case len(b) <= 64<<10:
		if what := o.all.in(b); what != "" {
			o.t.Errorf("the answer of %s has %s", o.from, what)
		}
	}
	return o.ResponseWriter.Write(b)
}

// TestIssuedIsFound plants what must be found.
func TestIssuedIsFound(t *testing.T) {
	g := open(t)
	token := g.invite("acme")
	list := &issued{}
	list.add("secret", g.vendor.secret)
	list.add("invitation", token)
	for name, text := range map[string]string{
		"secret":     "user=x reason=" + g.vendor.secret,
		"basic":      base64.StdEncoding.EncodeToString([]byte("acme_1:" + g.vendor.secret)),
		"no name":    base64.StdEncoding.EncodeToString([]byte(":" + g.vendor.secret)),
		"other name": base64.StdEncoding.EncodeToString([]byte("vn-police_1:" + g.vendor.secret)),
		"invitation": "path=/join/" + token,
		"cut":        g.vendor.secret[7:],
		"another's":  "lsn_" + random(43),
	} {
		if list.in([]byte(text)) == "" {
			t.Errorf("%s is not found", name)
		}
	}
	if what := list.in([]byte("acme_1 " + g.url + " reason=\"secret: not known\" lsn_")); what != "" {
		t.Errorf("%s is found where there is none", what)
	}
}
