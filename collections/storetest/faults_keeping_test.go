package storetest_test

import (
	"context"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

func keepingFaults() []fault {
	return []fault{
		{
			name: "forgets authors", reportedBy: "identity/an_author_is_one_publisher's",
			breaks: items(func(it *collections.Item) { it.Author = "" }),
		},
		{
			name: "lowers markings", reportedBy: "identity/a_marking_is_not_lowered_by_mistake",
			breaks: items(func(it *collections.Item) { it.Lower = true }),
		},
		{
			name: "adds what is to be kept", reportedBy: "keeping/what_is_kept_is_there_and_nobody_sees_it",
			breaks: items(func(it *collections.Item) {
				if it.Keep != nil && len(it.To) == 0 {
					it.To = it.Keep.To
				}
			}),
		},
		{name: "forgets what is kept", reportedBy: "keeping/what_is_kept_is_there_and_nobody_sees_it", forgets: true},
		{
			name: "forgets who is named", reportedBy: "keeping/what_is_kept_is_there_and_nobody_sees_it",
			breaks: keptListed(func(k *collections.Kept) { k.Item.Named = nil }),
		},
		{
			name: "shares what is kept", reportedBy: "keeping/what_is_kept_claims_its_id",
			breaks: items(func(it *collections.Item) { it.Shared = it.Shared || it.Keep != nil }),
		},
		{
			name: "keeps everything anew", reportedBy: "keeping/duplicates_and_conflicts_are_judged_against_it",
			breaks: func(b *broken) {
				n := int64(0)
				items(func(it *collections.Item) {
					if n++; it.Keep != nil {
						it.Version.At.Sec += n * 1000
					}
				})(b)
			},
		},
		{
			name: "keeps for the first place alone", reportedBy: "keeping/duplicates_and_conflicts_are_judged_against_it",
			breaks: items(func(it *collections.Item) {
				if it.Keep != nil && len(it.Keep.To) > 1 {
					k := *it.Keep
					k.To = k.To[:1]
					it.Keep = &k
				}
			}),
		},
		{
			name: "either adds or keeps", reportedBy: "keeping/added_and_kept_at_once",
			breaks: items(func(it *collections.Item) {
				if len(it.To) > 0 {
					it.Keep = nil
				}
			}),
		},
		{
			name: "keeps any number of versions", reportedBy: "keeping/it_counts_among_the_versions_of_an_id",
			breaks: func(b *broken) {
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					s, err := b.Model.Publish(ctx, p)
					s.Success, s.Failure = s.Success+s.Failure, 0
					return s, err
				}
			},
		},
		{
			name: "leaves kept definitions out", reportedBy: "keeping/definitions_and_levels_count_it",
			breaks: func(b *broken) {
				b.levels = func(auth.OperationID, []stix.ID) (map[stix.ID]stix.Level, error) { return nil, nil }
			},
		},
		{
			name: "ends a list after a page", reportedBy: "keeping/what_is_kept_is_found",
			breaks: func(b *broken) {
				b.kept = func(ctx context.Context, op auth.OperationID, q collections.KeptQuery) ([]collections.Kept, collections.KeptKey, error) {
					list, _, err := b.Model.Kept(ctx, op, q)
					return list, 0, err
				}
			},
		},
		{
			name: "finds what does not wait", reportedBy: "keeping/what_is_kept_is_found",
			breaks: asks(func(q *collections.KeptQuery) { q.Waits = nil }),
		},
		{
			name: "does not find by batch", reportedBy: "keeping/what_is_kept_is_found",
			breaks: asks(func(q *collections.KeptQuery) { q.Publisher = "" }),
		},
		{
			name: "releases in the order of keys", reportedBy: "keeping/a_release_adds",
			breaks: settled(func(s *collections.Settlement) {
				for i := range s.Release {
					for j := range i {
						if s.Release[i].Key < s.Release[j].Key {
							s.Release[i], s.Release[j] = s.Release[j], s.Release[i]
						}
					}
				}
			}),
		},
		{
			name: "does not look where a release goes", reportedBy: "keeping/a_release_adds",
			breaks: settled(func(s *collections.Settlement) {
				for i := range s.Release {
					if len(s.Release[i].To) > 0 {
						s.Release[i].To = s.Release[i].To[:1]
					}
				}
			}),
		},
		{
			name: "calls a repetition a release", reportedBy: "keeping/a_release_is_judged_anew",
			breaks: func(b *broken) {
				b.settle = func(ctx context.Context, s collections.Settlement) ([]collections.Outcome, error) {
					list, err := b.Model.Settle(ctx, s)
					for i := range list {
						list[i].Added = 1
					}
					return list, err
				}
			},
		},
		{
			name: "lets one release alone", reportedBy: "keeping/some_releases_take_two",
			breaks: items(func(it *collections.Item) {
				if it.Keep != nil {
					k := *it.Keep
					k.Second = false
					it.Keep = &k
				}
			}),
		},
		{
			name: "drops nothing", reportedBy: "keeping/what_is_dropped_is_gone",
			breaks: settled(func(s *collections.Settlement) {
				for _, k := range s.Drop {
					s.Amend = append(s.Amend, collections.Amended{Key: k})
				}
				s.Drop = nil
			}),
		},
		{
			name: "amends no waits", reportedBy: "keeping/what_is_kept_can_be_amended",
			breaks: settled(func(s *collections.Settlement) {
				for i := range s.Amend {
					s.Amend[i].Waits = nil
				}
			}),
		},
		{
			name: "settles a part", reportedBy: "keeping/a_settlement_is_whole_or_nothing",
			breaks: func(b *broken) {
				b.settle = func(ctx context.Context, s collections.Settlement) ([]collections.Outcome, error) {
					part := s
					part.Drop, part.Amend = nil, nil
					if _, err := b.Model.Settle(ctx, part); err != nil {
						return nil, err
					}
					return b.Model.Settle(ctx, s)
				}
			},
		},
		{
			name: "withdraws from everywhere", reportedBy: "keeping/a_withdrawal_takes_what_it_names",
			breaks: func(b *broken) {
				b.retract = func(ctx context.Context, w collections.Withdrawal) (int, error) {
					for _, it := range w.Items {
						it.Collection = "0f5b6c1e-7f0a-4a53-9d0c-000000000084"
						w.Items = append(w.Items, it)
					}
					return b.Model.Withdraw(ctx, w)
				}
			},
		},
	}
}

func keptListed(change func(k *collections.Kept)) func(b *broken) {
	return func(b *broken) {
		b.kept = func(ctx context.Context, op auth.OperationID, q collections.KeptQuery) ([]collections.Kept, collections.KeptKey, error) {
			list, next, err := b.Model.Kept(ctx, op, q)
			for i := range list {
				change(&list[i])
			}
			return list, next, err
		}
	}
}

func asks(change func(q *collections.KeptQuery)) func(b *broken) {
	return func(b *broken) {
		b.kept = func(ctx context.Context, op auth.OperationID, q collections.KeptQuery) ([]collections.Kept, collections.KeptKey, error) {
			change(&q)
			return b.Model.Kept(ctx, op, q)
		}
	}
}

func settled(change func(s *collections.Settlement)) func(b *broken) {
	return func(b *broken) {
		b.settle = func(ctx context.Context, s collections.Settlement) ([]collections.Outcome, error) {
			change(&s)
			return b.Model.Settle(ctx, s)
		}
	}
}
