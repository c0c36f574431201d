package parquetfile

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/parquet-go/bitpack"
)

var errShort = fmt.Errorf("a page has fewer values than its header says: %w", ErrCorrupt)

// runDecoder decodes the format's hybrid of runs and packed groups of eight, a few values at a time.
type runDecoder struct {
	src    []byte
	width  uint
	repeat int // values left of a run
	value  uint32
	packed int // values left of packed groups, which begin at src
	held   [8]int32
	heldAt int // values of held from here on are not given out yet; 8 if none
}

func (d *runDecoder) reset(src []byte, width uint) error {
	*d = runDecoder{src: src, width: width, heldAt: 8}
	if width > 32 {
		return fmt.Errorf("values of %d bits: %w", width, ErrCorrupt)
	}
	return nil
}

// next reads the header of the next run or packed groups.
func (d *runDecoder) next() error {
	head, n := binary.Uvarint(d.src)
	if n <= 0 {
		return errShort
	}
	d.src = d.src[n:]
	count := head >> 1
	if head&1 == 0 {
		size := int(d.width+7) / 8
		if count > 1<<31 || len(d.src) < size {
			return errShort
		}
		d.value = 0
		for i := range size {
			d.value |= uint32(d.src[i]) << (8 * i)
		}
		d.src, d.repeat = d.src[size:], int(count)
		return nil
	}
	if count > 1<<28 {
		return errShort
	}
	d.packed = int(count) * 8
	if d.width > 0 { // the last groups may be cut off where the page ends
		d.packed = min(d.packed, len(d.src)*8/int(d.width))
	}
	return nil
}

// decode fills dst.
func (d *runDecoder) decode(dst []int32) error {
	for len(dst) > 0 {
		switch {
		case d.heldAt < 8:
			n := copy(dst, d.held[d.heldAt:])
			d.heldAt += n
			dst = dst[n:]
		case d.repeat > 0:
			n := min(d.repeat, len(dst))
			v := int32(d.value)
			for i := range dst[:n] {
				dst[i] = v
			}
			d.repeat -= n
			dst = dst[n:]
		case d.packed > 0:
			dst = d.unpack(dst)
		default:
			if err := d.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

// unpack takes whole groups into dst; of a last one what dst has no room for is held.
func (d *runDecoder) unpack(dst []int32) []int32 {
	n := min(d.packed, len(dst))
	whole := n &^ 7
	if whole > 0 {
		unpack(dst[:whole], d.src, d.width)
		d.advance(whole)
		return dst[whole:]
	}
	d.held = [8]int32{}
	k := min(8, d.packed)
	unpack(d.held[:k], d.src, d.width)
	d.advance(k)
	copy(d.held[8-k:], d.held[:k])
	d.heldAt = 8 - k
	return dst
}

func (d *runDecoder) advance(values int) {
	d.packed -= values
	d.src = d.src[min(len(d.src), (values*int(d.width)+7)/8):]
}

// unpack unpacks len(dst) values of width bits. The unpacker reads a little beyond its input, which must be memory.
func unpack[T int32 | int64](dst []T, src []byte, width uint) {
	if width == 0 {
		clear(dst)
		return
	}
	need := bitpack.ByteCount(uint(len(dst))*width) + bitpack.PaddingInt64
	if cap(src) < need {
		padded := make([]byte, need)
		copy(padded, src)
		src = padded
	}
	bitpack.Unpack(dst, src[:need], width)
}

// bitLevels decodes one-bit levels straight into a bitmap.
type bitLevels struct {
	src    []byte
	repeat int
	value  bool
	packed int // levels left of packed groups
	bit    int // of src[0]
}

// take appends n levels to m and says how many of them are one.
func (d *bitLevels) take(m *bitBuffer, n int) (ones int, err error) {
	for n > 0 {
		switch {
		case d.repeat > 0:
			k := min(d.repeat, n)
			m.fill(d.value, k)
			if d.value {
				ones += k
			}
			d.repeat -= k
			n -= k
		case d.packed > 0:
			k := min(d.packed, n)
			if d.bit+k > 8*len(d.src) {
				return 0, errShort
			}
			m.copyFrom(d.src, d.bit, k)
			ones += countBits(d.src, d.bit, k)
			d.packed -= k
			d.bit += k
			d.src = d.src[d.bit/8:]
			d.bit &= 7
			n -= k
		default:
			head, size := binary.Uvarint(d.src)
			if size <= 0 || head>>1 > 1<<31 {
				return 0, errShort
			}
			d.src = d.src[size:]
			if head&1 == 1 {
				d.packed = int(min(head>>1, 1<<28)) * 8
				continue
			}
			if len(d.src) == 0 {
				return 0, errShort
			}
			d.repeat, d.value, d.src = int(head>>1), d.src[0]&1 == 1, d.src[1:]
		}
	}
	return ones, nil
}

// allOnes reports whether the next n levels are all one, when that is one run.
func (d *bitLevels) allOnes(n int) bool {
	if d.repeat == 0 && d.packed == 0 {
		head, size := binary.Uvarint(d.src)
		if size > 0 && head&1 == 0 && head>>1 <= 1<<31 && len(d.src) > size {
			d.repeat, d.value, d.src = int(head>>1), d.src[size]&1 == 1, d.src[size+1:]
		}
	}
	return d.repeat >= n && d.value
}

// decodeLevels decodes n levels of up to maxLevel.
func decodeLevels(dst []byte, src []byte, n, maxLevel int) ([]byte, error) {
	var d runDecoder
	if err := d.reset(src, uint(bits.Len(uint(maxLevel)))); err != nil {
		return dst, err
	}
	var buf [256]int32
	for n > 0 {
		k := min(n, len(buf))
		if err := d.decode(buf[:k]); err != nil {
			return dst, err
		}
		for _, v := range buf[:k] {
			if v > int32(maxLevel) {
				return dst, fmt.Errorf("a level of %d where %d is the highest: %w", v, maxLevel, ErrCorrupt)
			}
			dst = append(dst, byte(v))
		}
		n -= k
	}
	return dst, nil
}
