package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// rowReader makes movements of a source's batches.
type rowReader struct {
	l         *loader
	used      []string // the source's columns
	whereExpr expr.Expr
	where     *expr.Bound // nil where all rows count, or where the scan has filtered
	forms     map[string]rulefile.Form
	reject    files.RejectFunc
}

// reader settles how a source of a schema is read.
func (l *loader) reader(schema *arrow.Schema) (*rowReader, error) {
	r := &rowReader{l: l, forms: map[string]rulefile.Form{}, reject: l.onReject()}
	var err error
	if r.used, err = l.sourceColumns(schema); err != nil {
		return nil, err
	}
	if r.whereExpr, err = l.whereOnce(schema); err != nil {
		return nil, err
	}
	if r.whereExpr != nil && l.report.Table == "" { // a scan filters by itself
		if r.where, err = expr.Bind(r.whereExpr, schema); err != nil {
			return nil, fmt.Errorf("where: %w", err)
		}
	}
	for name, col := range l.spec.Columns {
		if r.forms[name], err = col.Form(name); err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
	}
	return r, nil
}

// whereOnce is the side's condition; over a projected table, which lacks columns that only the condition names, it was bound before.
func (l *loader) whereOnce(schema *arrow.Schema) (expr.Expr, error) {
	if l.boundWhere != nil {
		return l.boundWhere, nil
	}
	e, err := l.whereOf(schema)
	l.boundWhere = e
	return e, err
}

// place says where a row stands, as the Ref and RefNumber of its movement do.
type place func(i int) (ref string, number int64)

func (p place) text(i int) string {
	m := reconciliation.Movement{}
	m.Ref, m.RefNumber = p(i)
	return m.FullRef()
}

// read adds the rows of a batch to the side.
func (r *rowReader) read(ctx context.Context, b arrow.RecordBatch, at place) error {
	var keep *array.Boolean
	if r.where != nil {
		v, err := r.where.Eval(b)
		if err != nil {
			return fmt.Errorf("where: %w", err)
		}
		defer v.Release()
		keep, _ = v.(*array.Boolean)
		if keep == nil {
			return fault.Usagef("where: the condition is neither true nor false")
		}
	}
	in := r.bind(b)
	schema := r.l.schema
	m := reconciliation.Movement{Texts: make([]string, len(schema.Texts)), Numbers: make([]money.Decimal, len(schema.Numbers)), Days: make([]int32, len(schema.Days))}
	for i := range int(b.NumRows()) {
		if keep != nil && (keep.IsNull(i) || !keep.Value(i)) {
			continue
		}
		if err := in.movement(&m, i); err != nil {
			rejected := r.reject(ctx, files.Reject{File: r.l.spec.Name, Reason: at.text(i) + ": " + err.Error()})
			if rejected != nil {
				return fmt.Errorf("%s: %w: %w", at.text(i), err, rejected)
			}
			continue
		}
		m.Ref, m.RefNumber = at(i)
		if err := r.l.add(&m); err != nil {
			return err
		}
	}
	return nil
}

// boundRows are the columns of a side over one batch of its source.
type boundRows struct {
	amount, currency, date boundColumn
	texts, numbers, days   []boundColumn
}

// boundColumn is a column with the arrays that its values are made of.
type boundColumn struct {
	*rulefile.Form                             // nil: the side has no such column
	from, debit, credit, indicator arrow.Array // nil where the form names none
	// What from mostly is, so that values need not ask: texts; decimals of dscale digits, without any form but their sign; days.
	texts    *array.String
	decimals *array.Decimal128
	dscale   int
	days     *array.Date32
}

// know notes what a column's array is.
func (c *boundColumn) know() {
	switch a := c.from.(type) {
	case *array.String:
		c.texts = a
	case *array.Date32:
		c.days = a
	case *array.Decimal128:
		if c.Debit == "" && c.Indicator == "" && c.Style.Implied == 0 && c.Is == "" {
			c.decimals, c.dscale = a, int(a.DataType().(*arrow.Decimal128Type).Scale)
		}
	}
}

