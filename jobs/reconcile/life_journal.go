package reconcile

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation/life"
)

// BreakEvents is the lake's table of the events in the life of breaks. It is also the name of the stream whose position counts them.
const BreakEvents = "reconciliation.break_events"

// eventShard is the stream's only shard.
const eventShard = "events"

// mostAppends is how often an append begins anew because another writer was faster.
const mostAppends = 50

// eventsSchema is that of the table. Hash is the SHA-256 of body, and body holds prev; the other columns repeat what body says, for queries.
func eventsSchema() *arrow.Schema {
	null := func(name string) arrow.Field { return arrow.Field{Name: name, Type: utf8, Nullable: true} }
	return arrow.NewSchema([]arrow.Field{{Name: "seq", Type: bigint}, {Name: "prev", Type: utf8}, {Name: "hash", Type: utf8}, {Name: "at", Type: instant},
		{Name: "kind", Type: utf8}, {Name: "rules", Type: utf8}, null("by"), null("case_id"), null("night"), null("run_id"), {Name: "body", Type: utf8}}, nil)
}

// Journal is the log of what happens to breaks, in a lake. It is safe for concurrent use, also by several processes: the lake takes events only where
// they follow the last one.
type Journal struct {
	lake *catalog.Lake
	// between is called between reading and writing; for tests.
	between func()
}

// NewJournal is the log of a lake. The table is made by the first Append.
func NewJournal(lake *catalog.Lake) *Journal { return &Journal{lake: lake} }

// History is what a Journal holds.
type History struct {
	Records []life.Record
	Events  []*life.Event
	State   *life.State
}

// Read reads and verifies all events. Where the chain does not hold, the error wraps a *life.BrokenError, and the history is what comes before.
func (j *Journal) Read(ctx context.Context) (*History, error) {
	h := &History{State: life.New()}
	cut, err := j.lake.At(ctx, catalog.At{})
	if err != nil {
		return h, fmt.Errorf("read %s: %w", BreakEvents, err)
	}
	stands, err := j.lake.StreamPosition(ctx, BreakEvents)
	if err != nil {
		return h, fmt.Errorf("read %s: %w", BreakEvents, err)
	}
	var rows []eventRow
	if slices.Contains(cut.Tables(), BreakEvents) {
		if rows, err = j.rows(ctx, cut); err != nil {
			return h, fmt.Errorf("read %s: %w", BreakEvents, err)
		}
	}
	for i := range rows {
		e, err := h.State.Follow(rows[i].Record)
		if err == nil {
			err = rows[i].check(e)
		}
		if err != nil {
			return h, fmt.Errorf("%s: %w", BreakEvents, err)
		}
		h.Records, h.Events = append(h.Records, rows[i].Record), append(h.Events, e)
	}
	// The position was read after the rows, so another writer may have added to it; that it is less, or more once it is read again, is no race.
	if n := stands.Next[eventShard]; n != int64(len(rows)) {
		return h, j.uncounted(ctx, cut, int64(len(rows)), n)
	}
	return h, nil
}

// uncounted tells an event that was added meanwhile, which is no error, from a table that lacks what the lake has counted.
func (j *Journal) uncounted(ctx context.Context, cut *catalog.Cut, rows, counted int64) error {
	now, err := j.lake.At(ctx, catalog.At{})
	if err != nil {
		return fmt.Errorf("read %s: %w", BreakEvents, err)
	}
	if now.Number() != cut.Number() && counted > rows {
		return nil
	}
	return fmt.Errorf("%s: %w", BreakEvents, &life.BrokenError{Seq: min(rows, counted) + 1,
		Reason: fmt.Sprintf("the lake has counted %d events, but the table holds %d", counted, rows)})
}

// eventRow is a row of the table.
type eventRow struct {
	life.Record
	at                                  int64
	kind, rules, by, caseID, night, run string
}

func rowOf(r life.Record, e *life.Event) eventRow {
	row := eventRow{Record: r, at: e.At.UnixMicro(), kind: string(e.Kind), rules: e.Rules, by: e.By, night: e.Night, run: e.Run}
	if len(e.Cases) > 0 {
		row.caseID = e.Cases[0]
	}
	return row
}

// check holds the columns against the event.
func (r *eventRow) check(e *life.Event) error {
	want := rowOf(r.Record, e)
	if want.at != r.at || want.kind != r.kind || want.rules != r.rules || want.by != r.by || want.caseID != r.caseID || want.night != r.night || want.run != r.run {
		return &life.BrokenError{Seq: e.Seq, Reason: "its columns do not say what its text says"}
	}
	return nil
}

