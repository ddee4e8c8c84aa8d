package storetest_test

import (
	"context"
	"slices"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func bringingFaults() []fault {
	const secure = auth.OperationID("secure")
	placed := func(change func(list []collections.Placed)) func(b *broken) {
		return func(b *broken) {
			b.placed = func(ctx context.Context, p auth.PartnerID, ids []stix.ID) ([]collections.Placed, error) {
				list, err := b.Model.Placed(ctx, secure, p, ids, true)
				change(list)
				return list, err
			}
		}
	}
	return []fault{
		{
			name: "does not bring", reportedBy: "bringing/what_was_published_before_is_brought_to_another_collection",
			breaks: func(b *broken) {
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					p.Items = slices.DeleteFunc(slices.Clone(p.Items), func(it collections.Item) bool { return it.Brought })
					return b.Model.Publish(ctx, p)
				}
			},
		},
		{
			name: "brings after everything else", reportedBy: "bringing/what_was_published_before_is_brought_to_another_collection",
			breaks: func(b *broken) {
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					p.Items = slices.Clone(p.Items)
					slices.SortStableFunc(p.Items, func(x, y collections.Item) int {
						return map[bool]int{true: 1}[x.Brought] - map[bool]int{true: 1}[y.Brought]
					})
					return b.Model.Publish(ctx, p)
				}
			},
		},
		{
			name: "counts what is brought", reportedBy: "bringing/the_status_says_nothing_of_what_is_brought",
			breaks: items(func(it *collections.Item) { it.Brought = false }),
		},
		{
			name: "fails with what cannot be brought", reportedBy: "bringing/what_cannot_be_brought_is_left_out",
			breaks: items(func(it *collections.Item) { it.Brought = false }),
		},
		{
			name: "goes on keeping what is taken", reportedBy: "bringing/what_was_kept_is_kept_no_more_when_it_is_taken",
			breaks: items(func(it *collections.Item) { it.Kept = 0 }),
		},
		{
			name: "sends what speaks of what failed", reportedBy: "bringing/what_speaks_of_what_failed_stays_behind",
			breaks: func(b *broken) {
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					p.Ties = nil
					return b.Model.Publish(ctx, p)
				}
			},
		},
		{
			name: "has what speaks of what failed wait wherever it is", reportedBy: "bringing/what_speaks_of_what_failed_stays_behind",
			breaks: func(b *broken) {
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					p.Ties = slices.Clone(p.Ties)
					for i, t := range p.Ties {
						p.Ties[i].Ends = slices.Clone(t.Ends)
						for j := range t.Ends {
							p.Ties[i].Ends[j].ID = "indicator--gone"
						}
					}
					return b.Model.Publish(ctx, p)
				}
			},
		},
		{
			name: "gives another's things", reportedBy: "bringing/a_publisher's_things_are_found_wherever_they_are",
			breaks: func(b *broken) {
				b.placed = func(ctx context.Context, _ auth.PartnerID, ids []stix.ID) ([]collections.Placed, error) {
					a, err := b.Model.Placed(ctx, secure, "north", ids, true)
					more, _ := b.Model.Placed(ctx, secure, "south", ids, true)
					return append(a, more...), err
				}
			},
		},
		{
			name: "gives the first place alone", reportedBy: "bringing/a_publisher's_things_are_found_wherever_they_are",
			breaks: placed(func(list []collections.Placed) {
				for i := range list {
					list[i].In = list[i].In[:1]
				}
			}),
		},
		{
			name: "gives bytes unasked", reportedBy: "bringing/a_publisher's_things_are_found_wherever_they_are",
			breaks: placed(func([]collections.Placed) {}),
		},
		{
			name: "gives a version to what has none", reportedBy: "bringing/a_publisher's_things_are_found_wherever_they_are",
			breaks: placed(func(list []collections.Placed) {
				for i := range list {
					list[i].Item.Version.At.Set = true
				}
			}),
		},
		{
			name: "loses reasons", reportedBy: "bringing/reasons_are_kept_beside_the_version",
			breaks: items(func(it *collections.Item) { it.Why = nil }),
		},
		{
			name: "gives the newest version's reasons", reportedBy: "bringing/reasons_are_kept_beside_the_version",
			breaks: func(b *broken) {
				b.routes = func(ctx context.Context, id stix.ID) ([]collections.Routed, error) {
					list, err := b.Model.Routes(ctx, secure, id)
					for i := range list {
						list[i].Why = list[len(list)-1].Why
					}
					return list, err
				}
			},
		},
		{
			name: "keeps a status of what it moves itself", reportedBy: "bringing/what_the_gateway_moves_has_a_reason_and_no_status",
			breaks: func(b *broken) {
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					p.Reason = ""
					return b.Model.Publish(ctx, p)
				}
			},
		},
		{
			name: "forgets what was wanted before", reportedBy: "bringing/what_is_wanted_is_remembered",
			breaks: func(b *broken) {
				n := 0
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					if n++; n > 1 {
						p.Wanted = nil
					}
					return b.Model.Publish(ctx, p)
				}
			},
		},
		{
			name: "promises everything", reportedBy: "bringing/what_is_tried_is_what_comes",
			breaks: func(b *broken) {
				b.try = func(ctx context.Context, p collections.Publication) ([]collections.Tried, error) {
					list := make([]collections.Tried, len(p.Items))
					for i := range list {
						list[i].To = p.Items[i].To
					}
					return list, nil
				}
			},
		},
		{
			name: "does what it tries", reportedBy: "bringing/a_trial_leaves_nothing",
			breaks: func(b *broken) {
				b.try = func(ctx context.Context, p collections.Publication) ([]collections.Tried, error) {
					list, err := b.Model.Try(ctx, p)
					if err == nil {
						_, err = b.Model.Publish(ctx, p)
					}
					return list, err
				}
			},
		},
	}
}
