package runners_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/internal/testservers"
	"github.com/millrace/millrace/runners"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
)

// TestMain makes the test binary a program of runners.Main where a runner starts it as a worker.
func TestMain(m *testing.M) {
	for _, a := range os.Args[1:] {
		if strings.HasPrefix(a, "--provision_endpoint=") || strings.HasPrefix(a, "--worker") {
			runners.Main(spend)
		}
	}
	os.Exit(m.Run())
}

func init() {
	dataset.RegisterMapBatches(unchanged)
	dataset.RegisterMapBatches(broken)
}

func unchanged(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) { return b, nil }

func broken(context.Context, arrow.RecordBatch) (arrow.RecordBatch, error) {
	return nil, fault.Findingsf("3 entries have no account")
}

// spend is the pipeline of a program.
func spend(s beam.Scope, lk *catalog.Lake) {
	p := dataset.MapBatches(s, dataset.Scan[datasettest.Posting](s, lk, "ledger.postings"), unchanged)
	g := dataset.GroupBy(s, dataset.Filter(s, p, expr.Col("reversed").Not()), "account_id").Sum("amount", "spent").Count("n")
	dataset.Write(s, lk, "marts.spend", g, dataset.Key("account_id"))
}

func findings(s beam.Scope, lk *catalog.Lake) error {
	dataset.Write(s, lk, "marts.never", dataset.MapBatches(s, dataset.Scan[datasettest.Posting](s, lk, "ledger.postings"), broken))
	return nil
}

func mistaken(s beam.Scope, lk *catalog.Lake) {
	dataset.Write(s, lk, "marts.never", dataset.Filter(s, dataset.Scan[datasettest.Posting](s, lk, "ledger.postings"), expr.Col("amuont").Gt(0)))
}

func unfit(beam.Scope) error { return errors.New("the calendar has no 2026-11-31") }

func plain(s beam.Scope) { beam.Impulse(s) }

