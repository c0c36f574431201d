package changelog_test

import (
	"fmt"

	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/sdk/change"
)

func ExampleBuilder() {
	b, err := changelog.NewBuilder(entriesSpec())
	if err != nil {
		fmt.Println(err)
		return
	}
	batch := batchOf("ledger.entries-0", 0, false,
		event{op: change.Create, id: 1, cents: 12_50, currency: "EUR"},
		event{op: change.Create, id: 2, cents: -12_50, currency: "EUR"})
	defer batch.Release()
	rows, err := b.Rows(batch)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rows.Release()
	totals, err := b.Totals()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rows.NumRows(), "rows,", totals.Inserts, "inserts, amount in EUR:", totals.Control["amount[currency=EUR]"])
	// Output: 2 rows, 2 inserts, amount in EUR: 0.00
}
