package sdk_test

import (
	"context"
	"fmt"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

// Entry is a row of ledger.entries, as far as the pipeline reads it.
type Entry struct {
	AccountID string
	Amount    money.Decimal `lake:",decimal(18,2)"`
	Channel   *string
}

// cardSpend computes card spend per account.
func cardSpend(s beam.Scope, lk dataset.Lake) {
	entries := dataset.Scan[Entry](s, lk, "ledger.entries",
		dataset.Columns("account_id", "amount", "channel"))
	card := dataset.Filter(s, entries, expr.Col("channel").Eq("card"))
	spend := dataset.GroupBy(s, card, "account_id").Sum("amount", "spent").Count("n")
	dataset.Write(s, lk, "marts.card_spend", spend, dataset.Key("account_id"))
}

// amount reads a constant of the example.
func amount(text string) money.Decimal {
	d, err := money.Parse(text)
	if err != nil {
		panic(err)
	}
	return d
}

func Example() {
	lake := datasettest.NewTables("example")
	card, wire := "card", "wire"
	ledger := []Entry{
		{"DE-1", amount("12.30"), &card}, {"DE-2", amount("5.00"), &card},
		{"DE-1", amount("900.00"), &wire}, {"DE-1", amount("-2.30"), &card}, {"DE-3", amount("1.00"), nil},
	}
	pipeline := func(s beam.Scope) {
		rows, err := datasettest.From(s, "ledger", ledger)
		if err != nil {
			panic(err)
		}
		dataset.Write(s, lake, "ledger.entries", rows)
	}
	for _, build := range []func(beam.Scope){pipeline, func(s beam.Scope) { cardSpend(s, lake) }} {
		if _, err := datasettest.Run(context.Background(), build, dataset.RunOptions{}); err != nil {
			fmt.Println(err)
			return
		}
	}
	spend, err := lake.Rows("marts.card_spend")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range datasettest.Texts(spend) {
		fmt.Println(row)
	}
	// Output:
	// DE-1 | 10 | 2
	// DE-2 | 5 | 1
}
