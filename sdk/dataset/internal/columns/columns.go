// Package columns builds Arrow arrays from rows that lie scattered over other arrays.
//
// A [Pick] names a row of one of several arrays; [Gather] copies picked rows
// into a new array of the same type. Fixed-width types, booleans, texts and
// bytes are copied buffer by buffer; nested types go through Arrow's take kernel.
package columns

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Pick is one row of one of several sources. A negative Source is a row of nulls.
type Pick struct {
	Source int32
	Row    int32
}

// GatherBatch copies the picked rows of the batches, which share the schema, into a new batch.
func GatherBatch(ctx context.Context, schema *arrow.Schema, batches []arrow.RecordBatch, picks []Pick) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, schema.NumFields())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	sources := make([]arrow.Array, len(batches))
	for c := range cols {
		for i, b := range batches {
			sources[i] = b.Column(c)
		}
		col, err := Gather(ctx, schema.Field(c).Type, sources, picks)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", schema.Field(c).Name, err)
		}
		cols[c] = col
	}
	return array.NewRecordBatch(schema, cols, int64(len(picks))), nil
}

// Gather copies the picked rows of the sources, all of type t, into a new array, which the caller releases.
func Gather(ctx context.Context, t arrow.DataType, sources []arrow.Array, picks []Pick) (arrow.Array, error) {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return gatherBits(t, sources, picks), nil
	case *arrow.StringType, *arrow.BinaryType:
		return gatherText(t, sources, picks)
	case arrow.FixedWidthDataType:
		if t.ID() != arrow.DICTIONARY && t.BitWidth()%8 == 0 {
			return gatherFixed(t, sources, picks), nil
		}
	}
	return gatherTake(ctx, t, sources, picks)
}

// validity gathers the validity bitmap; nil if no row is null.
func validity(sources []arrow.Array, picks []Pick) (*memory.Buffer, int) {
	nullable := false
	for _, s := range sources {
		nullable = nullable || s.NullN() > 0
	}
	if !nullable && !hasNullPick(picks) {
		return nil, 0
	}
	bits := make([]byte, bitutil.BytesForBits(int64(len(picks))))
	nulls := 0
	for i, p := range picks {
		if p.Source < 0 || sources[p.Source].IsNull(int(p.Row)) {
			nulls++
			continue
		}
		bitutil.SetBit(bits, i)
	}
	return memory.NewBufferBytes(bits), nulls
}

func hasNullPick(picks []Pick) bool {
	for _, p := range picks {
		if p.Source < 0 {
			return true
		}
	}
	return false
}

func gatherBits(t arrow.DataType, sources []arrow.Array, picks []Pick) arrow.Array {
	bits := make([]byte, bitutil.BytesForBits(int64(len(picks))))
	for i, p := range picks {
		if p.Source >= 0 && sources[p.Source].(*array.Boolean).Value(int(p.Row)) {
			bitutil.SetBit(bits, i)
		}
	}
	return finish(t, len(picks), sources, picks, memory.NewBufferBytes(bits))
}

func gatherFixed(t arrow.FixedWidthDataType, sources []arrow.Array, picks []Pick) arrow.Array {
	w := t.BitWidth() / 8
	data := make([][]byte, len(sources)) // from the first row on
	for i, s := range sources {
		if b := s.Data().Buffers()[1]; b != nil {
			data[i] = b.Bytes()[s.Data().Offset()*w:]
		}
	}
	out := make([]byte, len(picks)*w)
	switch w {
	case 4:
		for i, p := range picks {
			if p.Source >= 0 {
				*(*[4]byte)(out[i*4:]) = [4]byte(data[p.Source][int(p.Row)*4:])
			}
		}
	case 8:
		for i, p := range picks {
			if p.Source >= 0 {
				*(*[8]byte)(out[i*8:]) = [8]byte(data[p.Source][int(p.Row)*8:])
			}
		}
	case 16:
		for i, p := range picks {
			if p.Source >= 0 {
				*(*[16]byte)(out[i*16:]) = [16]byte(data[p.Source][int(p.Row)*16:])
			}
		}
	case 24: // partial sums
		for i, p := range picks {
			if p.Source >= 0 {
				*(*[24]byte)(out[i*24:]) = [24]byte(data[p.Source][int(p.Row)*24:])
			}
		}
	default:
		for i, p := range picks {
			if p.Source >= 0 {
				copy(out[i*w:(i+1)*w], data[p.Source][int(p.Row)*w:])
			}
		}
	}
	return finish(t, len(picks), sources, picks, memory.NewBufferBytes(out))
}

