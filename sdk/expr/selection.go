package expr

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Selection marks rows of a batch. It is immutable and safe for concurrent use.
type Selection struct {
	rows  bitmap
	n     int
	count int
}

// Len is the number of rows of the batch.
func (s *Selection) Len() int { return s.n }

// Count is the number of rows that are marked.
func (s *Selection) Count() int { return s.count }

// Has reports whether row i is marked; i must be in 0 to Len-1.
func (s *Selection) Has(i int) bool { return s.rows.has(i) }

// Rows yields the numbers of the marked rows, ascending.
func (s *Selection) Rows(yield func(int) bool) { s.rows.all(yield) }

// And is the selection of the rows that both mark. Both must be of batches with the same number of rows.
func (s *Selection) And(o *Selection) *Selection {
	rows := both(s.rows, o.rows)
	return &Selection{rows: rows, n: s.n, count: rows.count()}
}

// Apply returns the marked rows of a batch, in order, with the batch's schema. If all rows
// or one run of rows are marked, the result shares the batch's memory; else the rows are
// copied. Release the result when done.
func (s *Selection) Apply(rec arrow.RecordBatch) (arrow.RecordBatch, error) {
	if int64(s.n) != rec.NumRows() {
		return nil, fmt.Errorf("apply a selection of %d rows to a batch of %d", s.n, rec.NumRows())
	}
	if from, ok := s.run(); ok {
		return rec.NewSlice(int64(from), int64(from+s.count)), nil
	}
	cols := make([]arrow.Array, 0, rec.NumCols())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for i, c := range rec.Columns() {
		a, err := s.gather(c)
		if err != nil {
			return nil, fmt.Errorf("take %d rows of column %s: %w", s.count, rec.ColumnName(i), err)
		}
		cols = append(cols, a)
	}
	return array.NewRecordBatch(rec.Schema(), cols, int64(s.count)), nil
}

// run reports whether the marked rows follow each other, and where they start.
func (s *Selection) run() (from int, ok bool) {
	first, last := 0, -1
	for w, x := range s.rows {
		if x == 0 {
			continue
		}
		if last < 0 {
			first = w<<6 + bits.TrailingZeros64(x)
		}
		last = w<<6 + 63 - bits.LeadingZeros64(x)
	}
	return first, last-first+1 == s.count
}

// gather copies the marked values of a column.
func (s *Selection) gather(a arrow.Array) (arrow.Array, error) {
	data := a.Data()
	var buffers []*memory.Buffer
	switch t := a.DataType().(type) {
	case *arrow.NullType:
		return array.NewNull(s.count), nil
	case *arrow.BooleanType:
		buffers = []*memory.Buffer{memory.NewBufferBytes(s.gatherBits(data.Buffers()[1].Bytes(), data.Offset()).bytes())}
	case *arrow.StringType, *arrow.BinaryType:
		buffers = gatherTexts[int32](s, data)
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		buffers = gatherTexts[int64](s, data)
	case *arrow.DictionaryType:
		return s.gatherDictionary(a.(*array.Dictionary), t)
	case arrow.ExtensionType:
		storage, err := s.gather(a.(array.ExtensionArray).Storage())
		if err != nil {
			return nil, err
		}
		defer storage.Release()
		return array.NewExtensionArrayWithStorage(t, storage), nil
	case arrow.NestedType:
		return s.gatherRuns(a)
	case arrow.FixedWidthDataType:
		buffers = []*memory.Buffer{s.gatherFixed(data.Buffers()[1].Bytes(), data.Offset(), t.Bytes())}
	default:
		return s.gatherRuns(a)
	}
	valid, nulls := s.gatherValid(a)
	out := array.NewData(a.DataType(), s.count, append([]*memory.Buffer{valid}, buffers...), nil, nulls, 0)
	defer out.Release()
	return array.MakeFromData(out), nil
}

// gatherRuns copies run by run, for nested and rare types.
func (s *Selection) gatherRuns(a arrow.Array) (arrow.Array, error) {
	var runs []arrow.Array
	for from, to := range s.runs {
		runs = append(runs, array.NewSlice(a, int64(from), int64(to)))
	}
	defer func() {
		for _, r := range runs {
			r.Release()
		}
	}()
	return array.Concatenate(runs, memory.DefaultAllocator)
}

