package sourcetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// content is what a split holds, for comparison.
type content struct {
	facts   []Fact
	offsets []int64 // of facts
	rejects []source.Rejected
}

// Batch implements source.Handler.
func (c *content) Batch(_ context.Context, b *source.Batch) error {
	defer b.Release()
	n := b.Rows()
	for name, got := range map[string]int{"Offset": len(b.Offset), "CommittedAt": len(b.CommittedAt), "LSN": len(b.LSN), "Tx": len(b.Tx), "TxOrder": len(b.TxOrder), "Row": int(b.Row.NumRows())} {
		if got != n {
			return fmt.Errorf("batch of %d events has %d in %s", n, got, name)
		}
	}
	if b.Before != nil && int(b.Before.NumRows()) != n {
		return fmt.Errorf("batch of %d events has %d rows before", n, b.Before.NumRows())
	}
	for i := range n {
		f := Fact{
			Table: b.Table, Op: b.Ops[i], Order: b.TxOrder[i], Amount: text(b.Row, "amount", i),
			Note: text(b.Row, "note", i), Extra: text(b.Row, "extra", i),
		}
		if f.Order > 0 {
			f.Tx = b.Tx[i]
		}
		if _, err := fmt.Sscan(text(b.Row, "id", i), &f.ID); err != nil {
			return fmt.Errorf("column id: %w", err)
		}
		c.facts = append(c.facts, f)
		c.offsets = append(c.offsets, b.Offset[i])
	}
	return nil
}

// Reject implements source.Handler.
func (c *content) Reject(_ context.Context, r source.Rejected) error {
	c.rejects = append(c.rejects, r)
	return nil
}

// text is a value as text; "" for null and for a column that is not there.
func text(r arrow.RecordBatch, column string, row int) string {
	for _, i := range r.Schema().FieldIndices(column) {
		if col := r.Column(i); col.IsValid(row) {
			if d, ok := col.(*array.Decimal128); ok {
				return d.Value(row).ToString(d.DataType().(*arrow.Decimal128Type).Scale)
			}
			return col.ValueStr(row)
		}
	}
	return ""
}

func (c *content) equal(d *content) bool {
	return slices.Equal(c.facts, d.facts) && slices.Equal(c.offsets, d.offsets) &&
		slices.EqualFunc(c.rejects, d.rejects, func(a, b source.Rejected) bool {
			return a.Offset == b.Offset && a.Shard == b.Shard && a.Table == b.Table && a.Reason == b.Reason && bytes.Equal(a.Value, b.Value)
		})
}

// reader follows a source from epoch to epoch and checks what every epoch must keep.
type reader struct {
	t     testing.TB
	src   source.Source
	pos   change.Position
	total source.Counts

	epochs  []source.Epoch
	facts   []Fact
	rejects []source.Rejected
	where   map[string]int // transaction → epoch
	next    map[string]int64
}

func newReader(t testing.TB, src source.Source, from change.Position) *reader {
	return &reader{t: t, src: src, pos: from, where: map[string]int{}, next: map[string]int64{}}
}

// step plans and reads one epoch.
func (r *reader) step(ctx context.Context, lim source.Limits) source.Epoch {
	r.t.Helper()
	e, err := r.src.Plan(ctx, r.pos, lim)
	if err != nil {
		r.t.Fatalf("plan from %v: %v", r.pos, err)
	}
	r.take(ctx, e)
	return e
}

