package changelog_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/source"
)

var entries = arrow.NewSchema([]arrow.Field{
	{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
	{Name: "currency", Type: arrow.BinaryTypes.String},
	{Name: "memo", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

func entriesSpec() catalog.TableSpec {
	return catalog.TableSpec{Name: "ledger.entries", Schema: entries, Kind: catalog.Mirror, Key: []string{"entry_id"}, BucketBy: "entry_id", Buckets: 4}
}

type event struct {
	op       change.Op
	id       int64
	cents    int64
	currency string
	tx       string
	lsn      int64
}

func batchOf(shard string, first int64, before bool, es ...event) *source.Batch {
	b := &source.Batch{Table: "entries", Shard: shard}
	row := array.NewRecordBuilder(memory.DefaultAllocator, entries)
	for i, e := range es {
		b.Ops = append(b.Ops, e.op)
		b.Offset = append(b.Offset, first+int64(i))
		b.CommittedAt = append(b.CommittedAt, 1_700_000_000_000_000+int64(i))
		b.LSN = append(b.LSN, e.lsn)
		b.Tx = append(b.Tx, e.tx)
		b.TxOrder = append(b.TxOrder, 0)
		row.Field(0).(*array.Int64Builder).Append(e.id)
		row.Field(1).(*array.Decimal128Builder).Append(decimal128.FromI64(e.cents))
		row.Field(2).(*array.StringBuilder).Append(e.currency)
		row.Field(3).AppendNull()
	}
	b.Row = row.NewRecordBatch()
	if before {
		b.Row.Retain()
		b.Before = b.Row
	}
	return b
}

func column[T arrow.Array](t testing.TB, rec arrow.RecordBatch, name string) T {
	t.Helper()
	is := rec.Schema().FieldIndices(name)
	if len(is) != 1 {
		t.Fatalf("there is no column %s in %s", name, rec.Schema())
	}
	return rec.Column(is[0]).(T)
}

func TestRowsCarryTheEventAndBothImages(t *testing.T) {
	t.Parallel()
	b, err := changelog.NewBuilder(entriesSpec())
	if err != nil {
		t.Fatal(err)
	}
	in := batchOf("t-0", 40, true,
		event{op: change.Create, id: 1, cents: 1000, currency: "EUR", tx: "9", lsn: 7},
		event{op: change.Delete, id: 2, cents: -250, currency: "CZK"})
	defer in.Release()
	rec, err := b.Rows(in)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	got := fmt.Sprint(rec)
	for _, want := range []string{`"c" "d"`, `"9" (null)`, `[7 (null)]`, `"t-0" "t-0"`, `[40 41]`} {
		if !strings.Contains(got, want) {
			t.Errorf("the rows lack %s:\n%s", want, got)
		}
	}
	if v := column[*array.Int64](t, rec, "entry_id"); v.Value(1) != 2 {
		t.Errorf("a delete carries the row before it: got entry %d", v.Value(1))
	}
	if v := column[*array.Int64](t, rec, "_before_entry_id"); v.Value(0) != 1 {
		t.Errorf("before image: got %d", v.Value(0))
	}
	totals, err := b.Totals()
	if err != nil {
		t.Fatal(err)
	}
	if totals.Rows != 2 || totals.Inserts != 1 || totals.Deletes != 1 || totals.Updates != 0 {
		t.Errorf("counts: %+v", totals)
	}
	if g := totals.Control["amount[currency=EUR]"]; g.String() != "10.00" {
		t.Errorf("EUR: %v", g)
	}
	if g := totals.Control["amount[currency=CZK]"]; g.String() != "-2.50" {
		t.Errorf("CZK: %v", g)
	}
}

// TestValueColumnsAreNotCopied compares buffers by address.
func TestValueColumnsAreNotCopied(t *testing.T) {
	t.Parallel()
	b, err := changelog.NewBuilder(entriesSpec())
	if err != nil {
		t.Fatal(err)
	}
	in := batchOf("t-0", 0, true, event{op: change.Create, id: 1, currency: "EUR"})
	defer in.Release()
	rec, err := b.Rows(in)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	for i, f := range entries.Fields() {
		for side, name := range map[string]string{"after": f.Name, "before": changelog.BeforePrefix + f.Name} {
			got := column[arrow.Array](t, rec, name).Data().Buffers()[1]
			if got != in.Row.Column(i).Data().Buffers()[1] {
				t.Errorf("%s image of %s was copied", side, f.Name)
			}
		}
	}
	if got := column[*array.Int64](t, rec, changelog.ColOffset).Int64Values(); &got[0] != &in.Offset[0] {
		t.Error("offsets were copied")
	}
}

func TestBatchesThatDoNotFit(t *testing.T) {
	t.Parallel()
	narrow := arrow.NewSchema([]arrow.Field{{Name: "entry_id", Type: arrow.PrimitiveTypes.Int32}}, nil)
	text := arrow.NewSchema([]arrow.Field{{Name: "entry_id", Type: arrow.BinaryTypes.String}}, nil)
	extra := arrow.NewSchema([]arrow.Field{{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64}, {Name: "branch", Type: arrow.BinaryTypes.String}}, nil)
	for _, tc := range []struct {
		name   string
		schema *arrow.Schema
		ignore bool
		column string // of the error; "" for none
	}{
		{"narrower integers and absent columns fit", narrow, false, ""},
		{"another type", text, false, "entry_id"},
		{"a new column", extra, false, "branch"},
		{"a new column, ignored", extra, true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, err := changelog.NewBuilder(entriesSpec())
			if err != nil {
				t.Fatal(err)
			}
			if tc.ignore {
				b.IgnoreNewColumns()
			}
			in := batchOf("s", 0, false, event{op: change.Create})
			in.Row.Release()
			rb := array.NewRecordBuilder(memory.DefaultAllocator, tc.schema)
			for _, f := range rb.Fields() {
				f.AppendEmptyValue()
			}
			in.Row = rb.NewRecordBatch()
			defer in.Release()
			rec, err := b.Rows(in)
			if tc.column == "" {
				if err != nil {
					t.Fatal(err)
				}
				if column[*array.String](t, rec, "memo").NullN() != 1 {
					t.Error("an absent column must be null")
				}
				return
			}
			var se *catalog.SchemaError
			if !errors.As(err, &se) || se.Column != tc.column {
				t.Fatalf("want a schema error about %s, got %v", tc.column, err)
			}
		})
	}
}

func TestGrow(t *testing.T) {
	t.Parallel()
	with := func(fields ...arrow.Field) *source.Batch {
		rb := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
		defer rb.Release()
		return &source.Batch{Row: rb.NewRecordBatch()}
	}
	id := func(t arrow.DataType) arrow.Field { return arrow.Field{Name: "entry_id", Type: t} }
	same, err := changelog.Grow("t", entries, []*source.Batch{with(id(arrow.PrimitiveTypes.Int32))})
	if err != nil || same != entries {
		t.Errorf("a narrower column changes nothing: %v, %v", same, err)
	}
	amount := arrow.Field{Name: "amount", Type: &arrow.Decimal128Type{Precision: 30, Scale: 2}}
	grown, err := changelog.Grow("t", entries, []*source.Batch{with(amount), with(arrow.Field{Name: "branch", Type: arrow.BinaryTypes.String})})
	if err != nil {
		t.Fatal(err)
	}
	if f := grown.Field(1); !arrow.TypeEqual(f.Type, amount.Type) || f.Nullable {
		t.Errorf("amount: %v", f)
	}
	if f := grown.Field(grown.NumFields() - 1); f.Name != "branch" || !f.Nullable {
		t.Errorf("new column: %v", f)
	}
	if _, err := changelog.Grow("t", entries, []*source.Batch{with(id(arrow.BinaryTypes.String))}); !errors.Is(err, catalog.ErrSchema) {
		t.Errorf("a text is no integer: %v", err)
	}
}

func TestUnequalLengthsAreRefused(t *testing.T) {
	t.Parallel()
	b, err := changelog.NewBuilder(entriesSpec())
	if err != nil {
		t.Fatal(err)
	}
	in := batchOf("s", 0, false, event{op: change.Create}, event{op: change.Create})
	defer in.Release()
	in.LSN = in.LSN[:1]
	if _, err := b.Rows(in); err == nil {
		t.Fatal("a batch with one LSN for two events was taken")
	}
}

func TestControlProperty(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"amount by currency":       "[{amount currency}]",
		"amount, amount by memo":   "[{amount } {amount memo}]",
		"none":                     "[]",
		"amount per currency":      "usage",
		"amount by nothing":        "usage",
		"currency":                 "usage",
		"amount by entry_id":       "usage",
		"":                         "usage",
		"amount by currency, ,  ":  "usage",
		" amount  by   currency  ": "[{amount currency}]",
	} {
		cs, err := changelog.Controls(entries, map[string]string{changelog.ControlProperty: text})
		got := fmt.Sprint(cs)
		if err != nil {
			got = fault.Of(err).String()
		}
		if got != want {
			t.Errorf("%q: got %s (%v), want %s", text, got, err, want)
		}
	}
	cs, err := changelog.Controls(entries, nil)
	if err != nil || fmt.Sprint(cs) != "[{amount currency}]" {
		t.Errorf("default: %v, %v", cs, err)
	}
}

// TestTotalsDoNotDependOnGrouping adds the same events in one builder and in two that are merged.
func TestTotalsDoNotDependOnGrouping(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		gen := rapid.Custom(func(t *rapid.T) event {
			return event{op: change.Create, cents: rapid.Int64().Draw(t, "cents"), currency: rapid.SampledFrom([]string{"EUR", "CZK", "USD"}).Draw(t, "currency")}
		})
		es := rapid.SliceOf(gen).Draw(t, "events")
		at := rapid.IntRange(0, len(es)).Draw(t, "at")
		cs, err := changelog.Controls(entries, nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := func(es []event) *changelog.Control {
			c := changelog.NewControl(cs)
			b := batchOf("s", 0, false, es...)
			defer b.Release()
			c.Add(b.Row)
			return c
		}
		parts := sum(es[:at])
		parts.Merge(sum(es[at:]))
		got, err := parts.Totals()
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]money.Decimal{}
		for _, e := range es {
			d, err := money.New(e.cents, 2)
			if err != nil {
				t.Fatal(err)
			}
			name := "amount[currency=" + e.currency + "]"
			if _, ok := want[name]; !ok {
				want[name], _ = money.New(0, 2)
			}
			if want[name], err = want[name].Add(d); err != nil {
				t.Fatal(err)
			}
		}
		if !maps.Equal(got, want) && len(got)+len(want) > 0 {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestDeadLettersKeepTheBytes(t *testing.T) {
	t.Parallel()
	rec := changelog.DeadLetters("e1", 2, []source.Rejected{
		{Table: "entries", Shard: "t-1", Offset: 9, At: time.UnixMicro(5).UTC(), Reason: "amount: not a number", Key: []byte{0, 1}, Value: []byte("{")},
		{Shard: "t-2", Offset: 3, Reason: "empty"},
	})
	defer rec.Release()
	if got := column[*array.Binary](t, rec, "value").Value(0); string(got) != "{" {
		t.Errorf("value: %q", got)
	}
	for _, name := range []string{"table", "at", "key", "value"} {
		if !column[arrow.Array](t, rec, name).IsNull(1) {
			t.Errorf("%s of an unknown message must be null", name)
		}
	}
	if got := column[*array.Int32](t, rec, "attempts").Value(1); got != 2 {
		t.Errorf("attempts: %d", got)
	}
}

func TestLogSpec(t *testing.T) {
	t.Parallel()
	spec, err := changelog.SpecFor(entriesSpec())
	if err != nil {
		t.Fatal(err)
	}
	if spec.Name != "ledger.entries_changes" || spec.Kind != catalog.ChangeLog || spec.BucketBy != "" {
		t.Errorf("spec: %+v", spec)
	}
	if n := spec.Schema.NumFields(); n != 7+2*entries.NumFields() {
		t.Errorf("columns: %d", n)
	}
	for _, name := range []string{"_op", "_before_memo"} {
		s := entriesSpec()
		s.Schema = arrow.NewSchema([]arrow.Field{{Name: name, Type: arrow.PrimitiveTypes.Int64}}, nil)
		if _, err := changelog.SpecFor(s); fault.Of(err) != fault.Usage {
			t.Errorf("a value column named %s: %v", name, err)
		}
	}
}

func BenchmarkRows(b *testing.B) {
	es := make([]event, 8192)
	for i := range es {
		es[i] = event{op: change.Create, id: int64(i), cents: int64(i), currency: "EUR", tx: "12345678", lsn: int64(i + 1)}
	}
	in := batchOf("ledger.entries-3", 0, false, es...)
	bl, err := changelog.NewBuilder(entriesSpec())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		rec, err := bl.Rows(in)
		if err != nil {
			b.Fatal(err)
		}
		rec.Release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(es)), "ns/row")
}
