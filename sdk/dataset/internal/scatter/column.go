package scatter

import (
	"bytes"
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
)

// width is a type's bytes in a chunk. Booleans are bits (0, true), texts and bytes have offsets before them (0, true).
func width(t arrow.DataType) (w int, ok bool) {
	switch t := t.(type) {
	case *arrow.BooleanType, *arrow.StringType, *arrow.BinaryType:
		return 0, true
	case *arrow.DictionaryType:
		return 0, false
	case arrow.FixedWidthDataType:
		return t.BitWidth() / 8, t.BitWidth()%8 == 0
	}
	return 0, false
}

// column is one column of a buffer, by cluster.
type column struct {
	data [][]byte   // values; for booleans a byte each
	ends [][]uint32 // of texts
	null [][]bool   // empty until the first null of the cluster
	w    int        // of fixed-width values
	text bool
}

func newColumn(t arrow.DataType, clusters int) *column {
	w, _ := width(t)
	c := &column{w: w, data: make([][]byte, clusters), null: make([][]bool, clusters)}
	switch t.ID() {
	case arrow.BOOL:
		c.w = 1
	case arrow.STRING, arrow.BINARY:
		c.text, c.ends = true, make([][]uint32, clusters)
	}
	return c
}

// spread is an order of a batch's rows by clusters: those of cluster i are rows[from[i]:from[i+1]].
type spread struct {
	rows []int32
	from []int32
	have []int32 // rows that each cluster has already
}

// add appends a batch's column, and returns the bytes that this takes.
func (c *column) add(a arrow.Array, s *spread) int {
	d := a.Data()
	c.nulls(a, s)
	switch {
	case d.DataType().ID() == arrow.BOOL:
		return c.addBits(a.(*array.Boolean), s)
	case c.text:
		return c.addText(d, s)
	}
	var values []byte
	if b := d.Buffers()[1]; b != nil {
		values = b.Bytes()[d.Offset()*c.w:]
	}
	for i := range c.data {
		rows := s.rows[s.from[i]:s.from[i+1]]
		if len(rows) == 0 {
			continue
		}
		at := len(c.data[i])
		c.data[i] = grown(c.data[i], len(rows)*c.w)
		pick(c.data[i][at:], values, rows, c.w)
	}
	return len(s.rows) * c.w
}

// pick copies the values of rows, each w bytes wide.
func pick(out, values []byte, rows []int32, w int) {
	switch w {
	case 4:
		for k, row := range rows {
			*(*[4]byte)(out[k*4:]) = *(*[4]byte)(values[int(row)*4:])
		}
	case 8:
		for k, row := range rows {
			*(*[8]byte)(out[k*8:]) = *(*[8]byte)(values[int(row)*8:])
		}
	case 16:
		for k, row := range rows {
			*(*[16]byte)(out[k*16:]) = *(*[16]byte)(values[int(row)*16:])
		}
	default:
		for k, row := range rows {
			copy(out[k*w:(k+1)*w], values[int(row)*w:])
		}
	}
}

// grown is a slice with n more bytes, of any content.
func grown(b []byte, n int) []byte {
	if len(b)+n <= cap(b) {
		return b[:len(b)+n]
	}
	out := make([]byte, len(b)+n, max(cap(b)+cap(b)/2, len(b)+n))
	copy(out, b)
	return out
}

func (c *column) addBits(a *array.Boolean, s *spread) int {
	for i := range c.data {
		for _, row := range s.rows[s.from[i]:s.from[i+1]] {
			v := byte(0)
			if a.Value(int(row)) {
				v = 1
			}
			c.data[i] = append(c.data[i], v)
		}
	}
	return len(s.rows)
}

func (c *column) addText(d arrow.ArrayData, s *spread) int {
	if len(s.rows) == 0 {
		return 0
	}
	offsets := arrow.Int32Traits.CastFromBytes(d.Buffers()[1].Bytes())[d.Offset():]
	var values []byte
	if b := d.Buffers()[2]; b != nil {
		values = b.Bytes()
	}
	added := 4 * len(s.rows)
	for i := range c.data {
		rows := s.rows[s.from[i]:s.from[i+1]]
		if len(rows) == 0 {
			continue
		}
		before := len(c.data[i])
		c.data[i], c.ends[i] = pickText(c.data[i], c.ends[i], values, offsets, rows)
		added += len(c.data[i]) - before
	}
	return added
}

