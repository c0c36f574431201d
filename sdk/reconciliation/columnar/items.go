package columnar

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

func init() { dataset.RegisterMaker(makeItems) }

// Names of an item's columns.
const (
	ColKey      = "key"
	ColAmount   = "amount"
	ColCurrency = "currency"
	ColDate     = "date"
	ColRef      = "ref"
)

// showPrefix is before the names of columns that breaks carry along.
const showPrefix = "show."

// schema is the form of items that are made of a source's rows: key text, amount decimal(38, scale),
// currency text ("" for none), date (null for none), ref and the columns shown. The last ones have the types they have in
// the source, and are turned into texts for breaks only; a ref of several columns, and what is nested, is text from here on.
func (c Columns) schema(source *arrow.Schema) *arrow.Schema {
	text := arrow.BinaryTypes.String
	carried := func(name, column string) arrow.Field {
		f := arrow.Field{Name: name, Type: text, Nullable: true}
		if in, ok := source.FieldsByName(column); ok && isFlat(in[0].Type) {
			f.Type = in[0].Type
		}
		return f
	}
	ref := arrow.Field{Name: ColRef, Type: text, Nullable: true}
	if len(c.Ref) == 1 {
		ref = carried(ColRef, c.Ref[0])
	}
	fields := []arrow.Field{
		{Name: ColKey, Type: text}, {Name: ColAmount, Type: amountType(c.Scale)}, {Name: ColCurrency, Type: text},
		{Name: ColDate, Type: arrow.FixedWidthTypes.Date32, Nullable: true}, ref,
	}
	for _, n := range c.Show {
		fields = append(fields, carried(showPrefix+n, n))
	}
	return arrow.NewSchema(fields, nil)
}

// isFlat reports whether values of a type travel as they are.
func isFlat(t arrow.DataType) bool {
	if t.ID() == arrow.DICTIONARY {
		return false
	}
	_, fixed := t.(arrow.FixedWidthDataType)
	return fixed || t.ID() == arrow.STRING || t.ID() == arrow.BINARY
}

func amountType(scale int32) *arrow.Decimal128Type {
	return &arrow.Decimal128Type{Precision: 38, Scale: scale}
}

// Columns say where a dataset has what an item needs.
type Columns struct {
	Key      []string `json:"key"`                // what identifies a movement on both sides; several are joined by |
	Amount   string   `json:"amount"`             // a decimal or integer column
	Currency string   `json:"currency,omitempty"` // a text column; "" leaves it to CurrencyIs
	// CurrencyIs is the currency of all rows where no column has it; it may be "".
	CurrencyIs string `json:"currency_is,omitempty"`
	// Date is a date column, or a timestamp, of which the day is taken; "" for none.
	Date string `json:"date,omitempty"`
	// Zone is the time zone in which a timestamp's day is taken; "" is UTC.
	Zone string `json:"zone,omitempty"`
	// Ref are the columns that tell a row from all others of its side; several are joined by |.
	Ref []string `json:"ref"`
	// Show are columns that breaks carry along, for people.
	Show []string `json:"show,omitempty"`
	// Negate turns every amount's sign: the statement's credit is the ledger's debit.
	Negate bool `json:"negate,omitempty"`
	// Scale is the number of digits after the point of the items' amounts; a column with more is refused.
	Scale int32 `json:"scale"`
}

// Items makes items of a dataset.
func Items(s beam.Scope, in dataset.Rows, c Columns) dataset.Dataset {
	s = s.Scope("columnar.Items")
	cols, err := json.Marshal(c)
	if err != nil { // texts and numbers always encode
		cols = nil
	}
	if g, ok := in.(dataset.Grouped); ok {
		in = g.Dataset()
	}
	d, ok := in.(dataset.Dataset)
	if !ok || d.Schema() == nil { // the dataset carries why
		return dataset.MapWith(s, in, makeItems, string(cols))
	}
	return dataset.MapWith(s, in, makeItems, string(cols), dataset.OutputSchema(c.schema(d.Schema())))
}

