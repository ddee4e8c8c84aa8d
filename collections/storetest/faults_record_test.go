package storetest_test

import (
	"context"
	"iter"
	"slices"
	"time"

	"liaison/auth"
	"liaison/collections"
	"liaison/stix"
)

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
