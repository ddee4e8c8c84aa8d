package interop

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"liaison/server/taxii"
)

// asked is one query and what it must give of the stock.
type asked struct {
	query string
	what  string
	want  []object
}

// give tries queries in turn, each by objects added since the stock, others' left out.
func (r *run) give(list func(*stock) []asked) (string, error) {
	s, err := r.stock()
	if err != nil {
		return "", err
	}
	for _, q := range list(s) {
		e, err := r.list(s.speaker, s.since(q.query))
		if err != nil {
			return "", err
		}
		e.objects = s.ours(e.objects)
		if err := e.are(q.what, q.want...); err != nil {
			return "", err
		}
	}
	return "only what matches", nil
}

// ours leaves out what others added to the collection meanwhile.
func (s *stock) ours(objects []object) []object {
	return slices.DeleteFunc(objects, func(o object) bool { return o.ID != s.a.ID && o.ID != s.m.ID && o.ID != s.r.ID })
}

func byAddedAfter(r *run) (string, error) {
	s, err := r.stock()
	if err != nil {
		return "", err
	}
	_, list, err := r.records(s, "match[version]=all")
	if err != nil {
		return "", err
	}
	if len(list) != len(s.every()) {
		return "", fmt.Errorf("%d records in the manifest, want %d", len(list), len(s.every()))
	}
	i := slices.IndexFunc(list, func(m taxii.ManifestRecord) bool { return m.ID == s.a.ID && sameInstant(m.Version, second) })
	if i < 0 {
		return "", errors.New("the second version is not in the manifest")
	}
	e, err := r.list(s.speaker, s.url()+"objects/?"+param("added_after", list[i].DateAdded)+"&match[version]=all")
	if err != nil {
		return "", err
	}
	e.objects = s.ours(e.objects)
	return "only what was added later", e.are("what was added after "+list[i].DateAdded, s.as[2:]...)
}

func byLimit(r *run) (string, error) {
	s, err := r.stock()
	if err != nil {
		return "", err
	}
	for _, n := range []int{1, 2} {
		e, err := r.envelope(s.speaker, s.since(fmt.Sprintf("match[version]=all&limit=%d", n)))
		if err != nil {
			return "", err
		}
		if len(e.objects) > n || len(e.objects) == 0 || !e.more {
			return "", fmt.Errorf("%s: %d objects, more %v: want at most %d, and more true", e.what, len(e.objects), e.more, n)
		}
	}
	return "no more than the limit", nil
}

func byID(r *run) (string, error) {
	return r.give(func(s *stock) []asked {
		return []asked{
			{param("match[id]", s.m.ID), "one id", []object{s.m}},
			{param("match[id]", "indicator--"+r.uuid()), "an id that is not there", nil},
		}
	})
}

func byType(r *run) (string, error) {
	return r.give(func(s *stock) []asked {
		return []asked{
			{"match[type]=malware", "one type", []object{s.m}},
			{"match[type]=indicator", "one type", []object{s.a3()}},
			{"match[type]=campaign", "a type of which nothing was added", nil},
		}
	})
}

func byVersion(r *run) (string, error) {
	return r.give(func(s *stock) []asked {
		id := param("match[id]", s.a.ID)
		return []asked{
			{id, "the last version by default", s.as[2:]},
			{id + "&match[version]=last", "the last version", s.as[2:]},
			{id + "&match[version]=first", "the first version", s.as[:1]},
			{id + "&match[version]=all", "all versions", s.as},
			{id + "&" + param("match[version]", second), "an exact version", s.as[1:2]},
		}
	})
}

func bySpecVersion(r *run) (string, error) {
	return r.give(func(s *stock) []asked {
		id := param("match[id]", s.m.ID)
		return []asked{
			{id + "&match[spec_version]=2.1", "STIX 2.1", []object{s.m}},
			{id + "&match[spec_version]=2.0", "STIX 2.0", nil},
		}
	})
}

