package bolt

import (
	"fmt"

	"liaison/collections"
	"liaison/stix"
)

// unowned says why an item may not name its author, or "". An author that nobody has is claimed.
func (b *batch) unowned(op *operation, p *publication, it *collections.Item, t *tally) (string, error) {
	if it.Author == "" || it.Author == it.ID || t.authors[it.Author] {
		return "", nil
	}
	hash := hashID(b.s.id, it.Author)
	known, err := op.versions(hash, it.Author)
	if err != nil {
		return "", err
	}
	kept, err := op.keeps(b).of(hash, it.Author)
	if err != nil {
		return "", err
	}
	if !kept.owns(p, &collections.Item{ID: it.Author}, known) {
		if t.refused++; len(t.ids) < maxNames {
			t.ids = append(t.ids, it.Author)
		}
		return fmt.Sprintf("created_by_ref: %s is another partner's: name an identity of your own", it.Author), nil
	}
	if len(known) == 0 {
		op.keeping.claim(hash, it.Author, p.Publisher, false)
	}
	if t.authors == nil {
		t.authors = map[stix.ID]bool{}
	}
	t.authors[it.Author] = true
	return "", nil
}

// before gives the level of the version before an item's, Unmarked where there is none.
func before(known []*version, mine []*keptVersion, p *publication, it *collections.Item) stix.Level {
	level := stix.Unmarked
	var at stix.Instant
	look := func(versioned bool, v stix.Instant, l stix.Level) {
		switch {
		case versioned != it.Version.At.Set || versioned && v.Compare(it.Version.At) >= 0:
		case !versioned || at.Set && v.Compare(at) == 0:
			level = max(level, l)
		case !at.Set || v.Compare(at) > 0:
			at, level = v, l
		}
	}
	for _, k := range known {
		if k.Publisher == p.Publisher && len(k.in) > 0 {
			look(k.versioned, k.Version.At, k.Level)
		}
	}
	for _, k := range mine {
		look(k.At.Set, k.At, k.Level)
	}
	return level
}

// lowered says that an item is marked below the version before it, or "".
func lowered(known []*version, mine []*keptVersion, p *publication, it *collections.Item) string {
	if it.Lower || it.Brought {
		return ""
	}
	if l := before(known, mine, p, it); l <= stix.Red && it.Level < l {
		return fmt.Sprintf("marked %s, below the version before it (%s): mark it as that one, or confirm it (docs/markings.md)", it.Level, l)
	}
	return ""
}
