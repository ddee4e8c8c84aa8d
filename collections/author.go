package collections

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"liaison/auth"
	"liaison/stix"
)

// authors is who may say that it made an object, for one publication.
type authors struct {
	self       auth.Partner
	registered map[stix.ID]auth.PartnerID // identities that the gateway issued
}

func (d *Desk) authors(p auth.PartnerID) authors {
	st := d.Registry.State()
	return authors{self: st.Access.Partners[p], registered: st.issued.of(st.Access)}
}

// issuedIdentities are the identities that the gateway issued, by id; made when somebody first asks a
// snapshot for them.
type issuedIdentities struct {
	once sync.Once
	all  map[stix.ID]auth.PartnerID
}

func (i *issuedIdentities) of(t *auth.Tables) map[stix.ID]auth.PartnerID {
	i.once.Do(func() {
		i.all = make(map[stix.ID]auth.PartnerID, len(t.Partners))
		for id, row := range t.Partners {
			if row.Identity != "" {
				i.all[row.Identity] = id
			}
			if row.Pseudonym != "" {
				i.all[row.Pseudonym] = id
			}
		}
	})
	return i.all
}

// check settles an item's author, or says why it fails. Foreign is told to the operator.
func (a *authors) check(it *Item, by stix.ID) (why string, foreign bool) {
	if p, ok := a.registered[it.ID]; ok && p != a.self.ID {
		return "this identity is another partner's: publish one of your own", true
	}
	pseudonymous := a.self.Attribution == auth.Pseudonymous
	if pseudonymous && it.ID == a.self.Identity {
		return "you publish under a pseudonym, and this identity would tell who you are: leave it out", false
	}
	if by == "" {
		return "", false
	}
	if p, ok := a.registered[by]; ok && p != a.self.ID {
		return fmt.Sprintf("created_by_ref: %s is another partner's: name an identity of your own", by), true
	}
	if pseudonymous && by != a.self.Pseudonym {
		return fmt.Sprintf("created_by_ref: you publish under a pseudonym: name %s, or nobody (publish --pseudonym writes it)", a.self.Pseudonym), false
	}
	if everybodys := (&stix.Object{Type: []byte("identity"), ID: []byte(by)}).Shared(); !everybodys {
		it.Author = by
	}
	return "", false
}

// begun is when an issued identity was made, as it says itself: a pseudonym does not say when its partner
// came, for its name's identity says the same.
func begun(p auth.Partner, id stix.ID) time.Time {
	if id == p.Pseudonym {
		return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return p.Created.UTC().Truncate(time.Millisecond)
}

// hidden reports the identity of a publisher under a pseudonym: what names it from before goes without.
func hidden(p auth.Partner, id stix.ID) bool {
	return p.Attribution == auth.Pseudonymous && id == p.Identity
}

// The versions of an issued identity, one for each level: the lower the level, the newer the version, so
// that whoever may see the lower one is shown it.
func identityVersion(p auth.Partner, id stix.ID, l stix.Level) string {
	return begun(p, id).Add(time.Duration(stix.Unknown-l) * time.Millisecond).Format(stamp)
}

// issued makes a partner's identity object, marked with a level.
func issued(p auth.Partner, id stix.ID, l stix.Level) Item {
	name := p.Name
	if id == p.Pseudonym {
		name = "Publisher " + strings.ToUpper(strings.TrimPrefix(string(id), "identity--")[:8])
	}
	it := authored(identityObject{
		"identity", "2.1", id, begun(p, id).Format(stamp), identityVersion(p, id, l),
		[]string{tlp2[l]}, name, "organization",
	}, l)
	it.Brought = true
	return it
}

// identities adds the publisher's issued identity to what is published; see Desk.identities.
func (in *intake) identities(ctx context.Context, d *Desk, a *authors) error {
	people, err := d.identities(ctx, in.publication.Place.Operation, a.self, in.publication.Items)
	if err != nil || len(people) == 0 {
		return err
	}
	in.publication.Items = slices.Insert(in.publication.Items, 0, people...)
	in.publication.shift(len(people))
	if len(in.watched) > 0 {
		moved := make(map[int]watched, len(in.watched))
		for i, w := range in.watched {
			moved[i+len(people)] = w
		}
		in.watched = moved
	}
	return nil
}

// identities makes the publisher's issued identity for the collections where these items name it and nobody
// could read it: marked as the least of what names it there, for it goes with its objects, and no further.
func (d *Desk) identities(ctx context.Context, op auth.OperationID, self auth.Partner, items []Item) (people []Item, err error) {
	type need struct {
		level stix.Level
		named []auth.PartnerID
	}
	for _, id := range []stix.ID{self.Identity, self.Pseudonym} {
		if id == "" || hidden(self, id) || slices.ContainsFunc(items, func(it Item) bool { return it.ID == id }) {
			continue
		}
		needs := map[auth.CollectionID]need{}
		var order []auth.CollectionID
		for i := range items {
			it := &items[i]
			if it.Author != id || it.Level < stix.Clear || it.Level > stix.Red {
				continue
			}
			for _, c := range it.To {
				n, ok := needs[c]
				if !ok {
					n.level = it.Level
					order = append(order, c)
				}
				if n.level = min(n.level, it.Level); it.Level == stix.Red {
					for _, p := range it.Named {
						if !slices.Contains(n.named, p) {
							n.named = append(n.named, p)
						}
					}
				}
				needs[c] = n
			}
		}
		for _, c := range order {
			n := needs[c]
			there, err := d.identityThere(ctx, op, c, self, id, n.level)
			if err != nil {
				return nil, err
			}
			if there {
				continue
			}
			it := issued(self, id, n.level)
			it.To = []auth.CollectionID{c}
			if n.level == stix.Red {
				it.Named = n.named
			}
			people = append(people, it)
		}
	}
	return people, nil
}

// ours reports a version of an issued identity that the gateway made.
func ours(p auth.Partner, id stix.ID, v Version, l stix.Level) bool {
	return id != "" && (id == p.Identity || id == p.Pseudonym) && tlp2[l] != "" && v.Text == identityVersion(p, id, l)
}

// identityThere reports whether a collection needs no identity of this level: it has that one or a lower
// one, or the publisher published its own.
func (d *Desk) identityThere(ctx context.Context, op auth.OperationID, c auth.CollectionID, p auth.Partner, id stix.ID, l stix.Level) (bool, error) {
	q := everyVersion()
	q.IDs = []stix.ID{id}
	facts, _, err := d.Store.Facts(ctx, auth.View{Partner: p.ID, Own: true}, Place{op, c}, q)
	if err != nil {
		return false, fmt.Errorf("looking identities up: %w", err)
	}
	for _, f := range facts {
		if !ours(p, id, f.Version, f.Level) || f.Level < l || f.Level == l && l != stix.Red {
			return true, nil
		}
	}
	return false, nil
}
