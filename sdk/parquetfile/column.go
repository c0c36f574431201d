package parquetfile

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/sdk/fault"
)

// pageRows is how many rows a page holds at most: as many as a common batch, so that pages are often encoded from Arrow's own memory.
const pageRows = 1 << 16

// columnWriter collects one leaf's values into pages, and its pages into a column chunk.
type columnWriter struct {
	leaf  *leaf
	codec Codec
	want  Encoding
	class class

	*buffers        // the page being filled and the chunk's pages; nil before the file's first row
	rows     int    // rows in the page
	levels   int    // values including nulls; differs from rows only in lists
	nulls    int    // of levels
	stats    bounds // of the row group

	mode   textMode
	remapD arrow.Array // the last Arrow dictionary, which remap is of

	chunk    chunk
	fileStat bounds
	total    columnTotal // over the file's finished row groups
	skipZip  int         // pages still to be stored without trying the codec, after one that did not shrink
	beside   bool        // pages are compressed by a goroutine of their own
	pending  chan error  // of the page that is being finished beside; nil if there is none
	finished int         // about how many bytes the finished pages have
}

// chunk describes the finished part of a column chunk.
type chunk struct {
	plainBytes int64 // uncompressed size with headers
	levels     int64
	nulls      int64
	encodings  [10]bool
	dataPages  [10]int32
}

type columnTotal struct{ bytes, levels, nulls int64 }

// textMode says how a text column's chunk is encoded.
type textMode uint8

const (
	textUndecided textMode = iota
	textDict
	textPlain // delta lengths or PLAIN
)

func newColumnWriter(l *leaf, o *WriterOptions) *columnWriter {
	return &columnWriter{leaf: l, codec: o.Codec, want: o.Encodings[l.name()], class: l.class(), beside: o.Beside}
}

// startChunk readies the writer for the next row group.
func (c *columnWriter) startChunk() {
	_ = c.wait() // of a file that was given up
	c.chunk, c.finished = chunk{}, 0
	c.stats.reset()
	c.mode = textUndecided
	if c.want == Plain || c.want == DeltaLength {
		c.mode = textPlain
	} else if c.want == Dictionary {
		c.mode = textDict
	}
	c.remapD = nil
	c.rows, c.levels, c.nulls = 0, 0, 0
	if c.buffers != nil {
		c.buffers.reset()
	}
}

func (c *columnWriter) resetPage() {
	c.rows, c.levels, c.nulls = 0, 0, 0
	c.buffers.resetPage()
}

// size is about how many bytes the open chunk holds.
func (c *columnWriter) size() int64 {
	if c.buffers == nil {
		return 0
	}
	return int64(c.finished + 4*len(c.i32) + 8*len(c.i64) + len(c.data) + 4*len(c.offs) + len(c.dict.data))
}

// append adds a flat column's array.
func (c *columnWriter) append(a arrow.Array, pageBytes int) error {
	if c.leaf.maxDef == 0 && a.NullN() > 0 {
		return c.nullInRequired(a)
	}
	for from := 0; from < a.Len(); {
		to := min(a.Len(), from+pageRows-c.rows)
		if isVariable(c.leaf) && c.mode != textDict {
			to = min(to, from+4096) // so that long texts end the page soon after its size is reached
		}
		if err := c.appendRange(a, from, to); err != nil {
			return err
		}
		if c.rows >= pageRows || len(c.data) >= pageBytes {
			if err := c.flushPage(); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}

func isVariable(l *leaf) bool {
	return l.phys == format.ByteArray || l.phys == format.FixedLenByteArray
}

func (c *columnWriter) nullInRequired(a arrow.Array) error {
	row := 0
	for row < a.Len() && a.IsValid(row) {
		row++
	}
	return fault.Usagef("writing parquet: column %s is required, but row %d of the batch is null: declare the column nullable or fill it", c.leaf.name(), row)
}

func (c *columnWriter) appendRange(a arrow.Array, from, to int) error {
	n := to - from
	nulls := 0
	if c.leaf.maxDef > 0 {
		if a.NullN() == 0 {
			c.valid.fill(true, n)
		} else if a.NullN() == a.Len() {
			c.valid.fill(false, n)
			nulls = n
		} else {
			off := a.Data().Offset() + from
			nulls = n - countBits(a.NullBitmapBytes(), off, n)
			c.valid.copyFrom(a.NullBitmapBytes(), off, n)
		}
	}
	c.rows += n
	c.levels += n
	c.nulls += nulls
	if nulls == n {
		return nil
	}
	return c.appendValues(a, from, to)
}

// eachPresent calls f for every run of rows in [from, to) that are not null.
func (c *columnWriter) eachPresent(a arrow.Array, from, to int, f func(i, n int)) {
	if a.NullN() == 0 {
		f(from, to-from)
		return
	}
	eachRun(a.NullBitmapBytes(), a.Data().Offset()+from, to-from, func(s, n int) { f(from+s, n) })
}

// appendValues adds the present values of rows [from, to), and widens the chunk's bounds where that is done by value.
func (c *columnWriter) appendValues(a arrow.Array, from, to int) error {
	switch c.leaf.phys {
	case format.Boolean:
		b, ok := a.(*array.Boolean)
		if !ok {
			return c.mistyped(a)
		}
		bits, off := b.Data().Buffers()[1].Bytes(), b.Data().Offset()
		c.eachPresent(a, from, to, func(i, n int) { c.bools.copyFrom(bits, off+i, n) })
	case format.Int32:
		return c.append32(a, from, to)
	case format.Int64:
		return c.append64(a, from, to)
	case format.Float, format.Double:
		return c.appendFloats(a, from, to)
	case format.ByteArray:
		return c.appendText(a, from, to)
	case format.FixedLenByteArray:
		return c.appendFixed(a, from, to)
	}
	return nil
}

func (c *columnWriter) append32(a arrow.Array, from, to int) error {
	if v, ok := view32(a); ok {
		c.eachPresent(a, from, to, func(i, n int) { c.i32 = append(c.i32, v[i:i+n]...) })
		return nil
	}
	at := getter32(a)
	if at == nil {
		return c.mistyped(a)
	}
	c.eachPresent(a, from, to, func(i, n int) {
		for j := i; j < i+n; j++ {
			c.i32 = append(c.i32, at(j))
		}
	})
	return nil
}

func (c *columnWriter) append64(a arrow.Array, from, to int) error {
	if _, ok := c.leaf.typ.(arrow.DecimalType); ok {
		if _, ok := a.DataType().(arrow.DecimalType); !ok {
			return c.mistyped(a)
		}
		return c.appendDecimals(a, from, to)
	}
	v, ok := view64(a)
	if !ok {
		return c.mistyped(a)
	}
	c.eachPresent(a, from, to, func(i, n int) { c.i64 = append(c.i64, v[i:i+n]...) })
	return nil
}

func (c *columnWriter) appendFloats(a arrow.Array, from, to int) error {
	switch a := a.(type) {
	case *array.Float32:
		v := a.Float32Values()
		c.eachPresent(a, from, to, func(i, n int) {
			for _, x := range v[i : i+n] {
				c.stats.addFloat(float64(x))
			}
			c.data = append(c.data, raw(v[i:i+n])...)
		})
	case *array.Float64:
		v := a.Float64Values()
		c.eachPresent(a, from, to, func(i, n int) {
			for _, x := range v[i : i+n] {
				c.stats.addFloat(x)
			}
			c.data = append(c.data, raw(v[i:i+n])...)
		})
	default:
		return c.mistyped(a)
	}
	return nil
}
