package parquetfile

import (
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/millrace/millrace/sdk/fault"
)

// as reinterprets a slice of fixed-size integers of equal width.
func as[To, From any](s []From) []To {
	return unsafe.Slice((*To)(unsafe.Pointer(unsafe.SliceData(s))), len(s))
}

// view64 gives an array's values as int64 without copying, if they are so in memory.
func view64(a arrow.Array) ([]int64, bool) {
	switch a := a.(type) {
	case *array.Int64:
		return a.Int64Values(), true
	case *array.Uint64:
		return as[int64](a.Uint64Values()), true
	case *array.Timestamp:
		return as[int64](a.TimestampValues()), true
	case *array.Time64:
		return as[int64](a.Time64Values()), true
	case *array.Decimal64:
		return as[int64](a.Values()), true
	}
	return nil, false
}

// view32 gives an array's values as int32 without copying, if they are so in memory.
func view32(a arrow.Array) ([]int32, bool) {
	switch a := a.(type) {
	case *array.Int32:
		return a.Int32Values(), true
	case *array.Uint32:
		return as[int32](a.Uint32Values()), true
	case *array.Date32:
		return as[int32](a.Date32Values()), true
	case *array.Time32:
		return as[int32](a.Time32Values()), true
	}
	return nil, false
}

// get reads one value of an array that has to be converted to its physical type.
type get[T any] func(i int) T

func getter32(a arrow.Array) get[int32] {
	switch a := a.(type) {
	case *array.Int8:
		return func(i int) int32 { return int32(a.Value(i)) }
	case *array.Int16:
		return func(i int) int32 { return int32(a.Value(i)) }
	case *array.Uint8:
		return func(i int) int32 { return int32(a.Value(i)) }
	case *array.Uint16:
		return func(i int) int32 { return int32(a.Value(i)) }
	}
	return nil
}

// bytesOf reads one value of a text, binary or fixed-length array.
func bytesOf(a arrow.Array) get[[]byte] {
	switch a := a.(type) {
	case *array.String:
		return func(i int) []byte { s := a.Value(i); return unsafe.Slice(unsafe.StringData(s), len(s)) }
	case *array.LargeString:
		return func(i int) []byte { s := a.Value(i); return unsafe.Slice(unsafe.StringData(s), len(s)) }
	case *array.Binary:
		return a.Value
	case *array.LargeBinary:
		return a.Value
	case *array.FixedSizeBinary:
		return a.Value
	}
	return nil
}

// appendDecimals appends the present rows [from, to) of a decimal array as int64, checking the leaf's precision.
func (c *columnWriter) appendDecimals(a arrow.Array, from, to int) error {
	limit := pow10[c.leaf.typ.(arrow.DecimalType).GetPrecision()]
	var bad error
	c.eachPresent(a, from, to, func(i, n int) {
		at := len(c.i64)
		switch a := a.(type) {
		case *array.Decimal128:
			for j, v := range a.Values()[i : i+n] {
				x := int64(v.LowBits())
				if v.HighBits() != x>>63 || x >= limit || x <= -limit {
					bad = c.tooWide(i+j, v)
					return
				}
				c.i64 = append(c.i64, x)
			}
		case *array.Decimal32:
			for _, v := range a.Values()[i : i+n] {
				c.i64 = append(c.i64, int64(v))
			}
		case *array.Decimal64:
			c.i64 = append(c.i64, as[int64](a.Values()[i:i+n])...)
		}
		for j, x := range c.i64[at:] {
			if x >= limit || x <= -limit {
				bad = c.tooWide(i+j, decimal128.FromI64(x))
			}
		}
	})
	return bad
}

// appendFixed appends the present rows [from, to) of fixed-length values.
func (c *columnWriter) appendFixed(a arrow.Array, from, to int) error {
	if d, ok := a.(*array.Decimal128); ok {
		limit := wide10[c.leaf.typ.(arrow.DecimalType).GetPrecision()-maxIntDecimal-1]
		var bad error
		c.eachPresent(a, from, to, func(i, n int) {
			for j, v := range d.Values()[i : i+n] {
				if v.GreaterEqual(limit) || v.LessEqual(limit.Negate()) {
					bad = c.tooWide(i+j, v)
					return
				}
				c.stats.addDecimal(v)
				c.data = appendFixedDecimal(c.data, v, c.leaf.width)
			}
		})
		return bad
	}
	at := bytesOf(a)
	if at == nil {
		return c.mistyped(a)
	}
	c.eachPresent(a, from, to, func(i, n int) {
		for j := i; j < i+n; j++ {
			v := at(j)
			c.stats.addBytes(v)
			c.data = append(c.data, v...)
		}
	})
	return nil
}

func (c *columnWriter) tooWide(row int, v decimal128.Num) error {
	t := c.leaf.typ.(arrow.DecimalType)
	return fault.Usagef("writing parquet: column %s: row %d of the batch holds %s, which does not fit %s: widen the column",
		c.leaf.name(), row, v.ToString(t.GetScale()), c.leaf.typ)
}

func (c *columnWriter) mistyped(a arrow.Array) error {
	return fault.Usagef("writing parquet: column %s: the batch holds %s where the file's schema says %s", c.leaf.name(), a.DataType(), c.leaf.typ)
}

// pow10 are the powers of ten that an int64 holds.
var pow10 = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// wide10 are 10^19 to 10^38.
var wide10 = func() (p [20]decimal128.Num) {
	v := decimal128.FromI64(pow10[18])
	for i := range p {
		v = v.Mul(decimal128.FromI64(10))
		p[i] = v
	}
	return p
}()

// raw gives the memory of a slice of fixed-size numbers. Arrow and Parquet are both little-endian, as are the machines
// that this builds for.
func raw[T any](s []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
}

// castBytes views memory that was allocated for values of a size as these.
func castBytes[T any](b []byte, size int) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/size)
}
