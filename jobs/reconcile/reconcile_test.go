package reconcile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/internal/laketest"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// bank is a small lake, made once. Tests that write to it use namespaces of their own.
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

// keeper is a test whose temporary folder outlives it.
type keeper struct {
	testing.TB
	dir string
}

func (k keeper) TempDir() string { return k.dir }

func theBank(t *testing.T) bank {
	t.Helper()
	makeOnce.Do(func() {
		keep, err := os.MkdirTemp("", "reconcile-bank-*")
		if err != nil {
			t.Fatal(err)
		}
		made.dir = keep
		_, made.truth = laketest.Bank(keeper{t, keep}, ledgergen.Config{Seed: 7, Accounts: 150, Days: 20})
		var b bytes.Buffer
		if made.planted, err = ledgergen.WriteStatement(&b, made.truth, 11); err != nil {
			t.Fatal(err)
		}
		made.statement = b.Bytes()
	})
	if made.statement == nil {
		t.Fatal("the bank could not be made")
	}
	return made
}

func TestMain(m *testing.M) {
	code := m.Run()
	if made.dir != "" {
		_ = os.RemoveAll(made.dir) // a temporary folder
	}
	os.Exit(code)
}

// oneAtATime spares the tests' processors, and Beam's harness, jobs beside one another.
var oneAtATime sync.Mutex

