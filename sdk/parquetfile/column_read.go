package parquetfile

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// leafReader reads one leaf as an Arrow column, a batch at a time.
type leafReader struct {
	pages pageReader
	plan  plan
	mem   memory.Allocator

	valid  bitBuffer // of the batch; begun at its first null
	passed bitBuffer // scratch, of rows that are skipped
	ones   int       // rows before the first null
	dense  int       // values read so far
	buf    *memory.Buffer
	raw    []byte
	bools  bitBuffer
	text   texts
	before int // bytes of the last batch's texts
	index  indexed
}

// readFlat reads the next n rows of a flat column.
func (c *leafReader) readFlat(n int) (arrow.Array, error) {
	c.begin(n)
	for got := 0; got < n; {
		if c.pages.values == 0 {
			if err := c.nextPage(n - got); err != nil {
				return nil, err
			}
		}
		k := min(n-got, c.pages.values)
		present, err := c.levels(k)
		if err == nil {
			err = c.decode(present)
		}
		if err != nil {
			return nil, err
		}
		c.pages.values -= k
		got += k
	}
	return c.finish(n)
}

func (c *leafReader) nextPage(missing int) error {
	err := c.pages.nextPage()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the column chunk lacks %d rows: %w", missing, ErrCorrupt)
	}
	return err
}

// begin readies the buffers for a batch of at most n values.
func (c *leafReader) begin(n int) {
	c.dropBuffer()
	c.valid.b, c.valid.n, c.ones, c.dense = nil, 0, 0, 0
	switch c.plan.kind {
	case planFixed, planTextDecimal, planIndexed:
		c.buf = memory.NewResizableBuffer(c.mem)
		c.buf.Resize(n * c.plan.size)
	case planBool:
		c.bools = bitBuffer{b: make([]byte, 0, (n+7)/8)}
	}
	switch c.plan.kind {
	case planText:
		c.text.start(c.mem, n, c.before+c.before/16+4*textSlack)
	case planTextDecimal:
		c.text.reset()
	}
}

func (c *leafReader) dropBuffer() {
	if c.buf != nil {
		c.buf.Release()
		c.buf = nil
	}
	c.text.drop()
}

// levels takes k rows' definition levels and says how many have a value. The bitmap is begun at the first null.
func (c *leafReader) levels(k int) (present int, err error) {
	p := &c.pages
	if p.leaf.maxDef == 0 {
		return k, nil
	}
	if c.valid.b == nil {
		if p.bits.allOnes(k) {
			p.bits.repeat -= k
			c.ones += k
			return k, nil
		}
		c.valid.b = make([]byte, 0, (c.ones+k+7)/8+8)
		c.valid.fill(true, c.ones)
	}
	return p.bits.take(&c.valid, k)
}

// decode appends k values of the open page.
func (c *leafReader) decode(k int) error {
	if k == 0 {
		return nil
	}
	p := &c.pages
	from := c.dense
	c.dense += k
	switch c.plan.kind {
	case planBool:
		return p.vals.bools(&c.bools, k)
	case planText:
		return p.vals.texts(&c.text, &p.dict, k)
	case planIndexed:
		return c.index.decode(p, as4(c.buf.Bytes())[:from+k], from)
	case planTextDecimal:
		return c.decodeTextDecimals(castBytes[decimalWord](c.buf.Bytes(), 16)[from : from+k])
	}
	size := c.plan.size
	dst := c.buf.Bytes()[from*size : (from+k)*size]
	if c.plan.convert == nil {
		return p.vals.fixed(dst, p.fixed, size)
	}
	phys := c.pages.leaf.valueBytes()
	c.raw = grown(c.raw, k*phys)
	if err := p.vals.fixed(c.raw, p.fixed, phys); err != nil {
		return err
	}
	return c.plan.convert(dst, c.raw)
}

// decimalWord is a decimal128 as Arrow keeps it: low and high word.
type decimalWord [2]uint64

func (c *leafReader) decodeTextDecimals(dst []decimalWord) error {
	c.text.reset()
	if err := c.pages.vals.texts(&c.text, &c.pages.dict, len(dst)); err != nil {
		return err
	}
	for i := range dst {
		v := c.text.value(i)
		if len(v) > 16 {
			return fmt.Errorf("a decimal of %d bytes: %w", len(v), ErrUnsupported)
		}
		d := bigEndian(v)
		dst[i] = decimalWord{d.LowBits(), uint64(d.HighBits())}
	}
	return nil
}

// finish makes the array of the batch's n rows.
func (c *leafReader) finish(n int) (arrow.Array, error) {
	var valid *memory.Buffer
	if c.dense < n {
		valid = c.wrap(c.valid.b)
		defer valid.Release()
	}
	return c.array(n, valid)
}

// array makes the array of n rows, of which those in valid have values; nil says all.
func (c *leafReader) array(n int, valid *memory.Buffer) (arrow.Array, error) {
	var bits []byte
	if valid != nil {
		bits = valid.Bytes()
	}
	var bufs []*memory.Buffer
	switch c.plan.kind {
	case planBool:
		if bits != nil {
			c.bools = spreadBools(c.bools.b, bits, n)
		}
		bufs = []*memory.Buffer{valid, c.wrap(c.bools.b)}
	case planText:
		c.before = len(c.text.data)
		if bits != nil {
			c.text.growOffsets(n + 1)
			spreadOffsets(c.text.offs, bits, n, c.dense)
		}
		offs, data := c.text.buffers()
		bufs = []*memory.Buffer{valid, offs, data}
	case planIndexed:
		c.buf.Resize(4 * n)
		if bits != nil {
			spread(as4(c.buf.Bytes()), bits, n, c.dense)
		}
		return c.indexArray(n, valid)
	default:
		c.buf.Resize(n * c.plan.size)
		if bits != nil {
			spreadFixed(c.buf.Bytes(), c.plan.size, bits, n, c.dense)
		}
		bufs = []*memory.Buffer{valid, c.buf}
		c.buf = nil
	}
	data := array.NewData(c.plan.out, n, bufs, nil, n-c.dense, 0)
	defer data.Release()
	for _, b := range bufs[1:] {
		b.Release()
	}
	return array.MakeFromData(data), nil
}

// wrap makes a buffer of bytes, in the allocator's memory if that is not Go's own.
func (c *leafReader) wrap(b []byte) *memory.Buffer {
	if c.mem == memory.DefaultAllocator {
		return memory.NewBufferBytes(b)
	}
	buf := memory.NewResizableBuffer(c.mem)
	buf.Resize(len(b))
	copy(buf.Bytes(), b)
	return buf
}

func spreadBools(dense, valid []byte, n int) bitBuffer {
	out := bitBuffer{b: make([]byte, (n+7)/8), n: n}
	j := 0
	for i := range n {
		if valid[i>>3]>>(i&7)&1 == 1 {
			out.b[i>>3] |= (dense[j>>3] >> (j & 7) & 1) << (i & 7)
			j++
		}
	}
	return out
}
