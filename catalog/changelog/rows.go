package changelog

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// Builder makes the log rows of one table's batches and adds up their totals. It is not safe for
// concurrent use: take one a goroutine and merge the totals.
type Builder struct {
	table  string
	values *arrow.Schema
	out    *arrow.Schema
	// ignoreNew leaves out columns that the schema lacks instead of refusing them.
	ignoreNew bool

	totals  catalog.Totals
	control *Control
	nulls   columns.Nulls
	iota    []int32 // 0, 1, 2, …
	shard   struct {
		name string
		col  arrow.Array
	}
}

// NewBuilder makes a builder for the log of the table whose value columns are given. The table's
// properties choose the control totals (see [ControlProperty]).
func NewBuilder(table catalog.TableSpec) (*Builder, error) {
	out, err := Schema(table.Schema)
	if err != nil {
		return nil, fmt.Errorf("change log of %s: %w", table.Name, err)
	}
	cs, err := Controls(table.Schema, table.Properties)
	if err != nil {
		return nil, fmt.Errorf("change log of %s: %w", table.Name, err)
	}
	return &Builder{table: table.Name, values: table.Schema, out: out, control: NewControl(cs)}, nil
}

// IgnoreNewColumns makes the builder leave out columns that the table lacks (the policy "ignore").
// Without it they are a catalog.ErrSchema error: grow the table's schema first.
func (b *Builder) IgnoreNewColumns() { b.ignoreNew = true }

// Schema is the schema of the rows.
func (b *Builder) Schema() *arrow.Schema { return b.out }

// Totals are the totals of all batches so far: one log row an event, events by kind (snapshot
// reads count as inserts, a truncation as neither), and the control sums over the value columns
// of the log's rows.
func (b *Builder) Totals() (catalog.Totals, error) {
	t := b.totals
	c, err := b.control.Totals()
	if err != nil {
		return catalog.Totals{}, fmt.Errorf("change log of %s: %w", b.table, err)
	}
	t.Control = c
	return t, nil
}

// Rows makes the log's rows of a batch, in its order. Value columns that the batch lacks are null.
// The result shares the batch's memory and is valid until the batch is released; the caller releases
// the result first. A batch that does not fit the schema is a *catalog.SchemaError.
func (b *Builder) Rows(batch *source.Batch) (arrow.RecordBatch, error) {
	if err := checkLengths(batch); err != nil {
		return nil, fmt.Errorf("change log of %s: %w", b.table, err)
	}
	cols := b.eventColumns(batch)
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for _, side := range []arrow.RecordBatch{batch.Row, batch.Before} {
		more, err := b.valueColumns(side, batch.Rows())
		cols = append(cols, more...)
		if err != nil {
			return nil, err
		}
	}
	b.count(batch)
	return array.NewRecordBatch(b.out, cols, int64(batch.Rows())), nil
}

var errLengths = errors.New("the parts of the batch differ in length")

func checkLengths(s *source.Batch) error {
	n := s.Rows()
	if s.Row == nil {
		return fmt.Errorf("%w: it has no rows", errLengths)
	}
	ok := len(s.Offset) == n && len(s.CommittedAt) == n && len(s.LSN) == n && len(s.Tx) == n && len(s.TxOrder) == n &&
		s.Row.NumRows() == int64(n) && (s.Before == nil || s.Before.NumRows() == int64(n))
	if !ok {
		return fmt.Errorf("%w: %d operations, %d rows", errLengths, n, s.Row.NumRows())
	}
	return nil
}

func (b *Builder) count(s *source.Batch) {
	b.totals.Rows += int64(s.Rows())
	for _, op := range s.Ops {
		switch op {
		case change.Create, change.Read:
			b.totals.Inserts++
		case change.Update:
			b.totals.Updates++
		case change.Delete:
			b.totals.Deletes++
		}
	}
	b.control.Add(s.Row)
}

// eventColumns builds the event's own columns.
func (b *Builder) eventColumns(s *source.Batch) []arrow.Array {
	n := s.Rows()
	return append(make([]arrow.Array, 0, b.out.NumFields()),
		b.opColumn(s.Ops),
		fixed64(Timestamp, s.CommittedAt, nil, 0),
		b.txColumn(s.Tx),
		b.zeroIsNull(s.TxOrder),
		b.zeroIsNull(s.LSN),
		b.shardColumn(s.Shard, n),
		fixed64(arrow.PrimitiveTypes.Int64, s.Offset, nil, 0))
}

