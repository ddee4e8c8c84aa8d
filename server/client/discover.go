package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"liaison/server/taxii"
)

// Root is an api root and its address: absolute, with the final slash.
type Root struct {
	URL string
	taxii.APIRoot
}

// Name is what a person calls a collection: the alias where there is one.
func Name(k taxii.Collection) string { return clean(cmp.Or(k.Alias, k.ID)) }

// Discover asks the server what it has; the addresses of its api roots come out absolute.
func (c *Client) Discover(ctx context.Context) (taxii.Discovery, error) {
	if c.account.Discovery == "" {
		return taxii.Discovery{}, fmt.Errorf("%w: %s has no discovery", ErrAccount, AccountFile)
	}
	var d taxii.Discovery
	if err := c.resource(ctx, slashed(c.account.Discovery), &d); err != nil {
		return taxii.Discovery{}, err
	}
	base, err := url.Parse(c.account.Discovery)
	if err != nil {
		return taxii.Discovery{}, err
	}
	absolute := func(text string) (string, error) {
		ref, err := url.Parse(text)
		if err != nil {
			return "", fmt.Errorf("%w: discovery names an api root that is no URL", ErrNotTAXII)
		}
		return slashed(base.ResolveReference(ref).String()), nil
	}
	for i, r := range d.APIRoots {
		if d.APIRoots[i], err = absolute(r); err != nil {
			return taxii.Discovery{}, err
		}
	}
	if d.Default != "" {
		if d.Default, err = absolute(d.Default); err != nil {
			return taxii.Discovery{}, err
		}
	}
	return d, nil
}

// APIRoot finds the api root to work with: the one that is named (an absolute URL, or the last step
// of its path), the account's, discovery's default, or the only one there is.
func (c *Client) APIRoot(ctx context.Context, name string) (Root, error) {
	at := name
	if at == "" {
		at = c.account.APIRoot
	}
	if !strings.Contains(at, "://") {
		d, err := c.Discover(ctx)
		if err != nil {
			return Root{}, err
		}
		if at, err = pick(d, at); err != nil {
			return Root{}, err
		}
		if !sameHost(at, c.account.Discovery) {
			return Root{}, fmt.Errorf("discovery at %s names an api root on another server, %s: credentials are not sent there; if it is right, write it into %s as api_root",
				clean(c.account.Discovery), clean(at), AccountFile)
		}
	}
	if _, err := httpsURL(at); err != nil {
		return Root{}, fmt.Errorf("api root: %w", err)
	}
	at = slashed(at)
	root := Root{URL: at}
	if err := c.resource(ctx, at, &root.APIRoot); err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusNotFound {
			return Root{}, fmt.Errorf("%w: there is no api root at this address (it must not end in collections/), or this partner has no part in it", err)
		}
		return Root{}, err
	}
	if len(root.Versions) > 0 && !slices.ContainsFunc(root.Versions, func(v string) bool { return strings.HasPrefix(strings.ReplaceAll(v, " ", ""), taxii.MediaType) }) {
		return Root{}, fmt.Errorf("%w: %s speaks %s, not %s", ErrNotTAXII, clean(at), clean(strings.Join(root.Versions, ", ")), taxii.MediaType)
	}
	if root.Title == "" && len(root.Versions) == 0 && root.MaxContentLength == 0 {
		return Root{}, fmt.Errorf("%w: %s is no api root: its title, versions and max_content_length are missing", ErrNotTAXII, clean(at))
	}
	return root, nil
}

// pick chooses one of a server's api roots.
func pick(d taxii.Discovery, name string) (string, error) {
	if name != "" {
		for _, r := range d.APIRoots {
			if _, last, _ := cutLast(strings.TrimSuffix(r, "/"), "/"); last == name {
				return r, nil
			}
		}
		return "", fmt.Errorf("%w: api root %q; this partner has %s", ErrNotFound, clean(name), list(d.APIRoots))
	}
	switch {
	case d.Default != "":
		return d.Default, nil
	case len(d.APIRoots) == 1:
		return d.APIRoots[0], nil
	case len(d.APIRoots) == 0:
		return "", fmt.Errorf("%w: the server shows this partner no api root: ask the operator for a part in an operation", ErrNotFound)
	}
	return "", fmt.Errorf("the server has several api roots, %s: choose one with --api-root", list(d.APIRoots))
}

// Collections lists the collections that the server shows.
func (c *Client) Collections(ctx context.Context, root Root) ([]taxii.Collection, error) {
	var list taxii.Collections
	if err := c.resource(ctx, under(root.URL, "collections"), &list); err != nil {
		return nil, err
	}
	for _, k := range list.Collections {
		if k.ID == "" {
			return nil, fmt.Errorf("%w: %s lists a collection without an id", ErrNotTAXII, clean(root.URL))
		}
	}
	return list.Collections, nil
}

// Find gives the collection of that alias or id; ErrNotFound names those that there are.
func Find(all []taxii.Collection, name string) (taxii.Collection, error) {
	for _, k := range all {
		if k.ID == name || k.Alias == name && name != "" {
			return k, nil
		}
	}
	var names []string
	for _, k := range all {
		names = append(names, Name(k))
	}
	return taxii.Collection{}, fmt.Errorf("%w: collection %q; this partner sees %s", ErrNotFound, clean(name), list(names))
}

// list joins names for a person.
func list(names []string) string {
	const most = 30
	if len(names) == 0 {
		return "none"
	}
	more := ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more", len(names)-most)
	}
	return clean(strings.Join(names, ", ")) + more
}

func slashed(u string) string {
	if strings.HasSuffix(u, "/") {
		return u
	}
	return u + "/"
}

func sameHost(a, b string) bool {
	u, err := url.Parse(a)
	v, err2 := url.Parse(b)
	return err == nil && err2 == nil && u.Scheme == v.Scheme && u.Host == v.Host
}
