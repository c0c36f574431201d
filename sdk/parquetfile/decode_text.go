package parquetfile

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go/format"
)

// texts are decoded texts one after the other: value i is data[offs[i]:offs[i+1]].
type texts struct {
	offs []int32
	data []byte
	// What offs and data are views of, where they become an array; else they are on Go's heap.
	offsBuf, dataBuf *memory.Buffer
}

func (t *texts) reset() {
	t.offs, t.data = append(t.offs[:0], 0), t.data[:0]
}

// start takes memory for n texts of about size bytes in all.
func (t *texts) start(mem memory.Allocator, n, size int) {
	t.offsBuf, t.dataBuf = memory.NewResizableBuffer(mem), memory.NewResizableBuffer(mem)
	t.offsBuf.Resize(4*n + 4)
	t.dataBuf.Resize(size)
	t.offs, t.data = as4(t.offsBuf.Bytes())[:1], t.dataBuf.Bytes()[:0]
	t.offs[0] = 0
}

// drop gives the memory back.
func (t *texts) drop() {
	if t.offsBuf != nil {
		t.offsBuf.Release()
		t.dataBuf.Release()
		*t = texts{}
	}
}

// buffers hands the memory over.
func (t *texts) buffers() (offs, data *memory.Buffer) {
	offs, data = t.offsBuf, t.dataBuf
	offs.ResizeNoShrink(4 * len(t.offs))
	data.ResizeNoShrink(len(t.data))
	*t = texts{}
	return offs, data
}

// growOffsets gives room for n offsets in all.
func (t *texts) growOffsets(n int) {
	if t.offsBuf == nil {
		t.offs = grownKeep(t.offs, n)
		return
	}
	if n > cap(t.offs) {
		t.offsBuf.Resize(4 * max(n, 2*cap(t.offs)))
		t.offs = as4(t.offsBuf.Bytes())
	}
	t.offs = t.offs[:n]
}

// growData gives room for n bytes in all.
func (t *texts) growData(n int) {
	if t.dataBuf == nil {
		t.data = grownKeep(t.data, n)
		return
	}
	if n > cap(t.data) {
		t.dataBuf.Resize(max(n, 2*cap(t.data)))
		t.data = t.dataBuf.Bytes()
	}
	t.data = t.data[:n]
}

func (t *texts) len() int { return len(t.offs) - 1 }

func (t *texts) value(i int) []byte { return t.data[t.offs[i]:t.offs[i+1]] }

func (t *texts) room(more int) error {
	if len(t.data)+more > math.MaxInt32 {
		return fmt.Errorf("the texts of a batch exceed 2 GiB: read fewer rows at a time: %w", ErrUnsupported)
	}
	return nil
}

// texts decodes n texts and appends them to t.
func (p *pageValues) texts(t *texts, dict *texts, n int) error {
	switch {
	case p.indexed():
		return p.textsIndexed(t, dict, n)
	case p.enc == format.Plain:
		return p.textsPlain(t, n)
	case p.enc == format.DeltaLengthByteArray:
		return p.textsByLength(t, n)
	}
	for range n {
		v, err := p.suffixed()
		if err != nil {
			return err
		}
		if err := t.room(len(v)); err != nil {
			return err
		}
		w, at := len(t.data), len(t.offs)
		t.growData(w + len(v))
		copy(t.data[w:], v)
		t.growOffsets(at + 1)
		t.offs[at] = int32(len(t.data))
	}
	return nil
}

func (p *pageValues) textsPlain(t *texts, n int) error {
	at, w := len(t.offs), len(t.data)
	t.growOffsets(at + n)
	size, err := plainSize(p.src, n)
	if err != nil {
		return err
	}
	if err := t.room(size - 4*n); err != nil {
		return err
	}
	t.growData(w + size - 4*n + textSlack)
	offs, data, src := t.offs[at:], t.data, p.src[:size]
	for i := range offs {
		size := int(binary.LittleEndian.Uint32(src))
		if src = src[4:]; size <= textSlack && len(src) >= textSlack {
			*(*[textSlack]byte)(data[w:]) = *(*[textSlack]byte)(src)
		} else {
			copy(data[w:], src[:size])
		}
		src = src[size:]
		w += size
		offs[i] = int32(w)
	}
	p.src, t.data = p.src[size:], data[:w]
	return nil
}

// plainSize is how many bytes n plain texts take with their lengths.
func plainSize(src []byte, n int) (int, error) {
	at := 0
	for range n {
		if len(src)-at < 4 {
			return 0, errShort
		}
		size := int(binary.LittleEndian.Uint32(src[at:]))
		if size > len(src)-at-4 {
			return 0, errShort
		}
		at += 4 + size
	}
	return at, nil
}

func (p *pageValues) textsByLength(t *texts, n int) error {
	at := len(t.offs)
	t.growOffsets(at + n)
	offs := t.offs[at:]
	if err := p.d32.decode(offs); err != nil {
		return err
	}
	total := int64(0)
	base := int64(len(t.data))
	for i, l := range offs {
		if l < 0 {
			return fmt.Errorf("a text of negative length: %w", ErrCorrupt)
		}
		total += int64(l)
		offs[i] = int32(base + total)
	}
	if total > int64(len(p.src)) {
		return errShort
	}
	if err := t.room(int(total)); err != nil {
		return err
	}
	t.growData(int(base + total))
	copy(t.data[base:], p.src[:total])
	p.src = p.src[total:]
	return nil
}

func (p *pageValues) textsIndexed(t *texts, dict *texts, n int) error {
	p.idx = grown(p.idx, n)
	if err := p.indices(p.idx, dict.len()); err != nil {
		return err
	}
	total := 0
	for _, x := range p.idx {
		total += int(dict.offs[x+1] - dict.offs[x])
	}
	if err := t.room(total); err != nil {
		return err
	}
	at, w := len(t.offs), len(t.data)
	t.growOffsets(at + n)
	t.growData(w + total + textSlack)
	offs, data := t.offs[at:], t.data
	from := dict.data[:len(dict.data)+textSlack]
	for i, x := range p.idx {
		a := int(dict.offs[x])
		size := int(dict.offs[x+1]) - a
		if size <= textSlack { // copying a fixed size and keeping part of it beats a call that looks at the size
			*(*[textSlack]byte)(data[w:]) = *(*[textSlack]byte)(from[a:])
		} else {
			copy(data[w:], from[a:a+size])
		}
		w += size
		offs[i] = int32(w)
	}
	t.data = data[:w]
	return nil
}

// textSlack is how many bytes may be written and read beyond texts, for copies of a fixed size.
const textSlack = 16

// grownKeep gives s with n values, those it has kept.
func grownKeep[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	out := make([]T, n, max(n, 2*cap(s)))
	copy(out, s)
	return out
}

// readDictionary decodes a dictionary page's values: texts, or fixed-size values one after the other.
func readDictionary(l *leaf, body []byte, n int, t *texts, fixed []byte) ([]byte, error) {
	if l.phys == format.ByteArray {
		t.reset()
		p := pageValues{leaf: l, src: body}
		if n > len(body)/4 {
			return fixed, errShort
		}
		err := p.textsPlain(t, n)
		t.data = grownKeep(t.data, len(t.data)+textSlack)[:len(t.data)]
		return fixed, err
	}
	if l.phys == format.Boolean {
		return fixed, fmt.Errorf("column %s: a dictionary of booleans: %w", l.name(), ErrCorrupt)
	}
	size := n * l.valueBytes()
	if size > len(body) {
		return fixed, errShort
	}
	return append(fixed[:0], body[:size]...), nil
}
