package interop

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"liaison/server/client"
	"liaison/server/taxii"
)

const maxAnswer = 32 << 20 // bytes of an answer that are read

// speaker is a partner with its connections and what the server says to it.
type speaker struct {
	Partner
	with, without *http.Client // with its certificate, and without
	discovery     string       // URL
	root          string       // URL of the api root, with the final slash; "" when it is not found
	bearer        string       // a token, where the secret as Basic is not taken
	all           []taxii.Collection
}

func (s *speaker) certificate() bool { return s.TLS != nil && len(s.TLS.Certificates) > 0 }

func (s *speaker) secret() bool { return s.Account.ClientSecret != "" }

// speaker connects a partner. Only a server that cannot be reached is an error.
func (r *run) speaker(p Partner) (*speaker, error) {
	s := &speaker{Partner: p, with: r.client(p.TLS, true), without: r.client(p.TLS, false)}
	base := cmp.Or(p.Account.Discovery, p.Account.APIRoot)
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%q is no address", base)
	}
	s.discovery = cmp.Or(p.Account.Discovery, u.Scheme+"://"+u.Host+taxii.DiscoveryPath)
	first, err := r.ask(s, http.MethodGet, base, nil)
	if err != nil {
		return nil, client.Explain(err)
	}
	if first.status == http.StatusUnauthorized && s.secret() && p.Account.TokenURL != "" {
		s.bearer = r.token(p)
	}
	s.root = r.rootOf(s, u)
	if s.root == "" {
		return s, nil
	}
	var list taxii.Collections
	if a, err := r.ask(s, http.MethodGet, s.root+"collections/", nil); err == nil && a.status == http.StatusOK {
		if json.Unmarshal(a.body, &list) == nil { // what is wrong with it is the business of its row
			s.all = list.Collections
		}
	}
	return s, nil
}

// rootOf finds the api root: the account's, or discovery's default or first one on the same server.
func (r *run) rootOf(s *speaker, base *url.URL) string {
	if s.Account.APIRoot != "" {
		return strings.TrimSuffix(s.Account.APIRoot, "/") + "/"
	}
	var d taxii.Discovery
	a, err := r.ask(s, http.MethodGet, s.discovery, nil)
	if err != nil || json.Unmarshal(a.body, &d) != nil {
		return ""
	}
	for _, text := range append([]string{d.Default}, d.APIRoots...) {
		u, err := base.Parse(text)
		if text != "" && err == nil && u.Host == base.Host && u.Scheme == base.Scheme { // credentials go nowhere else
			return strings.TrimSuffix(u.String(), "/") + "/"
		}
	}
	return ""
}

func (r *run) token(p Partner) string {
	c, err := client.New(p.Account, client.Options{TLS: p.TLS, Proxy: r.o.Proxy, Attempts: 1, Idle: r.o.Timeout})
	if err != nil {
		return ""
	}
	defer c.Close()
	t, err := c.Token(r.ctx)
	if err != nil {
		return ""
	}
	return t.Access
}

