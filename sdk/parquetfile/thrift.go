package parquetfile

import (
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// compactReader walks Thrift's compact protocol without trusting it. After an error it is stuck there.
type compactReader struct {
	b   []byte
	at  int
	err error
}

// Types of the compact protocol.
const (
	tTrue   = 1
	tFalse  = 2
	tByte   = 3
	tDouble = 7
	tBinary = 8
	tList   = 9
	tSet    = 10
	tMap    = 11
	tStruct = 12
)

// maxThriftDepth bounds nesting; the format needs less than ten.
const maxThriftDepth = 32

func (r *compactReader) fail() {
	if r.err == nil {
		r.err = fmt.Errorf("metadata ends or is wrong at its byte %d: %w", r.at, ErrCorrupt)
	}
	r.at = len(r.b)
}

func (r *compactReader) byte() byte {
	if r.at >= len(r.b) {
		r.fail()
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *compactReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.at += n
	return v
}

func (r *compactReader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *compactReader) int32() int32 {
	v := r.varint()
	if v != int64(int32(v)) {
		r.fail()
	}
	return int32(v)
}

func (r *compactReader) skipBytes(n uint64) {
	if n > uint64(len(r.b)-r.at) {
		r.fail()
		return
	}
	r.at += int(n)
}

// fields calls f for each field of a struct; f says whether it has read the value.
func (r *compactReader) fields(depth int, f func(id int, typ byte) bool) {
	if depth > maxThriftDepth {
		r.fail()
		return
	}
	id := 0
	for r.err == nil {
		head := r.byte()
		if head == 0 {
			return
		}
		if d := int(head >> 4); d != 0 {
			id += d
		} else {
			id = int(r.varint())
		}
		if !f(id, head&15) {
			r.skip(head&15, depth)
		}
	}
}

// skip passes over a value, checking that collections have no more elements than there are bytes left.
func (r *compactReader) skip(typ byte, depth int) {
	switch typ {
	case tTrue, tFalse:
	case tByte:
		r.byte()
	case 4, 5, 6:
		r.uvarint()
	case tDouble:
		r.skipBytes(8)
	case tBinary:
		r.skipBytes(r.uvarint())
	case tList, tSet:
		head := r.byte()
		n := uint64(head >> 4)
		if n == 15 {
			n = r.uvarint()
		}
		r.elements(n, depth, head&15)
	case tMap:
		if n := r.uvarint(); n > 0 {
			types := r.byte()
			r.elements(n, depth, types>>4, types&15)
		}
	case tStruct:
		r.fields(depth+1, func(int, byte) bool { return false })
	default:
		r.fail()
	}
}

func (r *compactReader) elements(n uint64, depth int, types ...byte) {
	if n > uint64(len(r.b)-r.at) || depth > maxThriftDepth {
		r.fail()
		return
	}
	for range n {
		for _, t := range types {
			if t == tTrue || t == tFalse { // in collections a boolean takes a byte
				t = tByte
			}
			r.skip(t, depth+1)
		}
		if r.err != nil {
			return
		}
	}
}

// pageHeader is what is needed of a page's header.
type pageHeader struct {
	kind             format.PageType
	plain, packed    int // sizes of the body, uncompressed and stored
	crc              uint32
	hasCRC           bool
	values, rows     int
	nulls            int
	encoding         format.Encoding
	defLen, repLen   int // of a version 2 page
	defEnc, repEnc   format.Encoding
	uncompressedBody bool // a version 2 page that is stored as it is
}

// readPageHeader parses a header at the start of b and says how long it is.
func readPageHeader(b []byte, h *pageHeader) (int, error) {
	*h = pageHeader{kind: -1, defEnc: format.RLE, repEnc: format.RLE}
	r := &compactReader{b: b}
	detail := format.PageType(-1)
	r.fields(0, func(id int, typ byte) bool {
		switch id {
		case 1:
			h.kind = format.PageType(r.int32())
		case 2:
			h.plain = int(r.int32())
		case 3:
			h.packed = int(r.int32())
		case 4:
			h.crc, h.hasCRC = uint32(r.int32()), true
		case 5, 7, 8:
			if typ != tStruct {
				return false
			}
			detail = map[int]format.PageType{5: format.DataPage, 7: format.DictionaryPage, 8: format.DataPageV2}[id]
			r.fields(1, func(id int, typ byte) bool { return r.pageDetail(detail, id, typ, h) })
		default:
			return false
		}
		return true
	})
	if r.err != nil {
		return 0, r.err
	}
	if h.plain < 0 || h.packed < 0 || h.values < 0 || h.nulls < 0 || h.defLen < 0 || h.repLen < 0 || h.rows < 0 {
		return 0, fmt.Errorf("a page header has negative sizes: %w", ErrCorrupt)
	}
	if h.kind != format.IndexPage && detail != h.kind {
		return 0, fmt.Errorf("a page header of type %d says nothing about its page: %w", h.kind, ErrCorrupt)
	}
	return r.at, nil
}

func (r *compactReader) pageDetail(kind format.PageType, id int, typ byte, h *pageHeader) bool {
	if typ == tTrue || typ == tFalse {
		if kind == format.DataPageV2 && id == 7 {
			h.uncompressedBody = typ == tFalse
		}
		return true
	}
	if typ != 5 && typ != 4 && typ != 6 {
		return false
	}
	v := int(r.int32())
	if kind != format.DataPageV2 {
		switch id {
		case 1:
			h.values = v
		case 2:
			h.encoding = format.Encoding(v)
		case 3:
			h.defEnc = format.Encoding(v)
		case 4:
			h.repEnc = format.Encoding(v)
		}
		return true
	}
	switch id {
	case 1:
		h.values = v
	case 2:
		h.nulls = v
	case 3:
		h.rows = v
	case 4:
		h.encoding = format.Encoding(v)
	case 5:
		h.defLen = v
	case 6:
		h.repLen = v
	}
	return true
}
