package runners_test

import (
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/runners"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

// Entry is a row of ledger.entries.
type Entry struct {
	EntryID   int64 `lake:",key"`
	AccountID int64
	Amount    money.Decimal `lake:",decimal(18,2)"`
	BookedAt  time.Time
	Channel   *string
}

// build computes card spend per account.
func build(s beam.Scope, lk *catalog.Lake) {
	entries := dataset.Scan[Entry](s, lk, "ledger.entries",
		dataset.Columns("account_id", "amount", "booked_at", "channel"))
	card := dataset.Filter(s, entries, expr.Col("channel").Eq("card"))
	spend := dataset.GroupBy(s, card, "account_id").Sum("amount", "spent").Count("n")
	dataset.Write(s, lk, "marts.card_spend", spend, dataset.Key("account_id"))
}

// The main function of an author's program.
func ExampleMain() {
	runners.Main(build) // flags, config, the runner, progress, exit codes
}
