package columnar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

func init() { dataset.RegisterMaker(makeComparison) }

// ColSide tells the sides apart in what [Both] puts together, and in populations.
const ColSide = "side"

// The sides, as int64.
const (
	Left  = 0
	Right = 1
)

// The columns of an outcome beside the key.
const (
	ColClass         = "class"
	ColBreakID       = "break_id"
	ColDifference    = "difference"
	ColAmountLeft    = "amount_left"
	ColAmountRight   = "amount_right"
	ColCurrencyLeft  = "currency_left"
	ColCurrencyRight = "currency_right"
	ColDateLeft      = "date_left"
	ColDateRight     = "date_right"
	ColRefLeft       = "ref_left"
	ColRefRight      = "ref_right"
	ColRowLeft       = "row_left"
	ColRowRight      = "row_right"
)

// OutcomeSchema is the form of outcomes: class ("matched", or a break's class), break_id (null for matches), key, and
// each side's amount, currency, date, ref and row, all null on a side that has none; difference is
// left − right, a missing side counting as zero, and null where the currencies differ.
func OutcomeSchema(scale int32) *arrow.Schema {
	text, amount, date := arrow.BinaryTypes.String, amountType(scale), arrow.FixedWidthTypes.Date32
	null := func(name string, t arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: t, Nullable: true}
	}
	return arrow.NewSchema([]arrow.Field{
		{Name: ColClass, Type: text}, null(ColBreakID, text), {Name: ColKey, Type: text},
		null(ColAmountLeft, amount), null(ColAmountRight, amount), null(ColDifference, amount),
		null(ColCurrencyLeft, text), null(ColCurrencyRight, text), null(ColDateLeft, date), null(ColDateRight, date),
		null(ColRefLeft, text), null(ColRefRight, text), null(ColRowLeft, text), null(ColRowRight, text),
	}, nil)
}

// Option alters Both.
type Option func(*settings)

type settings struct{ partitions int }

// Partitions is into how many parts both sides are cut by their keys; default dataset.DefaultPartitions. It never changes a result.
func Partitions(n int) Option { return func(s *settings) { s.partitions = n } }

// Pair is both sides' items, put together and in order of their keys. It is moved once, however often it is used.
type Pair struct {
	rows  dataset.Dataset
	scale int32
}

// Both puts two sides' items of one scale together.
func Both(s beam.Scope, left, right dataset.Dataset, scale int32, opts ...Option) Pair {
	s = s.Scope("columnar.Both")
	set := settings{dataset.DefaultPartitions}
	for _, o := range opts {
		o(&set)
	}
	rows := shows(left) || shows(right)
	all := dataset.Union(s, tagged(s, left, Left, rows), tagged(s, right, Right, rows))
	return Pair{dataset.Sort(s, dataset.Repartition(s, all, set.partitions, ColKey), ColKey), scale}
}

func shows(items dataset.Dataset) bool {
	return items.Schema() != nil && items.Schema().HasField(ColRow)
}

// tagged are items with their side. rows adds the rows shown, null where the side has none.
func tagged(s beam.Scope, in dataset.Dataset, side int, rows bool) dataset.Dataset {
	items := []dataset.Item{dataset.As(ColSide, expr.Lit(side))}
	for _, f := range ItemSchema(0, false).Fields() {
		items = append(items, dataset.Column(f.Name))
	}
	switch {
	case !rows:
	case !shows(in):
		items = append(items, dataset.As(ColRow, expr.Lit(nil).Cast(expr.Type{Kind: expr.String})))
	default:
		items = append(items, dataset.Column(ColRow))
	}
	return dataset.Project(s, in, items...)
}

// Population is what each side holds by currency: side (int64), currency, items (int64),
// total (decimal). It is added up from the items, apart from any comparison.
func Population(s beam.Scope, p Pair) dataset.Dataset {
	s = s.Scope("columnar.Population")
	return dataset.GroupBy(s, p.rows, ColSide, ColCurrency).Count("items").Sum(ColAmount, "total").With(dataset.Partitions(1)).Dataset()
}

type ruleConfig struct {
	Name      string        `json:"name"`
	Tolerance money.Decimal `json:"tolerance"`
	Days      int32         `json:"days"`
	HasDate   bool          `json:"has_date"`
	Scale     int32         `json:"scale"`
}

// Compare settles both sides by a rule into outcomes, in order of their keys
// within each of the pair's partitions.
func Compare(s beam.Scope, p Pair, rule reconciliation.Rule) dataset.Dataset {
	s = s.Scope("columnar.Compare")
	config, err := json.Marshal(ruleConfig{rule.Name, rule.Tolerance, rule.Days, rule.HasDate, p.scale})
	if err != nil { // texts and numbers always encode
		config = nil
	}
	return dataset.MapGroups(s, p.rows, []string{ColKey}, makeComparison, string(config), dataset.OutputSchema(OutcomeSchema(p.scale)))
}