func (r *run) client(c *tls.Config, certificate bool) *http.Client {
	if c == nil {
		c = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c = c.Clone()
	if !certificate {
		c.Certificates = nil
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: c, Proxy: r.o.Proxy, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       r.o.Timeout,
	}
}

// answer is a response, read whole.
type answer struct {
	what   string // the request, for the report
	status int
	header http.Header
	body   []byte
}

// login says how a request identifies itself.
type login int

const (
	asUsual login = iota
	asNobody
	asStranger // the right name, a wrong secret
	byCertificate
	byBasic
)

// ask makes a request as a partner, as it usually identifies itself.
func (r *run) ask(s *speaker, method, at string, body []byte) (*answer, error) {
	return r.askAs(s, asUsual, method, at, body)
}

func (r *run) askAs(s *speaker, who login, method, at string, body []byte) (*answer, error) {
	ctx, cancel := context.WithTimeout(r.ctx, r.o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, at, nil)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		req.Header.Set("Content-Type", taxii.MediaType)
	}
	req.Header.Set("Accept", taxii.MediaType)
	req.Header.Set("User-Agent", "liaison-interop")
	c := s.without
	switch {
	case who == asStranger:
		req.SetBasicAuth(s.Account.ClientID, "not-the-secret")
	case who == byBasic, who == asUsual && s.secret() && s.bearer == "":
		req.SetBasicAuth(s.Account.ClientID, s.Account.ClientSecret)
	case who == asUsual && s.bearer != "":
		req.Header.Set("Authorization", "Bearer "+s.bearer)
	}
	if who == byCertificate || who == asUsual && s.certificate() {
		c = s.with
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	return &answer{what: method + " " + req.URL.RequestURI(), status: resp.StatusCode, header: resp.Header, body: data}, nil
}

// want asks and wants a status.
func (r *run) want(s *speaker, status int, method, at string, body []byte) (*answer, error) {
	a, err := r.ask(s, method, at, body)
	if err != nil {
		return nil, client.Explain(err)
	}
	return a, a.is(status)
}

// is checks the status, and of a success the media type: "All responses [...] MUST" have it. TAXII
// 2.1 section 3.1.
func (a *answer) is(status int) error {
	if a.status != status {
		return fmt.Errorf("%s: %d, want %d%s", a.what, a.status, status, a.reason())
	}
	if status >= 300 {
		return nil
	}
	kind, params, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil || kind != "application/taxii+json" || params["version"] != "2.1" {
		return fmt.Errorf("%s: Content-Type %q, want %s", a.what, a.header.Get("Content-Type"), taxii.MediaType)
	}
	return nil
}

// reason is what the server says of an error.
func (a *answer) reason() string {
	var e taxii.Error
	if a.status < 400 || json.Unmarshal(a.body, &e) != nil || e.Title == "" {
		return ""
	}
	return fmt.Sprintf(" (%.200q)", e.Error())
}

// resource gets a TAXII resource.
func (r *run) resource(s *speaker, at string, v any) (*answer, error) {
	a, err := r.want(s, http.StatusOK, http.MethodGet, at, nil)
	if err != nil {
		return a, err
	}
	return a, a.json(v)
}

func (a *answer) json(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("%s: the answer is no such resource: %w", a.what, err)
	}
	return nil
}

// envelope gets objects.
func (r *run) envelope(s *speaker, at string) (envelope, error) {
	var raw struct {
		More    bool              `json:"more"`
		Next    string            `json:"next"`
		Objects []json.RawMessage `json:"objects"`
	}
	a, err := r.resource(s, at, &raw)
	if err != nil {
		return envelope{}, err
	}
	e := envelope{answer: a, more: raw.More, next: raw.Next}
	for _, o := range raw.Objects {
		var f object
		if err := json.Unmarshal(o, &f); err != nil || f.ID == "" {
			return e, fmt.Errorf("%s: an object without an id", a.what)
		}
		f.raw = o
		e.objects = append(e.objects, f)
	}
	return e, nil
}

// list gets all objects that a query gives, page by page: a server may give few at a time. The answer is
// the first page's.
func (r *run) list(s *speaker, at string) (envelope, error) {
	whole, err := r.envelope(s, at)
	page := whole
	for n := 0; err == nil && page.more; n++ {
		if n == maxPages {
			return whole, fmt.Errorf("%s: more than %d pages", whole.what, maxPages)
		}
		var next string
		if next, err = page.onwards(at); err != nil {
			break
		}
		page, err = r.envelope(s, next)
		whole.objects = append(whole.objects, page.objects...)
	}
	return whole, err
}

const maxPages = 1000

// onwards gives where the page after this one is: by next, else after its last date. TAXII 2.1 section
// 3.5.
func (e envelope) onwards(at string) (string, error) { return onwards(e.answer, e.next, at) }

func onwards(a *answer, next, at string) (string, error) {
	u, err := url.Parse(at)
	if err != nil {
		return "", err
	}
	q := u.Query()
	if next != "" {
		q.Set("next", next)
	} else {
		if err := a.dates(); err != nil {
			return "", err
		}
		q.Del("next")
		q.Set("added_after", a.header.Get(taxii.HeaderLast))
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

type envelope struct {
	*answer
	more    bool
	next    string
	objects []object
}

// object is what the rows look at of an object.
type object struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Modified string `json:"modified"`
	Spec     string `json:"spec_version"`
	raw      json.RawMessage
}

// are wants exactly these objects, each an id or an id and a version.
func (e envelope) are(what string, want ...object) error {
	if len(e.objects) != len(want) {
		return fmt.Errorf("%s: %d objects, want %d: %s", e.what, len(e.objects), len(want), what)
	}
	for i, o := range e.objects {
		if o.ID != want[i].ID || want[i].Modified != "" && !sameInstant(o.Modified, want[i].Modified) {
			return fmt.Errorf("%s: %s of %s at place %d, want %s of %s: %s", e.what, o.ID, o.Modified, i+1, want[i].ID, want[i].Modified, what)
		}
	}
	return nil
}

var errNoRoot = errors.New("no api root is found for any partner")
