package storetest_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"io"
	"iter"
	"slices"
	"sync"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

// faults lists stores that break one promise each.
func faults() []fault {
	return slices.Concat(writingFaults(), readingFaults(), recordFaults())
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
					gone.Store(d.ID, true)
					return b.Model.Delete(ctx, d)
				}
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					for i, it := range p.Items {
						if _, ok := gone.Load(it.ID); ok {
							p.Items[i].Shared = true
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

func readingFaults() []fault {
	return []fault{
		{
			name: "gives equal date_added", reportedBy: "order/in_the_order_of_the_items",
			breaks: listed(func(list []collections.Fact) []collections.Fact {
				for i := range list {
					list[i].Added -= list[i].Added % 1000
				}
				return list
			}),
		},
		{
			name: "shows what is hidden", reportedBy: "sight/every_object_to_every_reader_as_Decide_says",
			breaks: asked(func(v *auth.View, _ *collections.Query) {
				if v.Level >= stix.Green {
					v.Level = stix.AmberStrict
				}
			}),
		},
		{
			name: "shows RED to all who may be named", reportedBy: "sight/every_object_to_every_reader_as_Decide_says",
			breaks: asked(func(v *auth.View, _ *collections.Query) {
				if v.Named {
					v.Partner = "hanoi"
				}
			}),
		},
		{
			name: "knows of what is hidden", reportedBy: "sight/every_object_to_every_reader_as_Decide_says",
			breaks: func(b *broken) {
				b.known = func(_ auth.View, at collections.Place, id stix.ID) (bool, error) {
					return b.Model.Known(context.Background(), all(), at, id)
				}
			},
		},
		{
			name: "takes last before sight", reportedBy: "sight/first_and_last_are_taken_among_what_is_seen",
			breaks: among(func(v *auth.View, q *collections.Query) { *v = all() }),
		},
		{
			name: "takes the spec version before sight", reportedBy: "sight/the_default_spec_version_is_taken_among_what_is_seen",
			breaks: among(func(v *auth.View, q *collections.Query) { *v, q.Versions = all(), collections.Versions{All: true} }),
		},
		{
			name: "shows the copy of the first, seen or not", reportedBy: "identity/each_publisher_has_a_copy_of_a_shared_id",
			breaks: among(func(v *auth.View, q *collections.Query) { *v, q.Versions = all(), collections.Versions{All: true} }),
		},
		{
			name: "says that there is more when that is hidden", reportedBy: "sight/what_is_added_hidden_changes_nothing",
			breaks: func(b *broken) {
				b.objects = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
					p, err := b.Model.Objects(ctx, v, at, q)
					if p.Count > 0 {
						q.After = p.Last
						rest, _, _ := b.Model.Facts(ctx, all(), at, q)
						p.More = len(rest) > 0
					}
					return p, err
				}
			},
		},
		{
			name: "ends a page where something is hidden", reportedBy: "sight/what_is_hidden_between_changes_nothing",
			breaks: func(b *broken) {
				b.facts = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, bool, error) {
					whole, _, _ := b.Model.Facts(ctx, all(), at, q)
					list, more, err := b.Model.Facts(ctx, v, at, q)
					if n := len(list); more && n > 1 && n <= len(whole) && whole[n-1].Added < list[n-1].Added {
						list = list[:n-1]
					}
					return list, more, err
				}
			},
		},
		{
			name: "forgets types beside ids", reportedBy: "selection/filters",
			breaks: asked(func(_ *auth.View, q *collections.Query) {
				if q.IDs != nil {
					q.Types = nil
				}
			}),
		},
		{
			name: "gives what is at the position again", reportedBy: "selection/filters",
			breaks: asked(func(_ *auth.View, q *collections.Query) { q.After = max(0, q.After-1) }),
		},
		{
			name: "takes last after the position", reportedBy: "selection/filters",
			breaks: func(b *broken) {
				b.facts = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, bool, error) {
					list, more, err := b.Model.Facts(ctx, v, at, q)
					if len(list) == 0 && q.After > 0 {
						q.Versions = collections.Versions{All: true}
						return b.Model.Facts(ctx, v, at, q)
					}
					return list, more, err
				}
			},
		},
		{
			name: "forgets audiences", reportedBy: "selection/facts_say_what_is_served",
			breaks: listed(func(list []collections.Fact) []collections.Fact {
				for i := range list {
					list[i].Named = nil
				}
				return list
			}),
		},
		{
			name: "forgets audiences, on a walk", reportedBy: "random/walk_with_seed_0",
			breaks: listed(func(list []collections.Fact) []collections.Fact {
				for i := range list {
					list[i].Named = nil
				}
				return list
			}),
		},
		{
			name: "says that there is no more", reportedBy: "paging/at_every_limit",
			breaks: func(b *broken) {
				b.objects = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
					p, err := b.Model.Objects(ctx, v, at, q)
					p.More = false
					return p, err
				}
			},
		},
		{
			name: "always says that there is more", reportedBy: "paging/at_every_limit",
			breaks: func(b *broken) {
				b.objects = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
					p, err := b.Model.Objects(ctx, v, at, q)
					p.More = true
					return p, err
				}
			},
		},
		{
			name: "gives one object more than was asked", reportedBy: "paging/at_every_limit",
			breaks: asked(func(_ *auth.View, q *collections.Query) { q.Limit++ }),
		},
		{
			name: "gives short pages of what fits", reportedBy: "paging/at_every_limit",
			breaks: asked(func(_ *auth.View, q *collections.Query) { q.Limit = max(1, q.Limit-1) }),
		},
		{
			name: "serves what was deleted", reportedBy: "paging/what_was_deleted_since_the_planning_is_left_out",
			breaks: func(b *broken) {
				b.objects = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
					p, err := b.Model.Objects(ctx, v, at, q)
					if err != nil {
						return p, err
					}
					var runs [][]byte
					for run, err := p.Next(nil); err == nil; run, err = p.Next(nil) {
						runs = append(runs, run)
					}
					p.Next = func(dst []byte) ([]byte, error) {
						if len(runs) == 0 {
							return dst, io.EOF
						}
						dst = append(dst, runs[0]...)
						runs = runs[1:]
						return dst, nil
					}
					return p, nil
				}
			},
		},
		{
			name: "knows no end of a page but its limit", reportedBy: "paging/a_page_ends_by_its_size",
			breaks: func(b *broken) { b.objects = b.endless },
		},
		{
			name: "shows a publication late", reportedBy: "concurrent/many_publish,_delete_and_read",
			breaks: late,
		},
	}
}