func makeComparison(config string) (dataset.BatchFunc, error) {
	var r ruleConfig
	if err := json.Unmarshal([]byte(config), &r); err != nil {
		return nil, fmt.Errorf("comparison: %w", err)
	}
	if r.Tolerance.Sign() < 0 || r.Days < 0 {
		return nil, errors.New("comparison: a tolerance must not be negative")
	}
	c := &comparison{rule: reconciliation.Rule{Name: r.Name, Tolerance: r.Tolerance, Days: r.Days, HasDate: r.HasDate}}
	c.out.init(OutcomeSchema(r.Scale))
	return c.batch, nil
}

// comparison settles whole groups of rows.
type comparison struct {
	rule        reconciliation.Rule
	settler     reconciliation.Settler
	left, right []reconciliation.Item
	in          inColumns
	out         outcomes
}

func (c *comparison) batch(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	if err := c.in.read(b); err != nil {
		return nil, err
	}
	n := int(b.NumRows())
	c.out.reserve(n)
	for i, j := 0, 0; i < n; i = j {
		key := c.in.key.Value(i)
		c.left, c.right = c.left[:0], c.right[:0]
		for j = i; j < n && c.in.key.Value(j) == key; j++ {
			it, err := c.in.item(j)
			if err != nil {
				return nil, fmt.Errorf("the amount of %s: %w", c.in.ref.Value(j), err)
			}
			if c.in.side.Value(j) == Left {
				c.left = append(c.left, it)
			} else {
				c.right = append(c.right, it)
			}
		}
		c.settler.Settle(c.rule, c.left, c.right, func(br reconciliation.Break) { c.out.add(c, br, i, j) })
	}
	return c.out.batch(), nil
}

// inColumns are the columns of a batch of items.
type inColumns struct {
	side               *array.Int64
	key, currency, ref *array.String
	row                *array.String // nil where there is nothing to show
	amount             *array.Decimal128
	date               *array.Date32
}

func (in *inColumns) read(b arrow.RecordBatch) error {
	var ok [6]bool
	col := func(name string) arrow.Array { return b.Column(b.Schema().FieldIndices(name)[0]) }
	in.side, ok[0] = col(ColSide).(*array.Int64)
	in.key, ok[1] = col(ColKey).(*array.String)
	in.amount, ok[2] = col(ColAmount).(*array.Decimal128)
	in.currency, ok[3] = col(ColCurrency).(*array.String)
	in.date, ok[4] = col(ColDate).(*array.Date32)
	in.ref, ok[5] = col(ColRef).(*array.String)
	in.row, _ = columnOf(b, ColRow).(*array.String)
	if ok != [6]bool{true, true, true, true, true, true} {
		return fmt.Errorf("the rows are no items: %s", b.Schema())
	}
	return nil
}

// item is a row as an item; its texts are those of the batch.
func (in *inColumns) item(i int) (reconciliation.Item, error) {
	amount, err := decimalOf(in.amount, i)
	it := reconciliation.Item{Key: in.key.Value(i), Amount: amount, Currency: in.currency.Value(i), Date: reconciliation.NoDate, Ref: in.ref.Value(i)}
	if in.date.IsValid(i) {
		it.Date = int32(in.date.Value(i))
	}
	return it, err
}

// rowOf finds the row that a break shows, in the rows [from, to) of its key.
func (in *inColumns) rowOf(it *reconciliation.Item, side int64, from, to int) (string, bool) {
	if in.row == nil || in.row.NullN() == in.row.Len() {
		return "", false
	}
	for i := from; i < to; i++ {
		if in.side.Value(i) == side && in.ref.Value(i) == it.Ref && in.row.IsValid(i) {
			return in.row.Value(i), true
		}
	}
	return "", false
}

// outcomes builds batches of outcomes.
type outcomes struct {
	b                            *array.RecordBuilder
	class, id, key               *array.StringBuilder
	amountL, amountR, difference *array.Decimal128Builder
	currencyL, currencyR         *array.StringBuilder
	dateL, dateR                 *array.Date32Builder
	refL, refR, rowL, rowR       *array.StringBuilder
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
}

func (o *outcomes) reserve(n int) { o.b.Reserve(n) }

func (o *outcomes) batch() arrow.RecordBatch { return o.b.NewRecordBatch() }

func (o *outcomes) add(c *comparison, br reconciliation.Break, from, to int) {
	o.class.Append(string(br.Class))
	o.key.Append(br.Key())
	if br.Class == reconciliation.Matched {
		o.id.AppendNull()
	} else {
		o.id.Append(br.ID(c.rule.Name))
	}
	if d, ok := br.Difference(); ok {
		appendAmount(o.difference, d)
	} else {
		o.difference.AppendNull()
	}
	// Matches are many, and nobody reads their rows.
	shown := br.Class != reconciliation.Matched
	addSide(o.amountL, o.currencyL, o.dateL, o.refL, br.Left)
	addSide(o.amountR, o.currencyR, o.dateR, o.refR, br.Right)
	addRow(c, o.rowL, br.Left, Left, shown, from, to)
	addRow(c, o.rowR, br.Right, Right, shown, from, to)
}

func addRow(c *comparison, out *array.StringBuilder, it *reconciliation.Item, side int64, shown bool, from, to int) {
	if it != nil && shown {
		if text, ok := c.in.rowOf(it, side, from, to); ok {
			out.Append(text)
			return
		}
	}
	out.AppendNull()
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