// run is how tests run pipelines.
func run(ctx context.Context, build func(beam.Scope) error) error {
	oneAtATime.Lock()
	defer oneAtATime.Unlock()
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

// check runs a reconciliation that must not fail.
func check(t testing.TB, o reconcile.Options) reconcile.Report {
	t.Helper()
	rep, err := reconcile.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// TestNumberOfPartitionsChangesNothing: the files are equal byte by byte, but for the order of matches.
func TestNumberOfPartitionsChangesNothing(t *testing.T) {
	t.Parallel()
	b := theBank(t)
	file := put(t, "statement.csv", b.statement)
	var first map[string]string
	numbers := []int{1, 7, 16}
	if testing.Short() {
		numbers = numbers[:2]
	}
	for _, n := range numbers {
		o := options(laketest.Open(t, b.dir), cardStatement(t, file))
		o.Balances, o.Dry, o.Out, o.Partitions = balances(), true, t.TempDir(), n
		check(t, o)
		files := map[string]string{}
		for _, name := range []string{"breaks.csv", "summary.json"} {
			data, err := os.ReadFile(filepath.Join(o.Out, name))
			if err != nil {
				t.Fatal(err)
			}
			files[name] = string(data)
		}
		if first == nil {
			first = files
			continue
		}
		if !maps.Equal(files, first) {
			t.Errorf("%d partitions give other files:\n%s\n%s", n, files["breaks.csv"], first["breaks.csv"])
		}
	}
	if lines := strings.Count(first["breaks.csv"], "\n"); lines < 10 {
		t.Errorf("breaks.csv has %d lines", lines)
	}
	if !strings.HasPrefix(first["breaks.csv"], "break_id,class,side,rule,key,amount_left,amount_right,") {
		t.Errorf("breaks.csv begins %.100s", first["breaks.csv"])
	}
}

// TestTheSameNightTwiceIsOneRun: the second run finds the first, changes nothing in the lake and writes equal files.
func TestTheSameNightTwiceIsOneRun(t *testing.T) {
	t.Parallel()
	b := theBank(t)
	file := put(t, "statement.csv", b.statement)
	var runs []reconcile.Report
	var breaks []string
	for range 2 {
		o := options(laketest.Open(t, b.dir), cardStatement(t, file))
		o.Namespace, o.Out = "twice", t.TempDir()
		runs = append(runs, check(t, o))
		data, err := os.ReadFile(filepath.Join(o.Out, "breaks.csv"))
		if err != nil {
			t.Fatal(err)
		}
		breaks = append(breaks, string(data))
	}
	if runs[0].Run != runs[1].Run || runs[0].Again || !runs[1].Again || runs[0].Cut != runs[1].Cut || breaks[0] != breaks[1] {
		t.Errorf("first %+v, then %+v", runs[0], runs[1])
	}
	if rows := laketest.Rows(t, b.dir, "twice.runs", "run_id"); len(rows) != 1 {
		t.Errorf("the runs are %v", rows)
	}
	rows := laketest.Rows(t, b.dir, "twice.breaks", "run_id", "break_id")
	if int64(len(rows)) != runs[0].Breaks || len(slices.Compact(rows)) != len(rows) {
		t.Errorf("%d breaks in the lake, %d in the report", len(rows), runs[0].Breaks)
	}
	// Another rule is another run over the same rows.
	st := cardStatement(t, file)
	st.Rule.Days = 9
	o := options(laketest.Open(t, b.dir), st)
	o.Namespace = "twice"
	if rep := check(t, o); rep.Again || rep.Run == runs[0].Run || rep.Checked.Breaks[reconciliation.Date] != 0 {
		t.Errorf("with nine days: %+v", rep)
	}
}

// TestKilledAndRunAgain stops the run at each step of its commit, as a kill would, and runs it again.
func TestKilledAndRunAgain(t *testing.T) {
	t.Parallel()
	b := theBank(t)
	file := put(t, "statement.csv", b.statement)
	stages := []string{"precommit", "committed", "staged"}
	if testing.Short() {
		stages = stages[:1]
	}
	for i, stage := range stages {
		ns := fmt.Sprint("killed", i)
		ctx, kill := context.WithCancel(t.Context())
		lake := openWithHook(t, b.dir, func(at string) {
			if strings.HasPrefix(at, stage) {
				kill()
			}
		})
		o := options(lake, cardStatement(t, file))
		o.Namespace = ns
		_, err := reconcile.Run(ctx, o)
		kill()
		if stage != "committed" && err == nil {
			t.Fatalf("%s: the run was not stopped", stage)
		}
		o = options(laketest.Open(t, b.dir), cardStatement(t, file))
		o.Namespace = ns
		rep := check(t, o)
		if again := stage == "committed"; rep.Again != again {
			t.Errorf("%s: the run was there already: %v", stage, rep.Again)
		}
		if rows := laketest.Rows(t, b.dir, ns+".runs", "run_id"); len(rows) != 1 {
			t.Errorf("%s: the runs are %v", stage, rows)
		}
		if rows := laketest.Rows(t, b.dir, ns+".breaks", "break_id"); int64(len(rows)) != rep.Breaks || len(slices.Compact(rows)) != len(rows) {
			t.Errorf("%s: %d breaks in the lake, %d in the report", stage, len(rows), rep.Breaks)
		}
	}
}

func openWithHook(t *testing.T, dir string, hook func(string)) *catalog.Lake {
	t.Helper()
	lake, err := catalog.Open(t.Context(), catalog.Config{Catalog: "sqlite://" + filepath.Join(dir, "catalog.db"), Warehouse: "file://" + filepath.Join(dir, "warehouse"),
		Existing: true, Storage: stores.Open, Hook: hook, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lake.Close(); err != nil {
			t.Error(err)
		}
	})
	return lake
}

// TestParquetStatement: the same statement as Parquet gives the same breaks, with rows instead of lines.
func TestParquetStatement(t *testing.T) {
	t.Parallel()
	b := theBank(t)
	o := options(laketest.Open(t, b.dir), cardStatement(t, put(t, "statement.csv", b.statement)))
	o.Dry, o.Out = true, t.TempDir()
	want := check(t, o)
	dir := t.TempDir()
	toParquet(t, b.statement, dir)
	o = options(o.Lake, cardStatement(t, filepath.Join(dir, "statement-*.parquet")))
	o.Dry, o.Out = true, t.TempDir()
	got := check(t, o)
	if !maps.Equal(got.Checked.Breaks, want.Checked.Breaks) || got.Checked.Matched != want.Checked.Matched {
		t.Errorf("got %+v, want %+v", got.Checked, want.Checked)
	}
	data, err := os.ReadFile(filepath.Join(o.Out, "breaks.csv"))
	if err != nil || !strings.Contains(string(data), "statement-00000.parquet row ") {
		t.Errorf("breaks do not say where they stand (error %v): %.300s", err, data)
	}
}

// toParquet writes a statement in CSV as Parquet.
func toParquet(t *testing.T, statement []byte, dir string) {
	t.Helper()
	in := storagetest.NewMemory("in", nil)
	if err := in.Put(t.Context(), "s.csv", statement, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	out, err := localio.Open(dir, localio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	opts := csvio.Options{}
	if opts.Schema, err = csvio.Infer(t.Context(), in, "s.csv", opts); err != nil {
		t.Fatal(err)
	}
	w, err := parquetio.NewWriter(out, "statement", opts.Schema, parquetio.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	splits, err := csvio.Splits(t.Context(), in, "s.csv", opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range splits {
		r, err := csvio.Open(t.Context(), in, s, opts)
		if err != nil {
			t.Fatal(err)
		}
		for {
			b, err := r.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
