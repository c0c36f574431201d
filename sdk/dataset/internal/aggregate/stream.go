package aggregate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/dataset/internal/columns"
	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
)

// Stream finishes groups of rows that come sorted by the key: raw rows, or
// state rows (sorted by Plan.StateOrder). It checks the order. It is not safe for concurrent use.
type Stream struct {
	plan    *Plan
	raw     bool
	schema  *arrow.Schema // of the input
	enc     *rowkey.Encoder
	accs    []accumulator
	setOf   []*members // accumulators of the distinct counts, by set - 1
	keyCols []int
	setCol  int

	last     []byte // the key of the last row seen
	lastSet  int32
	lastItem []byte
	open     int // groups held, the last of which may go on
	keyParts []arrow.Array
	heads    []arrow.RecordBatch // key columns of the open groups

	keys   rowkey.Keys
	groups []uint32
	fresh  []columns.Pick
	keySch *arrow.Schema
}

// NewStream starts a streaming aggregation of raw rows or of state rows. Raw
// rows of a plan with distinct counts must go through a Hash first.
func (p *Plan) NewStream(raw bool) (*Stream, error) {
	if raw && p.sets > 0 {
		return nil, errors.New("distinct counts need state rows")
	}
	s := &Stream{plan: p, raw: raw, schema: p.State, setCol: -1}
	if raw {
		s.schema = p.In
	}
	var err error
	if s.enc, err = rowkey.New(s.schema, p.Keys); err != nil {
		return nil, err
	}
	if s.accs, err = p.accumulators(); err != nil {
		return nil, err
	}
	for _, a := range s.accs {
		if m, ok := a.(*members); ok {
			s.setOf = append(s.setOf, m)
		}
	}
	if p.sets > 0 {
		s.setCol = s.schema.FieldIndices(SetColumn)[0]
	}
	fields := make([]arrow.Field, len(p.Keys))
	for i, k := range p.Keys {
		at := s.schema.FieldIndices(k)[0]
		s.keyCols = append(s.keyCols, at)
		fields[i] = s.schema.Field(at)
	}
	s.keySch = arrow.NewSchema(fields, nil)
	return s, nil
}

// Add takes the next batch and returns the groups that are finished, nil if there are none.
func (s *Stream) Add(ctx context.Context, batch arrow.RecordBatch) (arrow.RecordBatch, error) {
	if batch.NumRows() == 0 {
		return nil, nil
	}
	if err := s.assign(batch); err != nil {
		return nil, err
	}
	if err := s.keepHeads(ctx, batch); err != nil {
		return nil, err
	}
	groups := s.groups
	if s.setCol >= 0 {
		s.countMembers(batch)
		groups = s.plainOnly(batch)
	}
	for i, a := range s.accs {
		a.grow(s.open)
		step := a.merge
		if s.raw {
			step = a.update
		}
		if err := step(batch, groups); err != nil {
			return nil, fmt.Errorf("aggregate %q: %w", s.plan.Specs[i].As, err)
		}
	}
	return s.finish(ctx, s.open-1)
}

// Close returns the last groups, nil if there are none.
func (s *Stream) Close(ctx context.Context) (arrow.RecordBatch, error) { return s.finish(ctx, s.open) }

// assign numbers the rows' groups and checks their order.
func (s *Stream) assign(batch arrow.RecordBatch) error {
	s.enc.Encode(batch, &s.keys)
	s.groups, s.fresh = s.groups[:0], s.fresh[:0]
	prev := s.last
	for row := range s.keys.Len() {
		key := s.keys.At(row)
		if s.open == 0 || !bytes.Equal(key, prev) {
			if s.open > 0 && bytes.Compare(key, prev) < 0 {
				return fmt.Errorf("group by %s: %w (at %s)", strings.Join(s.plan.Keys, ", "), ErrOrder, describe(batch, s.plan.Keys, row))
			}
			s.open++
			s.fresh = append(s.fresh, columns.Pick{Row: int32(row)})
		}
		s.groups = append(s.groups, uint32(s.open-1))
		prev = key
	}
	s.last = append(s.last[:0], prev...)
	return nil
}

