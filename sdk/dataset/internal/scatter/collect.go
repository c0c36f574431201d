package scatter

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/zeebo/xxh3"
)

// ErrDamaged is wrapped where a chunk is not what was written.
var ErrDamaged = errors.New("staged rows are not what was written")

// Located is a chunk in a file.
type Located struct {
	File   io.ReaderAt
	Offset int64
	Chunk
}

// Collector makes batches of chunks. Its room is used again: a batch and all that
// shares its memory is valid until the next call. It is not safe for concurrent use.
type Collector struct {
	schema *arrow.Schema
	raw    []byte // the chunks
	room   []byte // columns that are put together of several chunks
	views  []view
}

// NewCollector makes a collector of rows of a schema, which must be [Supported].
func NewCollector(schema *arrow.Schema) *Collector { return &Collector{schema: schema} }

// view is one chunk, taken apart.
type view struct {
	rows int
	cols []viewed
}

// viewed is a column of a chunk: as it lies there, or put together.
type viewed struct {
	header
	valid, data []byte // valid is nil without nulls
	offsets     []byte // of texts: one more than rows; nil where the form spares them
}

// Collect makes one batch of the chunks' rows, in their order.
func (c *Collector) Collect(chunks []Located) (arrow.RecordBatch, error) {
	var size int64
	for _, l := range chunks {
		size += l.Length
	}
	if int64(cap(c.raw)) < size {
		c.raw = make([]byte, size)
	}
	c.raw, c.views = c.raw[:size], c.views[:0]
	rows, rest := 0, c.raw
	for _, l := range chunks {
		if l.Rows == 0 {
			continue
		}
		data := rest[:l.Length]
		rest = rest[l.Length:]
		if n, err := l.File.ReadAt(data, l.Offset); n < len(data) {
			if err == nil || errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: cut short", ErrDamaged)
			}
			return nil, fmt.Errorf("read staged rows: %w", err)
		}
		if xxh3.Hash(data) != l.Sum {
			return nil, fmt.Errorf("read staged rows: %w: a checksum does not match", ErrDamaged)
		}
		v, err := c.decode(data, l.Rows)
		if err != nil {
			return nil, err
		}
		c.views = append(c.views, v)
		rows += v.rows
	}
	return c.batch(rows)
}

// cutter takes padded buffers off the front of a chunk.
type cutter struct {
	rest []byte
	bad  bool
}

func (c *cutter) cut(n int) []byte {
	whole := (n + 7) &^ 7
	if n < 0 || whole > len(c.rest) {
		c.bad = true
		return make([]byte, 0)
	}
	out := c.rest[:n:n]
	c.rest = c.rest[whole:]
	return out
}

// decode takes a chunk apart.
func (c *Collector) decode(data []byte, rows int64) (view, error) {
	v := view{rows: int(rows), cols: make([]viewed, c.schema.NumFields())}
	damaged := func(what string) (view, error) {
		return view{}, fmt.Errorf("read staged rows: %w: %s", ErrDamaged, what)
	}
	if rows < 1 || rows > math.MaxInt32 {
		return damaged("an impossible number of rows")
	}
	in := cutter{rest: data}
	for i := range v.cols {
		if v.cols[i] = decodeColumn(&in, c.schema.Field(i).Type, v.rows); in.bad {
			return damaged("a column is cut or out of order")
		}
	}
	if len(in.rest) > 0 {
		return damaged("bytes are left over")
	}
	return v, nil
}

func decodeColumn(in *cutter, t arrow.DataType, rows int) (v viewed) {
	head := in.cut(headerBytes)
	if in.bad {
		return v
	}
	v.header = headerOf(head)
	if v.nulls > 0 {
		v.valid = in.cut((rows + 7) / 8)
	}
	w, _ := width(t)
	switch {
	case t.ID() == arrow.BOOL:
		v.data = in.cut((rows + 7) / 8)
		in.bad = in.bad || v.form != 0
	case isText(t):
		v.text(in, rows)
	default:
		v.data = in.cut(rows * int(v.form&0xff))
		fits := int(v.form) == w || narrowTo(1<<(8*v.form)-1, w) == int(v.form) && (w == 4 || w == 8 || w == 16)
		in.bad = in.bad || !fits
	}
	in.bad = in.bad || int64(v.nulls) > int64(rows)
	return v
}

// text cuts a column of texts.
func (v *viewed) text(in *cutter, rows int) {
	switch {
	case v.form > formSame || v.number > math.MaxInt32:
		in.bad = true
	case v.form == formSame:
		v.data = in.cut(int(v.number))
	case v.form == formLength:
		v.data = in.cut(int(v.number) * rows)
	default:
		if v.offsets = in.cut(4 * (rows + 1)); in.bad {
			return
		}
		last := uint32(0)
		for i, next := range arrow.Uint32Traits.CastFromBytes(v.offsets) {
			if next < last || i == 0 && next != 0 || next > math.MaxInt32 {
				in.bad = true
				return
			}
			last = next
		}
		v.data = in.cut(int(last))
	}
}

// textBytes is the size of a view's texts.
func (v *viewed) textBytes(rows int) int64 {
	if v.form == formSame {
		return int64(v.number) * int64(rows)
	}
	return int64(len(v.data))
}

