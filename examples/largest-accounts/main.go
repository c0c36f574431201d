// Command largest-accounts writes the ten accounts with the largest balances. It shows the bridge to Beam: a
// dataset becomes an ordinary collection, any Beam transform does its part (here top.Largest), and the result
// becomes a dataset again. Each row is a Beam element on the way, some hundred times slower than
// columns are, so cross over with few rows.
package main

import (
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/transforms/top"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/runners"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

// Account holds the columns of ledger.accounts that the pipeline reads, and writes.
type Account struct {
	AccountID  int64 `lake:",key"`
	CustomerID *int64
	Balance    money.Decimal `lake:",decimal(18,2)"`
}

func init() {
	dataset.RegisterBeam[Account]()
	register.Function2x1(smaller)
	register.Function2x0(spread)
	register.Emitter1[Account]()
}

// smaller orders accounts; of equal balances, the younger account comes first.
func smaller(a, b Account) bool {
	if c := a.Balance.Cmp(b.Balance); c != 0 {
		return c < 0
	}
	return a.AccountID > b.AccountID
}

// spread emits the accounts of a list one by one.
func spread(accounts []Account, emit func(Account)) {
	for _, a := range accounts {
		emit(a)
	}
}

func build(s beam.Scope, lk *catalog.Lake) {
	accounts := dataset.Scan[Account](s, lk, "ledger.accounts")
	customers := dataset.Filter(s, accounts, expr.Col("customer_id").IsNotNull()) // the bank's own have none
	largest := top.Largest(s, dataset.ToBeam[Account](s, customers), 10, smaller)
	dataset.Write(s, lk, "marts.largest_accounts", dataset.FromBeam[Account](s, beam.ParDo(s, spread, largest)), dataset.Key("account_id"))
}

func main() { runners.Main(build) }