// countMembers counts the rows that start a new member of a set.
func (s *Stream) countMembers(batch arrow.RecordBatch) {
	sets, items := batch.Column(s.setCol).(*array.Int32), batch.Column(s.setCol+1).(*array.Binary)
	for _, m := range s.setOf {
		m.grow(s.open)
	}
	first := 0 // the next of the fresh groups
	for row, g := range s.groups {
		newGroup := first < len(s.fresh) && int(s.fresh[first].Row) == row
		if newGroup {
			first++
			s.lastSet, s.lastItem = 0, s.lastItem[:0]
		}
		set, item := sets.Value(row), items.Value(row)
		if set > 0 && (set != s.lastSet || !bytes.Equal(item, s.lastItem)) {
			s.setOf[set-1].n[g]++
		}
		s.lastSet, s.lastItem = set, append(s.lastItem[:0], item...)
	}
}

// plainOnly is the groups with the rows that are members skipped.
func (s *Stream) plainOnly(batch arrow.RecordBatch) []uint32 {
	sets := batch.Column(s.setCol).(*array.Int32)
	for row := range s.groups {
		if sets.Value(row) != 0 {
			s.groups[row] = skipped
		}
	}
	return s.groups
}

func (s *Stream) keepHeads(ctx context.Context, batch arrow.RecordBatch) error {
	if len(s.fresh) == 0 {
		return nil
	}
	cols := make([]arrow.Array, len(s.keyCols))
	for i, at := range s.keyCols {
		cols[i] = batch.Column(at)
	}
	view := array.NewRecordBatch(s.keySch, cols, batch.NumRows())
	defer view.Release()
	kept, err := columns.GatherBatch(ctx, s.keySch, []arrow.RecordBatch{view}, s.fresh)
	if err != nil {
		return fmt.Errorf("keep group keys: %w", err)
	}
	s.heads = append(s.heads, kept)
	return nil
}

// finish turns the first end groups into result rows and keeps the rest open.
func (s *Stream) finish(ctx context.Context, end int) (arrow.RecordBatch, error) {
	if end <= 0 {
		return nil, nil
	}
	heads, err := s.takeHeads(end)
	if err != nil {
		return nil, err
	}
	defer heads.Release()
	cols := make([]arrow.Array, 0, s.plan.Out.NumFields())
	cols = append(cols, heads.Columns()...)
	for i, a := range s.accs {
		col, err := a.final(end)
		if err != nil {
			return nil, s.explain(err, heads, s.plan.Specs[i])
		}
		defer col.Release()
		a.keep(end)
		cols = append(cols, col)
	}
	s.open -= end
	return array.NewRecordBatch(s.plan.Out, cols, int64(end)), nil
}

// takeHeads removes the key columns of the first end groups.
func (s *Stream) takeHeads(end int) (arrow.RecordBatch, error) {
	all := s.heads[0]
	if len(s.heads) > 1 {
		cols := make([]arrow.Array, len(s.keyCols))
		rows := int64(0)
		for _, b := range s.heads {
			rows += b.NumRows()
		}
		for c := range cols {
			s.keyParts = s.keyParts[:0]
			for _, b := range s.heads {
				s.keyParts = append(s.keyParts, b.Column(c))
			}
			col, err := array.Concatenate(s.keyParts, memory.DefaultAllocator)
			if err != nil {
				return nil, fmt.Errorf("join group keys: %w", err)
			}
			defer col.Release()
			cols[c] = col
		}
		all = array.NewRecordBatch(s.keySch, cols, rows)
		for _, b := range s.heads {
			b.Release()
		}
	}
	s.heads = s.heads[:0]
	defer all.Release()
	if rest := all.NumRows(); int64(end) < rest {
		s.heads = append(s.heads, all.NewSlice(int64(end), rest))
	}
	return all.NewSlice(0, int64(end)), nil
}

// explain names the group that failed.
func (s *Stream) explain(err error, heads arrow.RecordBatch, spec Spec) error {
	var ge *groupError
	if errors.As(err, &ge) {
		return fmt.Errorf("aggregate %q for %s: %w", spec.As, describe(heads, s.plan.Keys, ge.group), ge.err)
	}
	return fmt.Errorf("aggregate %q: %w", spec.As, err)
}

// describe is the key of a row for a message: account_id=17, currency=EUR.
func describe(batch arrow.RecordBatch, keys []string, row int) string {
	parts := make([]string, len(keys))
	for i, k := range keys {
		at := batch.Schema().FieldIndices(k)[0]
		parts[i] = k + "=" + batch.Column(at).ValueStr(row)
	}
	return strings.Join(parts, ", ")
}