// batch puts the views together.
func (c *Collector) batch(rows int) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, c.schema.NumFields())
	defer func() {
		for _, a := range cols {
			if a != nil {
				a.Release()
			}
		}
	}()
	if need := c.need(rows); cap(c.room) < need {
		c.room = make([]byte, need+need/4)
	}
	c.room = c.room[:0]
	for i := range cols {
		t := c.schema.Field(i).Type
		v, err := c.joined(i, t, rows)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.schema.Field(i).Name, err)
		}
		var valid *memory.Buffer
		if v.nulls > 0 {
			valid = memory.NewBufferBytes(v.valid)
		}
		buffers := []*memory.Buffer{valid, memory.NewBufferBytes(v.data)}
		if v.offsets != nil {
			buffers = []*memory.Buffer{valid, memory.NewBufferBytes(v.offsets), memory.NewBufferBytes(v.data)}
		}
		d := array.NewData(t, rows, buffers, nil, int(v.nulls), 0)
		cols[i] = array.MakeFromData(d)
		d.Release()
	}
	return array.NewRecordBatch(c.schema, cols, int64(rows)), nil
}

// need is how much room a batch takes.
func (c *Collector) need(rows int) (n int) {
	for i, f := range c.schema.Fields() {
		w, _ := width(f.Type)
		n += (w+4)*rows + rows/8 + 64
		for k := range c.views {
			if isText(f.Type) {
				n += int(c.views[k].cols[i].textBytes(c.views[k].rows))
			}
		}
	}
	return n
}

// take is n bytes of room, aligned.
func (c *Collector) take(n int) []byte {
	at := (len(c.room) + 7) &^ 7
	if at+n > cap(c.room) { // estimated short
		return make([]byte, n)
	}
	c.room = c.room[:at+n]
	return c.room[at : at+n : at+n]
}

// joined is one column of all views.
func (c *Collector) joined(i int, t arrow.DataType, rows int) (out viewed, err error) {
	size := int64(0)
	for k := range c.views {
		v := &c.views[k].cols[i]
		out.nulls += v.nulls
		size += v.textBytes(c.views[k].rows)
	}
	if out.nulls > 0 {
		out.valid = c.joinBits(rows, func(v *view) []byte { return v.cols[i].valid })
	}
	switch {
	case t.ID() == arrow.BOOL:
		out.data = c.joinBits(rows, func(v *view) []byte { return v.cols[i].data })
	case isText(t):
		if size > math.MaxInt32 {
			return out, fmt.Errorf("more than 2 GiB of text in the rows of one cluster")
		}
		out.offsets = c.joinOffsets(i, rows)
		out.data = c.joinTexts(i, int(size))
	default:
		w, _ := width(t)
		out.data = c.joinFixed(i, w, rows)
	}
	return out, nil
}

func (c *Collector) joinFixed(i, w, rows int) []byte {
	if len(c.views) == 1 && int(c.views[0].cols[i].form) == w {
		return c.views[0].cols[i].data
	}
	out := c.take(rows * w)
	at := 0
	for k := range c.views {
		v := &c.views[k].cols[i]
		to := out[at : at+c.views[k].rows*w]
		if int(v.form) == w {
			copy(to, v.data)
		} else {
			widen(to, v.data, w, int(v.form), int64(v.number))
		}
		at += len(to)
	}
	return out
}

func (c *Collector) joinTexts(i, size int) []byte {
	if len(c.views) == 1 && c.views[0].cols[i].form != formSame {
		return c.views[0].cols[i].data
	}
	out := c.take(size)[:0]
	for k := range c.views {
		v := &c.views[k].cols[i]
		if v.form != formSame {
			out = append(out, v.data...)
			continue
		}
		for range c.views[k].rows {
			out = append(out, v.data...)
		}
	}
	return out
}

func isText(t arrow.DataType) bool { return t.ID() == arrow.STRING || t.ID() == arrow.BINARY }

// joinBits puts bitmaps one after the other; one that is nil has all bits set.
func (c *Collector) joinBits(rows int, of func(*view) []byte) []byte {
	if len(c.views) == 1 {
		return of(&c.views[0])
	}
	out := c.take((rows + 7) / 8)
	clear(out)
	at := 0
	for k := range c.views {
		v := &c.views[k]
		b := of(v)
		for row := range v.rows {
			if b == nil || bitutil.BitIsSet(b, row) {
				bitutil.SetBit(out, at+row)
			}
		}
		at += v.rows
	}
	return out
}

func (c *Collector) joinOffsets(i, rows int) []byte {
	if len(c.views) == 1 && c.views[0].cols[i].form == formOffsets {
		return c.views[0].cols[i].offsets
	}
	out := c.take(4 * (rows + 1))
	to := arrow.Uint32Traits.CastFromBytes(out)
	to[0] = 0
	at, base := 1, uint32(0)
	for k := range c.views {
		v := &c.views[k]
		if col := &v.cols[i]; col.form == formOffsets {
			for _, end := range arrow.Uint32Traits.CastFromBytes(col.offsets)[1:] {
				to[at] = base + end
				at++
			}
		} else {
			for range v.rows {
				to[at] = to[at-1] + uint32(col.number)
				at++
			}
		}
		base = to[at-1]
	}
	return out
}
