package dataset_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/fault"
)

func init() {
	dataset.RegisterMaker(spans)
	dataset.RegisterMaker(atLeast)
}

var spanSchema = arrow.NewSchema([]arrow.Field{{Name: "account_id", Type: arrow.PrimitiveTypes.Int64}, {Name: "ids", Type: arrow.BinaryTypes.String}}, nil)

// spans makes a row of each run of equal accounts within a batch: the entries' ids, in the order in which they came.
func spans(sep string) (dataset.BatchFunc, error) {
	if sep == "" {
		return nil, errors.New("no separator is given")
	}
	return func(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
		out := array.NewRecordBuilder(memory.DefaultAllocator, spanSchema)
		defer out.Release()
		accounts := b.Column(b.Schema().FieldIndices("account_id")[0]).(*array.Int64)
		ids := b.Column(b.Schema().FieldIndices("entry_id")[0]).(*array.Int64)
		var span []string
		for i := range int(b.NumRows()) {
			span = append(span, strconv.FormatInt(ids.Value(i), 10))
			if i+1 == int(b.NumRows()) || accounts.Value(i+1) != accounts.Value(i) {
				out.Field(0).(*array.Int64Builder).Append(accounts.Value(i))
				out.Field(1).(*array.StringBuilder).Append(strings.Join(span, sep))
				span = span[:0]
			}
		}
		return out.NewRecordBatch(), nil
	}, nil
}

// TestMapGroupsSeesWholeGroups checks that a key is in one batch only, whole and
// in the order asked for, however the table lies and the rows are cut.
func TestMapGroupsSeesWholeGroups(t *testing.T) {
	t.Parallel()
	rows := bank(3000)
	by := map[int64][]string{}
	for _, e := range lay(rows, layouts["sorted"]) {
		by[e.Account] = append(by[e.Account], strconv.FormatInt(e.EntryID, 10))
	}
	var want []string
	for a, ids := range by {
		want = append(want, fmt.Sprint(a, " ", strings.Join(ids, ",")))
	}
	slices.Sort(want)
	for name, l := range layouts {
		for _, opts := range []dataset.RunOptions{{}, {BatchRows: 29}, {Memory: 4000, BatchRows: 100}} {
			t.Run(fmt.Sprint(name, " ", opts.BatchRows), func(t *testing.T) {
				t.Parallel()
				lk := datasettest.NewTables(t.Name())
				put(t, lk, "ledger.entries", l, lay(rows, l), 700)
				stats := run(t, opts, func(s beam.Scope) {
					e := dataset.Scan[Entry](s, lk, "ledger.entries")
					dataset.Write(s, lk, "spans", dataset.MapGroups(s, e, []string{"account_id"}, spans, ",",
						dataset.Within("entry_id"), dataset.OutputSchema(spanSchema), dataset.Spread(3)))
				})
				equal(t, rowsOf(t, lk, "spans"), want)
				if l.BucketBy == "account_id" && stats.BytesStaged > 0 {
					t.Errorf("rows were moved although the table is bucketed by the key: %+v", stats)
				}
			})
		}
	}
}

func TestMapGroupsMistakes(t *testing.T) {
	t.Parallel()
	_, err := datasettest.Run(t.Context(), func(s beam.Scope) {
		lk := datasettest.NewTables(t.Name())
		for i, d := range []dataset.Dataset{
			dataset.MapGroups(s, payments(s), nil, spans, ","),
			dataset.MapGroups(s, payments(s), []string{"frm"}, spans, ","),
			dataset.MapGroups(s, payments(s), []string{"from"}, spans, ""),
			dataset.MapGroups(s, payments(s), []string{"from"}, spans, ",", dataset.Spread(0)),
			dataset.MapWith(s, payments(s), func(string) (dataset.BatchFunc, error) { return nil, nil }, ""),
		} {
			dataset.Write(s, lk, strconv.Itoa(i), d)
		}
	}, dataset.RunOptions{})
	for _, says := range []string{"0: map groups: name at least one key column", `1: map groups: there is no column "frm"`,
		"2: map groups with spans: no separator is given", "3: 0 partitions", "4: map: function", "dataset.RegisterMaker("} {
		if err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), says) {
			t.Errorf("error is %v, want it to say %q", err, says)
		}
	}
}

// atLeast makes a function that keeps groups of so many rows.
func atLeast(config string) (dataset.BatchFunc, error) {
	n, err := strconv.Atoi(config)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
		from := b.Column(1).(*array.String)
		var keep []arrow.RecordBatch
		for i, j := 0, 0; i < from.Len(); i = j {
			for j = i; j < from.Len() && from.Value(j) == from.Value(i); j++ {
			}
			if j-i >= n {
				keep = append(keep, b.NewSlice(int64(i), int64(j)))
			}
		}
		t := array.NewTableFromRecords(b.Schema(), keep)
		defer t.Release()
		whole := array.NewTableReader(t, -1)
		if !whole.Next() {
			return b.NewSlice(0, 0), nil
		}
		return whole.RecordBatch(), nil
	}, nil
}

// Payers of at least two payments, by a function over whole groups.
func ExampleMapGroups() {
	show(func(s beam.Scope) dataset.Rows {
		often := dataset.MapGroups(s, payments(s), []string{"from"}, atLeast, "2", dataset.Within("id"))
		return dataset.Select(s, often, "from", "id")
	})
	// Output:
	// Ada | 1
	// Ada | 3
}
