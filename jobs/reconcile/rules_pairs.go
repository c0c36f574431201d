package reconcile

import (
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// pairBatch makes record batches of the pairs of one leg's sieve. The arrays share the pairs' memory; texts of which there are few are dictionaries.
type pairBatch struct {
	schema         *arrow.Schema
	zeros, turns   []int32
	match          []int64
	amounts        []decimal128.Num
	valid          []byte
	leftRight      [2]string
	legName, units string
	passes         []string
}

var fewTexts = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}

func newPairBatch(p rulefile.Plan, schema *arrow.Schema) *pairBatch {
	b := &pairBatch{leftRight: [2]string{p.Left.Name, p.Right.Name}, legName: p.Name, units: string(reconciliation.OneToOne)}
	for i := range p.Rules.Passes {
		b.passes = append(b.passes, p.Rules.Passes[i].Name)
	}
	fields := slices.Clone(schema.Fields())
	for i, f := range fields {
		switch f.Name {
		case "leg", "rule", "cardinality", "side", "currency":
			fields[i].Type = fewTexts
		}
	}
	b.schema = arrow.NewSchema(fields, nil)
	return b
}

// of is a batch of rows, whose matches are numbered from first on.
func (b *pairBatch) of(rows *reconciliation.PairRows, first int64) arrow.RecordBatch {
	n := rows.Len()
	b.grow(n)
	for i := range b.match[:n] {
		b.match[i] = first + int64(i/2)
	}
	for i, a := range rows.Amounts {
		b.amounts[i] = decimal128.New(a.Hi, a.Lo)
	}
	columns := []arrow.Array{
		fixed(arrow.PrimitiveTypes.Int64, b.match[:n], nil, 0),
		few(b.zeros[:n], b.legName), few(rows.Passes, b.passes...), few(b.zeros[:n], b.units), few(b.turns[:n], b.leftRight[:]...),
		texts(&rows.Refs), texts(&rows.Keys),
		fixed(b.schema.Field(7).Type, b.amounts[:n], nil, 0),
		few(rows.Currencies, rows.Names...), b.dates(rows.Dates)}
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	return array.NewRecordBatch(b.schema, columns, int64(n))
}

// grow makes room for n rows.
func (b *pairBatch) grow(n int) {
	if len(b.match) >= n {
		return
	}
	b.match, b.amounts, b.zeros, b.turns = make([]int64, n), make([]decimal128.Num, n), make([]int32, n), make([]int32, n)
	for i := range b.turns {
		b.turns[i] = int32(i & 1)
	}
}

func (b *pairBatch) dates(days []int32) arrow.Array {
	nulls := 0
	for _, d := range days {
		if d == reconciliation.NoDate {
			nulls++
		}
	}
	if nulls == 0 {
		return fixed(date32, days, nil, 0)
	}
	b.valid = append(b.valid[:0], make([]byte, bitutil.BytesForBits(int64(len(days))))...)
	for i, d := range days {
		if d != reconciliation.NoDate {
			bitutil.SetBit(b.valid, i)
		}
	}
	return fixed(date32, days, b.valid, nulls)
}

// fixed is an array over values of a type of that size.
func fixed[T any](typ arrow.DataType, values []T, valid []byte, nulls int) arrow.Array {
	var zero T
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(zero)))
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(bytes)}
	if valid != nil {
		buffers[0] = memory.NewBufferBytes(valid)
	}
	data := array.NewData(typ, len(values), buffers, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// texts is an array over a column of texts.
func texts(c *reconciliation.TextColumn) arrow.Array {
	offsets := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(c.Offsets))), len(c.Offsets)*4)
	data := array.NewData(utf8, len(c.Offsets)-1, []*memory.Buffer{nil, memory.NewBufferBytes(offsets), memory.NewBufferBytes(c.Data)}, nil, 0, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// few is a dictionary array.
func few(at []int32, names ...string) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(names, nil)
	dictionary := b.NewArray()
	defer dictionary.Release()
	indices := fixed(arrow.PrimitiveTypes.Int32, at, nil, 0)
	defer indices.Release()
	return array.NewDictionaryArray(fewTexts, indices, dictionary)
}

// pairs takes the pairs of a leg's sieve. It is nil where no matches are written.
func (m *matchFile) pairs(p rulefile.Plan) func(*reconciliation.PairRows) error {
	if m == nil {
		return nil
	}
	return func(rows *reconciliation.PairRows) error {
		if err := m.begin(rows.Precision, rows.Scale); err != nil {
			return err
		}
		if err := m.flush(); err != nil { // matches of the part before
			return err
		}
		if m.pair == nil {
			m.pair = newPairBatch(p, m.b.Schema())
		}
		b := m.pair.of(rows, m.match+1)
		defer b.Release()
		m.match += int64(rows.Len() / 2)
		return m.file.Write(b)
	}
}
