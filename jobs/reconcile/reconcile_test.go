package reconcile_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/internal/laketest"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
	"github.com/millrace/millrace/sdk/storage"
)

// bank is a small lake, made once: tests that change the lake copy its folder.
type bank struct {
	dir       string
	truth     *ledgergen.Truth
	statement []byte
	planted   ledgergen.Planted
}

var (
	made     bank
	makeOnce sync.Once
)

func theBank(t *testing.T) bank {
	t.Helper()
	makeOnce.Do(func() {
		dir, truth := laketest.Bank(t, ledgergen.Config{Seed: 7, Accounts: 150, Days: 20})
		keep, err := os.MkdirTemp("", "reconcile-bank-*")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(keep, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		planted, err := ledgergen.WriteStatement(&b, truth, 11)
		if err != nil {
			t.Fatal(err)
		}
		made = bank{keep, truth, b.Bytes(), planted}
	})
	return made
}

func TestMain(m *testing.M) {
	code := m.Run()
	if made.dir != "" {
		_ = os.RemoveAll(made.dir) // a temporary folder
	}
	os.Exit(code)
}

// run is how tests run pipelines.
func run(ctx context.Context, build func(beam.Scope) error) error {
	_, err := embedded.Run(ctx, build, embedded.Options{Name: "reconcile", Log: slog.New(slog.DiscardHandler)})
	return err
}

var stores = storage.Resolver{"file": localio.Opener(localio.Options{})}

func options(lake *catalog.Lake, statement *reconcile.Statement) reconcile.Options {
	return reconcile.Options{Lake: lake, Run: run, Stores: stores, Statement: statement, Logger: slog.New(slog.DiscardHandler)}
}

func cent(t testing.TB) money.Decimal {
	t.Helper()
	d, err := money.Parse("0.01")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// cardStatement is the comparison of the card entries with the scheme's statement.
func cardStatement(t testing.TB, file string) *reconcile.Statement {
	where, err := expr.Parse("channel = 'card' and amount < 0")
	if err != nil {
		t.Fatal(err)
	}
	return &reconcile.Statement{
		Rule: reconciliation.Rule{Tolerance: cent(t), Days: 3}, Table: "ledger.entries", Where: where,
		Lookup: &reconcile.Lookup{Table: "ledger.transactions", On: []string{"transaction_id"}, Columns: []string{"reference"}},
		Left:   columnar.Columns{Key: []string{"reference"}, Amount: "amount", Currency: "currency", Date: "value_date", Show: []string{"account_id", "memo"}},
		Right:  columnar.Columns{Key: []string{"reference"}, Amount: "amount", Currency: "currency", Date: "settled_on", Show: []string{"account_id"}},
		File:   file,
	}
}

// balances are those of the accounts' change log.
func balances() *reconcile.Balances {
	return &reconcile.Balances{
		Movements: reconcile.Movements{Table: "ledger.entries", Account: "account_id", Amount: "amount", Date: "booked_at"},
		Stated: &reconcile.Stated{Table: "ledger.accounts_changes", Account: "account_id", Balance: "balance", Before: "_before_balance",
			Date: "updated_at", Op: "_op", Order: []string{"_committed_at", "_offset"}},
	}
}

// put writes a file into a new folder and returns its path.
func put(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindsWhatWasPlanted(t *testing.T) {
	t.Parallel()
	b := theBank(t)
	o := options(laketest.Open(t, b.dir), cardStatement(t, put(t, "statement.csv", b.statement)))
	o.Balances, o.Dry, o.Out = balances(), true, t.TempDir()
	rep, err := reconcile.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	p := b.planted
	want := map[reconciliation.Class]int64{reconciliation.MissingLeft: int64(p.MissingInLedger), reconciliation.MissingRight: int64(p.MissingOnPaper),
		reconciliation.Duplicate: int64(p.Duplicate), reconciliation.Amount: int64(p.Amount), reconciliation.Date: int64(p.Timing)}
	for class, n := range want {
		if rep.Checked.Breaks[class] != n {
			t.Errorf("%d breaks %s, %d were planted", rep.Checked.Breaks[class], class, n)
		}
		if n == 0 {
			t.Errorf("no break %s was planted: choose another seed", class)
		}
	}
	if rep.Checked.Right != int64(p.Lines) || rep.Verdict != reconcile.Fail {
		t.Errorf("report is %+v", rep.Checked)
	}
	if rep.Balances.Days == 0 || rep.Balances.Holds != rep.Balances.Days {
		t.Errorf("balances: %+v", rep.Balances)
	}
}
