package aggregate

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
	"github.com/millrace/millrace/sdk/money"
)

const sumBytes = 24 // money.Sum's binary form

// skipped is the group of a row that an aggregate must not see.
const skipped = ^uint32(0)

// accumulator holds one aggregate's states of all groups, by group number.
type accumulator interface {
	// grow makes room for groups 0 to n-1; new ones are empty.
	grow(n int)
	// update takes raw rows; groups[i] is row i's group.
	update(batch arrow.RecordBatch, groups []uint32) error
	// merge takes state rows, of which some may be skipped.
	merge(batch arrow.RecordBatch, groups []uint32) error
	// state appends the state columns of the groups from start on to cols.
	state(cols []arrow.Array, start int) []arrow.Array
	// final gives the result column of the groups before end. A failure is a *groupError.
	final(end int) (arrow.Array, error)
	// keep drops all groups before start and renumbers the others from 0.
	keep(start int)
	bytes() int64
}

// groupError says which group could not be finished.
type groupError struct {
	group int
	err   error
}

func (e *groupError) Error() string { return e.err.Error() }
func (e *groupError) Unwrap() error { return e.err }

// accumulators makes the accumulators of a plan. Distinct counts have none.
func (p *Plan) accumulators() ([]accumulator, error) {
	accs := make([]accumulator, len(p.Specs))
	for i, s := range p.Specs {
		states := p.stateFields(i, s)
		at := func(n int) int { return p.State.FieldIndices(states[n].Name)[0] }
		column := -1
		var t arrow.DataType
		if s.Column != "" {
			column = p.In.FieldIndices(s.Column)[0]
			t = p.In.Field(column).Type
		}
		switch s.Kind {
		case CountRows, Count:
			accs[i] = &counter{column: column, state0: at(0)}
		case Sum, Avg:
			accs[i] = &summer{spec: s, column: column, in: t, state0: at(0), out: p.Out.Field(len(p.Keys) + i).Type}
		case Distinct:
			accs[i] = &members{}
		default:
			by := append(append([]string{}, s.OrderBy...), s.Column)
			enc, err := rowkey.New(p.In, by)
			if err != nil {
				return nil, err
			}
			accs[i] = &extreme{column: column, in: t, state0: at(0), rank: enc, last: s.Kind == Max || s.Kind == Last}
		}
	}
	return accs, nil
}

// counter counts rows, or rows whose column is not null.
type counter struct {
	column, state0 int
	n              []int64
}

func (c *counter) grow(n int) { c.n = extend(c.n, n) }

func (c *counter) update(batch arrow.RecordBatch, groups []uint32) error {
	if c.column >= 0 && batch.Column(c.column).NullN() > 0 {
		col := batch.Column(c.column)
		for row, g := range groups {
			if col.IsValid(row) {
				c.n[g]++
			}
		}
		return nil
	}
	for _, g := range groups {
		c.n[g]++
	}
	return nil
}

func (c *counter) merge(batch arrow.RecordBatch, groups []uint32) error {
	n := batch.Column(c.state0).(*array.Int64)
	for row, g := range groups {
		if g != skipped {
			c.n[g] += n.Value(row)
		}
	}
	return nil
}

func (c *counter) state(cols []arrow.Array, start int) []arrow.Array {
	return append(cols, int64s(c.n[start:]))
}

func (c *counter) final(end int) (arrow.Array, error) { return int64s(c.n[:end]), nil }
func (c *counter) keep(start int)                     { c.n = append(c.n[:0], c.n[start:]...) }
func (c *counter) bytes() int64                       { return int64(8 * cap(c.n)) }

// members counts distinct values. Its states are rows, so that it only holds the counts that a Stream makes.
type members struct{ n []int64 }

func (m *members) grow(n int)                                    { m.n = extend(m.n, n) }
func (m *members) update(arrow.RecordBatch, []uint32) error      { return nil }
func (m *members) merge(arrow.RecordBatch, []uint32) error       { return nil }
func (m *members) state(cols []arrow.Array, _ int) []arrow.Array { return cols }
func (m *members) final(end int) (arrow.Array, error)            { return int64s(m.n[:end]), nil }
func (m *members) keep(start int)                                { m.n = append(m.n[:0], m.n[start:]...) }
func (m *members) bytes() int64                                  { return int64(8 * cap(m.n)) }