// take checks an epoch, reads it and confirms it.
func (r *reader) take(ctx context.Context, e source.Epoch) {
	r.t.Helper()
	if e.ID != change.EpochID(r.src.Stream(), r.pos) {
		r.t.Errorf("epoch's id is %s, want that of stream %s from its start", e.ID, r.src.Stream())
	}
	if e.From.Compare(r.pos) != change.Equal {
		r.t.Errorf("epoch starts at %v, want %v", e.From, r.pos)
	}
	if o := e.To.Compare(e.From); o != change.After && o != change.Equal || o == change.Equal && !e.Empty() {
		r.t.Errorf("epoch from %v to %v with %d splits", e.From, e.To, len(e.Splits))
	}
	c := &content{}
	for _, s := range e.Splits {
		end, known := e.To.Next[s.Shard] // a split's shard may be a part of a position's
		if s.From < r.next[s.Shard] || s.From >= s.To || known && s.To > end || s.From < e.From.Next[s.Shard] {
			r.t.Errorf("split %+v lies outside of its epoch or overlaps another: epoch from %v to %v", s, e.From, e.To)
		}
		r.next[s.Shard] = s.To
		part := r.read(ctx, s)
		c.facts, c.rejects = append(c.facts, part.facts...), append(c.rejects, part.rejects...)
	}
	if int64(len(c.facts)) != e.Counts.Events || int64(len(c.rejects)) != e.Counts.Rejected {
		r.t.Errorf("epoch yields %d events and %d rejects, its counts say %+v", len(c.facts), len(c.rejects), e.Counts)
	}
	for _, f := range c.facts {
		if f.Tx == "" {
			continue
		}
		if n, ok := r.where[f.Tx]; ok && n != len(r.epochs) {
			r.t.Errorf("transaction %s lies in epochs %d and %d", f.Tx, n, len(r.epochs))
		}
		r.where[f.Tx] = len(r.epochs)
	}
	r.facts, r.rejects = append(r.facts, c.facts...), append(r.rejects, c.rejects...)
	r.epochs = append(r.epochs, e)
	r.add(e.Counts)
	pos, err := change.ParsePosition(e.To.String())
	if err != nil {
		r.t.Fatalf("position %v: %v", e.To, err)
	}
	if err := r.src.Confirm(ctx, pos); err != nil {
		r.t.Errorf("confirm: %v", err)
	}
	r.pos = pos
}

// read reads a split and checks what every split must keep.
func (r *reader) read(ctx context.Context, s source.Split) *content {
	r.t.Helper()
	c := &content{}
	if err := r.src.Read(ctx, s, c); err != nil {
		r.t.Fatalf("read %+v: %v", s, err)
	}
	if !slices.IsSorted(c.offsets) {
		r.t.Errorf("split %+v: offsets %v are not in order", s, c.offsets)
	}
	for i, o := range c.offsets {
		if o < s.From || o >= s.To || s.Table != "" && c.facts[i].Table != s.Table {
			r.t.Errorf("split %+v holds %+v at %d", s, c.facts[i], o)
		}
	}
	for _, j := range c.rejects {
		if j.Offset < s.From || j.Offset >= s.To || !strings.HasPrefix(s.Shard, j.Shard) || j.Reason == "" {
			r.t.Errorf("split %+v holds reject %+v", s, j)
		}
	}
	return c
}

func (r *reader) add(c source.Counts) {
	r.total.Events += c.Events
	r.total.Rejected += c.Rejected
	r.total.Duplicates += c.Duplicates
	r.total.Tombstones += c.Tombstones
	r.total.Transactions += c.Transactions
	r.total.Bytes += c.Bytes
}

// patience is how long a drain goes on without anything new.
const patience = 15 * time.Second

// drain reads until the stream's facts have been seen, and its rejects, and
// then once more, to see that nothing comes twice.
func (r *reader) drain(ctx context.Context, lim func() source.Limits, facts, rejects int) {
	r.t.Helper()
	for quiet, since := 0, time.Now(); quiet < 2; {
		n := len(r.facts) + len(r.rejects)
		r.step(ctx, lim())
		switch {
		case len(r.facts)+len(r.rejects) > n:
			since, quiet = time.Now(), 0
		case len(r.facts) >= facts && len(r.rejects) >= rejects:
			quiet++
		case time.Since(since) > patience:
			r.t.Fatalf("%d of %d events and %d of %d rejects after %v without anything new; position %v",
				len(r.facts), facts, len(r.rejects), rejects, patience, r.pos)
		}
	}
}

// compare checks that the facts read are those expected, each once.
func compare(t testing.TB, got, want []Fact) {
	t.Helper()
	order := func(a, b Fact) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Tx, b.Tx))
	}
	got, want = slices.Clone(got), slices.Clone(want)
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("%d events, want %d: %+v is missing", len(got), len(want), want[i])
		case i >= len(want):
			t.Fatalf("%d events, want %d: %+v is too many", len(got), len(want), got[i])
		case got[i] != want[i]:
			t.Fatalf("%d events, want %d: event %+v, want %+v", len(got), len(want), got[i], want[i])
		}
	}
}
