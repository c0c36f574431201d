package reconcile_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
)

// A night's proof from a program of one's own: the ledger's payments against the
// bank's statement, and every account's balance against its movements.
func ExampleRun() {
	night := func(ctx context.Context, lake *catalog.Lake, statement string) error {
		tolerance, err := money.Parse("0.01")
		if err != nil {
			return err
		}
		rep, err := reconcile.Run(ctx, reconcile.Options{
			Lake: lake, Run: run, Stores: stores,
			Statement: &reconcile.Statement{
				Table: "ledger.payments",
				Left:  columnar.Columns{Key: []string{"reference"}, Amount: "amount", Currency: "currency", Date: "value_date"},
				File:  statement,
				Right: columnar.Columns{Key: []string{"ref"}, Amount: "amount", Currency: "ccy", Date: "settled_on"},
				Rule:  reconciliation.Rule{Name: "payments", Tolerance: tolerance, Days: 2},
			},
			Balances: &reconcile.Balances{Movements: reconcile.Movements{
				Table: "ledger.movements", Account: "account_id", Amount: "amount", Date: "date", Balance: "balance_after"}},
			Out: "night",
		})
		if err != nil {
			return err
		}
		return reconcile.Print(os.Stdout, rep)
	}
	lake, err := catalog.Open(context.Background(), catalog.Config{Catalog: "sqlite:///nowhere/catalog.db", Warehouse: "file:///nowhere/warehouse",
		Existing: true, Storage: stores.Open, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println("no lake, no proof")
		return
	}
	if err := night(context.Background(), lake, "statement.csv"); err != nil {
		fmt.Println(err)
	}
	// Output: no lake, no proof
}
