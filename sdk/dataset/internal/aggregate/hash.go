package aggregate

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/dataset/internal/columns"
	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
)

// Hash gathers rows that come in any order into partial states. It is not safe for concurrent use.
type Hash struct {
	plan    *Plan
	enc     *rowkey.Encoder
	members []*rowkey.Encoder // of the distinct counts, in order
	argAt   []int             // their columns
	table   *table
	accs    []accumulator

	// By group: its key columns as gathered rows, and which member it stands for.
	keyBatches []arrow.RecordBatch
	keyBytes   int64
	sets       []int32
	memberOf   [][]byte
	memberMem  int64

	keySchema *arrow.Schema
	keyCols   []int
	keys      rowkey.Keys
	argKeys   rowkey.Keys
	groups    []uint32
	fresh     []columns.Pick
	composite []byte
}

// NewHash starts an empty hash aggregation.
func (p *Plan) NewHash() (*Hash, error) {
	enc, err := rowkey.New(p.In, p.Keys)
	if err != nil {
		return nil, err
	}
	h := &Hash{plan: p, enc: enc, table: newTable()}
	if h.accs, err = p.accumulators(); err != nil {
		return nil, err
	}
	fields := make([]arrow.Field, len(p.Keys))
	for i, k := range p.Keys {
		at := p.In.FieldIndices(k)[0]
		h.keyCols = append(h.keyCols, at)
		fields[i] = p.In.Field(at)
	}
	h.keySchema = arrow.NewSchema(fields, nil)
	for _, s := range p.Specs {
		if s.Kind != Distinct {
			continue
		}
		m, err := rowkey.New(p.In, []string{s.Column})
		if err != nil {
			return nil, err
		}
		h.members = append(h.members, m)
		h.argAt = append(h.argAt, p.In.FieldIndices(s.Column)[0])
	}
	return h, nil
}

// Groups is the number of state rows held.
func (h *Hash) Groups() int { return h.table.len() }

// Bytes is the memory held.
func (h *Hash) Bytes() int64 {
	n := h.table.bytes() + h.keyBytes + h.memberMem
	for _, a := range h.accs {
		n += a.bytes()
	}
	return n
}

// Add takes a batch of raw rows.
func (h *Hash) Add(ctx context.Context, batch arrow.RecordBatch) error {
	h.enc.Encode(batch, &h.keys)
	n := h.keys.Len()
	h.groups, h.fresh = h.groups[:0], h.fresh[:0]
	for row := range n {
		key := h.keys.At(row)
		if h.plan.sets > 0 {
			key = h.compose(key, 0, nil)
		}
		g, fresh := h.table.put(key)
		h.groups = append(h.groups, g)
		if fresh {
			h.note(row, 0, nil)
		}
	}
	for i, m := range h.members {
		h.addMembers(batch, i, m)
	}
	if err := h.keepKeys(ctx, batch); err != nil {
		return err
	}
	for i, a := range h.accs {
		a.grow(h.table.len())
		if err := a.update(batch, h.groups); err != nil {
			return fmt.Errorf("aggregate %q: %w", h.plan.Specs[i].As, err)
		}
	}
	return nil
}

// addMembers makes a state row for each new member of a distinct count.
func (h *Hash) addMembers(batch arrow.RecordBatch, i int, m *rowkey.Encoder) {
	m.Encode(batch, &h.argKeys)
	col := batch.Column(h.argAt[i])
	for row := range h.argKeys.Len() {
		if col.IsNull(row) {
			continue
		}
		member := h.argKeys.At(row)
		if _, fresh := h.table.put(h.compose(h.keys.At(row), int32(i+1), member)); fresh {
			h.note(row, int32(i+1), member)
		}
	}
}

// compose is the key of a state row of a plan with distinct counts.
func (h *Hash) compose(key []byte, set int32, member []byte) []byte {
	h.composite = append(h.composite[:0], key...)
	h.composite = binary.BigEndian.AppendUint32(h.composite, uint32(set))
	h.composite = append(h.composite, member...)
	return h.composite
}

// note remembers where a new group's key columns are.
func (h *Hash) note(row int, set int32, member []byte) {
	h.fresh = append(h.fresh, columns.Pick{Row: int32(row)})
	if h.plan.sets > 0 {
		h.sets = append(h.sets, set)
		h.memberOf = append(h.memberOf, append([]byte(nil), member...))
		h.memberMem += int64(len(member)) + 28
	}
}

// keepKeys copies the key columns of the batch's new groups.
func (h *Hash) keepKeys(ctx context.Context, batch arrow.RecordBatch) error {
	if len(h.fresh) == 0 {
		return nil
	}
	cols := make([]arrow.Array, len(h.keyCols))
	for i, at := range h.keyCols {
		cols[i] = batch.Column(at)
	}
	view := array.NewRecordBatch(h.keySchema, cols, batch.NumRows())
	defer view.Release()
	kept, err := columns.GatherBatch(ctx, h.keySchema, []arrow.RecordBatch{view}, h.fresh)
	if err != nil {
		return fmt.Errorf("keep group keys: %w", err)
	}
	h.keyBatches = append(h.keyBatches, kept)
	h.keyBytes += columns.Size(kept)
	return nil
}

// Flush gives all state rows as one batch in the order of the groups' first
// rows, or nil if there are none, and starts anew. The caller releases it.
func (h *Hash) Flush(ctx context.Context) (arrow.RecordBatch, error) {
	n := h.table.len()
	if n == 0 {
		return nil, nil
	}
	cols, err := h.keyColumns(ctx)
	if err != nil {
		return nil, err
	}
	if h.plan.sets > 0 {
		cols = append(cols, int32s(h.sets), binaries(h.memberOf))
	}
	for _, a := range h.accs {
		a.grow(n)
		cols = a.state(cols, 0)
		a.keep(n)
	}
	out := array.NewRecordBatch(h.plan.State, cols, int64(n))
	for _, c := range cols {
		c.Release()
	}
	h.reset()
	return out, nil
}

// keyColumns joins the kept key rows into one array a column.
func (h *Hash) keyColumns(ctx context.Context) ([]arrow.Array, error) {
	cols := make([]arrow.Array, 0, h.plan.State.NumFields())
	parts := make([]arrow.Array, len(h.keyBatches))
	for c := range h.keyCols {
		for i, b := range h.keyBatches {
			parts[i] = b.Column(c)
		}
		col, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			return nil, fmt.Errorf("join group keys: %w", err)
		}
		cols = append(cols, col)
	}
	return cols, nil
}

func (h *Hash) reset() {
	for _, b := range h.keyBatches {
		b.Release()
	}
	h.table.reset()
	h.keyBatches, h.keyBytes, h.memberMem = nil, 0, 0
	h.sets, h.memberOf = h.sets[:0], nil
}

func binaries(values [][]byte) arrow.Array {
	b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
	defer b.Release()
	for _, v := range values {
		b.Append(v)
	}
	return b.NewArray()
}
