package parquetfile

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// appendText adds the present values of a text, binary or dictionary array.
func (c *columnWriter) appendText(a arrow.Array, from, to int) error {
	if d, ok := a.(*array.Dictionary); ok {
		return c.appendIndexed(d, from, to)
	}
	at := bytesOf(a)
	if at == nil {
		return c.mistyped(a)
	}
	if c.mode == textDict {
		c.eachPresent(a, from, to, func(i, n int) {
			for j := i; j < i+n; j++ {
				c.i32 = append(c.i32, c.number(at(j)))
			}
		})
		return nil
	}
	if s, ok := a.(*array.String); ok {
		var buf []byte
		if b := s.Data().Buffers()[2]; b != nil {
			buf = b.Bytes()
		}
		c.eachPresent(a, from, to, func(i, n int) { c.appendSpan(s.ValueOffsets()[i:i+n+1], buf) })
		return nil
	}
	c.eachPresent(a, from, to, func(i, n int) {
		for j := i; j < i+n; j++ {
			c.data = append(c.data, at(j)...)
			c.offs = append(c.offs, uint32(len(c.data)))
		}
	})
	return nil
}

// appendSpan adds adjacent texts of one buffer in one copy.
func (c *columnWriter) appendSpan(offs []int32, buf []byte) {
	first := offs[0]
	shift := uint32(len(c.data)) - uint32(first)
	c.data = append(c.data, buf[first:offs[len(offs)-1]]...)
	for _, o := range offs[1:] {
		c.offs = append(c.offs, uint32(o)+shift)
	}
}

// number gives v's number in the dictionary; sorted and clustered columns mostly repeat the last one.
func (c *columnWriter) number(v []byte) int32 {
	if n := len(c.i32); n > 0 {
		if last := c.i32[n-1]; bytes.Equal(c.dict.value(last), v) {
			return last
		}
	}
	return c.dict.add(v)
}

// appendIndexed adds an Arrow dictionary array. Its dictionary is mapped into the chunk's once.
func (c *columnWriter) appendIndexed(a *array.Dictionary, from, to int) error {
	at := bytesOf(a.Dictionary())
	if at == nil {
		return c.mistyped(a)
	}
	if c.mode == textUndecided && len(c.offs) == 0 && a.Dictionary().Len() <= dictLimitValues {
		c.mode = textDict
	}
	if c.mode != textDict {
		c.eachPresent(a, from, to, func(i, n int) {
			for j := i; j < i+n; j++ {
				c.data = append(c.data, at(a.GetValueIndex(j))...)
				c.offs = append(c.offs, uint32(len(c.data)))
			}
		})
		return nil
	}
	if c.remapD != a.Dictionary() {
		c.remapD = a.Dictionary()
		c.remap = c.remap[:0]
		for range a.Dictionary().Len() {
			c.remap = append(c.remap, -1)
		}
	}
	c.eachPresent(a, from, to, func(i, n int) {
		for j := i; j < i+n; j++ {
			k := a.GetValueIndex(j)
			if c.remap[k] < 0 {
				c.remap[k] = c.dict.add(at(k))
			}
			c.i32 = append(c.i32, c.remap[k])
		}
	})
	return nil
}

// decideText chooses a text column's encoding by the first page: a dictionary where values repeat at least threefold.
func (c *columnWriter) decideText() {
	n := len(c.offs)
	c.mode = textPlain
	if n < 8 {
		c.dict.reset()
		return
	}
	start := uint32(0)
	for i, end := range c.offs {
		c.i32 = append(c.i32, c.number(c.data[start:end]))
		start = end
		if d := c.dict.len(); (d > 64 && d > (i+1)/2) || c.dict.full() {
			c.i32 = c.i32[:0]
			c.dict.reset()
			return
		}
	}
	if 3*c.dict.len() > n {
		c.i32 = c.i32[:0]
		c.dict.reset()
		return
	}
	c.mode = textDict
	c.data, c.offs = c.data[:0], c.offs[:0]
}

// textBounds widens the chunk's bounds by the page's texts.
func (c *columnWriter) textBounds() {
	start := uint32(0)
	for _, end := range c.offs {
		c.stats.addBytes(c.data[start:end])
		start = end
	}
}
