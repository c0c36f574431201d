// Package runnertest certifies runners: the same pipelines must give the same
// rows, errors of the same kind, and leave nothing behind, whatever runs them.
//
// A runner's test calls [Test] with a [Harness]; the embedded runner, which every
// other one is compared with, runs the same suite.
package runnertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// Run runs a pipeline on the runner under test to its end.
type Run func(ctx context.Context, build func(beam.Scope) error, opts dataset.RunOptions) error

// Harness is a runner under test.
type Harness struct {
	Run Run
	// SameProcess says that functions run in this process, so that errors come back as they were.
	SameProcess bool
	// NewLake makes a lake that the runner's workers reach; nil: one in memory.
	NewLake func(t *testing.T) dataset.Lake
}

// Account is what is kept of a posting's account.
type Account struct {
	Account string `lake:"account_id,key"`
	Branch  string
}

// Total is a row per branch.
type Total struct {
	Branch string        `lake:",key"`
	Total  money.Decimal `lake:",decimal(38,2)"`
	N      int64
}

func init() {
	dataset.RegisterMapBatches(Reversed)
	dataset.RegisterMapBatches(Refuse)
	dataset.RegisterMap(Branch)
	dataset.RegisterBeam[Total]()
	register.Function1x1(Rename)
}

// Reversed is a user's function over batches: it drops every other row.
func Reversed(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	e, err := expr.Bind(expr.Col("reversed").Not(), b.Schema())
	if err != nil {
		return nil, err
	}
	return e.Filter(b)
}

// ErrRefused is the error of Refuse.
var ErrRefused = fault.Mark(fault.Findings, errors.New("the control total is off by 0.01"))

// Refuse is a user's function that fails.
func Refuse(context.Context, arrow.RecordBatch) (arrow.RecordBatch, error) { return nil, ErrRefused }

// Branch is a user's function over rows.
func Branch(p datasettest.Posting) (Account, error) {
	return Account{p.Account, "branch-" + p.Account[len(p.Account)-1:]}, nil
}

// Rename is a user's ordinary Beam function.
func Rename(t Total) Total {
	t.Branch = strings.ToUpper(t.Branch)
	return t
}

// cases are the pipelines of the suite; they read ledger.postings and write out.
var cases = map[string]func(s beam.Scope, lk dataset.Lake, out dataset.Lake){
	"scan, map, exchange, aggregate, write": func(s beam.Scope, lk, out dataset.Lake) {
		p := dataset.MapBatches(s, dataset.Scan[datasettest.Posting](s, lk, "ledger.postings"), Reversed)
		booked := dataset.Filter(s, p, expr.Col("small").Gt(-100_000_000))
		g := dataset.GroupBy(s, booked, "account_id").Sum("amount", "total").Count("n").CountDistinct("memo", "memos").
			Avg("rate", "rate", 12, money.HalfEven).Last("memo", "memo", "booked_at", "posting_id")
		dataset.Write(s, out, "out", g, dataset.Key("account_id"))
	},
	"join of exchanged sides": func(s beam.Scope, lk, out dataset.Lake) {
		p := dataset.Scan[datasettest.Posting](s, lk, "ledger.postings")
		branches := dataset.GroupBy(s, dataset.Map(s, p, Branch), "account_id").Max("branch", "branch")
		j := dataset.Join(s, dataset.FullJoin, dataset.Select(s, p, "posting_id", "account_id", "amount"), branches, dataset.On("account_id"))
		dataset.Write(s, out, "out", dataset.Sort(s, j, "account_id", "posting_id"))
	},
	"to Beam and back": func(s beam.Scope, lk, out dataset.Lake) {
		p := dataset.Scan[datasettest.Posting](s, lk, "ledger.postings")
		branch := dataset.GroupBy(s, dataset.Map(s, p, Branch), "account_id").Max("branch", "branch")
		j := dataset.Join(s, dataset.InnerJoin, p, branch, dataset.On("account_id"), dataset.Keep("branch"))
		total := dataset.GroupBy(s, j, "branch").Sum("amount", "total").Count("n")
		renamed := beam.ParDo(s, Rename, dataset.ToBeam[Total](s, total))
		dataset.Write(s, out, "out", dataset.FromBeam[Total](s, renamed))
	},
	"no rows at all": func(s beam.Scope, lk, out dataset.Lake) {
		p := dataset.Filter(s, dataset.Scan[datasettest.Posting](s, lk, "ledger.postings"), expr.Col("posting_id").Lt(0))
		dataset.Write(s, out, "out", dataset.GroupBy(s, p, "account_id").Sum("amount", "total"))
	},
	"a bucketed table": func(s beam.Scope, lk, out dataset.Lake) {
		p := dataset.Scan[datasettest.Posting](s, lk, "ledger.postings")
		dataset.Write(s, out, "out", p, dataset.Key("account_id", "posting_id"), dataset.Buckets(5))
	},
}

