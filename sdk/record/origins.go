package record

import (
	"errors"
	"strings"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/money"
)

var errNull = errors.New("null, but the field is not a pointer")

// origin is a column that values are taken from.
type origin interface {
	// read sets the fields of dst from the values at from onwards; on error it says which row of dst failed.
	read(dst span, from int) (row int, err error)
}

func newOrigin(c *column, a arrow.Array) origin {
	switch c.kind {
	case kindBool:
		b := a.(*array.Boolean)
		return &fixedOrigin[bool]{nulls: nullsOf(c, a), get: func(i int, p *bool) error { *p = b.Value(i); return nil }}
	case kindInt8:
		return numbers[int8](c, a)
	case kindInt16:
		return numbers[int16](c, a)
	case kindInt32:
		return numbers[int32](c, a)
	case kindInt64:
		return numbers[int64](c, a)
	case kindUint8:
		return numbers[uint8](c, a)
	case kindUint16:
		return numbers[uint16](c, a)
	case kindUint32:
		return numbers[uint32](c, a)
	case kindUint64:
		return numbers[uint64](c, a)
	case kindFloat32:
		return numbers[float32](c, a)
	case kindFloat64:
		return numbers[float64](c, a)
	case kindTimestamp, kindLocal:
		return times(c, a.(*array.Timestamp))
	case kindDate:
		days := a.(*array.Date32).Date32Values()
		return &fixedOrigin[time.Time]{nulls: nullsOf(c, a), get: func(i int, p *time.Time) error {
			*p = time.Unix(int64(days[i])*86400, 0).UTC()
			return nil
		}}
	case kindDecimal:
		coefficients := Int128s(a.(*array.Decimal128))
		return &fixedOrigin[money.Decimal]{nulls: nullsOf(c, a), get: func(i int, p *money.Decimal) (err error) {
			*p, err = money.NewFromInt128(coefficients[i], c.scale)
			return err
		}}
	case kindBytes:
		get := bytesGetter(a)
		return &fixedOrigin[[]byte]{nulls: nullsOf(c, a), nullBytes: !c.pointer && c.nullable,
			get: func(i int, p *[]byte) error { *p = append([]byte{}, get(i)...); return nil }}
	}
	return textOrigin(c, a)
}

// nulls says where a column has nulls, and whether the field can take them.
type nulls struct {
	a       arrow.Array
	some    bool
	pointer bool
}

func nullsOf(c *column, a arrow.Array) nulls { return nulls{a, a.NullN() > 0, c.pointer} }

// fixedOrigin sets fields of type F one by one.
type fixedOrigin[F any] struct {
	nulls
	nullBytes bool // a null leaves the field as it is, a nil []byte
	get       func(i int, p *F) error
}

func (o *fixedOrigin[F]) read(dst span, from int) (int, error) {
	var slab []F // what the pointers of this run point into
	for i := range dst.n {
		p := (*F)(dst.at(i))
		if o.some && o.a.IsNull(from+i) {
			if !o.pointer && !o.nullBytes {
				return i, errNull
			}
			continue
		}
		if o.pointer {
			if len(slab) == 0 {
				slab = make([]F, dst.n-i)
			}
			p, slab = &slab[0], slab[1:]
			*(**F)(dst.at(i)) = p
		}
		if err := o.get(from+i, p); err != nil {
			return i, err
		}
	}
	return 0, nil
}

// numberOrigin copies numbers.
type numberOrigin[F any] struct {
	nulls
	values []F
}

func (o *numberOrigin[F]) read(dst span, from int) (int, error) {
	if !o.some && !o.pointer {
		for i, v := range o.values[from : from+dst.n] {
			*(*F)(dst.at(i)) = v
		}
		return 0, nil
	}
	slow := fixedOrigin[F]{nulls: o.nulls, get: func(i int, p *F) error { *p = o.values[i]; return nil }}
	return slow.read(dst, from)
}

type number interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

