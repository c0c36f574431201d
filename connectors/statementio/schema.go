package statementio

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
)

// DefaultScale is the number of digits behind the point of amounts: what ISO 20022 allows at most.
const DefaultScale = 5

// precision of amounts.
const precision = 38

// column is a column of the schema and how it is filled.
type column struct {
	field arrow.Field
	add   func(b array.Builder, e *statement.Entry, file string)
}

func text(name string, get func(*statement.Entry) string) column {
	return column{arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true}, func(b array.Builder, e *statement.Entry, _ string) {
		if s := get(e); s != "" {
			b.(*array.StringBuilder).Append(s)
		} else {
			b.AppendNull()
		}
	}}
}

func required(name string, get func(e *statement.Entry, file string) string) column {
	return column{arrow.Field{Name: name, Type: arrow.BinaryTypes.String}, func(b array.Builder, e *statement.Entry, file string) {
		b.(*array.StringBuilder).Append(get(e, file))
	}}
}

func whole(name string, get func(*statement.Entry) int64) column {
	return column{arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64}, func(b array.Builder, e *statement.Entry, _ string) {
		b.(*array.Int64Builder).Append(get(e))
	}}
}

func day(name string, get func(*statement.Entry) statement.Date) column {
	return column{arrow.Field{Name: name, Type: arrow.FixedWidthTypes.Date32, Nullable: true}, func(b array.Builder, e *statement.Entry, _ string) {
		if d := get(e); !d.IsZero() {
			b.(*array.Date32Builder).Append(arrow.Date32(d.Days()))
		} else {
			b.AppendNull()
		}
	}}
}

func columns(scale int32) []column {
	amount := arrow.Field{Name: "amount", Type: &arrow.Decimal128Type{Precision: precision, Scale: scale}}
	return []column{
		required("file", func(_ *statement.Entry, file string) string { return file }),
		whole("line", func(e *statement.Entry) int64 { return e.Line }),
		whole("offset", func(e *statement.Entry) int64 { return e.Offset }),
		whole("statement", func(e *statement.Entry) int64 { return e.Statement }),
		whole("entry", func(e *statement.Entry) int64 { return e.Number }),
		whole("part", func(e *statement.Entry) int64 { return e.Part }),
		text("statement_id", func(e *statement.Entry) string { return e.StatementID }),
		text("sequence", func(e *statement.Entry) string { return e.Sequence }),
		required("account", func(e *statement.Entry, _ string) string { return e.Account }),
		text("account_bank", func(e *statement.Entry) string { return e.Bank }),
		text("account_holder", func(e *statement.Entry) string { return e.Holder }),
		required("currency", func(e *statement.Entry, _ string) string { return e.Currency }),
		day("booking_date", func(e *statement.Entry) statement.Date { return e.BookingDate }),
		day("value_date", func(e *statement.Entry) statement.Date { return e.ValueDate }),
		{amount, nil},
		required("mark", func(e *statement.Entry, _ string) string { return string(e.Mark) }),
		{arrow.Field{Name: "reversal", Type: arrow.FixedWidthTypes.Boolean}, func(b array.Builder, e *statement.Entry, _ string) {
			b.(*array.BooleanBuilder).Append(e.Mark.Reversal())
		}},
		required("status", func(e *statement.Entry, _ string) string { return string(e.Status) }),
		text("end_to_end_id", func(e *statement.Entry) string { return e.EndToEndID }),
		text("bank_ref", func(e *statement.Entry) string { return e.BankRef }),
		text("customer_ref", func(e *statement.Entry) string { return e.CustomerRef }),
		text("mandate_id", func(e *statement.Entry) string { return e.MandateID }),
		text("code", func(e *statement.Entry) string { return e.Code }),
		text("remittance", func(e *statement.Entry) string { return e.Remittance }),
		text("info", func(e *statement.Entry) string { return e.Info }),
		text("counterparty", func(e *statement.Entry) string { return e.Counterparty }),
		text("counterparty_account", func(e *statement.Entry) string { return e.CounterpartyAccount }),
	}
}

// Schema is that of every format's rows; amounts have a scale of digits behind the point.
//
// file, line and offset say where the record begins; statement, entry and part number it in its file. account,
// currency, amount, mark (C, D, RC, RD), reversal and status (booked, pending, info) are never null. booking_date
// and value_date are null where the file does not state them, and so are the references and texts.
func Schema(scale int32) *arrow.Schema {
	cols := columns(scale)
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		fields[i] = c.field
	}
	return arrow.NewSchema(fields, nil)
}

// batcher makes batches of entries.
type batcher struct {
	schema *arrow.Schema
	cols   []column // those that are read
	scale  int
	build  *array.RecordBuilder
	rows   int
}

// newBatcher makes batches of some columns of the schema, in their order there.
func newBatcher(schema *arrow.Schema, scale int32) (*batcher, error) {
	b := &batcher{schema: schema, scale: int(scale)}
	byName := map[string]column{}
	for _, c := range columns(scale) {
		byName[c.field.Name] = c
	}
	for _, f := range schema.Fields() {
		c, ok := byName[f.Name]
		if !ok || !arrow.TypeEqual(c.field.Type, f.Type) {
			return nil, fmt.Errorf("column %s %s is not one of a statement's", f.Name, f.Type)
		}
		b.cols = append(b.cols, c)
	}
	b.build = array.NewRecordBuilder(memory.DefaultAllocator, schema)
	return b, nil
}

// amount at the column's scale.
func (b *batcher) amount(e *statement.Entry) (decimal128.Num, error) {
	d, err := e.Amount.RescaleExact(b.scale)
	if err != nil {
		return decimal128.Num{}, fmt.Errorf("amount %s at scale %d: %w", e.Amount, b.scale, err)
	}
	return num(d), nil
}

func num(d money.Decimal) decimal128.Num {
	c := d.Coefficient()
	return decimal128.New(c.Hi, c.Lo)
}

func (b *batcher) add(e *statement.Entry, amount decimal128.Num, file string) {
	for i, c := range b.cols {
		if c.add == nil {
			b.build.Field(i).(*array.Decimal128Builder).Append(amount)
			continue
		}
		c.add(b.build.Field(i), e, file)
	}
	b.rows++
}

func (b *batcher) batch() arrow.RecordBatch {
	b.rows = 0
	return b.build.NewRecordBatch()
}