func finish(t arrow.DataType, n int, sources []arrow.Array, picks []Pick, buffers ...*memory.Buffer) arrow.Array {
	valid, nulls := validity(sources, picks)
	data := array.NewData(t, n, append([]*memory.Buffer{valid}, buffers...), nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// texts gives access to the bytes of a text or binary array.
type texts struct {
	offsets []int32 // one more than rows
	data    []byte
}

func textsOf(a arrow.Array) texts {
	d := a.Data()
	var t texts
	if b := d.Buffers()[1]; b != nil && b.Len() > 0 {
		t.offsets = arrow.Int32Traits.CastFromBytes(b.Bytes())[d.Offset():]
	}
	if b := d.Buffers()[2]; b != nil {
		t.data = b.Bytes()
	}
	return t
}

func gatherText(t arrow.DataType, sources []arrow.Array, picks []Pick) (arrow.Array, error) {
	from := make([]texts, len(sources))
	for i, s := range sources {
		from[i] = textsOf(s)
	}
	offsets := make([]int32, len(picks)+1)
	total := int64(0)
	for i, p := range picks {
		if p.Source >= 0 {
			f := &from[p.Source]
			total += int64(f.offsets[p.Row+1] - f.offsets[p.Row])
		}
		if total > 1<<31-1 {
			return nil, fmt.Errorf("more than 2 GiB of text in one batch of %d rows", len(picks))
		}
		offsets[i+1] = int32(total)
	}
	data := make([]byte, total)
	for i, p := range picks {
		if p.Source >= 0 {
			f := &from[p.Source]
			copy(data[offsets[i]:], f.data[f.offsets[p.Row]:f.offsets[p.Row+1]])
		}
	}
	return finish(t, len(picks), sources, picks,
		memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(data)), nil
}

// gatherTake concatenates the sources and takes by index: slower, for any type.
func gatherTake(ctx context.Context, t arrow.DataType, sources []arrow.Array, picks []Pick) (arrow.Array, error) {
	starts := make([]int64, len(sources)+1)
	for i, s := range sources {
		starts[i+1] = starts[i] + int64(s.Len())
	}
	ib := array.NewInt64Builder(memory.DefaultAllocator)
	defer ib.Release()
	ib.Reserve(len(picks))
	for _, p := range picks {
		if p.Source < 0 {
			ib.AppendNull()
			continue
		}
		ib.Append(starts[p.Source] + int64(p.Row))
	}
	indices := ib.NewArray()
	defer indices.Release()
	if len(sources) == 0 {
		return array.MakeArrayOfNull(memory.DefaultAllocator, t, len(picks)), nil
	}
	all, err := array.Concatenate(sources, memory.DefaultAllocator)
	if err != nil {
		return nil, fmt.Errorf("concatenate %d arrays of %s: %w", len(sources), t, err)
	}
	defer all.Release()
	out, err := compute.TakeArray(ctx, all, indices)
	if err != nil {
		return nil, fmt.Errorf("take %d rows of %s: %w", len(picks), t, err)
	}
	return out, nil
}

// Size is the memory of a batch's buffers in bytes. Buffers that a slice shares count by the slice's share of rows.
func Size(batch arrow.RecordBatch) int64 {
	var total int64
	for _, c := range batch.Columns() {
		total += sizeOf(c.Data())
	}
	return total
}

func sizeOf(d arrow.ArrayData) int64 {
	var n int64
	for _, b := range d.Buffers() {
		if b != nil {
			n += int64(b.Len())
		}
	}
	for _, c := range d.Children() {
		n += sizeOf(c)
	}
	if w, ok := d.DataType().(arrow.FixedWidthDataType); ok && d.Len() > 0 {
		return min(n, int64(d.Len())*int64(w.BitWidth()+1)/8+8)
	}
	if t, ok := d.DataType().(arrow.BinaryDataType); ok && d.Len() > 0 && t.ID() != arrow.LARGE_STRING && t.ID() != arrow.LARGE_BINARY {
		if b := d.Buffers(); len(b) == 3 && b[1] != nil {
			off := arrow.Int32Traits.CastFromBytes(b[1].Bytes())[d.Offset():]
			return int64(off[d.Len()]-off[0]) + int64(4*d.Len()) + int64(d.Len())/8
		}
	}
	return n
}
