package catalogtest

import (
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/fault"
)

// testReadOnly opens a lake for reading: before there is one, beside its writer, and for everything that would change it.
func testReadOnly(t *testing.T, h Harness) {
	ctx := t.Context()
	cfg := h.New(t)
	only := cfg
	only.ReadOnly = true
	for range 2 { // the first attempt leaves nothing for the second to find
		l, err := catalog.Open(ctx, only)
		if !errors.Is(err, catalog.ErrNoLake) || fault.Of(err) != fault.Usage {
			t.Fatalf("a lake that is not there: %v, %v", l, err)
		}
	}
	existing := cfg
	existing.Existing = true
	if _, err := catalog.Open(ctx, existing); !errors.Is(err, catalog.ErrNoLake) {
		t.Fatalf("a lake that must exist, and does not: %v", err)
	}

	w := reopen(t, cfg)
	if err := w.EnsureTable(ctx, Spec("ledger.t0")); err != nil {
		t.Fatal(err)
	}
	w.commit(w.add(0, "ledger.t0"))
	r := reopen(t, only)
	names, err := r.Tables(ctx)
	if err != nil || !slices.Equal(names, []string{"ledger.t0"}) {
		t.Fatalf("tables are %v, %v", names, err)
	}
	w.commit(w.add(1, "ledger.t0"))
	cut, err := r.At(ctx, catalog.At{})
	if err != nil || cut.Number() != 2 {
		t.Fatalf("the cut is %+v, %v", cut, err)
	}
	if at, err := r.StreamPosition(ctx, "s"); err != nil || at.Compare(offset(2)) != 0 {
		t.Errorf("the stream stands at %v, %v", at, err)
	}
	if rows := r.tableAt(catalog.At{}, "ledger.t0").Rows(); rows != 20 {
		t.Errorf("%d rows", rows)
	}
	testRefusals(t, r)
	if cut, err := w.At(ctx, catalog.At{}); err != nil || cut.Number() != 2 {
		t.Errorf("after the refusals the lake is at cut %+v, %v", cut, err)
	}
}

// testRefusals tries all that would change a lake that is opened for reading.
func testRefusals(t *testing.T, r *lake) {
	ctx := t.Context()
	schema, err := r.ResolveSchema(ctx, "ledger.t0", Schema())
	if err != nil {
		t.Fatal(err)
	}
	none := iter.Seq2[arrow.RecordBatch, error](func(func(arrow.RecordBatch, error) bool) {})
	for name, err := range map[string]error{
		"a table":     r.EnsureTable(ctx, Spec("ledger.t1")),
		"a namespace": r.CreateNamespace(ctx, "marts"),
		"a drop":      r.Drop(ctx, "ledger.t0"),
		"a space":     r.DropNamespace(ctx, "none"),
		"a commit":    second(r.Commit(ctx, r.add(2, "ledger.t0"))),
		"a file":      second(r.WriteFile(ctx, r.Warehouse()+"/x.parquet", schema, none, catalog.FileOptions{})),
		"an update": r.UpdateTables(ctx, []string{"ledger.t0"}, func(string, table.Metadata) ([]table.Update, []table.Requirement, error) {
			return []table.Update{table.NewSetPropertiesUpdate(map[string]string{"x": "y"})}, nil, nil
		}),
	} {
		if !errors.Is(err, catalog.ErrReadOnly) || fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