// Check says, as a fault.Usage, what a schema lacks for items to be made of it.
func (c Columns) Check(schema *arrow.Schema) error {
	for _, need := range []struct {
		role  string
		names []string
		fits  func(arrow.DataType) bool
		kind  string
	}{
		{"key", c.Key, isKey, "a text, a number or a date"}, {"amount", []string{c.Amount}, isAmount, "a decimal or an integer"},
		{"currency", optional(c.Currency), isText, "a text"}, {"date", optional(c.Date), isDate, "a date or a timestamp"},
		{"ref", c.Ref, isKey, "a text, a number or a date"}, {"show", c.Show, func(arrow.DataType) bool { return true }, ""},
	} {
		for _, n := range need.names {
			f, ok := schema.FieldsByName(n)
			if !ok {
				return fault.Usagef("there is no column %q for the %s; there are %s", n, need.role, strings.Join(names(schema), ", "))
			}
			if !need.fits(f[0].Type) {
				return fault.Usagef("column %q is %s; the %s must be %s", n, f[0].Type, need.role, need.kind)
			}
			if d, ok := f[0].Type.(*arrow.Decimal128Type); ok && n == c.Amount && d.Scale > c.Scale {
				return fault.Usagef("column %q has %d digits after the point, items have %d", n, d.Scale, c.Scale)
			}
		}
	}
	if len(c.Key) == 0 {
		return fault.Usagef("no key: name the column that identifies a movement on both sides")
	}
	return nil
}

