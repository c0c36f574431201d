package debezium

import (
	"encoding/binary"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// vector holds one column of a segment.
type vector struct {
	words []int64 // inWord, inInt32, inBit: one a row; inPair: two
	off   []int32 // inBytes: rows+1
	data  []byte
	valid []byte // Arrow's bitmap, all ones past the last row; nil while there are no nulls
	nulls int
}

// vectors are the columns of one image in a segment; rows have been filled.
type vectors struct {
	cols []vector
	rows int
}

// grow makes room for n rows.
func (v *vector) grow(st store, n int) {
	switch st {
	case inBytes:
		v.off = regrow(v.off, n+1)
	case inPair:
		v.words = regrow(v.words, 2*n)
	default:
		v.words = regrow(v.words, n)
	}
	if v.valid != nil {
		old := len(v.valid)
		v.valid = regrow(v.valid, (n+7)/8)
		for i := old; i < len(v.valid); i++ {
			v.valid[i] = 0xff
		}
	}
}

// regrow is s with length n.
func regrow[T any](s []T, n int) []T {
	t := make([]T, n)
	copy(t, s)
	return t
}

// null marks rows [a,b) as null; room is the segment's. Their places hold zeros.
func (v *vector) null(st store, a, b, room int) {
	if v.valid == nil {
		v.valid = make([]byte, (room+7)/8)
		for i := range v.valid {
			v.valid[i] = 0xff
		}
	}
	for r := a; r < b; r++ {
		v.valid[r>>3] &^= 1 << (r & 7)
	}
	v.nulls += b - a
	switch st {
	case inBytes:
		for r := a; r < b; r++ {
			v.off[r+1] = v.off[a]
		}
	case inPair:
		clear(v.words[2*a : 2*b])
	default:
		clear(v.words[a:b])
	}
}

// seal makes an Arrow array of the first n rows; it shares the vector's memory where the layouts agree.
func (v *vector) seal(st store, t arrow.DataType, n int) arrow.Array {
	bufs := make([]*memory.Buffer, 2, 3)
	if v.nulls > 0 {
		bufs[0] = memory.NewBufferBytes(v.valid[:(n+7)/8])
	}
	switch st {
	case inBytes:
		bufs[1] = memory.NewBufferBytes(bytesOf(v.off[:n+1]))
		bufs = append(bufs, memory.NewBufferBytes(v.data))
	case inPair:
		bufs[1] = memory.NewBufferBytes(bytesOf(v.words[:2*n]))
	case inInt32:
		bufs[1] = memory.NewBufferBytes(narrow(v.words[:n]))
	case inBit:
		bufs[1] = memory.NewBufferBytes(pack(v.words[:n]))
	default:
		bufs[1] = memory.NewBufferBytes(bytesOf(v.words[:n]))
	}
	data := array.NewData(t, n, bufs, nil, v.nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// bytesOf is s's memory. Arrow's layout is little-endian, as are the machines Go's Arrow supports.
func bytesOf[T int32 | int64](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0])))
}

func narrow(words []int64) []byte {
	out := make([]byte, 4*len(words))
	for i, x := range words {
		binary.LittleEndian.PutUint32(out[4*i:], uint32(x))
	}
	return out
}

func pack(words []int64) []byte {
	out := make([]byte, (len(words)+7)/8)
	for i, x := range words {
		out[i>>3] |= byte(x) << (i & 7)
	}
	return out
}
