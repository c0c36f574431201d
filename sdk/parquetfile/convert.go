package parquetfile

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/sdk/fault"
)

// plan says how a leaf's values become an Arrow column.
type plan struct {
	leaf *leaf
	out  arrow.DataType
	kind planKind
	size int // bytes of an Arrow value, for fixed kinds
	// convert turns physical values into Arrow's; nil where they have the same bits.
	convert func(dst, src []byte) error
}

type planKind uint8

const (
	planFixed planKind = iota
	planBool
	planText
	planIndexed     // texts as a dictionary
	planTextDecimal // decimals in texts of any length
)

func newPlan(l *leaf, out arrow.DataType) (plan, error) {
	p := plan{leaf: l, out: out}
	refuse := fault.Usagef("reading parquet: column %s holds %s, which cannot be read as %s", l.name(), l.typ, out)
	switch l.phys {
	case format.Boolean:
		p.kind = planBool
		if out.ID() != arrow.BOOL {
			return p, refuse
		}
		return p, nil
	case format.ByteArray:
		return planTexts(p, refuse)
	}
	fw, ok := out.(arrow.FixedWidthDataType)
	if !ok || out.ID() == arrow.BOOL || out.ID() == arrow.DICTIONARY {
		return p, refuse
	}
	p.size = fw.BitWidth() / 8
	if d, ok := out.(arrow.DecimalType); ok {
		return planDecimal(p, d, refuse)
	}
	if sameBits(l, out) {
		return p, nil
	}
	if p.convert = converter(l, out); p.convert == nil {
		return p, refuse
	}
	return p, nil
}

func planTexts(p plan, refuse error) (plan, error) {
	p.kind = planText
	if d, ok := p.out.(arrow.DecimalType); ok {
		p.kind, p.size = planTextDecimal, 16
		if from, ok := p.leaf.typ.(arrow.DecimalType); !ok || p.out.ID() != arrow.DECIMAL128 || !widerDecimal(from, d) {
			return p, refuse
		}
		return p, nil
	}
	if _, ok := p.leaf.typ.(arrow.DecimalType); ok {
		return p, refuse
	}
	if d, ok := p.out.(*arrow.DictionaryType); ok {
		p.kind, p.size = planIndexed, 4
		if d.IndexType.ID() != arrow.INT32 || !plainText(d.ValueType) {
			return p, refuse
		}
		return p, nil
	}
	if !plainText(p.out) {
		return p, refuse
	}
	return p, nil
}

func plainText(t arrow.DataType) bool { return t.ID() == arrow.STRING || t.ID() == arrow.BINARY }

func widerDecimal(from, to arrow.DecimalType) bool {
	return from.GetScale() == to.GetScale() && from.GetPrecision() <= to.GetPrecision()
}

// sameBits reports whether the physical values are the Arrow values.
func sameBits(l *leaf, out arrow.DataType) bool {
	if l.phys == format.Int32 && bitsOf(l.typ) < 32 || l.phys == format.Int96 {
		return false
	}
	if arrow.TypeEqual(l.typ, out) {
		return true
	}
	a, ok1 := l.typ.(*arrow.TimestampType)
	b, ok2 := out.(*arrow.TimestampType)
	return ok1 && ok2 && a.Unit == b.Unit
}

func bitsOf(t arrow.DataType) int {
	if fw, ok := t.(arrow.FixedWidthDataType); ok {
		return fw.BitWidth()
	}
	return 0
}

// converter gives the conversion of fixed-size values that loses nothing, or nil.
func converter(l *leaf, out arrow.DataType) func(dst, src []byte) error {
	unsigned := l.class() == classUint
	switch l.phys {
	case format.Int32:
		if l.typ.ID() == arrow.DATE32 || l.typ.ID() == arrow.TIME32 {
			return nil
		}
		return convertInt32(l, out, unsigned)
	case format.Float:
		if out.ID() == arrow.FLOAT64 {
			return func(dst, src []byte) error {
				to := castBytes[float64](dst, 8)
				for i, v := range castBytes[float32](src, 4) {
					to[i] = float64(v)
				}
				return nil
			}
		}
	case format.Int64:
		a, ok1 := l.typ.(*arrow.TimestampType)
		b, ok2 := out.(*arrow.TimestampType)
		if ok1 && ok2 {
			return rescaleTime(l, a.Unit, b.Unit)
		}
	case format.Int96:
		if t, ok := out.(*arrow.TimestampType); ok && t.Unit == arrow.Microsecond {
			return convertInt96
		}
	}
	return nil
}

func convertInt32(l *leaf, out arrow.DataType, unsigned bool) func(dst, src []byte) error {
	switch out.ID() {
	case arrow.INT8, arrow.UINT8:
		if out.ID() == l.typ.ID() {
			return func(dst, src []byte) error {
				for i, v := range as4(src) {
					dst[i] = byte(v)
				}
				return nil
			}
		}
	case arrow.INT16, arrow.UINT16:
		if out.ID() == l.typ.ID() {
			return func(dst, src []byte) error {
				to := castBytes[int16](dst, 2)
				for i, v := range as4(src) {
					to[i] = int16(v)
				}
				return nil
			}
		}
	case arrow.INT32:
		if bitsOf(l.typ) < 32 {
			return func(dst, src []byte) error { copy(dst, src); return nil }
		}
	case arrow.INT64:
		return func(dst, src []byte) error {
			to := as8(dst)
			for i, v := range as4(src) {
				to[i] = widen32(v, unsigned)
			}
			return nil
		}
	}
	return nil
}