// rows reads the table, in order of numbers.
func (j *Journal) rows(ctx context.Context, cut *catalog.Cut) (out []eventRow, err error) {
	var names []string
	for _, f := range eventsSchema().Fields() {
		names = append(names, f.Name)
	}
	plan, err := cut.PlanScan(ctx, BreakEvents, catalog.ScanOptions{Columns: names})
	if err != nil {
		return nil, err
	}
	for _, sp := range plan.Splits {
		in, err := j.lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{})
		if err != nil {
			return nil, err
		}
		if err := catalog.EachBatch(ctx, in, func(b arrow.RecordBatch) error {
			for i := range int(b.NumRows()) {
				out = append(out, eventAt(b, i))
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b eventRow) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Prev, b.Prev), bytes.Compare(a.Body, b.Body))
	})
	return out, nil
}

// eventAt is a row of a batch of the table's columns, with memory of its own.
func eventAt(b arrow.RecordBatch, i int) (r eventRow) {
	text := func(col int) string { return string([]byte(b.Column(col).(*array.String).Value(i))) }
	r.Seq, r.Prev, r.Hash = b.Column(0).(*array.Int64).Value(i), text(1), text(2)
	r.at = int64(b.Column(3).(*array.Timestamp).Value(i))
	r.kind, r.rules, r.by, r.caseID, r.night, r.run = text(4), text(5), text(6), text(7), text(8), text(9)
	r.Body = []byte(text(10))
	return r
}

// Append adds the events that do makes of the state as it stands, all or none, and gives what the log holds then, without the text of what was there before.
// Where another writer is faster, it reads again and calls do again; no events are no error.
func (j *Journal) Append(ctx context.Context, do func(h *History) ([]life.Event, error)) (*History, error) {
	if err := j.lake.EnsureTable(ctx, catalog.TableSpec{Name: BreakEvents, Schema: eventsSchema(), Kind: catalog.Plain, Key: []string{"seq"}, SortBy: []string{"seq"}}); err != nil {
		return nil, err
	}
	for range mostAppends {
		h, err := j.Read(ctx)
		if err != nil {
			return nil, err
		}
		events, err := do(h)
		if err != nil || len(events) == 0 {
			return h, err
		}
		from := int64(len(h.Records))
		records, err := h.State.Append(events...)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			e, err := life.Decode(r.Body)
			if err != nil {
				return nil, err
			}
			h.Records, h.Events = append(h.Records, r), append(h.Events, e)
		}
		if j.between != nil {
			j.between()
		}
		done, err := j.commit(ctx, from, h)
		if err == nil && !done.Dropped {
			return h, nil
		}
		if err != nil && !errors.Is(err, catalog.ErrConflict) {
			return nil, fmt.Errorf("append to %s: %w", BreakEvents, err)
		}
	}
	return nil, fault.Retryablef("append to %s: other writers were faster %d times; try again", BreakEvents, mostAppends)
}

// commit writes the records after from in one step, which the lake drops where the log has gone on meanwhile.
func (j *Journal) commit(ctx context.Context, from int64, h *History) (catalog.Committed, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, eventsSchema())
	defer b.Release()
	for i := from; i < int64(len(h.Records)); i++ {
		appendEvent(b, rowOf(h.Records[i], h.Events[i]))
	}
	rows := b.NewRecordBatch()
	defer rows.Release()
	var nonce [4]byte
	rand.Read(nonce[:]) // never fails
	epoch := "life-" + h.State.Anchor.Head[:32]
	w := &lakeWriter{lake: j.lake, run: epoch, nonce: hex.EncodeToString(nonce[:])}
	change, err := w.table(ctx, BreakEvents, func(add func(arrow.RecordBatch) error) error { return add(rows) })
	if err != nil {
		return catalog.Committed{}, err
	}
	return j.lake.Commit(ctx, catalog.Commit{Stream: BreakEvents, Epoch: epoch, From: eventPosition(from), To: eventPosition(int64(len(h.Records))),
		Tables: []catalog.TableChange{change}})
}

func eventPosition(n int64) change.Position {
	if n == 0 {
		return change.Position{}
	}
	return change.Position{Next: map[string]int64{eventShard: n}}
}

func appendEvent(b *array.RecordBuilder, r eventRow) {
	b.Field(0).(*array.Int64Builder).Append(r.Seq)
	b.Field(3).(*array.TimestampBuilder).Append(arrow.Timestamp(r.at))
	for col, text := range map[int]string{1: r.Prev, 2: r.Hash, 4: r.kind, 5: r.rules, 6: r.by, 7: r.caseID, 8: r.night, 9: r.run, 10: string(r.Body)} {
		if text == "" {
			b.Field(col).AppendNull()
			continue
		}
		b.Field(col).(*array.StringBuilder).Append(text)
	}
}
