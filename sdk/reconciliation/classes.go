package reconciliation

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

// UserClass is a break class of one's own: breaks for which When is true have it.
//
// When may name class, rule, key (texts), days (integer), rows_left, rows_right (integers), amount_left, amount_right, difference (decimals),
// currency_left, currency_right (texts), date_left, date_right (dates), and every other column of the sides as left_NAME and
// right_NAME. Where a side has no row they are null; where it has several, amounts are their sum, and the rest is the first row's.
type UserClass struct {
	Name Class
	When expr.Expr
}

// Classify gives each break the first class whose condition is true, and keeps its own in Outcome.Base.
func (s *Settlement) Classify(classes []UserClass) error {
	breaks := s.Breaks()
	if len(classes) == 0 || len(breaks) == 0 {
		return nil
	}
	b := s.breakBatch(breaks)
	defer b.Release()
	done := make([]bool, len(breaks))
	for _, c := range classes {
		bound, err := expr.Bind(c.When, b.Schema())
		if err != nil {
			return fmt.Errorf("class %s: %w", c.Name, err)
		}
		values, err := bound.Eval(b)
		if err != nil {
			return fmt.Errorf("class %s: %w", c.Name, err)
		}
		truth, ok := values.(*array.Boolean)
		if !ok {
			values.Release()
			return fmt.Errorf("class %s: its condition is %s, neither true nor false", c.Name, values.DataType())
		}
		for i, o := range breaks {
			if !done[i] && truth.IsValid(i) && truth.Value(i) {
				done[i], o.Class = true, c.Name
			}
		}
		values.Release()
	}
	s.finish()
	return nil
}

// breakSchema is what conditions of user classes see.
func breakSchema(schema Schema, scale int) *arrow.Schema {
	text, whole, date := arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Date32
	amount := &arrow.Decimal128Type{Precision: 38, Scale: int32(scale)}
	fields := []arrow.Field{{Name: "class", Type: text}, {Name: "rule", Type: text}, {Name: "key", Type: text}, {Name: "days", Type: whole},
		{Name: "rows_left", Type: whole}, {Name: "rows_right", Type: whole}, {Name: "difference", Type: amount, Nullable: true}}
	for _, side := range []string{"left", "right"} {
		fields = append(fields, arrow.Field{Name: "amount_" + side, Type: amount, Nullable: true}, arrow.Field{Name: "currency_" + side, Type: text, Nullable: true},
			arrow.Field{Name: "date_" + side, Type: date, Nullable: true})
		for _, n := range schema.Texts {
			fields = append(fields, arrow.Field{Name: side + "_" + n, Type: text, Nullable: true})
		}
		for _, n := range schema.Numbers {
			fields = append(fields, arrow.Field{Name: side + "_" + n, Type: &arrow.Decimal128Type{Precision: 38, Scale: 10}, Nullable: true})
		}
		for _, n := range schema.Days {
			fields = append(fields, arrow.Field{Name: side + "_" + n, Type: date, Nullable: true})
		}
	}
	return arrow.NewSchema(fields, nil)
}

func (s *Settlement) breakBatch(breaks []*Outcome) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, breakSchema(s.Left.schema, s.scale))
	defer b.Release()
	for _, o := range breaks {
		at := 0
		next := func() array.Builder { at++; return b.Field(at - 1) }
		for _, t := range []string{string(o.Base), o.Pass, o.Key} {
			next().(*array.StringBuilder).Append(t)
		}
		for _, n := range []int64{o.Days, int64(len(o.Left)), int64(len(o.Right))} {
			next().(*array.Int64Builder).Append(n)
		}
		d, ok := s.Difference(o)
		addDecimal(next(), d, s.scale, ok)
		s.addSide(next, s.Left, o.Left)
		s.addSide(next, s.Right, o.Right)
	}
	return b.NewRecordBatch()
}

func (s *Settlement) addSide(next func() array.Builder, side *Side, rows []int32) {
	sum, _, ok := s.Sum(side, rows)
	addDecimal(next(), sum, s.scale, ok)
	there := len(rows) > 0
	row := int32(0)
	if there {
		row = rows[0]
	}
	addText := func(v func() string) {
		if b := next().(*array.StringBuilder); there {
			b.Append(v())
		} else {
			b.AppendNull()
		}
	}
	addDate := func(v func() int32) {
		b := next().(*array.Date32Builder)
		if !there || v() == NoDate {
			b.AppendNull()
			return
		}
		b.Append(arrow.Date32(v()))
	}
	addText(func() string { return side.currency[row] })
	addDate(func() int32 { return side.dates[row] })
	for _, c := range side.texts {
		addText(func() string { return c[row] })
	}
	for _, c := range side.numbers {
		var d money.Decimal
		if there {
			d = c[row]
		}
		addDecimal(next(), d, 10, there)
	}
	for _, c := range side.days {
		addDate(func() int32 { return c[row] })
	}
}

// addDecimal appends an amount; one that the scale cannot hold is null.
func addDecimal(b array.Builder, d money.Decimal, scale int, ok bool) {
	if ok {
		if x, err := d.RescaleExact(scale); err == nil {
			c := x.Coefficient()
			b.(*array.Decimal128Builder).Append(decimal128.New(c.Hi, c.Lo))
			return
		}
	}
	b.AppendNull()
}
