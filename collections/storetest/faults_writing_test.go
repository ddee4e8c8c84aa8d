package storetest_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// faults lists stores that break one promise each.
func faults() []fault {
	return slices.Concat(writingFaults(), keepingFaults(), bringingFaults(), readingFaults(), gleaningFaults(), recordFaults())
}

// all is a view that sees what anybody sees.
func all() auth.View {
	return auth.View{Partner: "hanoi", Level: stix.AmberStrict, Own: true, Named: true}
}

func writingFaults() []fault {
	return []fault{
		{name: "forgets everything when it is closed", reportedBy: "durability/what_was_written_is_there_after_reopening", forgets: true},
		{name: "forgets who owns what when it is closed", reportedBy: "durability/identity_holds_after_reopening", forgets: true},
		{
			name: "answers though it is closed", reportedBy: "durability/a_closed_store_is_unavailable",
			breaks: func(b *broken) { b.close = func() error { return nil } },
		},
		{
			name: "writes a backup that nobody can restore", reportedBy: "durability/a_backup_opens_as_a_store",
			breaks: func(b *broken) { b.backup = func() error { return nil } },
		},
		{
			name: "loses the last object", reportedBy: "order/in_the_order_of_the_items",
			breaks: func(b *broken) {
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					lost := p
					lost.Items = p.Items[:max(1, len(p.Items)-1)]
					s, err := b.Model.Publish(ctx, lost)
					s.Success += len(p.Items) - len(lost.Items)
					return s, err
				}
			},
		},
		{name: "never lets its clock go back", reportedBy: "order/steps", clock: func(now func() time.Time) func() time.Time {
			var mu sync.Mutex
			var latest time.Time
			return func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				if t := now(); t.After(latest) {
					latest = t
				}
				return latest
			}
		}},
		{
			name: "begins anew when it is opened", reportedBy: "order/holds_over_reopening_with_a_clock_that_went_back", forgets: true,
		},
		{
			name: "does not raise", reportedBy: "order/raise",
			breaks: func(b *broken) {
				b.raise = func(l auth.Line) error {
					return b.Model.Raise(context.Background(), 0, l)
				}
			},
		},
		{
			name: "forgets ownership", reportedBy: "identity/the_first_publisher_owns_an_id",
			breaks: items(func(it *collections.Item) { it.Shared = true }),
		},
		{
			name: "takes shared ids as owned", reportedBy: "identity/a_shared_id_is_judged_by_copy",
			breaks: items(func(it *collections.Item) { it.Shared = false }),
		},
		{
			name: "forgets ownership with the bytes", reportedBy: "identity/ownership_outlives_deletion",
			breaks: func(b *broken) {
				var gone sync.Map
				b.remove = func(ctx context.Context, d collections.Deletion) (int, error) {
					gone.Store(d.ID, d.View.Partner)
					return b.Model.Delete(ctx, d)
				}
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					for _, it := range p.Items {
						if owner, ok := gone.Load(it.ID); ok {
							p.Publisher = owner.(auth.PartnerID)
						}
					}
					return b.Model.Publish(ctx, p)
				}
			},
		},
		{
			name: "takes other bytes for the same", reportedBy: "identity/the_same_version_with_other_bytes_is_a_conflict",
			breaks: items(func(it *collections.Item) { it.Digest = [32]byte{} }),
		},
		{
			name: "compares versions as text", reportedBy: "identity/versions_are_compared_as_instants",
			breaks: items(func(it *collections.Item) {
				sum := sha256.Sum256([]byte(it.Version.Text))
				it.Version.At.Sec = int64(sum[0])<<16 | int64(sum[1])<<8 | int64(sum[2])
			}),
		},
		{
			name: "takes observables for versions", reportedBy: "identity/without_a_version,_id_and_digest_decide",
			breaks: items(func(it *collections.Item) {
				if !it.Version.At.Set {
					it.Version.At = stix.Instant{Sec: 1, Set: true}
				}
			}),
		},
		{
			name: "sends to the first collection only", reportedBy: "identity/another_collection_gets_its_own",
			breaks: items(func(it *collections.Item) { it.To = it.To[:1] }),
		},
		{
			name: "rewrites objects", reportedBy: "selection/bytes_are_those_that_were_published",
			breaks: items(func(it *collections.Item) { it.Raw = compact(it.Raw) }),
		},
		{
			name: "deletes in every collection", reportedBy: "deletion/other_collections_keep_theirs",
			breaks: func(b *broken) {
				b.remove = func(ctx context.Context, d collections.Deletion) (int, error) {
					other := d
					other.Place.Collection = "0f5b6c1e-7f0a-4a53-9d0c-000000000679"
					if n, err := b.Model.Delete(ctx, other); d.Place == other.Place {
						return n, err
					}
					return b.Model.Delete(ctx, d)
				}
			},
		},
		{
			name: "deletes all versions", reportedBy: "deletion/which_versions_go",
			breaks: func(b *broken) {
				b.remove = func(ctx context.Context, d collections.Deletion) (int, error) {
					d.Versions = collections.Versions{All: true}
					return b.Model.Delete(ctx, d)
				}
			},
		},
		{
			name: "deletes what others published", reportedBy: "deletion/only_of_one's_own_publication",
			breaks: func(b *broken) {
				b.remove = func(ctx context.Context, d collections.Deletion) (int, error) {
					d.View = auth.View{Partner: "north", Own: true}
					return b.Model.Delete(ctx, d)
				}
			},
		},
		{
			name: "does not ask whether the publisher still may", reportedBy: "refusal/what_Still_refuses_is_not_there",
			breaks: func(b *broken) {
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					p.Still = func() error { return nil }
					return b.Model.Publish(ctx, p)
				}
			},
		},
		{
			name: "refuses a neighbour too", reportedBy: "refusal/refused_among_others",
			breaks: func(b *broken) {
				var mu sync.Mutex
				var last error
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					mu.Lock()
					defer mu.Unlock()
					still := p.Still
					p.Still = func() error {
						before := last
						if last = still(); last != nil {
							return last
						}
						return before
					}
					return b.Model.Publish(ctx, p)
				}
			},
		},
		{
			name: "goes on for a caller that is gone", reportedBy: "refusal/what_was_given_up_is_not_there",
			breaks: func(b *broken) {
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					return b.Model.Publish(context.WithoutCancel(ctx), p)
				}
			},
		},
		{
			name: "stores and then says that the caller was gone", reportedBy: "refusal/given_up_at_any_moment",
			breaks: func(b *broken) {
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					s, err := b.Model.Publish(context.WithoutCancel(ctx), p)
					<-ctx.Done()
					return s, cmp.Or(err, ctx.Err())
				}
			},
		},
	}
}
