package parquetfile

import (
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// pageValues decodes the values of one data page, a few at a time. Its zero value is ready for reset.
type pageValues struct {
	leaf *leaf
	enc  format.Encoding
	src  []byte // what is left of plain values, or the bytes of texts
	bit  int    // of src[0], for plain booleans

	runs    runDecoder          // of a dictionary page, or RLE booleans
	d32     deltaDecoder[int32] // lengths, or integers
	d64     deltaDecoder[int64]
	pre     deltaDecoder[int32] // prefix lengths of DELTA_BYTE_ARRAY
	prev    []byte              // last value of DELTA_BYTE_ARRAY
	split   []byte              // BYTE_STREAM_SPLIT: the whole page
	splitAt int

	idx     []int32 // scratch
	skipped texts   // scratch
}

func (p *pageValues) reset(l *leaf, enc format.Encoding, src []byte) error {
	p.leaf, p.enc, p.src, p.bit = l, enc, src, 0
	bad := func() error {
		return fmt.Errorf("column %s: %s values in encoding %s: %w", l.name(), l.phys, enc, ErrUnsupported)
	}
	switch enc {
	case format.Plain:
		return nil
	//lint:ignore SA1019 old writers still name the encoding so
	case format.PlainDictionary, format.RLEDictionary:
		if len(src) == 0 {
			return p.runs.reset(nil, 0)
		}
		return p.runs.reset(src[1:], uint(src[0]))
	case format.RLE:
		if l.phys != format.Boolean {
			return bad()
		}
		if len(src) < 4 || int(binary.LittleEndian.Uint32(src)) > len(src)-4 {
			return errShort
		}
		return p.runs.reset(src[4:4+binary.LittleEndian.Uint32(src)], 1)
	case format.DeltaBinaryPacked:
		switch l.phys {
		case format.Int32:
			return p.d32.reset(src)
		case format.Int64:
			return p.d64.reset(src)
		}
		return bad()
	case format.DeltaLengthByteArray:
		if l.phys != format.ByteArray {
			return bad()
		}
		return p.resetLengths(src)
	case format.DeltaByteArray:
		if l.phys != format.ByteArray && l.phys != format.FixedLenByteArray {
			return bad()
		}
		p.prev = p.prev[:0]
		if err := p.pre.reset(src); err != nil {
			return err
		}
		rest, err := p.pre.end()
		if err != nil {
			return err
		}
		return p.resetLengths(rest)
	case format.ByteStreamSplit:
		switch l.phys {
		case format.Float, format.Double, format.Int32, format.Int64, format.FixedLenByteArray:
			if len(src)%l.valueBytes() != 0 {
				return errShort
			}
			p.split, p.splitAt = src, 0
			return nil
		}
	}
	return bad()
}

// resetLengths begins texts whose lengths lie before all of their bytes.
func (p *pageValues) resetLengths(src []byte) (err error) {
	if err = p.d32.reset(src); err == nil {
		p.src, err = p.d32.end()
	}
	return err
}

// valueBytes is the size of a fixed-size physical value.
func (l *leaf) valueBytes() int {
	switch l.phys {
	case format.Int32, format.Float:
		return 4
	case format.Int64, format.Double:
		return 8
	case format.Int96:
		return 12
	}
	return l.width
}

func (p *pageValues) indexed() bool {
	//lint:ignore SA1019 old writers still name the encoding so
	return p.enc == format.PlainDictionary || p.enc == format.RLEDictionary
}

// indices decodes numbers in a dictionary of size n.
func (p *pageValues) indices(dst []int32, n int) error {
	if err := p.runs.decode(dst); err != nil {
		return err
	}
	worst := uint32(0)
	for _, v := range dst {
		worst = max(worst, uint32(v))
	}
	if len(dst) > 0 && worst >= uint32(n) {
		return fmt.Errorf("a value has number %d in a dictionary of %d: %w", worst, n, ErrCorrupt)
	}
	return nil
}

// fixed decodes len(dst)/size values of size bytes; dict holds a dictionary's values one after the other.
func (p *pageValues) fixed(dst, dict []byte, size int) error {
	n := len(dst) / size
	switch {
	case p.indexed():
		return p.fixedIndexed(dst, dict, size)
	case p.enc == format.Plain:
		if len(p.src) < len(dst) {
			return errShort
		}
		copy(dst, p.src)
		p.src = p.src[len(dst):]
	case p.enc == format.DeltaBinaryPacked && size == 4:
		return p.d32.decode(as4(dst))
	case p.enc == format.DeltaBinaryPacked:
		return p.d64.decode(as8(dst))
	case p.enc == format.ByteStreamSplit:
		count := len(p.split) / size
		if p.splitAt+n > count {
			return errShort
		}
		for k := range size {
			for i, b := range p.split[k*count+p.splitAt : k*count+p.splitAt+n] {
				dst[i*size+k] = b
			}
		}
		p.splitAt += n
	case p.enc == format.DeltaByteArray:
		for i := range n {
			v, err := p.suffixed()
			if err != nil {
				return err
			}
			if len(v) != size {
				return fmt.Errorf("a value of %d bytes where all have %d: %w", len(v), size, ErrCorrupt)
			}
			copy(dst[i*size:], v)
		}
	}
	return nil
}

func (p *pageValues) fixedIndexed(dst, dict []byte, size int) error {
	n := len(dst) / size
	p.idx = grown(p.idx, n)
	if err := p.indices(p.idx, len(dict)/size); err != nil {
		return err
	}
	switch size {
	case 4:
		gather(as4(dst), as4(dict), p.idx)
	case 8:
		gather(as8(dst), as8(dict), p.idx)
	default:
		for i, x := range p.idx {
			copy(dst[i*size:(i+1)*size], dict[int(x)*size:])
		}
	}
	return nil
}

func gather[T any](dst, dict []T, idx []int32) {
	for i, x := range idx {
		dst[i] = dict[x]
	}
}

// suffixed decodes one value of DELTA_BYTE_ARRAY; it is good until the next.
func (p *pageValues) suffixed() ([]byte, error) {
	var pre, n [1]int32
	if err := p.pre.decode(pre[:]); err != nil {
		return nil, err
	}
	if err := p.d32.decode(n[:]); err != nil {
		return nil, err
	}
	if pre[0] < 0 || int(pre[0]) > len(p.prev) || n[0] < 0 || int(n[0]) > len(p.src) {
		return nil, errShort
	}
	p.prev = append(p.prev[:pre[0]], p.src[:n[0]]...)
	p.src = p.src[n[0]:]
	return p.prev, nil
}

// bools decodes n booleans onto a bitmap.
func (p *pageValues) bools(m *bitBuffer, n int) error {
	if p.enc == format.Plain {
		if p.bit+n > 8*len(p.src) {
			return errShort
		}
		m.copyFrom(p.src, p.bit, n)
		p.bit += n
		p.src, p.bit = p.src[p.bit/8:], p.bit&7
		return nil
	}
	p.idx = grown(p.idx, n)
	if err := p.indices(p.idx, 2); err != nil {
		return err
	}
	for _, v := range p.idx {
		m.fill(v == 1, 1)
	}
	return nil
}

// grown gives a slice of n values, in s's memory if it is large enough.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func as4(b []byte) []int32 { return castBytes[int32](b, 4) }
func as8(b []byte) []int64 { return castBytes[int64](b, 8) }