// summer adds up; it serves Sum and Avg.
type summer struct {
	spec           Spec
	column, state0 int
	in, out        arrow.DataType
	sums           []money.Sum
	n              []int64 // values that are not null
}

func (s *summer) grow(n int) { s.sums, s.n = extend(s.sums, n), extend(s.n, n) }

func (s *summer) update(batch arrow.RecordBatch, groups []uint32) error {
	col := batch.Column(s.column)
	switch col := col.(type) {
	case *array.Decimal128:
		for row, v := range col.Values() {
			if g := groups[row]; col.IsValid(row) {
				s.sums[g].Add(money.Int128{Lo: v.LowBits(), Hi: v.HighBits()})
				s.n[g]++
			}
		}
	case *array.Int64:
		sumInts(s, col, col.Int64Values(), groups)
	case *array.Int32:
		sumInts(s, col, col.Int32Values(), groups)
	case *array.Int16:
		sumInts(s, col, col.Int16Values(), groups)
	case *array.Int8:
		sumInts(s, col, col.Int8Values(), groups)
	case *array.Uint32:
		sumInts(s, col, col.Uint32Values(), groups)
	case *array.Uint16:
		sumInts(s, col, col.Uint16Values(), groups)
	case *array.Uint8:
		sumInts(s, col, col.Uint8Values(), groups)
	case *array.Uint64:
		for row, v := range col.Uint64Values() {
			if g := groups[row]; col.IsValid(row) {
				s.sums[g].Add(money.Int128{Lo: v})
				s.n[g]++
			}
		}
	default:
		return fmt.Errorf("add up %q: unexpected type %s", s.spec.Column, col.DataType())
	}
	return nil
}

func sumInts[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](s *summer, col arrow.Array, values []T, groups []uint32) {
	nulls := col.NullN() > 0
	for row, v := range values {
		if nulls && col.IsNull(row) {
			continue
		}
		g := groups[row]
		s.sums[g].AddInt64(int64(v))
		s.n[g]++
	}
}

func (s *summer) merge(batch arrow.RecordBatch, groups []uint32) error {
	sums := batch.Column(s.state0).(*array.FixedSizeBinary)
	n := batch.Column(s.state0 + 1).(*array.Int64)
	for row, g := range groups {
		if g == skipped {
			continue
		}
		var part money.Sum
		if err := part.UnmarshalBinary(sums.Value(row)); err != nil {
			return err
		}
		s.sums[g].Merge(part)
		s.n[g] += n.Value(row)
	}
	return nil
}

func (s *summer) state(cols []arrow.Array, start int) []arrow.Array {
	buf := make([]byte, 0, sumBytes*(len(s.sums)-start))
	for i := start; i < len(s.sums); i++ {
		b, _ := s.sums[i].MarshalBinary() // cannot fail
		buf = append(buf, b...)
	}
	t := &arrow.FixedSizeBinaryType{ByteWidth: sumBytes}
	return append(cols, fixed(t, len(s.sums)-start, buf, nil, 0), int64s(s.n[start:]))
}

func (s *summer) final(end int) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, s.out)
	defer b.Release()
	b.Reserve(end)
	for g := range end {
		if s.n[g] == 0 {
			b.AppendNull()
			continue
		}
		if err := s.appendResult(b, g); err != nil {
			return nil, &groupError{g, err}
		}
	}
	return b.NewArray(), nil
}

func (s *summer) appendResult(b array.Builder, g int) error {
	if ints, ok := b.(*array.Int64Builder); ok {
		t, err := s.sums[g].Total()
		v, fits := t.Int64()
		if err != nil || !fits {
			return fmt.Errorf("sum of %q does not fit int64: %w", s.spec.Column, money.ErrOverflow)
		}
		ints.Append(v)
		return nil
	}
	scale := 0
	if d, ok := s.in.(*arrow.Decimal128Type); ok {
		scale = int(d.Scale)
	}
	d, err := s.sums[g].Decimal(scale)
	if err == nil && s.spec.Kind == Avg {
		d, err = d.Div(money.FromInt64(s.n[g]), int(s.spec.Scale), s.spec.Rounding)
	}
	if err != nil {
		return fmt.Errorf("%s of %q does not fit %s: %w", s.spec.Kind, s.spec.Column, s.out, err)
	}
	c := d.Coefficient()
	b.(*array.Decimal128Builder).Append(decimal128.New(c.Hi, c.Lo))
	return nil
}