// among makes a fault that gives of the facts only those that another question gives too.
func among(change func(v *auth.View, q *collections.Query)) func(b *broken) {
	return func(b *broken) {
		b.facts = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, bool, error) {
			list, more, err := b.Model.Facts(ctx, v, at, q)
			change(&v, &q)
			wider, _, _ := b.Model.Facts(ctx, v, at, q)
			list = slices.DeleteFunc(list, func(f collections.Fact) bool {
				return !slices.ContainsFunc(wider, func(w collections.Fact) bool { return w.Added == f.Added })
			})
			return list, more, err
		}
	}
}

// endless joins pages up to the limit.
func (b *broken) endless(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
	p, err := b.Model.Objects(ctx, v, at, q)
	for err == nil && p.More && p.Count < q.Limit {
		var rest collections.Page
		rest, err = b.Model.Objects(ctx, v, at, collections.Query{
			After: p.Last, Limit: q.Limit - p.Count, Versions: q.Versions, Specs: q.Specs, Types: q.Types, IDs: q.IDs,
		})
		first := p.Next
		p.Next = func(dst []byte) ([]byte, error) {
			if longer, err := first(dst); err != io.EOF {
				return longer, err
			}
			return rest.Next(dst)
		}
		p.Count, p.Last, p.More = p.Count+rest.Count, rest.Last, rest.More
	}
	return p, err
}

// late hides every fifth publication until two more are there.
func late(b *broken) {
	var mu sync.Mutex
	var n int
	var from, to collections.Added // what is hidden
	b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
		mu.Lock()
		defer mu.Unlock()
		s, err := b.Model.Publish(ctx, p)
		switch n++; n % 5 {
		case 0:
			from, to = s.First, s.Last
		case 2:
			from, to = 0, 0
		}
		return s, err
	}
	b.facts = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, bool, error) {
		mu.Lock()
		defer mu.Unlock()
		list, more, err := b.Model.Facts(ctx, v, at, q)
		return slices.DeleteFunc(list, func(f collections.Fact) bool { return f.Added >= from && f.Added <= to }), more, err
	}
}

