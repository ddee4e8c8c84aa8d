package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"liaison/server/taxii"
	"liaison/stix"
)

// stamp is the timestamp of TAXII 2.1 section 2.
var (
	stamp  = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)
	uuidV4 = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$`)
)

func sameInstant(a, b string) bool {
	x, err := stix.ParseInstant([]byte(a))
	y, err2 := stix.ParseInstant([]byte(b))
	return err == nil && err2 == nil && x.Compare(y) == 0
}

func missingAuthorization(r *run) (string, error) {
	s, err := r.anybody()
	if err != nil {
		return "", err
	}
	a, err := r.askAs(s, asNobody, http.MethodGet, s.root, nil)
	if err != nil {
		return "", err
	}
	challenges := a.header.Values("WWW-Authenticate")
	if err := a.is(http.StatusUnauthorized); err != nil {
		return "", err
	}
	if len(challenges) == 0 {
		return "", fmt.Errorf("%s: 401 without WWW-Authenticate", a.what)
	}
	return "401, " + strings.Join(challenges, ", "), nil
}

func wrongAuthorization(r *run) (string, error) {
	for _, s := range r.speakers {
		if s.Account.ClientID != "" && s.root != "" {
			a, err := r.askAs(s, asStranger, http.MethodGet, s.root, nil)
			if err != nil {
				return "", err
			}
			return "401", a.is(http.StatusUnauthorized)
		}
	}
	return "", needs("a partner (--as) with a client_id")
}

func certificateLogin(r *run) (string, error) {
	for _, s := range r.speakers {
		if s.certificate() && s.root != "" {
			a, err := r.askAs(s, byCertificate, http.MethodGet, s.root, nil)
			if err != nil {
				return "", err
			}
			return s.Name + " is let in by its certificate alone", a.is(http.StatusOK)
		}
	}
	return "", needs("a partner (--as) with a certificate (cert and key in partner.json)")
}

func basicLogin(r *run) (string, error) {
	for _, s := range r.speakers {
		if s.secret() && s.root != "" {
			a, err := r.askAs(s, byBasic, http.MethodGet, s.root, nil)
			if err != nil {
				return "", err
			}
			return s.Name + " is let in by its secret", a.is(http.StatusOK)
		}
	}
	return "", needs("a partner (--as) with a client_secret")
}

func discovery(r *run) (string, error) {
	s, err := r.anybody()
	if err != nil {
		return "", err
	}
	var d taxii.Discovery
	a, err := r.resource(s, s.discovery, &d)
	switch {
	case err != nil:
		return "", err
	case d.Title == "":
		return "", fmt.Errorf("%s: no title", a.what)
	case d.Default != "" && !slices.Contains(d.APIRoots, d.Default):
		return "", fmt.Errorf("%s: default %q is none of the api_roots", a.what, d.Default)
	case len(d.APIRoots) == 0:
		return "", fmt.Errorf("%s: no api_roots", a.what)
	}
	base, err := url.Parse(s.discovery)
	if err != nil {
		return "", err
	}
	for _, text := range d.APIRoots {
		// "an absolute URL [...] or a relative path", one slash at its begin. TAXII 2.1 section 4.1.1.
		u, err := base.Parse(text)
		if err != nil || u.Scheme != "https" || u.RawQuery != "" || strings.HasPrefix(text, "//") || strings.Contains(text, "../") ||
			!strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "https://") {
			return "", fmt.Errorf("%s: api root %q is neither an https URL nor a path from the root", a.what, text)
		}
		if u.Host != base.Host {
			continue // credentials are not sent to another server
		}
		if _, err := r.want(s, http.StatusOK, http.MethodGet, strings.TrimSuffix(u.String(), "/")+"/", nil); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%q, %d api roots", d.Title, len(d.APIRoots)), nil
}

func apiRoot(r *run) (string, error) {
	s, err := r.anybody()
	if err != nil {
		return "", err
	}
	var root taxii.APIRoot
	a, err := r.resource(s, s.root, &root)
	switch {
	case err != nil:
		return "", err
	case root.Title == "" || root.MaxContentLength <= 0:
		return "", fmt.Errorf("%s: no title, or max_content_length is not positive: %.300s", a.what, a.body)
	case !slices.Contains(root.Versions, taxii.MediaType):
		return "", fmt.Errorf("%s: versions %q, want %q among them", a.what, root.Versions, taxii.MediaType)
	}
	return fmt.Sprintf("%q, max_content_length %d", root.Title, root.MaxContentLength), nil
}

func wrongRoot(r *run) (string, error) {
	s, err := r.anybody()
	if err != nil {
		return "", err
	}
	base, err := url.Parse(s.root)
	if err != nil {
		return "", err
	}
	base.Path = "/no-such-root-" + r.uuid()[:8] + "/"
	_, err = r.want(s, http.StatusNotFound, http.MethodGet, base.String(), nil)
	return "404", err
}

func collections(r *run) (string, error) {
	s, err := r.anybody()
	if err != nil {
		return "", err
	}
	var list struct {
		Collections []struct {
			ID       string `json:"id"`
			Title    string `json:"title"`
			CanRead  *bool  `json:"can_read"`
			CanWrite *bool  `json:"can_write"`
		} `json:"collections"`
	}
	a, err := r.resource(s, s.root+"collections/", &list)
	if err != nil {
		return "", err
	}
	last := ""
	for _, c := range list.Collections {
		switch {
		case !uuidV4.MatchString(c.ID):
			return "", fmt.Errorf("%s: id %q is no UUIDv4", a.what, c.ID)
		case c.Title == "" || c.CanRead == nil || c.CanWrite == nil:
			return "", fmt.Errorf("%s: collection %s has no title, can_read or can_write", a.what, c.ID)
		case c.ID <= last:
			return "", fmt.Errorf("%s: %s comes after %s", a.what, c.ID, last)
		}
		last = c.ID
	}
	return fmt.Sprintf("%d collections as %s", len(list.Collections), s.Name), nil
}

func wrongCollection(r *run) (string, error) {
	s, err := r.anybody()
	if err != nil {
		return "", err
	}
	at := s.root + "collections/" + r.uuid() + "/"
	for _, resource := range []string{"", "objects/", "manifest/"} {
		if _, err := r.want(s, http.StatusNotFound, http.MethodGet, at+resource, nil); err != nil {
			return "", err
		}
	}
	return "404", nil
}

// dates checks the headers of an answer that has objects.
func (a *answer) dates() error {
	for _, name := range []string{taxii.HeaderFirst, taxii.HeaderLast} {
		if got := a.header.Get(name); !stamp.MatchString(got) {
			return fmt.Errorf("%s: %s is %q, want a timestamp with six decimals", a.what, name, got)
		}
	}
	return nil
}

func manifest(r *run) (string, error) {
	s, err := r.stock()
	if err != nil {
		return "", err
	}
	a, list, err := r.records(s, "match[version]=all")
	if err != nil {
		return "", err
	}
	if err := a.dates(); err != nil {
		return "", err
	}
	last := ""
	for _, record := range list {
		if record.ID == "" || record.Version == "" || !stamp.MatchString(record.DateAdded) || record.DateAdded < last {
			return "", fmt.Errorf("%s: record %+v: want id, version and an ascending date_added of six decimals", a.what, record)
		}
		last = record.DateAdded
	}
	for _, o := range s.every() {
		if !slices.ContainsFunc(list, func(m taxii.ManifestRecord) bool { return m.ID == o.ID && sameInstant(m.Version, o.Modified) }) {
			return "", fmt.Errorf("%s: %s of %s is missing", a.what, o.ID, o.Modified)
		}
	}
	return fmt.Sprintf("%d records", len(list)), nil
}

func objects(r *run) (string, error) {
	s, err := r.stock()
	if err != nil {
		return "", err
	}
	e, err := r.list(s.speaker, s.since(""))
	if err != nil {
		return "", err
	}
	var shape struct {
		Type string `json:"type"`
	}
	if err := e.json(&shape); err != nil {
		return "", err
	}
	if shape.Type != "" { // TAXII 2.1 section 3.7: an envelope is no bundle
		return "", fmt.Errorf("%s: a %s, want an envelope", e.what, shape.Type)
	}
	for _, o := range []object{s.m, s.a3(), s.r} {
		if !slices.ContainsFunc(e.objects, func(got object) bool { return got.ID == o.ID && sameInstant(got.Modified, o.Modified) }) {
			return "", fmt.Errorf("%s: %s of %s is missing", e.what, o.ID, o.Modified)
		}
	}
	return fmt.Sprintf("%d objects", len(e.objects)), e.dates()
}

func noObjects(r *run) (string, error) {
	p, err := r.readable()
	if err != nil {
		return "", err
	}
	a, err := r.want(p.speaker, http.StatusOK, http.MethodGet, p.url()+"objects/?"+param("match[id]", "indicator--"+r.uuid()), nil)
	if err != nil {
		return "", err
	}
	var e map[string]json.RawMessage
	if err := a.json(&e); err != nil {
		return "", err
	}
	// "If there are no objects, this property MUST be omitted": lists are never empty. TAXII 2.1
	// sections 2 and 3.7.
	if _, there := e["objects"]; there || e["more"] != nil && string(e["more"]) != "false" {
		return "", fmt.Errorf("%s: %.200s, want no objects and more false", a.what, a.body)
	}
	return string(a.body), nil
}

func objectNotFound(r *run) (string, error) {
	p, err := r.readable()
	if err != nil {
		return "", err
	}
	at := p.url() + "objects/indicator--" + r.uuid() + "/"
	if _, err := r.want(p.speaker, http.StatusNotFound, http.MethodGet, at, nil); err != nil {
		return "", err
	}
	return "404", nil
}

func oneObject(r *run) (string, error) {
	s, err := r.stock()
	if err != nil {
		return "", err
	}
	e, err := r.envelope(s.speaker, s.url()+"objects/"+s.a.ID+"/")
	if err != nil {
		return "", err
	}
	return "its version " + s.a3().Modified, errors.Join(e.are("its last version", s.a3()), e.dates())
}

func versions(r *run) (string, error) {
	s, err := r.stock()
	if err != nil {
		return "", err
	}
	var v taxii.Versions
	a, err := r.resource(s.speaker, s.url()+"objects/"+s.a.ID+"/versions/", &v)
	if err != nil {
		return "", err
	}
	// The first page; row 3.14.1 pages. The standard sorts objects and manifest, not versions.
	if len(v.Versions) > len(s.as) || len(v.Versions) == 0 || len(v.Versions) < len(s.as) && (v.More == nil || !*v.More) {
		return "", fmt.Errorf("%s: versions %q, want %d", a.what, v.Versions, len(s.as))
	}
	for _, version := range v.Versions {
		if !slices.ContainsFunc(s.as, func(o object) bool { return sameInstant(o.Modified, version) }) {
			return "", fmt.Errorf("%s: version %q was not added", a.what, version)
		}
	}
	return strings.Join(v.Versions, ", "), a.dates()
}

// param escapes one parameter of a query.
func param(name, value string) string { return url.QueryEscape(name) + "=" + url.QueryEscape(value) }