// bind looks a batch's arrays up, once for all its rows.
func (r *rowReader) bind(b arrow.RecordBatch) *boundRows {
	column := func(name string) arrow.Array {
		if at := b.Schema().FieldIndices(name); name != "" && len(at) > 0 {
			return b.Column(at[0])
		}
		return nil
	}
	one := func(name string) boundColumn {
		f, ok := r.forms[name]
		if !ok {
			return boundColumn{}
		}
		c := boundColumn{Form: &f, from: column(f.From), debit: column(f.Debit), credit: column(f.Credit), indicator: column(f.Indicator)}
		c.know()
		return c
	}
	all := func(names []string) (out []boundColumn) {
		for _, n := range names {
			out = append(out, one(n))
		}
		return out
	}
	s := &r.l.schema
	return &boundRows{amount: one(reconciliation.ColumnAmount), currency: one(reconciliation.ColumnCurrency), date: one(reconciliation.ColumnDate),
		texts: all(s.Texts), numbers: all(s.Numbers), days: all(s.Days)}
}

// movement makes a row of a batch's. Its texts may share the batch's memory.
func (in *boundRows) movement(m *reconciliation.Movement, i int) (err error) {
	if m.Amount, m.NoAmount, err = in.amount.number(i); err != nil {
		return err
	}
	m.Currency = in.currency.text(i)
	if m.Date, err = in.date.day(i); err != nil {
		return err
	}
	for k := range in.texts {
		m.Texts[k] = in.texts[k].text(i)
	}
	for k := range in.numbers {
		if m.Numbers[k], _, err = in.numbers[k].number(i); err != nil {
			return err
		}
	}
	for k := range in.days {
		if m.Days[k], err = in.days[k].day(i); err != nil {
			return err
		}
	}
	return nil
}

func (c *boundColumn) text(i int) string {
	switch {
	case c.Form == nil:
		return ""
	case c.Is != "":
		return c.Is
	case c.from.IsNull(i):
		return ""
	}
	if c.texts != nil {
		return c.Text.Apply(c.texts.Value(i))
	}
	return c.Text.Apply(textOf(c.from, i))
}

func (c *boundColumn) day(i int) (int32, error) {
	switch {
	case c.Form == nil:
		return reconciliation.NoDate, nil
	case c.days != nil && c.days.IsValid(i):
		return int32(c.days.Value(i)), nil
	case c.Is != "":
		return c.Date.Day(c.Is)
	case c.from.IsNull(i):
		return reconciliation.NoDate, nil
	}
	switch a := c.from.(type) {
	case *array.Timestamp:
		t := a.DataType().(*arrow.TimestampType)
		at := a.Value(i).ToTime(t.Unit)
		if t.TimeZone == "" { // a clock's time, of no zone
			return reconciliation.DateForm{}.DayOf(at), nil
		}
		return c.Date.DayOf(at), nil
	case *array.String, *array.LargeString:
		d, err := c.Date.Day(textOf(a, i))
		if err != nil {
			return d, fmt.Errorf("column %s: %w", c.From, err)
		}
		return d, nil
	}
	return 0, fault.Usagef("column %s is %s, which is no date", c.From, c.from.DataType())
}

// number reads a number. blank is true where there is none.
func (c *boundColumn) number(i int) (d money.Decimal, blank bool, err error) {
	switch {
	case c.decimals != nil && c.decimals.IsValid(i):
		v := c.decimals.Value(i)
		d, err = money.NewFromInt128(money.Int128{Lo: v.LowBits(), Hi: v.HighBits()}, c.dscale)
		if c.dscale > leastScale {
			d = shortened(d)
		}
	case c.Form == nil:
		return d, true, nil
	case c.Is != "":
		d, err = c.Style.Parse([]byte(c.Is))
	case c.Debit != "":
		var credit money.Decimal
		var noDebit, noCredit bool
		if d, noDebit, err = numberOf(c.Form, c.debit, i); err != nil {
			return d, false, fmt.Errorf("column %s: %w", c.Debit, err)
		}
		if credit, noCredit, err = numberOf(c.Form, c.credit, i); err != nil {
			return d, false, fmt.Errorf("column %s: %w", c.Credit, err)
		}
		blank = noDebit && noCredit
		d, err = credit.Sub(d)
	default:
		if d, blank, err = numberOf(c.Form, c.from, i); err != nil {
			return d, false, fmt.Errorf("column %s: %w", c.From, err)
		}
		if c.Indicator != "" && slices.Contains(c.DebitWhen, strings.TrimSpace(textOf(c.indicator, i))) {
			d = d.Neg()
		}
	}
	if c.Negate {
		d = d.Neg()
	}
	return d, blank, err
}
