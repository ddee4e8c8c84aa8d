package interop

import (
	"fmt"
	"net/http"
	"net/url"

	"liaison/server/taxii"
)

// place is a collection as one partner is shown it.
type place struct {
	*speaker
	taxii.Collection
}

func (p place) url() string { return p.root + "collections/" + url.PathEscape(p.ID) + "/" }

func (p place) name() string { return called(p.Collection) + " as " + p.Name }

func called(c taxii.Collection) string {
	if c.Alias != "" {
		return c.Alias
	}
	return c.ID
}

// rights says what a partner may do in a collection, for the report.
func rights(read, write bool) string {
	switch {
	case read && write:
		return "may read and write"
	case read:
		return "may read and not write"
	case write:
		return "may write and not read"
	}
	return "is shown, and may neither read nor write"
}

// anywhere finds a collection that some partner has these rights in, the test collection first.
func (r *run) anywhere(read, write bool) (place, error) {
	if p, ok := r.inTest(read, write); ok {
		return p, nil
	}
	for _, s := range r.speakers {
		for _, c := range s.all {
			if c.CanRead == read && c.CanWrite == write {
				return place{s, c}, nil
			}
		}
	}
	return place{}, needs("a partner (--as) that " + rights(read, write) + " a collection")
}

// inTest finds the test collection as a partner with exactly these rights is shown it.
func (r *run) inTest(read, write bool) (place, bool) {
	for _, s := range r.speakers {
		for _, c := range s.all {
			if r.o.Collection != "" && (c.ID == r.o.Collection || c.Alias == r.o.Collection) && c.CanRead == read && c.CanWrite == write {
				return place{s, c}, true
			}
		}
	}
	return place{}, false
}

// test is inTest with what is needed.
func (r *run) test(read, write bool) (place, error) {
	if r.o.Collection == "" {
		return place{}, needs("a collection to write to (--collection)")
	}
	p, ok := r.inTest(read, write)
	if !ok {
		return place{}, needs("a partner (--as) that " + rights(read, write) + " " + r.o.Collection)
	}
	return p, nil
}

// readable finds a collection that some partner may read.
func (r *run) readable() (place, error) {
	for _, write := range []bool{true, false} {
		if p, err := r.anywhere(true, write); err == nil {
			return p, nil
		}
	}
	return place{}, needs("a partner (--as) that may read a collection")
}

// anybody gives a partner whose api root is known.
func (r *run) anybody() (*speaker, error) {
	for _, s := range r.speakers {
		if s.root != "" {
			return s, nil
		}
	}
	return nil, errNoRoot
}

// flags holds a collection's flags, listed and by itself, against what reading it does.
func flags(read, write bool) func(*run) (string, error) {
	return func(r *run) (string, error) {
		p, err := r.anywhere(read, write)
		if err != nil {
			return "", err
		}
		var c struct {
			ID       string `json:"id"`
			CanRead  *bool  `json:"can_read"`
			CanWrite *bool  `json:"can_write"`
		}
		a, err := r.resource(p.speaker, p.url(), &c)
		switch {
		case err != nil:
			return "", err
		case c.ID != p.ID || c.CanRead == nil || c.CanWrite == nil:
			return "", fmt.Errorf("%s: id, can_read or can_write is missing or another: %.200s", a.what, a.body)
		case *c.CanRead != read || *c.CanWrite != write:
			return "", fmt.Errorf("%s: can_read %v and can_write %v, and %v and %v in the list", a.what, *c.CanRead, *c.CanWrite, read, write)
		}
		got, err := r.ask(p.speaker, http.MethodGet, p.url()+"objects/?limit=1", nil)
		if err != nil {
			return "", err
		}
		if (got.status == http.StatusOK) != read {
			return "", fmt.Errorf("%s: %d, while can_read is %v", got.what, got.status, read)
		}
		return fmt.Sprintf("%s: can_read %v, can_write %v", p.name(), read, write), nil
	}
}

func deniedRead(r *run) (string, error) {
	p, err := r.anywhere(false, true)
	if err != nil {
		return "", err
	}
	for _, resource := range []string{"objects/", "manifest/"} {
		if _, err := r.want(p.speaker, http.StatusForbidden, http.MethodGet, p.url()+resource, nil); err != nil {
			return "", err
		}
	}
	return p.name() + ": 403", nil
}

// deniedWrite writes, if the server lets it, an object of its own making.
func deniedWrite(r *run) (string, error) {
	p, err := r.test(true, false)
	if err != nil {
		return "", err
	}
	id, raw := r.indicator("must not be taken", first)
	a, err := r.ask(p.speaker, http.MethodPost, p.url()+"objects/", wrapped(raw))
	if err != nil {
		return "", err
	}
	if a.status < 300 {
		r.made = append(r.made, made{p.speaker, p.url(), id})
		if owner, ok := r.inTest(true, true); ok {
			r.made = append(r.made, made{owner.speaker, owner.url(), id})
		}
	}
	return p.name() + ": 403", a.is(http.StatusForbidden)
}

// deniedDelete tries to delete this run's own object as those that may only read, or only write.
func deniedDelete(r *run) (string, error) {
	s, err := r.stock()
	if err != nil {
		return "", err
	}
	said := ""
	for _, read := range []bool{true, false} {
		p, ok := r.inTest(read, !read)
		if !ok {
			continue
		}
		if _, err := r.want(p.speaker, http.StatusForbidden, http.MethodDelete, p.url()+"objects/"+s.a.ID+"/", nil); err != nil {
			return "", fmt.Errorf("%s: %w", p.name(), err)
		}
		said += p.name() + ": 403. "
	}
	if said == "" {
		return "", needs("a partner (--as) that may only read, or only write, " + r.o.Collection)
	}
	return said[:len(said)-2], nil
}

func deniedDeleteNeither(r *run) (string, error) {
	p, err := r.test(false, false)
	if err != nil {
		return "", err
	}
	s, err := r.stock()
	if err != nil {
		return "", err
	}
	_, err = r.want(p.speaker, http.StatusNotFound, http.MethodDelete, p.url()+"objects/"+s.a.ID+"/", nil)
	return p.name() + ": 404", err
}
