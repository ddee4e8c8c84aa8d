package storetest_test

import (
	"context"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func (b *broken) Glean(ctx context.Context, op auth.OperationID, read collections.GistOf) (bool, error) {
	if b.glean != nil {
		var again bool
		if read, again = b.glean(read); again {
			return false, nil
		}
	}
	return b.Model.Glean(ctx, op, read)
}

func (b *broken) Ungleaned(ctx context.Context, op auth.OperationID, most int) (collections.Ungleaned, error) {
	if b.allRead {
		return collections.Ungleaned{}, nil
	}
	return b.Model.Ungleaned(ctx, op, most)
}

func (b *broken) Lapsed(ctx context.Context, a collections.Audience, at collections.Place, q collections.LapseQuery) (collections.LapsePage, error) {
	if b.lapsed != nil {
		return b.lapsed(ctx, a, at, q)
	}
	return b.Model.Lapsed(ctx, a, at, q)
}

func (b *broken) Reports(ctx context.Context, a collections.Audience, op auth.OperationID, values []collections.Value) ([]collections.Reported, error) {
	if b.reports != nil {
		return b.reports(ctx, a, op, values)
	}
	return b.Model.Reports(ctx, a, op, values)
}

func (b *broken) Common(ctx context.Context, a collections.Audience, at collections.Place, after collections.CommonPosition, limit int, read collections.GistOf) (collections.CommonPage, error) {
	if b.common != nil {
		return b.common(ctx, a, at, after, limit)
	}
	return b.Model.Common(ctx, a, at, after, limit, read)
}

// gists makes a fault that reads other gists.
func gists(change func(g *collections.Gist)) func(b *broken) {
	return func(b *broken) {
		b.glean = func(read collections.GistOf) (collections.GistOf, bool) {
			return func(list [][]byte, each func(collections.Gist)) {
				read(list, func(g collections.Gist) {
					change(&g)
					each(g)
				})
			}, false
		}
	}
}

// audiences makes a fault that answers another audience.
func audiences(change func(a *collections.Audience)) func(b *broken) {
	return func(b *broken) {
		b.lapsed = func(ctx context.Context, a collections.Audience, at collections.Place, q collections.LapseQuery) (collections.LapsePage, error) {
			change(&a)
			return b.Model.Lapsed(ctx, a, at, q)
		}
		b.reports = func(ctx context.Context, a collections.Audience, op auth.OperationID, values []collections.Value) ([]collections.Reported, error) {
			change(&a)
			return b.Model.Reports(ctx, a, op, values)
		}
		b.common = func(ctx context.Context, a collections.Audience, at collections.Place, after collections.CommonPosition, limit int) (collections.CommonPage, error) {
			change(&a)
			return b.Model.Common(ctx, a, at, after, limit, nil)
		}
	}
}

func gleaningFaults() []fault {
	everything := audiences(func(a *collections.Audience) { a.View, a.All = all(), a.View.Partner != "" })
	lapses := func(change func(q *collections.LapseQuery)) func(b *broken) {
		return func(b *broken) {
			b.lapsed = func(ctx context.Context, a collections.Audience, at collections.Place, q collections.LapseQuery) (collections.LapsePage, error) {
				change(&q)
				return b.Model.Lapsed(ctx, a, at, q)
			}
		}
	}
	return []fault{
		{name: "forgets gists", reportedBy: "gleaning/a_gist_is_read_once_and_stays", forgets: true},
		{
			name: "forgets who said until when", reportedBy: "gleaning/a_gist_is_read_once_and_stays",
			breaks: gists(func(g *collections.Gist) { g.Stated = false }),
		},
		{
			name: "never reads what is new", reportedBy: "gleaning/a_gist_is_read_once_and_stays",
			breaks: func(b *broken) {
				n := 0
				b.glean = func(read collections.GistOf) (collections.GistOf, bool) { n++; return read, n > 1 }
			},
		},
		{
			name: "has nothing left to be gleaned", reportedBy: "gleaning/what_is_to_be_gleaned_is_counted",
			breaks: func(b *broken) { b.allRead = true },
		},
		{
			name: "shows lapses to everybody", reportedBy: "gleaning/what_lapsed_is_listed_by_when",
			breaks: everything,
		},
		{
			name: "forgets revocations", reportedBy: "gleaning/only_the_last_version_lapses",
			breaks: gists(func(g *collections.Gist) { g.Revoked = false }),
		},
		{
			name: "lists lapses from the start", reportedBy: "gleaning/what_lapsed_is_listed_by_when",
			breaks: lapses(func(q *collections.LapseQuery) { q.After.At = q.After.At.Add(-24 * time.Hour) }),
		},
		{
			name: "lists what will lapse", reportedBy: "gleaning/what_lapsed_is_listed_by_when",
			breaks: lapses(func(q *collections.LapseQuery) { q.Until = q.Until.Add(1000 * time.Hour) }),
		},
		{
			name: "says that no more lapsed", reportedBy: "gleaning/what_lapsed_is_listed_by_when",
			breaks: func(b *broken) {
				b.lapsed = func(ctx context.Context, a collections.Audience, at collections.Place, q collections.LapseQuery) (collections.LapsePage, error) {
					p, err := b.Model.Lapsed(ctx, a, at, q)
					p.More = false
					return p, err
				}
			},
		},
		{
			name: "lists every version that lapsed", reportedBy: "gleaning/only_the_last_version_lapses",
			breaks: func(b *broken) {
				b.lapsed = func(ctx context.Context, a collections.Audience, at collections.Place, q collections.LapseQuery) (collections.LapsePage, error) {
					p, err := b.Model.Lapsed(ctx, a, at, q)
					for _, f := range first(b.Model.Facts(ctx, all(), at, everyVersion())) {
						list, _ := b.Model.Gists(ctx, at.Operation, f.ID)
						for _, g := range list {
							if g.Added == f.Added && len(list) > 1 {
								p.Lapses = append(p.Lapses, collections.Lapse{Fact: f, At: g.Until})
							}
						}
					}
					return p, err
				}
			},
		},
		{
			name: "counts objects, not publishers", reportedBy: "gleaning/who_reports_a_value_is_counted",
			breaks: func(b *broken) {
				b.reports = func(ctx context.Context, a collections.Audience, op auth.OperationID, values []collections.Value) ([]collections.Reported, error) {
					list, err := b.Model.Reports(ctx, a, op, values)
					for i := range list {
						if list[i].Text == "a" && list[i].Partners > 0 {
							list[i].Partners++
						}
					}
					return list, err
				}
			},
		},
		{
			name: "counts what is revoked", reportedBy: "gleaning/who_reports_a_value_is_counted",
			breaks: gists(func(g *collections.Gist) { g.Revoked = false }),
		},
		{
			name: "counts above the clearance", reportedBy: "gleaning/what_an_audience_does_not_see_is_not_counted",
			breaks: audiences(func(a *collections.Audience) { a.View.Level = max(a.View.Level, stix.AmberStrict) }),
		},
		{
			name: "counts in all collections", reportedBy: "gleaning/what_an_audience_does_not_see_is_not_counted",
			breaks: audiences(func(a *collections.Audience) {
				a.In = []auth.CollectionID{"0f5b6c1e-7f0a-4a53-9d0c-000000000084", "0f5b6c1e-7f0a-4a53-9d0c-000000000094", "0f5b6c1e-7f0a-4a53-9d0c-000000000679"}
			}),
		},
		{
			name: "counts what a rival has", reportedBy: "gleaning/who_reports_a_value_is_counted",
			breaks: everything,
		},
		{
			name: "counts the first copy alone", reportedBy: "gleaning/copies_of_a_shared_id_count_each",
			breaks: func(b *broken) {
				b.reports = func(ctx context.Context, a collections.Audience, op auth.OperationID, values []collections.Value) ([]collections.Reported, error) {
					list, err := b.Model.Reports(ctx, a, op, values)
					for i := range list {
						list[i].Partners = min(list[i].Partners, 1)
					}
					return list, err
				}
			},
		},
		{
			name: "lists values of other collections", reportedBy: "gleaning/values_of_several_are_listed_by_collection",
			breaks: func(b *broken) {
				b.common = func(ctx context.Context, a collections.Audience, at collections.Place, after collections.CommonPosition, limit int) (collections.CommonPage, error) {
					at.Collection = "0f5b6c1e-7f0a-4a53-9d0c-000000000084"
					return b.Model.Common(ctx, a, at, after, limit, nil)
				}
			},
		},
		{
			name: "lists values of one publisher", reportedBy: "gleaning/values_of_several_are_listed_by_collection",
			breaks: func(b *broken) {
				b.common = func(ctx context.Context, a collections.Audience, at collections.Place, after collections.CommonPosition, limit int) (collections.CommonPage, error) {
					p, err := b.Model.Common(ctx, a, at, after, limit, nil)
					p.Values = append(p.Values, collections.Reported{Value: collections.Value{Kind: "word", Text: "c"}, Partners: 1, ID: "x"})
					return p, err
				}
			},
		},
		{
			name: "gleans everything at once", reportedBy: "gleaning/many_are_gleaned_in_several_calls",
			breaks: func(b *broken) {
				b.glean = func(read collections.GistOf) (collections.GistOf, bool) {
					for more := true; more; {
						more, _ = b.Model.Glean(context.Background(), "secure", read)
					}
					return read, true
				}
			},
		},
		{
			name: "forgets an until, on a walk", reportedBy: "gleaning/a_walk_with_seed_0",
			breaks: gists(func(g *collections.Gist) { g.Until = time.Time{} }),
		},
	}
}

func first[T any](list []T, _ collections.Added, _ error) []T { return list }

func everyVersion() collections.Query {
	return collections.Query{Limit: collections.MaxLimit, Versions: collections.Versions{All: true}, Specs: []string{"2.0", "2.1"}}
}
