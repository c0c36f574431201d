package record

import (
	"fmt"
	"math"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// validity is the null bitmap of a column under construction; it stays empty for columns that cannot be null.
type validity struct {
	nullable bool // nulls may be written: the field is a pointer, or bytes in a nullable column
	pointer  bool
	bits     []byte
	nulls    int
}

func validityOf(c *column) validity {
	return validity{nullable: c.pointer || c.nullable && c.kind == kindBytes, pointer: c.pointer}
}

// deref is the address of the value of a field, or nil for a nil pointer.
func (v *validity) deref(p unsafe.Pointer) unsafe.Pointer {
	if v.pointer {
		return *(*unsafe.Pointer)(p)
	}
	return p
}

// mark notes whether the value of a row is there.
func (v *validity) mark(row int, valid bool) {
	if row>>3 >= len(v.bits) {
		v.bits = append(v.bits, 0)
	}
	if valid {
		v.bits[row>>3] |= 1 << (row & 7)
		return
	}
	v.nulls++
}

func (v *validity) truncate(rows int) {
	if !v.nullable {
		return
	}
	v.bits = v.bits[:(rows+7)>>3]
	if rows&7 != 0 {
		v.bits[len(v.bits)-1] &= 1<<(rows&7) - 1
	}
	v.nulls = 0
	for i := range rows {
		if v.bits[i>>3]>>(i&7)&1 == 0 {
			v.nulls++
		}
	}
}

// take hands over the bitmap; nil if there are no nulls.
func (v *validity) take() (bits *memory.Buffer, nulls int) {
	nulls = v.nulls
	if nulls > 0 {
		bits = memory.NewBufferBytes(v.bits)
	}
	v.bits, v.nulls = make([]byte, 0, len(v.bits)), 0
	return bits, nulls
}

// fixedSink collects values of a fixed width W from fields of type F.
type fixedSink[F, W any] struct {
	validity
	typ    arrow.DataType
	values []W
	get    func(*F) (W, error)
}

func newFixed[F, W any](c *column, get func(*F) (W, error)) sink {
	return &fixedSink[F, W]{validity: validityOf(c), typ: c.arrow, get: get}
}

func (f *fixedSink[F, W]) append(s span, rows int) (int, error) {
	for i := range s.n {
		p := (*F)(f.deref(s.at(i)))
		var w W
		if p != nil {
			var err error
			if w, err = f.get(p); err != nil {
				return i, err
			}
		}
		f.values = append(f.values, w)
		if f.nullable {
			f.mark(rows+i, p != nil)
		}
	}
	return 0, nil
}

func (f *fixedSink[F, W]) truncate(rows int) {
	f.values = f.values[:min(rows, len(f.values))]
	f.validity.truncate(rows)
}

func (f *fixedSink[F, W]) finish(rows int) *array.Data {
	bits, nulls := f.take()
	data := array.NewData(f.typ, rows, []*memory.Buffer{bits, bufferOf(f.values)}, nil, nulls, 0)
	f.values = make([]W, 0, rows)
	return data
}

// bufferOf is the memory of values as an Arrow buffer.
func bufferOf[W any](values []W) *memory.Buffer {
	var w W
	return memory.NewBufferBytes(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), uintptr(len(values))*unsafe.Sizeof(w)))
}

// boolSink collects bools as bits.
type boolSink struct {
	validity
	values []byte
}

func (b *boolSink) append(s span, rows int) (int, error) {
	for i := range s.n {
		p := (*bool)(b.deref(s.at(i)))
		row := rows + i
		if row>>3 >= len(b.values) {
			b.values = append(b.values, 0)
		}
		if p != nil && *p {
			b.values[row>>3] |= 1 << (row & 7)
		}
		if b.nullable {
			b.mark(row, p != nil)
		}
	}
	return 0, nil
}

func (b *boolSink) truncate(rows int) {
	b.values = b.values[:min(len(b.values), (rows+7)>>3)]
	if rows&7 != 0 && len(b.values) > 0 {
		b.values[len(b.values)-1] &= 1<<(rows&7) - 1
	}
	b.validity.truncate(rows)
}

func (b *boolSink) finish(rows int) *array.Data {
	bits, nulls := b.take()
	data := array.NewData(arrow.FixedWidthTypes.Boolean, rows, []*memory.Buffer{bits, memory.NewBufferBytes(b.values)}, nil, nulls, 0)
	b.values = make([]byte, 0, len(b.values))
	return data
}

// textSink collects texts or bytes from fields of type F.
type textSink[F any] struct {
	validity
	typ     arrow.DataType
	offsets []int32
	bytes   []byte
	get     func(*F) string
	isNull  func(*F) bool // nil: no value is a null
}

func newText[F any](c *column, get func(*F) string) sink {
	return &textSink[F]{validity: validityOf(c), typ: c.arrow, offsets: []int32{0}, get: get}
}

func (t *textSink[F]) append(s span, rows int) (int, error) {
	for i := range s.n {
		p := (*F)(t.deref(s.at(i)))
		valid := p != nil
		if valid {
			valid = t.isNull == nil || !t.isNull(p)
			text := t.get(p)
			if len(t.bytes)+len(text) > math.MaxInt32 {
				return i, fmt.Errorf("the batch's texts in this column are larger than 2 GiB: make smaller batches")
			}
			t.bytes = append(t.bytes, text...)
		}
		t.offsets = append(t.offsets, int32(len(t.bytes)))
		if t.nullable {
			t.mark(rows+i, valid)
		}
	}
	return 0, nil
}

func (t *textSink[F]) truncate(rows int) {
	t.offsets = t.offsets[:min(rows+1, len(t.offsets))]
	t.bytes = t.bytes[:t.offsets[len(t.offsets)-1]]
	t.validity.truncate(rows)
}

func (t *textSink[F]) finish(rows int) *array.Data {
	bits, nulls := t.take()
	data := array.NewData(t.typ, rows, []*memory.Buffer{bits, bufferOf(t.offsets), memory.NewBufferBytes(t.bytes)}, nil, nulls, 0)
	t.offsets = append(make([]int32, 0, rows+1), 0)
	t.bytes = make([]byte, 0, len(t.bytes))
	return data
}

// Seconds that 64-bit microseconds can hold, with a margin for the day that a zone may shift.
const maxSeconds = math.MaxInt64/1_000_000 - 200_000

func instantMicros(t *time.Time) (int64, error) {
	if s := t.Unix(); s > maxSeconds || s < -maxSeconds {
		return 0, fmt.Errorf("time %v is outside the range of microseconds", *t)
	}
	return t.UnixMicro(), nil
}

// wallMicros is the time on t's own clock, as if in UTC.
func wallMicros(t *time.Time) (int64, error) {
	us, err := instantMicros(t)
	_, zone := t.Zone()
	return us + int64(zone)*1_000_000, err
}

// dayNumber is the day on t's own clock.
func dayNumber(t *time.Time) (int32, error) {
	_, zone := t.Zone()
	seconds := t.Unix() + int64(zone)
	day := seconds / 86400
	if seconds%86400 < 0 {
		day--
	}
	if day != int64(int32(day)) {
		return 0, fmt.Errorf("day %v is outside the range of dates", *t)
	}
	return int32(day), nil
}