func optional(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

func names(schema *arrow.Schema) []string {
	out := make([]string, schema.NumFields())
	for i, f := range schema.Fields() {
		out[i] = f.Name
	}
	return out
}

func isText(t arrow.DataType) bool { return t.ID() == arrow.STRING }
func isDate(t arrow.DataType) bool { return t.ID() == arrow.DATE32 || t.ID() == arrow.TIMESTAMP }
func isAmount(t arrow.DataType) bool {
	return t.ID() == arrow.DECIMAL128 || t.ID() == arrow.INT64 || t.ID() == arrow.INT32
}
func isKey(t arrow.DataType) bool {
	return isText(t) || isDate(t) || isAmount(t) || t.ID() == arrow.BOOL
}

// makeItems makes the function that turns rows into items.
func makeItems(config string) (dataset.BatchFunc, error) {
	m := &itemMaker{}
	if err := json.Unmarshal([]byte(config), &m.Columns); err != nil {
		return nil, fmt.Errorf("items: %w", err)
	}
	var err error
	if m.zone, err = time.LoadLocation(m.Zone); err != nil {
		return nil, fmt.Errorf("items: %w", err)
	}
	return m.items, nil
}

type itemMaker struct {
	Columns
	zone *time.Location
	buf  []byte
}

func (m *itemMaker) items(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	if err := m.Check(b.Schema()); err != nil {
		return nil, err
	}
	col := func(name string) arrow.Array { return b.Column(b.Schema().FieldIndices(name)[0]) }
	n := int(b.NumRows())
	schema := m.schema(b.Schema())
	out := make([]arrow.Array, schema.NumFields())
	defer func() {
		for _, a := range out {
			if a != nil {
				a.Release()
			}
		}
	}()
	var err error
	if len(m.Ref) == 1 {
		out[4] = m.carried(col(m.Ref[0]))
	} else {
		out[4] = m.joined(m.Ref, col, n)
	}
	if out[1], err = m.amounts(col(m.Amount), out[4]); err != nil {
		return nil, err
	}
	out[0] = m.joined(m.Key, col, n)
	out[2] = m.currencies(col, n)
	out[3] = m.dates(col, n)
	for i, name := range m.Show {
		out[5+i] = m.carried(col(name))
	}
	return array.NewRecordBatch(schema, out, int64(n)), nil
}

// carried is a column that goes along: as it is, or as texts.
func (m *itemMaker) carried(c arrow.Array) arrow.Array {
	if isFlat(c.DataType()) {
		c.Retain()
		return c
	}
	out := array.NewStringBuilder(memory.DefaultAllocator)
	defer out.Release()
	for row := range c.Len() {
		if c.IsNull(row) {
			out.AppendNull()
			continue
		}
		m.buf = appendText(m.buf[:0], c, row, false)
		out.BinaryBuilder.Append(m.buf)
	}
	return out.NewArray()
}

// joined are the texts of the columns, joined; the column itself where it is the only one, a text, and has no null.
func (m *itemMaker) joined(columns []string, col func(string) arrow.Array, n int) arrow.Array {
	if len(columns) == 1 {
		if t, ok := col(columns[0]).(*array.String); ok && t.NullN() == 0 {
			t.Retain()
			return t
		}
	}
	out := array.NewStringBuilder(memory.DefaultAllocator)
	defer out.Release()
	out.Reserve(n)
	cols := make([]arrow.Array, len(columns))
	for i, c := range columns {
		cols[i] = col(c)
	}
	for row := range n {
		m.buf = m.buf[:0]
		for i, c := range cols {
			if i > 0 {
				m.buf = append(m.buf, '|')
			}
			if c.IsNull(row) {
				continue
			}
			m.buf = appendText(m.buf, c, row, len(cols) > 1)
		}
		out.BinaryBuilder.Append(m.buf)
	}
	return out.NewArray()
}

func appendText(dst []byte, c arrow.Array, row int, escape bool) []byte {
	text := ""
	switch c := c.(type) {
	case *array.String:
		text = c.Value(row)
	case *array.Decimal128:
		if d, err := decimalOf(c, row); err == nil {
			return append(dst, d.String()...)
		}
		text = c.ValueStr(row)
	default:
		text = c.ValueStr(row)
	}
	if !escape {
		return append(dst, text...)
	}
	for i := range len(text) {
		if text[i] == '|' || text[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, text[i])
	}
	return dst
}

// decimalOf is a value as a decimal; it fails for more than 38 digits, which no column should hold.
func decimalOf(a *array.Decimal128, row int) (money.Decimal, error) {
	v := a.Value(row)
	return money.NewFromInt128(money.Int128{Lo: v.LowBits(), Hi: v.HighBits()}, int(a.DataType().(*arrow.Decimal128Type).Scale))
}

// amounts brings the amounts to the items' scale.
func (m *itemMaker) amounts(c arrow.Array, refs arrow.Array) (arrow.Array, error) {
	if c.NullN() > 0 {
		for i := range c.Len() {
			if c.IsNull(i) {
				return nil, fmt.Errorf("the amount %s of row %s is null; leave such rows out with a filter", m.Amount, refs.ValueStr(i))
			}
		}
	}
	to := amountType(m.Scale)
	t, isDecimal := c.DataType().(*arrow.Decimal128Type)
	if isDecimal && t.Scale == m.Scale && !m.Negate {
		d := c.Data()
		data := array.NewData(to, d.Len(), d.Buffers(), nil, d.NullN(), d.Offset())
		defer data.Release()
		return array.MakeFromData(data), nil
	}
	var scale int32
	if isDecimal {
		scale = t.Scale
	}
	power, _ := money.PowerOfTen(int(m.Scale - scale))
	out := array.NewDecimal128Builder(memory.DefaultAllocator, to)
	defer out.Release()
	out.Reserve(c.Len())
	for i := range c.Len() {
		v, ok := intOf(c, i).Mul(power)
		if ok && m.Negate {
			v, ok = v.Neg()
		}
		if !ok || !v.Fits(38) {
			return nil, fmt.Errorf("the amount %s of row %s has more than 38 digits at scale %d: %w", m.Amount, refs.ValueStr(i), m.Scale, money.ErrOverflow)
		}
		out.UnsafeAppend(decimal128.New(v.Hi, v.Lo))
	}
	return out.NewArray(), nil
}

func intOf(c arrow.Array, i int) money.Int128 {
	switch c := c.(type) {
	case *array.Decimal128:
		v := c.Value(i)
		return money.Int128{Lo: v.LowBits(), Hi: v.HighBits()}
	case *array.Int64:
		return money.Int128Of(c.Value(i))
	case *array.Int32:
		return money.Int128Of(int64(c.Value(i)))
	}
	return money.Int128{} // Check refuses every other type
}

func (m *itemMaker) currencies(col func(string) arrow.Array, n int) arrow.Array {
	if m.Currency != "" {
		return m.joined([]string{m.Currency}, col, n)
	}
	out := array.NewStringBuilder(memory.DefaultAllocator)
	defer out.Release()
	for range n {
		out.Append(m.CurrencyIs)
	}
	return out.NewArray()
}

func (m *itemMaker) dates(col func(string) arrow.Array, n int) arrow.Array {
	if m.Date == "" {
		return array.MakeArrayOfNull(memory.DefaultAllocator, arrow.FixedWidthTypes.Date32, n)
	}
	return daysOf(col(m.Date), m.zone)
}

func appendJSON(dst []byte, text string) []byte {
	b, err := json.Marshal(text)
	if err != nil { // a text always encodes
		return append(dst, `""`...)
	}
	return append(dst, b...)
}
