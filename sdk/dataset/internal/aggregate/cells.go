package aggregate

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// cells holds one value a group, of any type that can be a key.
type cells struct {
	width int      // bytes of a value; 0 for texts
	fixed []byte   // width bytes a group; booleans take one
	text  [][]byte // by group
}

func (c *cells) grow(t arrow.DataType, n int) {
	switch f, ok := t.(arrow.FixedWidthDataType); {
	case t.ID() == arrow.BOOL:
		c.width = 1
	case ok:
		c.width = f.BitWidth() / 8
	default:
		c.text = extend(c.text, n)
		return
	}
	c.fixed = extend(c.fixed, n*c.width)
}

// set keeps the value of col at row for group g and returns by how many bytes the memory held grew.
func (c *cells) set(g int, col arrow.Array, row int) int {
	if c.width > 0 {
		if b, ok := col.(*array.Boolean); ok {
			c.fixed[g] = 0
			if b.Value(row) {
				c.fixed[g] = 1
			}
			return 0
		}
		at := (col.Data().Offset() + row) * c.width
		copy(c.fixed[g*c.width:(g+1)*c.width], col.Data().Buffers()[1].Bytes()[at:])
		return 0
	}
	had := len(c.text[g])
	switch col := col.(type) {
	case *array.String:
		c.text[g] = append(c.text[g][:0], col.Value(row)...)
	case *array.LargeString:
		c.text[g] = append(c.text[g][:0], col.Value(row)...)
	case *array.Binary:
		c.text[g] = append(c.text[g][:0], col.Value(row)...)
	case *array.LargeBinary:
		c.text[g] = append(c.text[g][:0], col.Value(row)...)
	}
	return len(c.text[g]) - had
}

// array makes a column of the groups from start to end; a group whose present is nil is null.
func (c *cells) array(t arrow.DataType, present [][]byte, start, end int) arrow.Array {
	if c.width == 0 {
		return c.textArray(t, present, start, end)
	}
	n := end - start
	valid := make([]byte, bitutil.BytesForBits(int64(n)))
	nulls := 0
	for i := range n {
		if present[start+i] == nil {
			nulls++
			continue
		}
		bitutil.SetBit(valid, i)
	}
	if t.ID() == arrow.BOOL {
		bits := make([]byte, bitutil.BytesForBits(int64(n)))
		for i := range n {
			if c.fixed[start+i] == 1 {
				bitutil.SetBit(bits, i)
			}
		}
		return fixed(t, n, bits, valid, nulls)
	}
	data := append([]byte(nil), c.fixed[start*c.width:end*c.width]...)
	return fixed(t, n, data, valid, nulls)
}

func (c *cells) textArray(t arrow.DataType, present [][]byte, start, end int) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, t)
	defer b.Release()
	var add func([]byte)
	switch b := b.(type) {
	case *array.StringBuilder:
		add = b.BinaryBuilder.Append
	case *array.LargeStringBuilder:
		add = b.BinaryBuilder.Append
	case *array.BinaryBuilder: // large ones too
		add = b.Append
	}
	for g := start; g < end; g++ {
		if present[g] == nil {
			b.AppendNull()
			continue
		}
		add(c.text[g])
	}
	return b.NewArray()
}

func (c *cells) keep(t arrow.DataType, start int) {
	if c.width > 0 {
		c.fixed = append(c.fixed[:0], c.fixed[start*c.width:]...)
		return
	}
	c.text = append([][]byte(nil), c.text[start:]...)
}

func (c *cells) bytes() int64 { return int64(cap(c.fixed) + 24*cap(c.text)) }