func recordFaults() []fault {
	return []fault{
		{
			name: "shows a status to others", reportedBy: "status/its_publisher's_alone",
			breaks: func(b *broken) {
				b.status = func(op auth.OperationID, id collections.StatusID) (collections.Status, error) {
					return b.Model.Status(context.Background(), op, "north", id)
				}
			},
		},
		{
			name: "does not count failures at the door", reportedBy: "status/what_became_of_each_object",
			breaks: func(b *broken) {
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					p.Failed = 0
					return b.Model.Publish(ctx, p)
				}
			},
		},
		{
			name: "lists only a few failures", reportedBy: "status/details_are_bounded,_counts_are_not",
			breaks: func(b *broken) {
				b.status = func(op auth.OperationID, id collections.StatusID) (collections.Status, error) {
					s, err := b.Model.Status(context.Background(), op, "north", id)
					s.Failures = s.Failures[:min(100, len(s.Failures))]
					return s, err
				}
			},
		},
		{
			name: "drops statuses early", reportedBy: "status/expires",
			breaks: func(b *broken) {
				b.sweep = func(now time.Time) error { return b.Model.Sweep(context.Background(), now.Add(time.Hour)) }
			},
		},
		{
			name: "gives the levels of others", reportedBy: "lookup/levels",
			breaks: func(b *broken) {
				b.levels = func(op auth.OperationID, ids []stix.ID) (map[stix.ID]stix.Level, error) {
					return b.Model.Levels(context.Background(), op, "north", ids)
				}
			},
		},
		{
			name: "writes no line of deletions", reportedBy: "record/every_effect_has_its_line",
			breaks: func(b *broken) { b.journal = b.without("delete") },
		},
		{
			name: "does not tell of refusals", reportedBy: "identity/ownership_is_told_to_the_operator",
			breaks: func(b *broken) { b.journal = b.without("ownership.refused") },
		},
		{
			name: "writes no line of a publication, on a walk", reportedBy: "random/walk_with_seed_1",
			breaks: func(b *broken) { b.journal = b.without("publish") },
		},
		{
			name: "gives the whole journal from any line", reportedBy: "record/the_journal_from_a_line_on",
			breaks: func(b *broken) {
				b.journal = func(int64) iter.Seq2[collections.Entry, error] { return b.Model.Journal(context.Background(), 0) }
			},
		},
		{
			name: "signs an old head", reportedBy: "record/the_journal_verifies",
			breaks: func(b *broken) {
				b.verify = func(c collections.Checkpoint) collections.Checkpoint {
					c.Size = max(0, c.Size-1)
					return c
				}
			},
		},
		{
			name: "loses reads when it is closed", reportedBy: "record/reads_are_recorded",
			breaks: func(b *broken) {
				var waiting []auth.Line
				b.served = func(l auth.Line) error {
					waiting = append(waiting, l)
					return nil
				}
				b.sweep = func(now time.Time) error {
					for _, l := range waiting {
						if err := b.Model.Served(context.Background(), l); err != nil {
							return err
						}
					}
					waiting = nil
					return b.Model.Sweep(context.Background(), now)
				}
				b.close = func() error {
					waiting = nil
					return b.Model.Close()
				}
			},
		},
		{
			name: "writes rows without a line", reportedBy: "record/no_effect_without_a_line",
			breaks: func(b *broken) {
				b.apply = func(ctx context.Context, rows []auth.Record, lines []auth.Line, done func()) error {
					if len(lines) == 0 {
						lines = []auth.Line{{Kind: "made.up", What: []byte("{}")}}
					}
					return b.Model.Apply(ctx, rows, lines, done)
				}
			},
		},
		{
			name: "keeps rows that were deleted", reportedBy: "record/rows_come_back",
			breaks: func(b *broken) {
				b.apply = func(ctx context.Context, rows []auth.Record, lines []auth.Line, done func()) error {
					rows = slices.DeleteFunc(slices.Clone(rows), func(r auth.Record) bool { return r.Value == nil })
					return b.Model.Apply(ctx, rows, lines, done)
				}
			},
		},
		{
			name: "lets a publication in before done", reportedBy: "record/done_comes_before_any_later_Still",
			breaks: func(b *broken) {
				published := make(chan struct{})
				b.publish = func(ctx context.Context, p collections.Publication) (collections.Status, error) {
					s, err := b.Model.Publish(ctx, p)
					select {
					case published <- struct{}{}:
					default:
					}
					return s, err
				}
				b.apply = func(ctx context.Context, rows []auth.Record, lines []auth.Line, done func()) error {
					err := b.Model.Apply(ctx, rows, lines, nil)
					for range 10 {
						<-published // a publication that came after
					}
					done()
					return err
				}
			},
		},
	}
}

// without gives a journal that has no lines of one kind.
func (b *broken) without(kind string) func(from int64) iter.Seq2[collections.Entry, error] {
	return func(from int64) iter.Seq2[collections.Entry, error] {
		return func(yield func(collections.Entry, error) bool) {
			seq := int64(0)
			for entry, err := range b.Model.Journal(context.Background(), 0) {
				if err == nil && entry.Line.Kind == kind {
					continue
				}
				if entry.Seq = seq; seq >= from && !yield(entry, err) {
					return
				}
				seq++
			}
		}
	}
}
