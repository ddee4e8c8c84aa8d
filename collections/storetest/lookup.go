package storetest

import (
	"liaison/auth"
	"liaison/stix"
)

// lookup is what marking asks of a store before a publication.
func lookup() []step {
	return []step{
		{"definitions", lookupDefinitions},
		{"levels", lookupLevels},
	}
}

func lookupDefinitions(e *env) {
	amber, open := item(1, defining(stix.Amber)), item(2, defining(stix.Clear), to(lk))
	terms := item(5, defining(stix.Unmarked))
	e.added(north, amber, open, terms, item(3))
	e.added(south, item(4, defining(stix.Green)))
	ids := []stix.ID{amber.ID, open.ID, item(3).ID, item(4, defining(stix.Green)).ID, item(9, defining(stix.Red)).ID, terms.ID}
	definitions := func(what string, op auth.OperationID, p auth.PartnerID, want map[stix.ID]stix.Level) {
		e.Helper()
		got, err := e.store.Definitions(e.ctx, op, p, ids)
		e.check("asking for definitions", err)
		equal(e, what, want, got)
	}
	for range 2 {
		definitions("north's", secure, north, map[stix.ID]stix.Level{amber.ID: stix.Amber, open.ID: stix.Clear, terms.ID: stix.Unmarked})
		definitions("south's", secure, south, map[stix.ID]stix.Level{ids[3]: stix.Green})
		definitions("an agency's", secure, hanoi, nil)
		definitions("north's in another operation", harbor, north, nil)
		e.reopen()
	}
	e.added(north, item(1, defining(stix.AmberStrict), modified(2), body("stricter"), to(fj)))
	definitions("the strictest", secure, north, map[stix.ID]stix.Level{amber.ID: stix.AmberStrict, open.ID: stix.Clear, terms.ID: stix.Unmarked})
	e.remove(north, in(fj), amber.ID)
	e.remove(north, in(lk), open.ID)
	definitions("after deletions", secure, north, map[stix.ID]stix.Level{amber.ID: stix.Amber, terms.ID: stix.Unmarked})
}

func lookupLevels(e *env) {
	e.added(north, item(1, level(stix.Green)), item(2, level(stix.Unmarked)), item(3, shared, level(stix.Clear)))
	e.added(north, item(1, modified(2), level(stix.AmberStrict), to(lk)), item(1, modified(3), level(stix.Clear)))
	e.added(south, item(3, shared, level(stix.Red)), item(4, level(stix.Unknown)))
	ids := []stix.ID{item(1).ID, item(2).ID, item(3).ID, item(4).ID, item(9).ID}
	levels := func(what string, op auth.OperationID, p auth.PartnerID, want map[stix.ID]stix.Level) {
		e.Helper()
		got, err := e.store.Levels(e.ctx, op, p, ids)
		e.check("asking for levels", err)
		equal(e, what, want, got)
	}
	for range 2 {
		levels("north's", secure, north,
			map[stix.ID]stix.Level{ids[0]: stix.AmberStrict, ids[1]: stix.Unmarked, ids[2]: stix.Clear})
		levels("south's", secure, south, map[stix.ID]stix.Level{ids[2]: stix.Red, ids[3]: stix.Unknown})
		levels("an agency's", secure, hanoi, nil)
		levels("north's in another operation", harbor, north, nil)
		e.reopen()
	}
	e.remove(north, in(lk), ids[0])
	e.remove(north, in(vn), ids[1])
	levels("after deletions", secure, north, map[stix.ID]stix.Level{ids[0]: stix.Green, ids[2]: stix.Clear})
}