// lake makes a folder with a lake that has postings, and a project file over it.
func lake(t *testing.T) (dir, projectFile string) {
	t.Helper()
	dir = t.TempDir()
	lk, err := catalog.Open(t.Context(), catalog.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse", Storage: localio.Opener(localio.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	defer lk.Close()
	_, err = embedded.Run(t.Context(), func(s beam.Scope) error {
		d, err := datasettest.From(s, t.Name(), datasettest.Postings(1000))
		dataset.Write(s, lk, "ledger.postings", d)
		return err
	}, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	projectFile = filepath.Join(dir, "millrace.yaml")
	text := fmt.Sprintf("name: test\nlake:\n  catalog: sqlite://%s/catalog.db\n  warehouse: file://%s/warehouse\n", dir, dir)
	if err := os.WriteFile(projectFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, projectFile
}

// tableOf reads a table of a lake folder.
func tableOf(t *testing.T, dir, table string) []string {
	t.Helper()
	lk, err := catalog.Open(t.Context(), catalog.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse", Storage: localio.Opener(localio.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	defer lk.Close()
	out := datasettest.NewTables(t.Name())
	_, err = embedded.Run(t.Context(), func(s beam.Scope) error {
		dataset.Write(s, out, "out", dataset.ScanTable(t.Context(), s, lk, table))
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

func TestExecute(t *testing.T) {
	t.Parallel()
	dir, file := lake(t)
	var want []string
	for i, args := range [][]string{{"--lake", dir}, {"-p", file, "--tasks", "1", "--memory", "1"}, {"-p", file, "--staging", filepath.Join(dir, "staging")}} {
		var out, errs bytes.Buffer
		if code := runners.Execute(t.Context(), spend, args, &out, &errs); code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
		}
		var sum struct {
			Run         string  `json:"run"`
			Seconds     float64 `json:"seconds"`
			RowsRead    int64   `json:"rows_read"`
			RowsWritten int64   `json:"rows_written"`
		}
		if err := json.Unmarshal(out.Bytes(), &sum); err != nil {
			t.Fatalf("%v: the summary %q: %v", args, out.String(), err)
		}
		rows := tableOf(t, dir, "marts.spend")
		if i == 0 {
			want = rows
		}
		if !slices.Equal(rows, want) || int64(len(rows)) != sum.RowsWritten || sum.RowsRead == 0 || sum.Run == "" {
			t.Errorf("%v: summary %s, %d rows in the table", args, out.String(), len(rows))
		}
	}
}

func TestExecuteOfOtherFunctions(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if code := runners.Execute(t.Context(), plain, nil, &out, &errs); code != 0 {
		t.Errorf("a pipeline without a lake: exit code %d: %s", code, errs.String())
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	dir, _ := lake(t)
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("signal: terminated"))
	for name, c := range map[string]struct {
		run  func(args []string, out, errs *bytes.Buffer) int
		args []string
		code int
		text string
	}{
		"findings":               {execute(findings), []string{"--lake", dir}, 1, "3 entries have no account"},
		"a mistaken chain":       {execute(mistaken), []string{"--lake", dir}, 2, "amount"},
		"a function's own error": {execute(unfit), nil, 3, "2026-11-31"},
		"an unknown flag":        {execute(spend), []string{"--lakes", dir}, 2, "--help"},
		"an argument":            {execute(spend), []string{"now"}, 2, `"now"`},
		"no project":             {execute(spend), []string{"-p", filepath.Join(dir, "none.yaml")}, 2, "millrace init"},
		"no lake":                {execute(spend), []string{"--lake", filepath.Join(dir, "none")}, 2, "none"},
		"an unknown runner":      {execute(spend), []string{"--lake", dir, "--runner", "dataflow"}, 2, "embedded, flink, spark"},
		"no endpoint":            {execute(spend), []string{"--lake", dir, "--runner", "spark"}, 2, "endpoint"},
		"strange workers":        {execute(spend), []string{"--lake", dir, "--runner", "flink", "--workers", "docker"}, 2, "loopback, process or external"},
		"no memory":              {execute(spend), []string{"--lake", dir, "--memory", "0"}, 2, "--memory 0"},
		"interrupted": {func(args []string, out, errs *bytes.Buffer) int {
			return runners.Execute(ended, spend, args, out, errs)
		},
			[]string{"--lake", dir}, 130, "signal: terminated"},
		"help": {execute(spend), []string{"--help"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			code := c.run(c.args, &out, &errs)
			if code != c.code || !strings.Contains(errs.String(), c.text) {
				t.Errorf("exit code %d, want %d; errors %q, want %q in them", code, c.code, errs.String(), c.text)
			}
			if name == "help" && !strings.Contains(out.String(), "Exit codes:") {
				t.Errorf("the help does not list exit codes: %s", out.String())
			}
		})
	}
}

func execute[B runners.Build](b B) func([]string, *bytes.Buffer, *bytes.Buffer) int {
	return func(args []string, out, errs *bytes.Buffer) int {
		return runners.Execute(context.Background(), b, args, out, errs)
	}
}

// TestWorkersInOtherProcesses has Flink and Spark start this binary as workers, which open the lake by themselves.
func TestWorkersInOtherProcesses(t *testing.T) {
	dir, file := lake(t)
	var out, errs bytes.Buffer
	if code := runners.Execute(t.Context(), spend, []string{"--lake", dir}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	want := tableOf(t, dir, "marts.spend")
	for name, start := range map[string]func(testing.TB) string{"flink": testservers.StartFlink, "spark": testservers.StartSpark} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, file := dir, file
			out, errs := bytes.Buffer{}, bytes.Buffer{}
			staging := t.TempDir()
			args := []string{"-p", file, "--runner", name, "--endpoint", start(t), "--workers", "process", "--staging", staging, "-v"}
			if code := runners.Execute(t.Context(), spend, args, &out, &errs); code != 0 {
				t.Fatalf("exit code %d: %s", code, errs.String())
			}
			if got := tableOf(t, dir, "marts.spend"); !slices.Equal(got, want) {
				t.Errorf("%d rows, want %d", len(got), len(want))
			}
			if !strings.Contains(out.String(), `"rows_written":0`) {
				t.Errorf("the tasks ran in this process: %s", out.String())
			}
			if left, err := os.ReadDir(staging); err != nil || len(left) > 0 {
				t.Errorf("%d files are left in the staging folder, error %v", len(left), err)
			}
			out.Reset()
			errs.Reset()
			if code := runners.Execute(t.Context(), findings, args, &out, &errs); code != 1 || !strings.Contains(errs.String(), "3 entries have no account") {
				t.Errorf("exit code %d, want 1; errors %s", code, errs.String())
			}
		})
	}
}
