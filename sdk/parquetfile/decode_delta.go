package parquetfile

import (
	"encoding/binary"
	"fmt"
	"unsafe"
)

// deltaDecoder decodes DELTA_BINARY_PACKED integers a few at a time.
type deltaDecoder[T int32 | int64] struct {
	src      []byte
	mini     int // values of a miniblock
	minis    int // miniblocks of a block
	left     int // values still to come, by the header
	first    bool
	last     T
	minDelta T
	widths   []byte // of the block's miniblocks still to come
	held     []T    // decoded values of a miniblock not given out yet
	buf      []T
}

func (d *deltaDecoder[T]) reset(src []byte) error {
	buf := d.buf
	*d = deltaDecoder[T]{src: src, first: true, buf: buf}
	block, n1 := binary.Uvarint(src)
	if n1 <= 0 {
		return errShort
	}
	minis, n2 := binary.Uvarint(src[n1:])
	if n2 <= 0 {
		return errShort
	}
	total, n3 := binary.Uvarint(src[n1+n2:])
	if n3 <= 0 {
		return errShort
	}
	first, n4 := binary.Varint(src[n1+n2+n3:])
	if n4 <= 0 {
		return errShort
	}
	if block == 0 || block > 1<<16 || minis == 0 || minis > block || block%minis != 0 || (block/minis)%8 != 0 || total > 1<<31 {
		return fmt.Errorf("packed differences in blocks of %d by %d: %w", block, minis, ErrCorrupt)
	}
	d.src = src[n1+n2+n3+n4:]
	d.mini, d.minis, d.left, d.last = int(block/minis), int(minis), int(total), T(first)
	return nil
}

// miniHeader reads a block's header when its miniblocks are used up, and gives the next miniblock's width.
func (d *deltaDecoder[T]) miniHeader() (uint, error) {
	if len(d.widths) == 0 {
		m, n := binary.Varint(d.src)
		if n <= 0 || len(d.src) < n+d.minis {
			return 0, errShort
		}
		d.minDelta = T(m)
		d.widths, d.src = d.src[n:n+d.minis], d.src[n+d.minis:]
	}
	w := uint(d.widths[0])
	d.widths = d.widths[1:]
	var zero T
	if w > uint(unsafe.Sizeof(zero))*8 {
		return 0, fmt.Errorf("packed differences of %d bits: %w", w, ErrCorrupt)
	}
	return w, nil
}

// decode fills dst.
func (d *deltaDecoder[T]) decode(dst []T) error {
	if len(dst) > d.left {
		return errShort
	}
	if d.first && len(dst) > 0 {
		d.first = false
		d.left--
		dst[0] = d.last
		dst = dst[1:]
	}
	for len(dst) > 0 {
		if len(d.held) > 0 {
			n := copy(dst, d.held)
			d.held = d.held[n:]
			d.left -= n
			dst = dst[n:]
			continue
		}
		n := min(d.mini, d.left)
		if n <= len(dst) {
			if err := d.miniblock(dst[:n]); err != nil {
				return err
			}
			d.left -= n
			dst = dst[n:]
			continue
		}
		if cap(d.buf) < n {
			d.buf = make([]T, n)
		}
		d.held = d.buf[:n]
		if err := d.miniblock(d.held); err != nil {
			return err
		}
	}
	return nil
}

// miniblock decodes the next miniblock, of which the last may be shorter than its bits.
func (d *deltaDecoder[T]) miniblock(dst []T) error {
	w, err := d.miniHeader()
	if err != nil {
		return err
	}
	last, step := d.last, d.minDelta
	if w == 0 {
		for i := range dst {
			last += step
			dst[i] = last
		}
		d.last = last
		return nil
	}
	size := d.mini * int(w) / 8
	if need := (len(dst)*int(w) + 7) / 8; len(d.src) < need {
		return errShort
	}
	unpack(dst, d.src, w)
	for i, v := range dst {
		last += step + v
		dst[i] = last
	}
	d.last = last
	d.src = d.src[min(size, len(d.src)):]
	return nil
}

// end finds the bytes behind all of the integers, without changing d.
func (d *deltaDecoder[T]) end() ([]byte, error) {
	c := deltaDecoder[T]{src: d.src, mini: d.mini, minis: d.minis}
	for left := d.left - 1; left > 0; left -= d.mini {
		w, err := c.miniHeader()
		if err != nil {
			return nil, err
		}
		size := d.mini * int(w) / 8
		if size > len(c.src) {
			return nil, errShort
		}
		c.src = c.src[size:]
	}
	return c.src, nil
}
