// Command first-pipeline adds up what each account spent by card: scan, filter, group, write.
package main

import (
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/runners"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

// Entry holds the columns of ledger.entries that the pipeline reads.
type Entry struct {
	AccountID int64
	Amount    money.Decimal `lake:",decimal(18,2)"` // negative: money that left the account
	Channel   string
}

func build(s beam.Scope, lk *catalog.Lake) {
	entries := dataset.Scan[Entry](s, lk, "ledger.entries")
	card := dataset.Filter(s, entries, expr.Col("channel").Eq("card").And(expr.Col("amount").Lt(0)))
	spend := dataset.GroupBy(s, card, "account_id").Sum("amount", "spent").Count("n")
	dataset.Write(s, lk, "marts.card_spend", spend, dataset.Key("account_id"))
}

func main() { runners.Main(build) } // flags, config, the runner, progress, exit codes