func widen32(v int32, unsigned bool) int64 {
	if unsigned {
		return int64(uint32(v))
	}
	return int64(v)
}

func perSecond(u arrow.TimeUnit) int64 {
	switch u {
	case arrow.Millisecond:
		return 1e3
	case arrow.Microsecond:
		return 1e6
	case arrow.Nanosecond:
		return 1e9
	}
	return 1
}

// rescaleTime converts between units; towards a coarser one it rounds down.
func rescaleTime(l *leaf, from, to arrow.TimeUnit) func(dst, src []byte) error {
	a, b := perSecond(from), perSecond(to)
	return func(dst, src []byte) error {
		out := as8(dst)
		for i, v := range as8(src) {
			if b >= a {
				f := b / a
				if out[i] = v * f; out[i]/f != v {
					return fmt.Errorf("column %s: timestamp %d does not fit %s: %w", l.name(), v, to, ErrUnsupported)
				}
				continue
			}
			f := a / b
			q := v / f
			if v%f < 0 {
				q--
			}
			out[i] = q
		}
		return nil
	}
}

// convertInt96 turns nanoseconds of a Julian day into microseconds since 1970.
func convertInt96(dst, src []byte) error {
	const julian1970 = 2440588
	out := as8(dst)
	for i := range out {
		nanos := int64(binary.LittleEndian.Uint64(src[12*i:]))
		day := int64(int32(binary.LittleEndian.Uint32(src[12*i+8:]))) - julian1970
		hi, lo := bits.Mul64(uint64(max(day, -day)), 86_400_000_000)
		if hi != 0 || lo > 1<<62 {
			return fmt.Errorf("an INT96 timestamp on day %d: %w", day, ErrUnsupported)
		}
		out[i] = day*86_400_000_000 + nanos/1000
	}
	return nil
}

func planDecimal(p plan, to arrow.DecimalType, refuse error) (plan, error) {
	from, ok := p.leaf.typ.(arrow.DecimalType)
	if !ok || !widerDecimal(from, to) {
		return p, refuse
	}
	switch {
	case p.out.ID() == arrow.DECIMAL64 && p.leaf.phys == format.Int64:
		return p, nil
	case p.out.ID() != arrow.DECIMAL128:
		return p, refuse
	}
	switch p.leaf.phys {
	case format.Int32:
		p.convert = func(dst, src []byte) error {
			to := castBytes[decimal128.Num](dst, 16)
			for i, v := range as4(src) {
				to[i] = decimal128.FromI64(int64(v))
			}
			return nil
		}
	case format.Int64:
		p.convert = func(dst, src []byte) error {
			to := castBytes[[2]int64](dst, 16) // low and high word, as Arrow keeps them
			for i, v := range as8(src) {
				to[i] = [2]int64{v, v >> 63}
			}
			return nil
		}
	case format.FixedLenByteArray:
		w := p.leaf.width
		p.convert = func(dst, src []byte) error {
			to := castBytes[decimal128.Num](dst, 16)
			for i := range to {
				to[i] = bigEndian(src[i*w : (i+1)*w])
			}
			return nil
		}
	default:
		return p, refuse
	}
	return p, nil
}

// bigEndian reads at most 16 bytes of two's complement.
func bigEndian(b []byte) decimal128.Num {
	var full [16]byte
	if len(b) > 0 && b[0] >= 0x80 {
		for i := range full {
			full[i] = 0xff
		}
	}
	copy(full[16-len(b):], b)
	return decimal128.New(int64(binary.BigEndian.Uint64(full[:8])), binary.BigEndian.Uint64(full[8:]))
}

// spread moves the m values at the front of v to the places of the set bits among its first n, in place; the rest becomes zero.
func spread[T any](v []T, valid []byte, n, m int) {
	var zero T
	j := m - 1
	for i := n - 1; i > j; i-- {
		if valid[i>>3]>>(i&7)&1 == 1 {
			v[i] = v[j]
			j--
		} else {
			v[i] = zero
		}
	}
}

// spreadFixed is spread for values of size bytes.
func spreadFixed(b []byte, size int, valid []byte, n, m int) {
	switch size {
	case 1:
		spread(b, valid, n, m)
	case 2:
		spread(castBytes[int16](b, 2), valid, n, m)
	case 4:
		spread(as4(b), valid, n, m)
	case 8:
		spread(as8(b), valid, n, m)
	case 16:
		spread(castBytes[[2]uint64](b, 16), valid, n, m)
	default:
		j := m - 1
		for i := n - 1; i > j; i-- {
			if valid[i>>3]>>(i&7)&1 == 1 {
				copy(b[i*size:(i+1)*size], b[j*size:])
				j--
			} else {
				clear(b[i*size : (i+1)*size])
			}
		}
	}
}

// spreadOffsets moves the offsets of m texts to the places of the set bits; the rest become empty texts.
func spreadOffsets(offs []int32, valid []byte, n, m int) {
	offs[n] = offs[m]
	j := m
	for i := n - 1; i > j-1 && i >= 0; i-- {
		if valid[i>>3]>>(i&7)&1 == 1 {
			j--
			offs[i] = offs[j]
		} else {
			offs[i] = offs[i+1]
		}
	}
}