func byOr(r *run) (string, error) {
	return r.give(func(s *stock) []asked {
		return []asked{
			{param("match[type]", "malware,relationship"), "either type", []object{s.m, s.r}},
			{param("match[id]", s.m.ID+","+s.a.ID), "either id", []object{s.m, s.a3()}},
			{param("match[version]", "first,last") + "&" + param("match[id]", s.a.ID), "either version", []object{s.as[0], s.as[2]}},
		}
	})
}

func byAnd(r *run) (string, error) {
	return r.give(func(s *stock) []asked {
		return []asked{
			{"match[type]=malware&" + param("match[id]", s.m.ID), "both", []object{s.m}},
			{"match[type]=malware&" + param("match[id]", s.a.ID), "a type and another's id", nil},
		}
	})
}

func byBoth(r *run) (string, error) {
	return r.give(func(s *stock) []asked {
		return []asked{
			{param("match[type]", "malware,relationship") + "&" + param("match[id]", s.m.ID+","+s.a.ID), "either type and either id", []object{s.m}},
			{param("match[type]", "indicator,campaign") + "&" + param("match[version]", "first,"+second), "either type and either version", s.as[:2]},
		}
	})
}

func byTwice(r *run) (string, error) {
	p, err := r.readable()
	if err != nil {
		return "", err
	}
	_, err = r.want(p.speaker, http.StatusBadRequest, http.MethodGet, p.url()+"objects/?match[type]=indicator&match[type]=malware", nil)
	return "400", err
}

// tier tries an optional filter. A server that refuses it or does not look at it does not offer it.
func (r *run) tier(query func(*stock) string, want func(*stock) object) (string, error) {
	s, err := r.stock()
	if err != nil {
		return "", err
	}
	a, err := r.ask(s.speaker, http.MethodGet, s.since(query(s)), nil)
	if err != nil {
		return "", err
	}
	if a.status >= 400 && a.status < 500 {
		return "", &unoffered{fmt.Sprintf("%d%s", a.status, a.reason())}
	}
	e, err := r.list(s.speaker, s.since(query(s)))
	if err != nil {
		return "", err
	}
	if e.objects = s.ours(e.objects); len(e.objects) == 3 {
		return "", &unoffered{"the parameter is not looked at: everything is given"}
	}
	return "only what matches", e.are("what matches", want(s))
}

func tier1(r *run) (string, error) {
	return r.tier(func(s *stock) string { return param("match[name]", s.name) }, (*stock).a3)
}

func tier2(r *run) (string, error) {
	return r.tier(func(s *stock) string { return param("match[labels]", s.label) }, (*stock).a3)
}

func tier3(r *run) (string, error) {
	return r.tier(func(s *stock) string { return param("match[source_name]", s.source) }, (*stock).a3)
}

func tierRelationships(r *run) (string, error) {
	return r.tier(func(s *stock) string { return param("match[relationships-all]", s.a.ID) }, func(s *stock) object { return s.r })
}

func tierCalculation(r *run) (string, error) {
	return r.tier(func(*stock) string { return "match[confidence-gte]=50" }, (*stock).a3)
}

// pagination pages through versions by dates alone, and through objects by next where it is given.
func pagination(r *run) (string, error) {
	s, err := r.stock()
	if err != nil {
		return "", err
	}
	var got []string
	at := s.url() + "objects/" + s.a.ID + "/versions/?limit=1"
	for after := ""; len(got) <= len(s.as); {
		var v taxii.Versions
		a, err := r.resource(s.speaker, at+after, &v)
		if err != nil {
			return "", err
		}
		got = append(got, v.Versions...)
		if v.More == nil || !*v.More {
			break
		}
		if err := a.dates(); err != nil {
			return "", err
		}
		after = "&" + param("added_after", a.header.Get(taxii.HeaderLast))
	}
	if len(got) != len(s.as) {
		return "", fmt.Errorf("versions one by one, after %s each: %q, want %d", taxii.HeaderLast, got, len(s.as))
	}
	e, err := r.list(s.speaker, s.since("match[version]=all&limit=1"))
	if err != nil {
		return "", err
	}
	if e.objects = s.ours(e.objects); len(e.objects) != len(s.every()) {
		return "", fmt.Errorf("%s, and on: %d objects one by one, want %d", e.what, len(e.objects), len(s.every()))
	}
	return "each once", nil
}
