package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/laketest"
	"github.com/millrace/millrace/catalog/mirror"
	"github.com/millrace/millrace/sdk/source"
)

// withColumn adds a text column to a batch.
func withColumn(b *source.Batch, name string, values ...string) *source.Batch {
	texts := array.NewStringBuilder(memory.DefaultAllocator)
	texts.AppendValues(values, nil)
	fields := append(b.Row.Schema().Fields(), arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true})
	cols := append(b.Row.Columns(), texts.NewArray())
	b.Row = array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, b.Row.NumRows())
	return b
}

// withType gives a column another type, with the values.
func withType(b *source.Batch, name string, col arrow.Array) *source.Batch {
	fields, cols := b.Row.Schema().Fields(), append([]arrow.Array{}, b.Row.Columns()...)
	for i := range fields {
		if fields[i].Name == name {
			fields[i].Type, cols[i] = col.DataType(), col
		}
	}
	b.Row = array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, b.Row.NumRows())
	return b
}

// scan prints one column of the table by account.
func (b *bench) scan(column string) string {
	b.t.Helper()
	ctx := context.Background()
	lt, err := b.lake.Table(ctx, table)
	if err != nil {
		b.t.Fatal(err)
	}
	plan, err := lt.PlanScan(ctx, catalog.ScanOptions{Columns: []string{"account_id", column}})
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]string{}
	for _, s := range plan.Splits {
		in, err := b.lake.OpenSplit(ctx, plan.Schema, s, catalog.ReadOptions{})
		if err != nil {
			b.t.Fatal(err)
		}
		err = catalog.EachBatch(ctx, in, func(rec arrow.RecordBatch) error {
			for r := range int(rec.NumRows()) {
				out[rec.Column(0).ValueStr(r)] = rec.Column(1).ValueStr(r)
			}
			return nil
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
	return strings.TrimPrefix(fmt.Sprint(out), "map")
}

func TestAColumnAppearsBetweenBatches(t *testing.T) {
	t.Parallel()
	for policy, want := range map[catalog.SchemaPolicy]string{catalog.Evolve: "[1:gold 2:(null) 3:(null) 4:silver]", catalog.Ignore: "", catalog.Fail: "tier"} {
		for _, mode := range []mirror.DeleteMode{mirror.Position, mirror.CopyOnWrite} {
			t.Run(string(policy)+"/"+string(mode), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, map[string]string{catalog.PropSchemaPolicy: string(policy), mirror.PropDeleteMode: string(mode)}, mirror.Options{})
				b.run(create(1, row(1, 1)), create(2, row(1, 2)))
				old := laketest.Batch("s", 1000, create(3, row(1, 3)))
				grown := withColumn(laketest.Batch("s", 1001, update(1, row(1, 5)), create(4, row(2, 4))), "tier", "gold", "silver")
				defer old.Release()
				defer grown.Release()
				ch, err := b.apply(old, grown)
				if policy == catalog.Fail {
					var se *catalog.SchemaError
					if !errors.As(err, &se) || se.Column != want {
						t.Fatalf("got %v, want a schema error about %s", err, want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				b.commit(ch)
				b.want(map[int64]laketest.Row{1: row(1, 5), 2: row(1, 2), 3: row(1, 3), 4: row(2, 4)})
				if policy == catalog.Ignore {
					if ch.Schema != nil {
						t.Errorf("the policy is ignore, but the schema changes to %v", ch.Schema)
					}
					return
				}
				if got := b.scan("tier"); got != want {
					t.Errorf("tier: got %s, want %s", got, want)
				}
				b.run(update(4, row(2, 9))) // the column is gone again
				b.want(map[int64]laketest.Row{1: row(1, 5), 2: row(1, 2), 3: row(1, 3), 4: row(2, 9)})
				b.reopen()
				b.run(update(2, row(1, 8)))
				if got := b.scan("tier"); got != "[1:gold 2:(null) 3:(null) 4:(null)]" {
					t.Errorf("tier at the end: %s", got)
				}
			})
		}
	}
}

func TestAColumnWidens(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, mirror.Options{})
	b.run(create(1, row(7, 1)), create(2, row(7, 2)))
	wide := array.NewInt64Builder(memory.DefaultAllocator)
	wide.AppendValues([]int64{1 << 40, 7}, nil)
	batch := withType(laketest.Batch("s", 1000, update(1, row(0, 5)), update(2, row(7, 6))), "branch", wide.NewArray())
	defer batch.Release()
	ch, err := b.apply(batch)
	if err != nil {
		t.Fatal(err)
	}
	b.commit(ch)
	if got := b.scan("branch"); got != fmt.Sprintf("[1:%d 2:7]", int64(1)<<40) {
		t.Errorf("branch: %s", got)
	}
	b.run(update(1, row(3, 9))) // an int again
	if got := b.scan("branch"); got != "[1:3 2:7]" {
		t.Errorf("branch at the end: %s", got)
	}
}

func TestATypeThatDoesNotFitIsNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, mirror.Options{})
	b.run(create(1, row(7, 1)))
	texts := array.NewStringBuilder(memory.DefaultAllocator)
	texts.Append("seven")
	batch := withType(laketest.Batch("s", 1000, update(1, row(0, 5))), "branch", texts.NewArray())
	defer batch.Release()
	var se *catalog.SchemaError
	if _, err := b.apply(batch); !errors.As(err, &se) || se.Column != "branch" || se.New == "" || se.Old == "" {
		t.Fatalf("got %v", err)
	}
	b.run(update(1, row(1, 2)))
	b.want(map[int64]laketest.Row{1: row(1, 2)})
}

