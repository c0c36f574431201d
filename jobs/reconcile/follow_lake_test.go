package reconcile

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/storage"
)

const followTableRules = `
name: cards
sides:
  - {name: ledger, table: ledger.entries, columns: {reference: {from: id}, amount: {}, currency: {is: EUR}}}
  - {name: bank, file: bank.csv, columns: {reference: {}, amount: {}, currency: {is: EUR}}}
passes:
  - {name: exact, keys: [reference]}
follow: {wait: 20s}
`

// commitEntries commits rows, id by cents, in the place of all that the table holds, or beside it.
func commitEntries(t *testing.T, lake *catalog.Lake, n int, replace bool, ids []string, cents []int64) {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.BinaryTypes.String}, {Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}}}, nil)
	if err := lake.EnsureTable(t.Context(), catalog.TableSpec{Name: "ledger.entries", Schema: schema, Kind: catalog.Plain, Key: []string{"id"}}); err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range ids {
		b.Field(0).(*array.StringBuilder).Append(ids[i])
		b.Field(1).(*array.Decimal128Builder).Append(decimal128.FromI64(cents[i]))
	}
	rows := b.NewRecordBatch()
	defer rows.Release()
	w := &lakeWriter{lake: lake, run: fmt.Sprint("load-", n), nonce: "00"}
	change, err := w.table(t.Context(), "ledger.entries", func(add func(arrow.RecordBatch) error) error { return add(rows) })
	if err == nil {
		change.ReplaceAll = replace
		_, err = lake.Commit(t.Context(), catalog.Commit{Epoch: fmt.Sprint("load-", n), Tables: []catalog.TableChange{change}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestFollowTables: a table of the lake grows, and its rows change and go; over a stop and a start the run ends with what the night says.
func TestFollowTables(t *testing.T) {
	t.Parallel()
	g := newGrowing(t, 1)
	lake := lifeLake(t, t.TempDir(), nil)
	var err error
	if g.rules, err = rulefile.Parse(filepath.Join(g.dir, "rules.yaml"), []byte(followTableRules), os.LookupEnv); err != nil {
		t.Fatal(err)
	}
	bank := "reference,amount\nA1,1.00\nA2,2.00\nA3,3.00\nA5,5.00\n"
	if err := os.WriteFile(filepath.Join(g.dir, "bank.csv"), []byte(bank), 0o600); err != nil {
		t.Fatal(err)
	}
	commitEntries(t, lake, 0, false, []string{"A1", "A4"}, []int64{100, 400})
	state, events := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "events.ndjson")
	follow := func(pauses int, at map[int]func()) FollowReport {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		g.step = func() {
			if f := at[n]; f != nil {
				f()
			}
			if n++; n == pauses {
				cancel()
			}
		}
		o := g.options(state, events)
		o.Text, o.Lake = []byte(followTableRules), lake
		rep, err := Follow(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	follow(90, map[int]func(){85: func() { commitEntries(t, lake, 1, false, []string{"A2", "A3"}, []int64{200, 301}) }})
	rep := follow(90, map[int]func(){2: func() { commitEntries(t, lake, 2, true, []string{"A2", "A3", "A6"}, []int64{200, 300, 600}) }}) // A1 and A4 go, A3 is corrected
	night, err := RunRules(t.Context(), RulesOptions{Rules: g.rules, Text: []byte(followTableRules), Lake: lake,
		Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Matched != 2 || rep.Total != 3 || rep.Matched != night.Matched || fmt.Sprint(rep.Breaks) != fmt.Sprint(night.Breaks) || rep.Verdict != night.Verdict {
		t.Errorf("followed: %+v; the night: %+v", rep, night)
	}
	matches, overdue := standing(t, events)
	if int64(len(matches)) != rep.Matched || int64(len(overdue)) != rep.Total {
		t.Errorf("told are %d matches and %d breaks", len(matches), len(overdue))
	}
}