// Test runs the suite.
func Test(t *testing.T, h Harness) {
	t.Helper()
	for name, build := range cases {
		t.Run(name, func(t *testing.T) {
			want := rowsOf(t, name, Embedded(), build)
			if got := rowsOf(t, name, h, build); !slices.Equal(got, want) {
				t.Errorf("%d rows, the embedded runner has %d:\n%s\nwant\n%s", len(got), len(want), head(got), head(want))
			}
		})
	}
	t.Run("an error keeps its kind", func(t *testing.T) { testError(t, h) })
	t.Run("a cancelled run", func(t *testing.T) { testCancelled(t, h) })
}

// Embedded is the harness of the embedded runner.
func Embedded() Harness {
	return Harness{SameProcess: true, Run: func(ctx context.Context, build func(beam.Scope) error, opts dataset.RunOptions) error {
		_, err := embedded.Run(ctx, build, embedded.Options{Dataset: opts})
		return err
	}}
}

func head(rows []string) string { return strings.Join(rows[:min(len(rows), 5)], "\n") }

// lake makes a lake with postings.
func (h Harness) lake(t *testing.T) dataset.Lake {
	t.Helper()
	var lk dataset.Lake = datasettest.NewTables(t.Name())
	if h.NewLake != nil {
		lk = h.NewLake(t)
	}
	_, err := embedded.Run(t.Context(), func(s beam.Scope) error {
		p, err := datasettest.From(s, t.Name(), datasettest.Postings(3000))
		dataset.Write(s, lk, "ledger.postings", p)
		return err
	}, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return lk
}

// rowsOf runs a pipeline and reads what it wrote.
func rowsOf(t *testing.T, name string, h Harness, build func(s beam.Scope, lk, out dataset.Lake)) []string {
	t.Helper()
	lk := h.lake(t)
	dir := t.TempDir()
	if err := h.Run(t.Context(), func(s beam.Scope) error { build(s, lk, lk); return nil }, dataset.RunOptions{Staging: dir, BatchRows: 500}); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the run left %d files in the staging folder, error %v", len(left), err)
	}
	out := datasettest.NewTables(t.Name() + " out")
	_, err := embedded.Run(t.Context(), func(s beam.Scope) error {
		dataset.Write(s, out, "out", dataset.ScanTable(t.Context(), s, lk, "out"))
		return nil
	}, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := out.Rows("out")
	if err != nil {
		t.Fatal(err)
	}
	return datasettest.Texts(b)
}

func testError(t *testing.T, h Harness) {
	lk := h.lake(t)
	err := h.Run(t.Context(), func(s beam.Scope) error {
		dataset.Write(s, lk, "out", dataset.MapBatches(s, dataset.Scan[datasettest.Posting](s, lk, "ledger.postings"), Refuse))
		return nil
	}, dataset.RunOptions{Staging: t.TempDir()})
	if err == nil || fault.Of(err) != fault.Findings || !strings.Contains(err.Error(), "the control total is off by 0.01") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v (%s), want the function's, in one line, with its kind", err, fault.Of(err))
	}
	if h.SameProcess && !errors.Is(err, ErrRefused) {
		t.Errorf("errors.Is does not find the function's error in %v", err)
	}
}

func testCancelled(t *testing.T, h Harness) {
	lk := h.lake(t)
	cause := errors.New("the shift is over")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	err := h.Run(ctx, func(s beam.Scope) error {
		dataset.Write(s, lk, "out", dataset.Scan[datasettest.Posting](s, lk, "ledger.postings"))
		return nil
	}, dataset.RunOptions{Staging: t.TempDir()})
	if !errors.Is(err, cause) {
		t.Errorf("error is %v, want the context's cause", err)
	}
	if _, err := lk.DatasetTables().Describe(t.Context(), "out"); !errors.Is(err, dataset.ErrNoTable) {
		t.Errorf("the cancelled run wrote its table: %v", fmt.Sprint(err))
	}
}