// TestARequiredColumnLosesItsValue relaxes the column for a row that stays, and not for a delete's nulls.
func TestARequiredColumnLosesItsValue(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, mirror.Options{})
	ch := b.run(create(1, row(1, 1)), create(2, row(1, 2)), remove(2))
	if ch.Schema != nil {
		t.Errorf("the nulls of a delete changed the schema to %v", ch.Schema)
	}
	none := array.NewStringBuilder(memory.DefaultAllocator)
	none.AppendNull()
	batch := withType(laketest.Batch("s", 1000, update(1, row(1, 5))), "currency", none.NewArray())
	defer batch.Release()
	ch, err := b.apply(batch)
	if err != nil {
		t.Fatal(err)
	}
	b.commit(ch)
	if got := b.scan("currency"); got != "[1:(null)]" {
		t.Errorf("currency: %s", got)
	}
}

// TestOtherLayouts mirrors a table without buckets or order, whose key is a text and a number.
func TestOtherLayouts(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	lake, _ := laketest.Open(t, &laketest.Clock{})
	spec := laketest.Spec(table)
	spec.BucketBy, spec.Buckets, spec.SortBy, spec.Key = "", 0, nil, []string{"currency", "account_id"}
	if err := lake.EnsureTable(ctx, spec); err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, lake: lake}
	b.reopen()
	usd := laketest.Row{Branch: 1, Cents: 7, Currency: "USD"}
	b.run(create(1, row(1, 1)), create(2, row(1, 2)))
	b.run(update(1, row(2, 5)), create(3, usd))
	b.reopen()
	b.run(update(3, laketest.Row{Branch: 2, Cents: 8, Currency: "USD"}))
	b.want(map[int64]laketest.Row{1: row(2, 5), 2: row(1, 2), 3: {Branch: 2, Cents: 8, Currency: "USD"}})
}

func TestControlTotalsAreOfTheRowsWritten(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, mirror.Options{})
	b.run(create(1, row(1, 100)), create(2, row(1, 200)))
	ch := b.run(update(1, row(1, 150)), update(1, row(1, 175)), create(3, row(2, 25)), remove(2))
	if got := ch.Totals.Control["balance[currency=EUR]"]; got.String() != "2.00" {
		t.Errorf("control total: %v", ch.Totals.Control)
	}
}
