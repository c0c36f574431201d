package columns

import (
	"context"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Ref is a row of a set of batches.
type Ref struct{ Batch, Row uint32 }

// Gather builds the batch of the rows that refs names, in their order. All batches of the set have
// the given schema's columns. Where refs is one run of one batch nothing is copied. The caller
// releases the result.
func Gather(schema *arrow.Schema, set []arrow.RecordBatch, refs []Ref) (arrow.RecordBatch, error) {
	return new(Gatherer).gather(schema, set, refs, false)
}

// Gatherer gathers one batch after the other in the same memory. It is not safe for concurrent use.
type Gatherer struct {
	scratch [][buffersPerColumn][]byte // by column
	at      int                        // the column that is gathered
	reuse   bool
	arrs    []arrow.Array
}

// The buffers of a column, in Arrow's order.
const (
	validBuffer = iota
	valuesBuffer
	textsBuffer
	buffersPerColumn
)

// Gather is the function Gather with a result that is valid until the next call only: not even its
// columns may be kept.
func (g *Gatherer) Gather(schema *arrow.Schema, set []arrow.RecordBatch, refs []Ref) (arrow.RecordBatch, error) {
	return g.gather(schema, set, refs, true)
}

func (g *Gatherer) gather(schema *arrow.Schema, set []arrow.RecordBatch, refs []Ref, reuse bool) (arrow.RecordBatch, error) {
	g.reuse = reuse
	if n := schema.NumFields(); reuse && len(g.scratch) < n {
		g.scratch = append(g.scratch, make([][buffersPerColumn][]byte, n-len(g.scratch))...)
	}
	if len(refs) > 0 && isRun(refs) {
		from := int64(refs[0].Row)
		return set[refs[0].Batch].NewSlice(from, from+int64(len(refs))), nil
	}
	cols := make([]arrow.Array, 0, schema.NumFields())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	g.arrs = slices.Grow(g.arrs[:0], len(set))[:len(set)]
	for i := range schema.NumFields() {
		g.at = i
		for b := range set {
			g.arrs[b] = set[b].Column(i)
		}
		c, err := g.column(schema.Field(i).Type, g.arrs, refs)
		if err != nil {
			return nil, fmt.Errorf("gather column %q: %w", schema.Field(i).Name, err)
		}
		cols = append(cols, c)
	}
	clear(g.arrs) // the set is not kept
	return array.NewRecordBatch(schema, cols, int64(len(refs))), nil
}

// alloc gives n bytes for one of the column's buffers, zeroed if asked for.
func (g *Gatherer) alloc(buffer, n int, zeroed bool) []byte {
	if !g.reuse {
		return make([]byte, n)
	}
	b := &g.scratch[g.at][buffer]
	if cap(*b) < n {
		*b = make([]byte, max(64, n+n/4)) // 64: small ones need not be aligned for wide values
		return (*b)[:n]
	}
	if zeroed {
		clear((*b)[:n])
	}
	return (*b)[:n]
}

func isRun(refs []Ref) bool {
	first := refs[0]
	if last := refs[len(refs)-1]; last.Batch != first.Batch || last.Row != first.Row+uint32(len(refs)-1) {
		return false
	}
	for i, r := range refs {
		if r.Batch != first.Batch || r.Row != first.Row+uint32(i) {
			return false
		}
	}
	return true
}

// GatherColumn is Gather for one column: arrs holds the column of each batch of the set.
func GatherColumn(t arrow.DataType, arrs []arrow.Array, refs []Ref) (arrow.Array, error) {
	return new(Gatherer).column(t, arrs, refs)
}

func (g *Gatherer) column(t arrow.DataType, arrs []arrow.Array, refs []Ref) (arrow.Array, error) {
	valid, nulls := g.valid(arrs, refs)
	var bufs []*memory.Buffer
	switch t.ID() {
	case arrow.INT64, arrow.UINT64, arrow.TIMESTAMP, arrow.TIME64, arrow.FLOAT64, arrow.DATE64, arrow.DURATION:
		bufs = gatherFixed(g, arrs, refs, arrow.Int64Traits.CastFromBytes)
	case arrow.INT32, arrow.UINT32, arrow.DATE32, arrow.TIME32, arrow.FLOAT32:
		bufs = gatherFixed(g, arrs, refs, arrow.Int32Traits.CastFromBytes)
	case arrow.INT16, arrow.UINT16, arrow.FLOAT16:
		bufs = gatherFixed(g, arrs, refs, arrow.Int16Traits.CastFromBytes)
	case arrow.INT8, arrow.UINT8:
		bufs = gatherFixed(g, arrs, refs, arrow.Int8Traits.CastFromBytes)
	case arrow.DECIMAL128:
		bufs = gatherFixed(g, arrs, refs, arrow.Decimal128Traits.CastFromBytes)
	case arrow.BOOL:
		bufs = g.bools(arrs, refs)
	case arrow.STRING, arrow.BINARY:
		b, err := g.bytes(arrs, refs)
		if err != nil {
			return nil, err
		}
		bufs = b
	default:
		return gatherAny(t, arrs, refs)
	}
	data := array.NewData(t, len(refs), append([]*memory.Buffer{valid}, bufs...), nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

// valid is the validity bitmap of the result, nil where nothing is null.
func (g *Gatherer) valid(arrs []arrow.Array, refs []Ref) (*memory.Buffer, int) {
	any := false
	for _, a := range arrs {
		any = any || a.NullN() > 0
	}
	if !any {
		return nil, 0
	}
	bits := g.alloc(validBuffer, int(bitutil.BytesForBits(int64(len(refs)))), true)
	nulls := 0
	for i, r := range refs {
		if arrs[r.Batch].IsNull(int(r.Row)) {
			nulls++
		} else {
			bits[i>>3] |= 1 << (i & 7)
		}
	}
	if nulls == 0 {
		return nil, 0
	}
	return memory.NewBufferBytes(bits), nulls
}

func gatherFixed[T any](g *Gatherer, arrs []arrow.Array, refs []Ref, from func([]byte) []T) []*memory.Buffer {
	vals := make([][]T, len(arrs))
	for b, a := range arrs {
		if buf := a.Data().Buffers()[1]; buf != nil && a.Len() > 0 {
			vals[b] = from(buf.Bytes())[a.Data().Offset() : a.Data().Offset()+a.Len()]
		}
	}
	var size T
	raw := g.alloc(valuesBuffer, len(refs)*int(unsafe.Sizeof(size)), false)
	out := from(raw)
	if len(vals) == 1 {
		v := vals[0]
		for i, r := range refs {
			out[i] = v[r.Row]
		}
	} else {
		for i, r := range refs {
			out[i] = vals[r.Batch][r.Row]
		}
	}
	return []*memory.Buffer{memory.NewBufferBytes(raw)}
}

func (g *Gatherer) bools(arrs []arrow.Array, refs []Ref) []*memory.Buffer {
	bits := g.alloc(valuesBuffer, int(bitutil.BytesForBits(int64(len(refs)))), true)
	for i, r := range refs {
		if arrs[r.Batch].(*array.Boolean).Value(int(r.Row)) {
			bits[i>>3] |= 1 << (i & 7)
		}
	}
	return []*memory.Buffer{memory.NewBufferBytes(bits)}
}

type bytesColumn struct {
	offsets []int32
	data    []byte
}

func bytesOf(a arrow.Array) bytesColumn {
	switch c := a.(type) {
	case *array.String:
		return bytesColumn{offsets: c.ValueOffsets(), data: wholeValues(c)}
	case *array.Binary:
		return bytesColumn{offsets: c.ValueOffsets(), data: wholeValues(c)}
	}
	return bytesColumn{}
}

// wholeValues is the values buffer that the offsets point into.
func wholeValues(a arrow.Array) []byte {
	if buf := a.Data().Buffers()[2]; buf != nil {
		return buf.Bytes()
	}
	return nil
}

func (g *Gatherer) bytes(arrs []arrow.Array, refs []Ref) ([]*memory.Buffer, error) {
	cols := make([]bytesColumn, len(arrs))
	for b, a := range arrs {
		cols[b] = bytesOf(a)
	}
	rawOffsets := g.alloc(valuesBuffer, (len(refs)+1)*arrow.Int32SizeBytes, false)
	offsets := arrow.Int32Traits.CastFromBytes(rawOffsets)
	offsets[0] = 0
	total := int64(0)
	for i, r := range refs {
		o := cols[r.Batch].offsets
		total += int64(o[r.Row+1] - o[r.Row])
		if total > math.MaxInt32 {
			return nil, fmt.Errorf("more than 2 GiB of text in one batch of %d rows: use smaller epochs", len(refs))
		}
		offsets[i+1] = int32(total)
	}
	data := g.alloc(textsBuffer, int(total), false)
	at := 0
	for _, r := range refs {
		c := &cols[r.Batch]
		at += copy(data[at:], c.data[c.offsets[r.Row]:c.offsets[r.Row+1]])
	}
	return []*memory.Buffer{memory.NewBufferBytes(rawOffsets), memory.NewBufferBytes(data)}, nil
}

// gatherAny serves the rare types (lists, structs, fixed-size binaries) through Arrow's own kernels.
func gatherAny(t arrow.DataType, arrs []arrow.Array, refs []Ref) (arrow.Array, error) {
	starts := make([]int64, len(arrs))
	rows := int64(0)
	for b, a := range arrs {
		starts[b] = rows
		rows += int64(a.Len())
	}
	if len(refs) == 0 {
		return array.MakeArrayOfNull(memory.DefaultAllocator, t, 0), nil
	}
	all, err := array.Concatenate(arrs, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	defer all.Release()
	idx := make([]int64, len(refs))
	for i, r := range refs {
		idx[i] = starts[r.Batch] + int64(r.Row)
	}
	data := array.NewData(arrow.PrimitiveTypes.Int64, len(idx), []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(idx))}, nil, 0, 0)
	defer data.Release()
	indices := array.NewInt64Data(data)
	defer indices.Release()
	return compute.TakeArray(context.Background(), all, indices)
}
