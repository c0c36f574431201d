package columnar

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// outcomes builds batches of outcomes.
type outcomes struct {
	b                            *array.RecordBuilder
	class, id, key               *array.StringBuilder
	amountL, amountR, difference *array.Decimal128Builder
	currencyL, currencyR         *array.StringBuilder
	dateL, dateR                 *array.Date32Builder
	refL, refR, rowL, rowR       *array.StringBuilder
	count                        *array.Int64Builder // nil where every row is one outcome
}

func (o *outcomes) init(schema *arrow.Schema) {
	o.b = array.NewRecordBuilder(memory.DefaultAllocator, schema)
	text := func(i int) *array.StringBuilder { return o.b.Field(i).(*array.StringBuilder) }
	amount := func(i int) *array.Decimal128Builder { return o.b.Field(i).(*array.Decimal128Builder) }
	date := func(i int) *array.Date32Builder { return o.b.Field(i).(*array.Date32Builder) }
	o.class, o.id, o.key = text(0), text(1), text(2)
	o.amountL, o.amountR, o.difference = amount(3), amount(4), amount(5)
	o.currencyL, o.currencyR, o.dateL, o.dateR = text(6), text(7), date(8), date(9)
	o.refL, o.refR, o.rowL, o.rowR = text(10), text(11), text(12), text(13)
	if schema.HasField(ColCount) {
		o.count = o.b.Field(14).(*array.Int64Builder)
	}
}

// add adds an outcome. The rows are what a break shows of each side.
func (o *outcomes) add(rule string, br reconciliation.Break, rowL, rowR []byte) {
	o.class.Append(string(br.Class))
	o.key.Append(br.Key())
	if br.Class == reconciliation.Matched {
		o.id.AppendNull()
	} else {
		o.id.Append(br.ID(rule))
	}
	if d, ok := br.Difference(); ok {
		appendAmount(o.difference, d)
	} else {
		o.difference.AppendNull()
	}
	addSide(o.amountL, o.currencyL, o.dateL, o.refL, br.Left)
	addSide(o.amountR, o.currencyR, o.dateR, o.refR, br.Right)
	addRow(o.rowL, rowL)
	addRow(o.rowR, rowR)
	if o.count != nil {
		o.count.Append(1)
	}
}

func addRow(out *array.StringBuilder, row []byte) {
	if row == nil {
		out.AppendNull()
		return
	}
	out.BinaryBuilder.Append(row)
}

// addSum adds a row that stands for n outcomes, or items, of one currency. A nil amount is of a side that has none.
func (o *outcomes) addSum(class reconciliation.Class, currency string, n int64, left, right *money.Int128) {
	o.class.Append(string(class))
	o.key.Append("")
	o.count.Append(n)
	side := func(amount *array.Decimal128Builder, text *array.StringBuilder, v *money.Int128) {
		if v == nil {
			amount.AppendNull()
			text.AppendNull()
			return
		}
		amount.Append(decimal128.New(v.Hi, v.Lo))
		text.Append(currency)
	}
	side(o.amountL, o.currencyL, left)
	side(o.amountR, o.currencyR, right)
	o.difference.AppendNull()
	for _, b := range []array.Builder{o.id, o.dateL, o.dateR, o.refL, o.refR, o.rowL, o.rowR} {
		b.AppendNull()
	}
}

func addSide(amount *array.Decimal128Builder, currency *array.StringBuilder, date *array.Date32Builder, ref *array.StringBuilder, it *reconciliation.Item) {
	if it == nil {
		amount.AppendNull()
		currency.AppendNull()
		date.AppendNull()
		ref.AppendNull()
		return
	}
	appendAmount(amount, it.Amount)
	currency.Append(it.Currency)
	ref.Append(it.Ref)
	if it.Date == reconciliation.NoDate {
		date.AppendNull()
	} else {
		date.Append(arrow.Date32(it.Date))
	}
}

func appendAmount(out *array.Decimal128Builder, d money.Decimal) {
	c := d.Coefficient()
	out.Append(decimal128.New(c.Hi, c.Lo))
}