func (s *summer) keep(start int) {
	s.sums, s.n = append(s.sums[:0], s.sums[start:]...), append(s.n[:0], s.n[start:]...)
}

func (s *summer) bytes() int64 { return int64(sumBytes*cap(s.sums) + 8*cap(s.n)) }

// extreme keeps the value of the row with the least or greatest rank. Min and Max rank by the value itself.
type extreme struct {
	column, state0 int
	in             arrow.DataType
	rank           *rowkey.Encoder
	last           bool
	ranks          [][]byte // nil: no value yet
	values         cells
	held           int64
	keys           rowkey.Keys
}

func (e *extreme) grow(n int) {
	e.ranks = extend(e.ranks, n)
	e.values.grow(e.in, n)
}

func (e *extreme) offer(g uint32, rank []byte, col arrow.Array, row int) {
	if have := e.ranks[g]; have != nil {
		if c := bytes.Compare(rank, have); c == 0 || (c < 0) == e.last {
			return
		}
	}
	e.held += int64(len(rank) - len(e.ranks[g]))
	e.ranks[g] = append(e.ranks[g][:0], rank...)
	e.held += int64(e.values.set(int(g), col, row))
}

func (e *extreme) update(batch arrow.RecordBatch, groups []uint32) error {
	col := batch.Column(e.column)
	e.rank.Encode(batch, &e.keys)
	for row, g := range groups {
		if col.IsValid(row) {
			e.offer(g, e.keys.At(row), col, row)
		}
	}
	return nil
}

func (e *extreme) merge(batch arrow.RecordBatch, groups []uint32) error {
	ranks, col := batch.Column(e.state0).(*array.Binary), batch.Column(e.state0+1)
	for row, g := range groups {
		if g != skipped && ranks.IsValid(row) {
			e.offer(g, ranks.Value(row), col, row)
		}
	}
	return nil
}

func (e *extreme) state(cols []arrow.Array, start int) []arrow.Array {
	b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
	defer b.Release()
	for _, r := range e.ranks[start:] {
		if r == nil {
			b.AppendNull()
			continue
		}
		b.Append(r)
	}
	return append(cols, b.NewArray(), e.values.array(e.in, e.ranks, start, len(e.ranks)))
}

func (e *extreme) final(end int) (arrow.Array, error) {
	return e.values.array(e.in, e.ranks, 0, end), nil
}

func (e *extreme) keep(start int) {
	e.held = 0
	e.ranks = append([][]byte(nil), e.ranks[start:]...)
	e.values.keep(e.in, start)
}

func (e *extreme) bytes() int64 { return e.held + int64(24*cap(e.ranks)) + e.values.bytes() }

// extend lengthens s to n with zero values.
func extend[T any](s []T, n int) []T {
	old := len(s)
	if n <= old {
		return s
	}
	s = slices.Grow(s, n-old)[:n]
	clear(s[old:])
	return s
}

// int64s copies values into an array.
func int64s(values []int64) arrow.Array {
	copied := make([]byte, 8*len(values))
	if len(values) > 0 {
		copy(copied, unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(copied)))
	}
	return fixed(arrow.PrimitiveTypes.Int64, len(values), copied, nil, 0)
}

// fixed makes an array of a fixed-width type from its buffers, which it takes over.
func fixed(t arrow.DataType, n int, data, validity []byte, nulls int) arrow.Array {
	var valid *memory.Buffer
	if nulls > 0 {
		valid = memory.NewBufferBytes(validity)
	}
	d := array.NewData(t, n, []*memory.Buffer{valid, memory.NewBufferBytes(data)}, nil, nulls, 0)
	defer d.Release()
	return array.MakeFromData(d)
}

// int32s copies values into an array.
func int32s(values []int32) arrow.Array {
	data := make([]byte, 0, 4*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint32(data, uint32(v))
	}
	return fixed(arrow.PrimitiveTypes.Int32, len(values), data, nil, 0)
}
