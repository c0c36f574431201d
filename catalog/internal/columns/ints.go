package columns

import (
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Ints returns the values of an integer, date, time or boolean column as 64-bit integers; ok is false
// for other types. 64-bit columns are not copied. Values of nulls are undefined.
func Ints(col arrow.Array) (values []int64, ok bool) {
	switch c := col.(type) {
	case *array.Int64:
		return c.Int64Values(), true
	case *array.Timestamp:
		return same64(c.TimestampValues()), true
	case *array.Time64:
		return same64(c.Time64Values()), true
	case *array.Uint64:
		return same64(c.Uint64Values()), true
	case *array.Int32:
		return widen(c.Int32Values()), true
	case *array.Date32:
		return widen(c.Date32Values()), true
	case *array.Int16:
		return widen(c.Int16Values()), true
	case *array.Int8:
		return widen(c.Int8Values()), true
	case *array.Uint32:
		return widen(c.Uint32Values()), true
	case *array.Uint16:
		return widen(c.Uint16Values()), true
	case *array.Uint8:
		return widen(c.Uint8Values()), true
	case *array.Boolean:
		values = make([]int64, c.Len())
		for r := range values {
			if c.Value(r) {
				values[r] = 1
			}
		}
		return values, true
	}
	return nil, false
}

// same64 views 64-bit values as int64 without a copy.
func same64[T ~int64 | ~uint64](vs []T) []int64 {
	if len(vs) == 0 {
		return nil
	}
	return unsafe.Slice((*int64)(unsafe.Pointer(&vs[0])), len(vs))
}

func widen[T ~int8 | ~int16 | ~int32 | ~uint8 | ~uint16 | ~uint32](vs []T) []int64 {
	out := make([]int64, len(vs))
	for i, v := range vs {
		out[i] = int64(v)
	}
	return out
}