// opColumn views the operations as one-letter texts: an Op is its letter.
func (b *Builder) opColumn(ops []change.Op) arrow.Array {
	var letters []byte
	if len(ops) > 0 {
		letters = unsafe.Slice((*byte)(unsafe.Pointer(&ops[0])), len(ops))
	}
	for i := len(b.iota); i <= len(ops); i++ {
		b.iota = append(b.iota, int32(i))
	}
	return texts(b.iota[:len(ops)+1], letters, nil, 0)
}

func (b *Builder) txColumn(tx []string) arrow.Array {
	offsets := make([]int32, len(tx)+1)
	size, nulls := 0, 0
	for i, s := range tx {
		size += len(s)
		offsets[i+1] = int32(size)
		if s == "" {
			nulls++
		}
	}
	if nulls == len(tx) {
		return b.nulls.Column(arrow.BinaryTypes.String, len(tx))
	}
	data := make([]byte, 0, size)
	for _, s := range tx {
		data = append(data, s...)
	}
	valid := validity(len(tx), nulls, func(i int) bool { return tx[i] != "" })
	return texts(offsets, data, valid, nulls)
}

// zeroIsNull is an int64 column in which 0 stands for null.
func (b *Builder) zeroIsNull(vs []int64) arrow.Array {
	nulls := 0
	for _, v := range vs {
		if v == 0 {
			nulls++
		}
	}
	if nulls == len(vs) {
		return b.nulls.Column(arrow.PrimitiveTypes.Int64, len(vs))
	}
	return fixed64(arrow.PrimitiveTypes.Int64, vs, validity(len(vs), nulls, func(i int) bool { return vs[i] != 0 }), nulls)
}

// shardColumn repeats the shard's name; the column is built once for each shard.
func (b *Builder) shardColumn(name string, n int) arrow.Array {
	if b.shard.col == nil || b.shard.name != name || b.shard.col.Len() < n {
		rows := max(n, 1024)
		offsets := make([]int32, rows+1)
		for i := range offsets {
			offsets[i] = int32(i * len(name))
		}
		b.shard.name = name
		b.shard.col = texts(offsets, slices.Repeat([]byte(name), rows), nil, 0)
	}
	return array.NewSlice(b.shard.col, 0, int64(n))
}

// valueColumns takes the value columns of one side over, in the table's order; nil gives nulls.
func (b *Builder) valueColumns(side arrow.RecordBatch, n int) ([]arrow.Array, error) {
	cols := make([]arrow.Array, 0, b.values.NumFields())
	found := 0
	for _, f := range b.values.Fields() {
		at := -1
		if side != nil {
			at = columns.Index(side.Schema(), f.Name)
		}
		if at < 0 {
			cols = append(cols, b.nulls.Column(f.Type, n))
			continue
		}
		found++
		c, err := columns.Conform(side.Column(at), f.Type)
		if err != nil {
			return cols, &catalog.SchemaError{Table: b.table, Column: f.Name, Old: f.Type.String(),
				New: side.Column(at).DataType().String(), Reason: "widen the table's column before writing"}
		}
		cols = append(cols, c)
	}
	if side != nil && found < int(side.NumCols()) && !b.ignoreNew {
		for _, f := range side.Schema().Fields() {
			if columns.Index(b.values, f.Name) < 0 {
				return cols, &catalog.SchemaError{Table: b.table, Column: f.Name, New: f.Type.String(), Reason: "add the column to the table before writing"}
			}
		}
	}
	return cols, nil
}

// fixed64 views 64-bit values as a column without a copy.
func fixed64(t arrow.DataType, vs []int64, valid *memory.Buffer, nulls int) arrow.Array {
	data := array.NewData(t, len(vs), []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(vs))}, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

func texts(offsets []int32, values []byte, valid *memory.Buffer, nulls int) arrow.Array {
	data := array.NewData(arrow.BinaryTypes.String, len(offsets)-1,
		[]*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(values)}, nil, nulls, 0)
	defer data.Release()
	return array.NewStringData(data)
}

// validity is the bitmap of the rows that hold; nil if none is null.
func validity(n, nulls int, holds func(i int) bool) *memory.Buffer {
	if nulls == 0 {
		return nil
	}
	bits := make([]byte, (n+7)/8)
	for i := range n {
		if holds(i) {
			bits[i>>3] |= 1 << (i & 7)
		}
	}
	return memory.NewBufferBytes(bits)
}