func (s *Selection) gatherValid(a arrow.Array) (*memory.Buffer, int) {
	if a.NullN() == 0 || len(a.NullBitmapBytes()) == 0 {
		return nil, 0
	}
	valid := s.gatherBits(a.NullBitmapBytes(), a.Data().Offset())
	return memory.NewBufferBytes(valid.bytes()), s.count - valid.count()
}

// gatherBits packs the marked bits of a bitmap.
func (s *Selection) gatherBits(src []byte, offset int) bitmap {
	in, out := loadBitmap(src, offset, s.n), newBitmap(s.count)
	at := 0
	for w, marked := range s.rows {
		for x := in[w]; marked != 0; marked &= marked - 1 {
			out[at>>6] |= x >> uint(bits.TrailingZeros64(marked)) & 1 << (uint(at) & 63)
			at++
		}
	}
	return out
}

func (s *Selection) gatherFixed(src []byte, offset, width int) *memory.Buffer {
	src = src[offset*width:]
	switch width {
	case 1:
		return bufferOf(gatherValues(s, castSlice[uint8](src)))
	case 2:
		return bufferOf(gatherValues(s, castSlice[uint16](src)))
	case 4:
		return bufferOf(gatherValues(s, castSlice[uint32](src)))
	case 8:
		return bufferOf(gatherValues(s, castSlice[uint64](src)))
	case 16:
		return bufferOf(gatherValues(s, castSlice[[2]uint64](src)))
	}
	out := make([]byte, 0, s.count*width)
	for i := range s.rows.all {
		out = append(out, src[i*width:(i+1)*width]...)
	}
	return memory.NewBufferBytes(out)
}

// gatherValues copies whole words of marked rows at once and picks single rows else.
func gatherValues[T any](s *Selection, src []T) []T {
	out := make([]T, s.count)
	at := 0
	for w, marked := range s.rows {
		if marked == math.MaxUint64 {
			at += copy(out[at:], src[w<<6:w<<6+64])
			continue
		}
		for ; marked != 0; marked &= marked - 1 {
			out[at] = src[w<<6+bits.TrailingZeros64(marked)]
			at++
		}
	}
	return out
}

// gatherTexts copies run by run, too, in one step over the offsets.
func gatherTexts[O int32 | int64](s *Selection, data arrow.ArrayData) []*memory.Buffer {
	offsets := castSlice[O](data.Buffers()[1].Bytes())[data.Offset():]
	var src []byte
	if b := data.Buffers()[2]; b != nil {
		src = b.Bytes()
	}
	total := 0
	for from, to := range s.runs {
		total += int(offsets[to] - offsets[from])
	}
	out, ends := make([]byte, 0, total), make([]O, 1, s.count+1)
	for from, to := range s.runs {
		shift := O(len(out)) - offsets[from]
		out = append(out, src[offsets[from]:offsets[to]]...)
		for _, end := range offsets[from+1 : to+1] {
			ends = append(ends, end+shift)
		}
	}
	return []*memory.Buffer{bufferOf(ends), memory.NewBufferBytes(out)}
}

// runs yields the runs of marked rows, [from, to).
func (s *Selection) runs(yield func(from, to int) bool) {
	for from := s.next(0, 0); from < s.n; {
		to := s.next(from, ^uint64(0))
		if !yield(from, to) {
			return
		}
		from = s.next(to, 0)
	}
}

// next is the first row at or after i that is marked (or, with all bits in flip, is not); n if there is none.
func (s *Selection) next(i int, flip uint64) int {
	for w := i >> 6; w < len(s.rows); w++ {
		x := s.rows[w] ^ flip
		if w == i>>6 {
			x = x >> (uint(i) & 63) << (uint(i) & 63)
		}
		if x != 0 {
			return min(s.n, w<<6+bits.TrailingZeros64(x))
		}
	}
	return s.n
}

// gatherDictionary copies the marked indices and shares the dictionary.
func (s *Selection) gatherDictionary(a *array.Dictionary, t *arrow.DictionaryType) (arrow.Array, error) {
	indices, err := s.gather(a.Indices())
	if err != nil {
		return nil, err
	}
	defer indices.Release()
	return array.NewDictionaryArray(t, indices, a.Dictionary()), nil
}