// short is up to which length texts are copied as a whole register, with what stands behind them.
const short = 16

// pickText appends the texts of rows.
func pickText(data []byte, ends []uint32, values []byte, offsets []int32, rows []int32) ([]byte, []uint32) {
	size := 0
	for _, row := range rows {
		size += int(offsets[row+1] - offsets[row])
	}
	at := len(data)
	data = grown(data, size+short)
	for _, row := range rows {
		from, to := int(offsets[row]), int(offsets[row+1])
		if to-from <= short && from+short <= len(values) {
			*(*[short]byte)(data[at:]) = *(*[short]byte)(values[from:])
		} else {
			copy(data[at:], values[from:to])
		}
		at += to - from
		ends = append(ends, uint32(at))
	}
	return data[:at], ends
}

// nulls notes which rows are null, from the first null of a cluster on.
func (c *column) nulls(a arrow.Array, s *spread) {
	some := a.NullN() > 0
	for i := range c.null {
		rows := s.rows[s.from[i]:s.from[i+1]]
		if !some && len(c.null[i]) == 0 {
			continue
		}
		if len(c.null[i]) == 0 && s.have[i] > 0 {
			c.null[i] = append(c.null[i], make([]bool, s.have[i])...)
		}
		for _, row := range rows {
			c.null[i] = append(c.null[i], a.IsNull(int(row)))
		}
	}
}

// nullCount is how many of a cluster's rows are null.
func (c *column) nullCount(i int) (n int) {
	for _, null := range c.null[i] {
		if null {
			n++
		}
	}
	return n
}

// encode appends a cluster's values, in the form that takes the least room.
func (c *column) encode(dst []byte, i, rows int, isBool bool) []byte {
	h, at := header{nulls: uint32(c.nullCount(i))}, len(dst)
	dst = append(dst, make([]byte, headerBytes)...)
	if h.nulls > 0 {
		dst = bits(dst, rows, func(row int) bool { return !c.null[i][row] })
	}
	data := c.data[i]
	switch {
	case isBool:
		dst = bits(dst, rows, func(row int) bool { return data[row] == 1 })
	case c.text:
		h.form, h.number = c.textForm(i)
		switch h.form {
		case formOffsets:
			dst = append(dst, 0, 0, 0, 0)
			for _, end := range c.ends[i] {
				dst = binary.LittleEndian.AppendUint32(dst, end)
			}
			dst = padded(dst)
		case formSame:
			data = data[:h.number]
		}
		dst = append(dst, data...)
	default:
		n, least := narrowest(data, c.w)
		if h.form = uint32(n); n == c.w {
			dst = append(dst, data...)
			break
		}
		h.number = uint64(least)
		dst = narrow(dst, data, c.w, n, least)
	}
	h.put(dst[at:])
	return padded(dst)
}

// textForm is how a cluster's texts are best written.
func (c *column) textForm(i int) (form uint32, length uint64) {
	ends, data := c.ends[i], c.data[i]
	if len(ends) == 0 {
		return formOffsets, 0
	}
	n := ends[0]
	for k, end := range ends {
		if end != n*uint32(k+1) {
			return formOffsets, 0
		}
	}
	first := data[:n]
	for at := n; at < uint32(len(data)); at += n {
		if !bytes.Equal(data[at:at+n], first) {
			return formLength, uint64(n)
		}
	}
	return formSame, uint64(n)
}

func bits(dst []byte, rows int, at func(row int) bool) []byte {
	from := len(dst)
	dst = append(dst, make([]byte, (rows+7)/8)...)
	for row := range rows {
		if at(row) {
			bitutil.SetBit(dst[from:], row)
		}
	}
	return padded(dst)
}

// padded ends at a multiple of eight bytes.
func padded(dst []byte) []byte {
	var zero [8]byte
	return append(dst, zero[:-len(dst)&7]...)
}

func (c *column) reset() {
	for i := range c.data {
		c.data[i], c.null[i] = c.data[i][:0], c.null[i][:0]
		if c.text {
			c.ends[i] = c.ends[i][:0]
		}
	}
}
