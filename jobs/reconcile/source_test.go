package reconcile_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/laketest"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/source"
)

func reconcileNothing() (expr.Expr, error) { return expr.Parse("1 = 2") }

// againstSource opens a bank's lake and stream, to be compared row by row.
func againstSource(t *testing.T, dir string) reconcile.Options {
	t.Helper()
	f, err := project.Load(filepath.Join(dir, "millrace.yaml"), os.LookupEnv, "reconcile.source=true")
	if err != nil {
		t.Fatal(err)
	}
	o, err := reconcile.FromProject(t.Context(), f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if o.Lake.Close() != nil || o.Source.Stream.Close() != nil {
			t.Error("the lake or the stream was not closed")
		}
	})
	o.Run, o.Dry, o.Source.Rows = run, true, true
	return o
}

func TestSourceAndLakeAreEqual(t *testing.T) {
	t.Parallel()
	b := theBank(t)
	rep := check(t, againstSource(t, b.dir))
	if rep.Verdict != reconcile.Pass || len(rep.Source.Failed) > 0 || rep.Source.Gap != "" {
		t.Fatalf("%+v", rep.Source)
	}
	if rep.Source.Dead == 0 || rep.Source.Dead != rep.Source.Rejected {
		t.Errorf("%d dead letters, %d events rejected: the generated bank has some", rep.Source.Dead, rep.Source.Rejected)
	}
	for _, c := range rep.Source.Tables {
		var events int64
		for _, n := range c.Source {
			events += n
		}
		if events != b.truth.Events[c.Table] || c.Rows.Matched != int64(len(b.truth.Tables[c.Table])) || c.Rows.Lake != c.Rows.Matched {
			t.Errorf("%s: %d events, rows %+v; the bank has %d events and %d rows", c.Table, events, c.Rows, b.truth.Events[c.Table], len(b.truth.Tables[c.Table]))
		}
		if c.Table == "entries" && len(c.Control) != 3 {
			t.Errorf("control totals of entries: %v", c.Control)
		}
	}
}

// ownBank is a bank that a test may damage.
func ownBank(t *testing.T) (dir string, truth *ledgergen.Truth) {
	t.Helper()
	return laketest.Bank(t, ledgergen.Config{Seed: 5, Accounts: 20, Days: 3})
}

// TestLakeLostRows takes a file out of the lake's mirror and another out of its log.
func TestLakeLostRows(t *testing.T) {
	t.Parallel()
	dir, _ := ownBank(t)
	lake := laketest.Open(t, dir)
	var changes []catalog.TableChange
	for _, name := range []string{"ledger.entries", "ledger.entries_changes"} {
		table, err := lake.Table(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		files, err := table.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, catalog.TableChange{Table: name, Remove: []string{files[0].Path}, Based: table.Snapshot()})
	}
	if _, err := lake.Commit(t.Context(), catalog.Commit{Epoch: "a mistake", Tables: changes}); err != nil {
		t.Fatal(err)
	}
	rep := check(t, againstSource(t, dir))
	said := strings.Join(rep.Source.Failed, "\n")
	if rep.Verdict != reconcile.Fail || rep.Source.Breaks[reconciliation.MissingRight] == 0 {
		t.Errorf("%+v", rep.Source)
	}
	for _, s := range []string{"entries: the stream has ", " events c, the change log ", "entries: the snapshots' summaries say "} {
		if !strings.Contains(said, s) {
			t.Errorf("it is not said that %q:\n%s", s, said)
		}
	}
}

