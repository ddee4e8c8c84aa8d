package routing

// setID names a Set: most objects of a publication go to the same few sets of countries, and a number
// takes an eighth of the room. 0 is the empty set.
type setID uint32

// sets holds each Set once, and remembers what was computed of two of them.
type sets struct {
	list []Set
	ids  map[Set]setID
	memo map[setPair]setID
}

type setPair struct {
	a, b setID
	op   setOp
}

type setOp uint8

const (
	unionOp setOp = iota
	intersectOp
	withoutOp
)

func newSets() sets {
	return sets{list: []Set{{}}, ids: map[Set]setID{{}: 0}, memo: make(map[setPair]setID)}
}

func (s *sets) get(a setID) Set { return s.list[a] }

// id gives the name of a set.
func (s *sets) id(set Set) setID {
	if id, ok := s.ids[set]; ok {
		return id
	}
	id := setID(len(s.list))
	s.list = append(s.list, set)
	s.ids[set] = id
	return id
}

func (s *sets) union(a, b setID) setID {
	switch {
	case a == b || b == 0:
		return a
	case a == 0:
		return b
	case a > b:
		a, b = b, a
	}
	return s.compute(setPair{a, b, unionOp})
}

func (s *sets) intersect(a, b setID) setID {
	switch {
	case a == b:
		return a
	case a == 0 || b == 0:
		return 0
	case a > b:
		a, b = b, a
	}
	return s.compute(setPair{a, b, intersectOp})
}

func (s *sets) without(a, b setID) setID {
	switch {
	case a == b || a == 0:
		return 0
	case b == 0:
		return a
	}
	return s.compute(setPair{a, b, withoutOp})
}

func (s *sets) compute(p setPair) setID {
	if id, ok := s.memo[p]; ok {
		return id
	}
	a, b := s.list[p.a], s.list[p.b]
	switch p.op {
	case unionOp:
		a = a.Union(b)
	case intersectOp:
		a = a.Intersect(b)
	case withoutOp:
		a = a.Without(b)
	}
	id := s.id(a)
	s.memo[p] = id
	return id
}

// with gives a set with one country more.
func (s *sets) with(a setID, place int) setID {
	set := s.list[a]
	if set.Has(place) {
		return a
	}
	set.Add(place)
	return s.id(set)
}
