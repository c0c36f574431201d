package record

import (
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/money"
)

// Int128s is a view of the coefficients of a decimal column, without copying. It shares the
// array's memory: do not change it, and do not keep it after the array is released. Values
// at nulls are arbitrary.
func Int128s(a *array.Decimal128) []money.Int128 { return Int128sOf(a.Values()) }

// Int128sOf is the same memory under the type of package money.
func Int128sOf(values []decimal128.Num) []money.Int128 {
	return unsafe.Slice((*money.Int128)(unsafe.Pointer(unsafe.SliceData(values))), len(values))
}

// NumsOf is the same memory under Arrow's type.
func NumsOf(values []money.Int128) []decimal128.Num {
	return unsafe.Slice((*decimal128.Num)(unsafe.Pointer(unsafe.SliceData(values))), len(values))
}

// DecimalArray makes a decimal column of coefficients at the type's scale, which it takes
// over without copying or checking them. valid is a bitmap with a set bit for each value that
// is there, or nil if all are; nulls is the number of unset ones. Release the array when done.
func DecimalArray(t *arrow.Decimal128Type, coefficients []money.Int128, valid []byte, nulls int) *array.Decimal128 {
	var bits *memory.Buffer
	if valid != nil {
		bits = memory.NewBufferBytes(valid)
	}
	data := array.NewData(t, len(coefficients), []*memory.Buffer{bits, bufferOf(coefficients)}, nil, nulls, 0)
	defer data.Release()
	return array.NewDecimal128Data(data)
}
