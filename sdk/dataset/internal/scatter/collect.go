package scatter

import (
	"encoding/binary"
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

// viewed is a column of a chunk.
type viewed struct {
	nulls       int
	valid, data []byte // valid is nil without nulls
	offsets     []byte // of texts: one more than rows
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
	if rows < 1 || rows > math.MaxInt32 || rows/8 > int64(len(data)) {
		return damaged("an impossible number of rows")
	}
	in := cutter{rest: data}
	counts := in.cut(4 * len(v.cols))
	if in.bad {
		return damaged("cut in the counts of nulls")
	}
	for i := range v.cols {
		nulls := int(binary.LittleEndian.Uint32(counts[4*i:]))
		if nulls > v.rows {
			return damaged("more nulls than rows")
		}
		v.cols[i] = c.decodeColumn(&in, c.schema.Field(i).Type, v.rows, nulls)
		if in.bad {
			return damaged("a column is cut or out of order")
		}
	}
	if len(in.rest) > 0 {
		return damaged("bytes are left over")
	}
	return v, nil
}

func (c *Collector) decodeColumn(in *cutter, t arrow.DataType, rows, nulls int) (v viewed) {
	v.nulls = nulls
	if nulls > 0 {
		v.valid = in.cut((rows + 7) / 8)
	}
	switch t.ID() {
	case arrow.BOOL:
		v.data = in.cut((rows + 7) / 8)
	case arrow.STRING, arrow.BINARY:
		if v.offsets = in.cut(4 * (rows + 1)); in.bad {
			return v
		}
		last := uint32(0)
		for i := 0; i < len(v.offsets); i += 4 {
			next := binary.LittleEndian.Uint32(v.offsets[i:])
			if next < last || i == 0 && next != 0 || next > math.MaxInt32 {
				in.bad = true
				return v
			}
			last = next
		}
		v.data = in.cut(int(last))
	default:
		w, _ := width(t)
		v.data = in.cut(rows * w)
	}
	return v
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
	c.room = c.room[:0]
	if need := len(c.raw) + (16+rows/8)*len(cols)*3; len(c.views) > 1 && cap(c.room) < need {
		c.room = make([]byte, 0, need)
	}
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
		d := array.NewData(t, rows, buffers, nil, v.nulls, 0)
		cols[i] = array.MakeFromData(d)
		d.Release()
	}
	return array.NewRecordBatch(c.schema, cols, int64(rows)), nil
}

// take is n bytes of room, aligned.
func (c *Collector) take(n int) []byte {
	at := (len(c.room) + 7) &^ 7
	if at+n > cap(c.room) { // no room was made: there is nothing to put together, or it was estimated short
		return make([]byte, n)
	}
	c.room = c.room[:at+n]
	return c.room[at : at+n : at+n]
}

// joined is one column of all views.
func (c *Collector) joined(i int, t arrow.DataType, rows int) (viewed, error) {
	switch len(c.views) {
	case 0:
		v := viewed{data: []byte{}}
		if isText(t) {
			v.offsets = make([]byte, 4)
		}
		return v, nil
	case 1:
		return c.views[0].cols[i], nil
	}
	var out viewed
	size := 0
	for _, v := range c.views {
		out.nulls += v.cols[i].nulls
		size += len(v.cols[i].data)
	}
	if out.nulls > 0 {
		out.valid = c.joinBits(rows, func(v *view) []byte { return v.cols[i].valid })
	}
	if t.ID() == arrow.BOOL {
		out.data = c.joinBits(rows, func(v *view) []byte { return v.cols[i].data })
		return out, nil
	}
	if isText(t) {
		if size > math.MaxInt32 {
			return out, fmt.Errorf("more than 2 GiB of text in the rows of one cluster")
		}
		out.offsets = c.joinOffsets(i, rows)
	}
	out.data = c.take(size)[:0]
	for _, v := range c.views {
		out.data = append(out.data, v.cols[i].data...)
	}
	return out, nil
}

func isText(t arrow.DataType) bool { return t.ID() == arrow.STRING || t.ID() == arrow.BINARY }

// joinBits puts bitmaps one after the other; one that is nil has all bits set.
func (c *Collector) joinBits(rows int, of func(*view) []byte) []byte {
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
	out := c.take(4 * (rows + 1))
	to := arrow.Uint32Traits.CastFromBytes(out)
	to[0] = 0
	at, base := 1, uint32(0)
	for k := range c.views {
		v := &c.views[k]
		ends := arrow.Uint32Traits.CastFromBytes(v.cols[i].offsets)[1:]
		for _, end := range ends {
			to[at] = base + end
			at++
		}
		base = to[at-1]
	}
	return out
}