func numbers[F number](c *column, a arrow.Array) origin {
	o := &numberOrigin[F]{nulls: nullsOf(c, a)}
	switch a := a.(type) {
	case *array.Int8:
		o.values = widened[F](a.Int8Values())
	case *array.Int16:
		o.values = widened[F](a.Int16Values())
	case *array.Int32:
		o.values = widened[F](a.Int32Values())
	case *array.Int64:
		o.values = widened[F](a.Int64Values())
	case *array.Uint8:
		o.values = widened[F](a.Uint8Values())
	case *array.Uint16:
		o.values = widened[F](a.Uint16Values())
	case *array.Uint32:
		o.values = widened[F](a.Uint32Values())
	case *array.Uint64:
		o.values = widened[F](a.Uint64Values())
	case *array.Float32:
		o.values = widened[F](a.Float32Values())
	case *array.Float64:
		o.values = widened[F](a.Float64Values())
	}
	return o
}

// widened is values themselves if they have the right type, else a converted copy.
func widened[F, W number](values []W) []F {
	if same, ok := any(values).([]F); ok {
		return same
	}
	out := make([]F, len(values))
	for i, v := range values {
		out[i] = F(v)
	}
	return out
}

func times(c *column, a *array.Timestamp) origin {
	values := a.TimestampValues()
	convert := map[arrow.TimeUnit]func(int64) time.Time{
		arrow.Second: func(v int64) time.Time { return time.Unix(v, 0) }, arrow.Millisecond: time.UnixMilli,
		arrow.Microsecond: time.UnixMicro, arrow.Nanosecond: func(v int64) time.Time { return time.Unix(0, v) },
	}[a.DataType().(*arrow.TimestampType).Unit]
	return &fixedOrigin[time.Time]{nulls: nullsOf(c, a), get: func(i int, p *time.Time) error {
		*p = convert(int64(values[i])).UTC()
		return nil
	}}
}

// stringOrigin copies the texts of a run of rows at once and cuts them out of the copy.
type stringOrigin struct {
	nulls
	a *array.String
}

func (o *stringOrigin) read(dst span, from int) (int, error) {
	offsets := o.a.ValueOffsets()[from : from+dst.n+1]
	base := offsets[0]
	whole := strings.Clone(unsafe.String(unsafe.SliceData(o.a.ValueBytes()), len(o.a.ValueBytes()))[base-o.start() : offsets[dst.n]-o.start()])
	run := fixedOrigin[string]{nulls: o.nulls, get: func(i int, p *string) error {
		*p = whole[offsets[i-from]-base : offsets[i-from+1]-base]
		return nil
	}}
	return run.read(dst, from)
}

// start is the offset at which ValueBytes begins.
func (o *stringOrigin) start() int32 { return o.a.ValueOffsets()[0] }

func textOrigin(c *column, a arrow.Array) origin {
	if s, ok := a.(*array.String); ok && c.kind == kindString && s.Len() > 0 {
		return &stringOrigin{nulls: nullsOf(c, a), a: s}
	}
	get := textGetter(a)
	if c.kind == kindString {
		return &fixedOrigin[string]{nulls: nullsOf(c, a), get: func(i int, p *string) error { *p = get(i); return nil }}
	}
	return &fixedOrigin[money.Currency]{nulls: nullsOf(c, a), get: func(i int, p *money.Currency) (err error) {
		code := get(i)
		if code == "" {
			return nil // no currency
		}
		*p, err = money.ParseCurrency(code)
		return err
	}}
}

// textGetter returns copies of texts; those of a dictionary are copied once.
func textGetter(a arrow.Array) func(i int) string {
	switch a := a.(type) {
	case *array.Dictionary:
		get := textGetter(a.Dictionary())
		words := make([]string, a.Dictionary().Len())
		for i := range words {
			if a.Dictionary().IsValid(i) {
				words[i] = get(i)
			}
		}
		return func(i int) string { return words[a.GetValueIndex(i)] }
	case interface{ Value(int) string }:
		return func(i int) string { return strings.Clone(a.Value(i)) }
	}
	return func(int) string { return "" } // not reached: takes lets texts through only
}

func bytesGetter(a arrow.Array) func(i int) []byte {
	if b, ok := a.(interface{ Value(int) []byte }); ok {
		return b.Value
	}
	return func(int) []byte { return nil } // not reached: takes lets bytes through only
}
