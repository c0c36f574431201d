package columns

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// prefixes order one column of one batch: if two prefixes differ, so do the values, the same way.
type prefixes struct {
	key   []uint64
	null  []bool               // nil where nothing is null
	whole func(row int) []byte // of values that a prefix may not hold whole; nil if it holds all of them
}

// compareWhole compares two values of equal prefix.
func compareWhole(a *prefixes, ra uint32, b *prefixes, rb uint32) int {
	an, bn := a.null != nil && a.null[ra], b.null != nil && b.null[rb]
	switch {
	case an && bn:
		return 0
	case an:
		return -1
	case bn:
		return 1
	case a.whole == nil && b.whole == nil:
		return 0
	}
	return bytes.Compare(wholeOf(a, int(ra)), wholeOf(b, int(rb)))
}

// wholeOf is the value's whole form; of a decimal in a batch where all fit a prefix, the form that those of other batches have.
func wholeOf(p *prefixes, row int) []byte {
	if p.whole != nil {
		return p.whole(row)
	}
	v := int64(p.key[row] ^ 1<<63)
	return orderedDecimal(v>>63, uint64(v))
}

func prefixesOf(col arrow.Array) prefixes {
	p := prefixes{key: make([]uint64, col.Len())}
	if ints, ok := Ints(col); ok {
		flip := uint64(1) << 63
		switch col.DataType().ID() {
		case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
			flip = 0
		}
		for r, v := range ints {
			p.key[r] = uint64(v) ^ flip
		}
	} else {
		p.fill(col)
	}
	if col.NullN() > 0 {
		p.null = make([]bool, col.Len())
		for r := range p.key {
			if col.IsNull(r) {
				p.key[r], p.null[r] = 0, true
			}
		}
	}
	return p
}

// fill makes the prefixes of types that may not fit 64 bits.
func (p *prefixes) fill(col arrow.Array) {
	switch c := col.(type) {
	case *array.String:
		offs := c.ValueOffsets()
		if c.Len() == 0 {
			return
		}
		data, first := c.ValueBytes(), offs[0] // ValueBytes begins at the first offset
		p.texts(func(r int) []byte { return data[offs[r]-first : offs[r+1]-first] })
	case *array.Binary:
		p.texts(c.Value)
	case *array.FixedSizeBinary:
		p.texts(c.Value)
	case *array.Float64:
		for r, v := range c.Float64Values() {
			p.key[r] = orderedFloat(v)
		}
	case *array.Float32:
		for r, v := range c.Float32Values() {
			p.key[r] = orderedFloat(float64(v))
		}
	case *array.Decimal128:
		p.decimals(c)
	}
}

// texts makes prefixes of up to eight bytes. A text of at most seven bytes without a zero at its end is whole in its prefix,
// but so that all batches agree, whole decides wherever prefixes are equal.
func (p *prefixes) texts(value func(r int) []byte) {
	p.whole = value
	for r := range p.key {
		v := value(r)
		if len(v) >= 8 {
			p.key[r] = binary.BigEndian.Uint64(v)
			continue
		}
		var pad [8]byte
		copy(pad[:], v)
		p.key[r] = binary.BigEndian.Uint64(pad[:])
	}
}

func (p *prefixes) decimals(c *array.Decimal128) {
	vs := c.Values()
	fits := true
	for r, v := range vs {
		lo, hi := v.LowBits(), v.HighBits()
		switch {
		case hi == int64(lo)>>63:
			p.key[r] = lo ^ 1<<63
			continue
		case hi < 0:
			p.key[r] = 0
		default:
			p.key[r] = math.MaxUint64
		}
		fits = false
	}
	if !fits {
		p.whole = func(r int) []byte { return orderedDecimal(vs[r].HighBits(), vs[r].LowBits()) }
	}
}

// orderedDecimal are bytes that compare as the decimal does.
func orderedDecimal(hi int64, lo uint64) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(hi)^1<<63)
	binary.BigEndian.PutUint64(b[8:], lo)
	return b[:]
}

// orderedFloat orders all floats, NaN last, the zeros as one.
func orderedFloat(v float64) uint64 {
	if v != v {
		return math.MaxUint64
	}
	if v == 0 {
		v = 0
	}
	if b := math.Float64bits(v); b>>63 == 0 {
		return b | 1<<63
	} else {
		return ^b
	}
}
