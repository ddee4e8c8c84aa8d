package stix

// embedded checks the observables in an observed-data's objects, which STIX 2.1 keeps from STIX 2.0:
// each is held against both tiers on its own, but that its references name others by their keys. Tier
// 2 asks for that.
//
// "A dictionary of SCO representing the observation … The dictionary MUST contain at least one
// object." STIX 2.1 section 4.14.
func (c *checker) embedded() bool {
	const section = "STIX 2.1 section 4.14"
	o := c.o
	list := c.find(0, nObjects)
	if list == 0 || string(o.Type) != "observed-data" {
		return true
	}
	nodes := o.p.nodes
	others := o.shelve(list)
	for i := list + 1; i < int(nodes[list].next); i = int(nodes[i].next) {
		m := &nodes[i]
		if m.kind != kObject {
			return c.fail(i, section, "the value must be an observable, not ", c.show(i))
		}
		raw := o.raw(m)
		buf := make([]byte, len(raw)+slack)
		copy(buf, raw)
		p := newParser()
		p.depth = maxNesting
		inner := &Object{}
		inner.read(&p, 0, p.parse(buf, 0, len(raw)))
		inner.inside = others
		problem, _ := Check(inner)
		if problem == nil {
			problem = CheckStrict(inner)
		}
		if problem == nil && inner.kind != nil && inner.kind.class != observable {
			problem = &Problem{Rule: "the object must be an observable, not " + quote(inner.Type), Section: section}
		}
		if problem != nil {
			problem.Pointer = o.pointer(i) + problem.Pointer
			c.problem = problem
			return false
		}
	}
	return true
}

// A shelf is the dictionary that holds an observable: the type of each object in it by its key.
type shelf map[string]string

// shelve reads the types of the objects in the dictionary at; an object without one has the type "".
func (o *Object) shelve(at int) shelf {
	s := make(shelf)
	nodes := o.p.nodes
	for i := at + 1; i < int(nodes[at].next); i = int(nodes[i].next) {
		kind := ""
		for k := i + 1; k < int(nodes[i].next); k = int(nodes[k].next) {
			if nodes[k].name == nType && nodes[k].kind == kString {
				kind = string(o.text(&nodes[k]))
			}
		}
		s[string(o.key(&nodes[i]))] = kind
	}
	return s
}
