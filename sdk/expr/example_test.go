package expr_test

import (
	"encoding/json"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/record"
)

type entry struct {
	ID      int64
	Channel string
	Amount  money.Decimal  `lake:",decimal(18,2)"`
	Fee     *money.Decimal `lake:",decimal(18,2)"`
}

// entries is a batch of three ledger entries; the second has no fee.
func entries() arrow.RecordBatch {
	b, err := record.NewBuilder[entry]()
	if err != nil {
		panic(err)
	}
	cents := func(n int64) money.Decimal { d, _ := money.New(n, 2); return d }
	fee := cents(25)
	if err := b.AppendAll([]entry{{1, "card", cents(1250), &fee}, {2, "cash", cents(9900), nil}, {3, "card", cents(300), &fee}}); err != nil {
		panic(err)
	}
	return b.NewRecord()
}

func ExampleBound_Filter() {
	rec := entries()
	defer rec.Release()
	limit, _ := money.Parse("10.00")
	filter, err := expr.Bind(expr.Col("channel").Eq("card").And(expr.Col("amount").Gt(limit)), rec.Schema())
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := filter.Filter(rec)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer out.Release()
	fmt.Println(out.NumRows(), out.Column(0))
	// Output: 1 [1]
}

func ExampleParse() {
	e, err := expr.Parse("amount > 10.00 and channel in ('card', 'cash')")
	fmt.Println(e, err)
	_, err = expr.Parse("amount > 10.00 and channel == 'card'")
	fmt.Println(err)
	// Output:
	// amount > 10.00 and channel in ('card', 'cash') <nil>
	// parse expression "amount > 10.00 and channel == 'card'": column 29: unexpected = after a comparison: equality is written with one =
}

func ExampleBind() {
	rec := entries()
	defer rec.Release()
	_, err := expr.Bind(expr.Col("amout").Gt(10), rec.Schema())
	fmt.Println(err)
	_, err = expr.Bind(expr.Col("amount").Gt("ten"), rec.Schema())
	fmt.Println(err)
	// Output:
	// bind expression amout > 10: unknown column "amout": did you mean "amount"?
	// bind expression amount > 'ten': types do not fit: in amount > 'ten': amount (decimal(18,2)) and string 'ten' do not compare
}

func ExampleBindProjection() {
	rec := entries()
	defer rec.Release()
	p, err := expr.BindProjection(rec.Schema(),
		expr.Named{Name: "id", Expr: expr.Col("id")},
		expr.Named{Name: "net", Expr: expr.Col("amount").Sub(expr.Coalesce(expr.Col("fee"), 0))})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := p.Apply(rec)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer out.Release()
	fmt.Println(out.Schema().Field(1).Type, out.Column(1))
	// Output: decimal(19, 2) [12.25 99 2.75]
}

func ExampleBound_Prune() {
	rec := entries()
	defer rec.Release()
	filter, err := expr.Bind(expr.Col("id").Gt(100), rec.Schema())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(filter.Prune(func(column string) (expr.Stats, bool) {
		return expr.Stats{Min: int64(1), Max: int64(50), Rows: 3}, column == "id"
	}))
	// Output: never
}

func ExampleNode_MarshalJSON() {
	data, err := json.Marshal(expr.Col("channel").Eq("card"))
	fmt.Println(string(data), err)
	// Output: {"v":1,"expr":{"op":"eq","args":[{"col":"channel"},{"lit":{"type":"string","value":"card"}}]}} <nil>
}

func ExampleCase() {
	e := expr.Case().When(expr.Col("days").Eq(0), nil).Else(expr.Col("amount").Div(expr.Col("days")))
	fmt.Println(e)
	// Output: case when days = 0 then null else amount / days end
}