// TestSourceWasAltered changes a value in the source's files after they were ingested: one row differs, and, where it is an amount, the totals.
func TestSourceWasAltered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ table, column, says string }{
		{"customers", "city", ""},
		{"entries", "amount", "entries: control total amount[currency="},
	} {
		if testing.Short() && c.says == "" {
			continue
		}
		t.Run(c.table, func(t *testing.T) {
			t.Parallel()
			dir, _ := ownBank(t)
			alter(t, filepath.Join(dir, "arriving", c.table+".ndjson"), `"`+c.column+`":"`)
			o := againstSource(t, dir)
			o.Out = t.TempDir()
			rep := check(t, o)
			if rep.Source.Breaks[reconciliation.Row] != 1 || rep.Breaks != 1 || rep.Verdict != reconcile.Fail {
				t.Errorf("%+v", rep.Source)
			}
			if said := strings.Join(rep.Source.Failed, "\n"); !strings.Contains(said, c.says) || c.says == "" && said != "" {
				t.Errorf("what is said: %s", said)
			}
			breaks, err := os.ReadFile(filepath.Join(o.Out, "breaks.csv"))
			if err != nil || !strings.Contains(string(breaks), "source."+c.table) || !strings.Contains(string(breaks), `{""`+c.column+`"":""`) {
				t.Errorf("breaks (error %v):\n%s", err, breaks)
			}
		})
	}
}

// alter changes one letter behind a text in a file, and nothing that a look at the folder would show.
func alter(t *testing.T, path, behind string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte(behind))
	if at < 0 {
		t.Fatalf("%s has no %s", path, behind)
	}
	if at += len(behind); data[at] == 'C' {
		data[at] = 'D'
	} else {
		data[at] = 'C'
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

// TestAGapIsSaid: the source no longer has what was ingested; nothing is claimed to be proved.
func TestAGapIsSaid(t *testing.T) {
	t.Parallel()
	dir, _ := ownBank(t)
	if err := os.Truncate(filepath.Join(dir, "arriving", "entries.ndjson"), 100); err != nil {
		t.Fatal(err)
	}
	rep := check(t, againstSource(t, dir))
	if rep.Verdict == reconcile.Pass || rep.Source.Gap == "" && len(rep.Source.Failed) == 0 {
		t.Errorf("%+v", rep.Source)
	}
}

// forgetful is a stream whose first events of one table have expired.
type forgetful struct {
	source.Source
	table string
	gone  int
}

func (f *forgetful) Read(ctx context.Context, s source.Split, h source.Handler) error {
	return f.Source.Read(ctx, s, &forgetting{h, f})
}

type forgetting struct {
	source.Handler
	f *forgetful
}

func (h *forgetting) Batch(ctx context.Context, b *source.Batch) error {
	k := min(h.f.gone, b.Rows())
	if b.Table != h.f.table || k == 0 {
		return h.Handler.Batch(ctx, b)
	}
	defer b.Release()
	h.f.gone -= k
	if k == b.Rows() {
		return nil
	}
	n := int64(b.Rows())
	rest := *b
	rest.Ops, rest.Offset, rest.CommittedAt, rest.LSN, rest.Tx, rest.TxOrder = b.Ops[k:], b.Offset[k:], b.CommittedAt[k:], b.LSN[k:], b.Tx[k:], b.TxOrder[k:]
	rest.Row = b.Row.NewSlice(int64(k), n)
	if b.Before != nil {
		rest.Before = b.Before.NewSlice(int64(k), n)
	}
	return h.Handler.Batch(ctx, &rest)
}

// TestExpiredEventsAreSaid: the stream begins later than the lake. What follows is compared, and the run is not complete.
func TestExpiredEventsAreSaid(t *testing.T) {
	t.Parallel()
	b := theBank(t)
	for table, gone := range map[string]int{"entries": 10, "customers": 1 << 30} {
		o := againstSource(t, b.dir)
		o.Source.Stream = &forgetful{o.Source.Stream, table, gone}
		rep := check(t, o)
		want := min(int64(gone), b.truth.Events[table])
		if rep.Verdict != reconcile.Incomplete || rep.Source.Expired != want || !strings.Contains(rep.Source.Gap, "no longer in the stream") || len(rep.Source.Failed) > 0 {
			t.Errorf("%s: %+v", table, rep.Source)
		}
	}
}
