package storetest_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

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
				b.facts = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, collections.Added, error) {
					whole, _, _ := b.Model.Facts(ctx, all(), at, q)
					list, next, err := b.Model.Facts(ctx, v, at, q)
					if n := len(list); next > 0 && n > 1 && n <= len(whole) && whole[n-1].Added < list[n-1].Added {
						list, next = list[:n-1], list[n-2].Added
					}
					return list, next, err
				}
			},
		},
		{
			name: "forgets what was deleted", reportedBy: "deletion/a_deleted_version_is_gone",
			breaks: goes(func(p collections.Page) bool { return false }),
		},
		{
			name: "takes for deleted what is not there", reportedBy: "deletion/a_deleted_version_is_gone",
			breaks: goes(func(p collections.Page) bool { return p.Count == 0 }),
		},
		{
			name: "tells of hidden versions that they were deleted", reportedBy: "deletion/a_deleted_version_is_gone",
			breaks: func(b *broken) {
				b.objects = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
					p, err := b.Model.Objects(ctx, v, at, q)
					wide, _ := b.Model.Objects(ctx, all(), at, q)
					p.Gone = p.Gone || p.Count == 0 && wide.Gone
					return p, err
				}
			},
		},
		{
			name: "tells of deleted copies that nobody was shown", reportedBy: "deletion/a_copy_of_a_shared_id_is_gone",
			breaks: func(b *broken) {
				b.objects = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
					p, err := b.Model.Objects(ctx, v, at, q)
					own, _ := b.Model.Objects(ctx, auth.View{Partner: "south", Own: true}, at, q)
					p.Gone = p.Gone || p.Count == 0 && own.Gone
					return p, err
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
				b.facts = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, collections.Added, error) {
					list, next, err := b.Model.Facts(ctx, v, at, q)
					if len(list) == 0 && q.After > 0 {
						q.Versions = collections.Versions{All: true}
						return b.Model.Facts(ctx, v, at, q)
					}
					return list, next, err
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
					p.Take = func(dst []byte, have func(collections.RunID) bool) ([]byte, error) {
						if len(runs) == 0 {
							return dst, io.EOF
						}
						run := runs[0]
						runs = runs[1:]
						if sum := sha256.Sum256(run); have != nil && have(collections.RunID(sum[:])) {
							return dst, nil
						}
						return append(dst, run...), nil
					}
					p.Next = func(dst []byte) ([]byte, error) { return p.Take(dst, nil) }
					return p, nil
				}
			},
		},
		{
			name: "names runs by where they begin", reportedBy: "paging/runs_have_names",
			breaks: named(func(n int, first, _ collections.Added, _ auth.View) string { return fmt.Sprint(n, first) }),
		},
		{
			name: "names runs by their place alone", reportedBy: "paging/what_was_deleted_is_in_no_run_with_a_name_of_then",
			breaks: named(func(n int, first, last collections.Added, v auth.View) string {
				return fmt.Sprint(n, first, last, v.Partner, v.Level)
			}),
		},
		{
			name: "names every run anew", reportedBy: "paging/runs_have_names",
			breaks: func() func(*broken) {
				var pages atomic.Int64
				return named(func(n int, _, _ collections.Added, _ auth.View) string { return fmt.Sprint(n, pages.Add(1)) })
			}(),
		},
		{
			name: "gives what is kept once more", reportedBy: "paging/at_every_limit",
			breaks: func(b *broken) {
				b.objects = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
					p, err := b.Model.Objects(ctx, v, at, q)
					take := p.Take
					p.Take = func(dst []byte, have func(collections.RunID) bool) ([]byte, error) {
						return take(dst, func(id collections.RunID) bool {
							have(id)
							return false
						})
					}
					return p, err
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
		b.facts = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, collections.Added, error) {
			list, next, err := b.Model.Facts(ctx, v, at, q)
			change(&v, &q)
			wider, _, _ := b.Model.Facts(ctx, v, at, q)
			list = slices.DeleteFunc(list, func(f collections.Fact) bool {
				return !slices.ContainsFunc(wider, func(w collections.Fact) bool { return w.Added == f.Added })
			})
			return list, next, err
		}
	}
}

// goes changes what pages say of deletions.
func goes(gone func(p collections.Page) bool) func(*broken) {
	return func(b *broken) {
		b.objects = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
			p, err := b.Model.Objects(ctx, v, at, q)
			p.Gone = gone(p)
			return p, err
		}
	}
}

// named changes the names of runs: n counts them in their page.
func named(name func(n int, first, last collections.Added, v auth.View) string) func(b *broken) {
	return func(b *broken) {
		b.objects = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) (collections.Page, error) {
			p, err := b.Model.Objects(ctx, v, at, q)
			take, n := p.Take, 0
			p.Take = func(dst []byte, have func(collections.RunID) bool) ([]byte, error) {
				n++
				return take(dst, func(collections.RunID) bool {
					sum := sha256.Sum256([]byte(name(n, p.First, p.Last, v)))
					return have(collections.RunID(sum[:]))
				})
			}
			return p, err
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
		first := p.Take
		p.Take = func(dst []byte, have func(collections.RunID) bool) ([]byte, error) {
			if longer, err := first(dst, have); err != io.EOF {
				return longer, err
			}
			return rest.Take(dst, have)
		}
		p.Next = func(dst []byte) ([]byte, error) { return p.Take(dst, nil) }
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
	b.facts = func(ctx context.Context, v auth.View, at collections.Place, q collections.Query) ([]collections.Fact, collections.Added, error) {
		mu.Lock()
		defer mu.Unlock()
		list, next, err := b.Model.Facts(ctx, v, at, q)
		return slices.DeleteFunc(list, func(f collections.Fact) bool { return f.Added >= from && f.Added <= to }), next, err
	}
}
