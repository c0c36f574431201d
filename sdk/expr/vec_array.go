package expr

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// array is v as an Arrow array of its type, over n rows. It shares no memory with any column.
func (v *vec) array(n int) (arrow.Array, error) {
	v = v.spread(n)
	var valid *memory.Buffer
	nulls := 0
	if v.valid != nil {
		if nulls = n - v.valid.count(); nulls > 0 {
			valid = memory.NewBufferBytes(v.valid.bytes())
		}
	}
	buffers := []*memory.Buffer{valid}
	switch v.typ.Kind {
	case Null:
		return array.NewNull(n), nil
	case Bool:
		buffers = append(buffers, memory.NewBufferBytes(v.bool().bytes()))
	case Int, Timestamp:
		buffers = append(buffers, bufferOf(own(v.int64s(), v.alien)))
	case Date:
		days := make([]int32, n)
		for i, x := range v.int64s() {
			days[i] = int32(x)
		}
		buffers = append(buffers, bufferOf(days))
	case Decimal:
		buffers = append(buffers, bufferOf(own(v.decimals(), v.alien)))
	case Float:
		buffers = append(buffers, bufferOf(own(v.numbers(), v.alien)))
	case String, Bytes:
		offsets, data, err := v.flatten()
		if err != nil {
			return nil, err
		}
		buffers = append(buffers, bufferOf(offsets), memory.NewBufferBytes(data))
	}
	data := array.NewData(v.typ.Arrow(), n, buffers, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

func own[T any](values []T, alien bool) []T {
	if alien {
		return slices.Clone(values)
	}
	return values
}

// flatten writes texts one behind the other; nulls are empty.
func (v *vec) flatten() (offsets []int32, data []byte, err error) {
	t := v.text()
	offsets = make([]int32, v.n+1)
	for i := range v.n {
		if v.valid.isIn(i) {
			data = append(data, t.at(i)...)
		}
		if len(data) > math.MaxInt32 {
			return nil, nil, fmt.Errorf("texts of more than 2 GiB in one batch: make smaller batches")
		}
		offsets[i+1] = int32(len(data))
	}
	return offsets, data, nil
}

func bufferOf[T any](values []T) *memory.Buffer {
	var x T
	return memory.NewBufferBytes(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), uintptr(len(values))*unsafe.Sizeof(x)))
}

// castSlice is the memory of an Arrow buffer as values.
func castSlice[T any](b []byte) []T {
	var x T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(x)))
}
