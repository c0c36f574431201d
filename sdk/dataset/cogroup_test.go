package dataset_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
)

func init() { dataset.RegisterCoMaker(meet) }

var meetSchema = arrow.NewSchema([]arrow.Field{
	{Name: "account_id", Type: arrow.PrimitiveTypes.Int64}, {Name: "entries", Type: arrow.PrimitiveTypes.Int64}, {Name: "owners", Type: arrow.PrimitiveTypes.Int64},
}, nil)

// meet makes a row of each account in a call: its rows on both sides.
func meet(config string) (dataset.CoFunc, error) {
	if config != "count" {
		return nil, errors.New("unknown configuration")
	}
	return func(_ context.Context, left, right arrow.RecordBatch) (arrow.RecordBatch, error) {
		counts := map[int64]*[2]int64{}
		for side, b := range []arrow.RecordBatch{left, right} {
			accounts := b.Column(b.Schema().FieldIndices("account_id")[0]).(*array.Int64)
			for _, a := range accounts.Int64Values() {
				if counts[a] == nil {
					counts[a] = new([2]int64)
				}
				counts[a][side]++
			}
		}
		out := array.NewRecordBuilder(memory.DefaultAllocator, meetSchema)
		defer out.Release()
		for _, a := range slices.Sorted(maps.Keys(counts)) {
			for i, v := range []int64{a, counts[a][0], counts[a][1]} {
				out.Field(i).(*array.Int64Builder).Append(v)
			}
		}
		return out.NewRecordBatch(), nil
	}, nil
}

// TestCoGroupBringsKeysTogether checks that all rows of a key are in one call, however both tables lie, and
// however little memory there is.
func TestCoGroupBringsKeysTogether(t *testing.T) {
	t.Parallel()
	entries, accounts := bank(1500), owners()
	counts := map[int64]*[2]int64{}
	count := func(side int, account int64) {
		if counts[account] == nil {
			counts[account] = new([2]int64)
		}
		counts[account][side]++
	}
	for _, e := range entries {
		count(0, e.Account)
	}
	for _, a := range accounts {
		count(1, a.Account)
	}
	var want []string
	for a, n := range counts {
		want = append(want, fmt.Sprint(a, " ", n[0], " ", n[1]))
	}
	slices.Sort(want)
	bucketed := dataset.Layout{BucketBy: "account_id", Buckets: 4}
	for name, c := range map[string]struct {
		left, right dataset.Layout
		memory      int64
		moved       bool
	}{
		"both are moved":               {dataset.Layout{}, dataset.Layout{}, 1 << 20, true},
		"one stays where it is":        {bucketed, dataset.Layout{}, 1 << 20, true},
		"the other stays where it is":  {dataset.Layout{}, bucketed, 1 << 20, true},
		"both lie alike":               {bucketed, bucketed, 1 << 20, false},
		"both are moved, little room":  {dataset.Layout{}, dataset.Layout{}, 300, true},
		"both lie alike, little room":  {bucketed, bucketed, 300, false},
		"other buckets on either side": {bucketed, dataset.Layout{BucketBy: "account_id", Buckets: 8}, 2000, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lk := datasettest.NewTables(t.Name())
			put(t, lk, "ledger.entries", c.left, lay(entries, c.left), 200)
			put(t, lk, "ledger.accounts", c.right, accounts, 30)
			stats := run(t, dataset.RunOptions{Memory: c.memory, BatchRows: 64, SpillDir: t.TempDir()}, func(s beam.Scope) {
				e := dataset.Scan[Entry](s, lk, "ledger.entries")
				a := dataset.Scan[Account](s, lk, "ledger.accounts")
				key := []string{"account_id"}
				dataset.Write(s, lk, "out", dataset.CoGroup(s, e, a, key, key, meet, "count", meetSchema, dataset.Partitions(3)))
			})
			equal(t, rowsOf(t, lk, "out"), want)
			if c.moved != (stats.BytesStaged > 0) {
				t.Errorf("%d bytes were staged", stats.BytesStaged)
			}
			if little := c.memory == 300; little && stats.BytesSpilled == 0 {
				t.Error("nothing was spilled")
			}
		})
	}
}

// TestCoGroupOfARepartitionedSide: rows that lie right already, but not in clusters, are spread in the task.
func TestCoGroupOfARepartitionedSide(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, bank(300), 100)
	key := []string{"account_id"}
	run(t, dataset.RunOptions{}, func(s beam.Scope) {
		e := dataset.Repartition(s, dataset.Scan[Entry](s, lk, "ledger.entries"), 3, "account_id")
		all := dataset.CoGroup(s, e, dataset.Scan[Entry](s, lk, "ledger.entries"), key, key, meet, "count", meetSchema)
		dataset.Write(s, lk, "out", all)
	})
	for _, row := range rowsOf(t, lk, "out") {
		if f := strings.Fields(row); f[1] != f[2] {
			t.Errorf("account, rows on the left, rows on the right: %s", row)
		}
	}
}

func TestCoGroupRefuses(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, bank(3), 100)
	for says, build := range map[string]func(s beam.Scope, in dataset.Dataset) dataset.Dataset{
		"name at least one key column": func(s beam.Scope, in dataset.Dataset) dataset.Dataset {
			return dataset.CoGroup(s, in, in, nil, nil, meet, "count", meetSchema)
		},
		"of different types": func(s beam.Scope, in dataset.Dataset) dataset.Dataset {
			return dataset.CoGroup(s, in, in, []string{"account_id"}, []string{"channel"}, meet, "count", meetSchema)
		},
		"nothing": func(s beam.Scope, in dataset.Dataset) dataset.Dataset {
			return dataset.CoGroup(s, in, in, []string{"nothing"}, []string{"nothing"}, meet, "count", meetSchema)
		},
		"unknown configuration": func(s beam.Scope, in dataset.Dataset) dataset.Dataset {
			return dataset.CoGroup(s, in, in, []string{"account_id"}, []string{"account_id"}, meet, "", meetSchema)
		},
		"is not registered": func(s beam.Scope, in dataset.Dataset) dataset.Dataset {
			return dataset.CoGroup(s, in, in, []string{"account_id"}, []string{"account_id"}, unregisteredMeet, "", meetSchema)
		},
	} {
		_, s := beam.NewPipelineWithRoot()
		err := build(s, dataset.Scan[Entry](s, lk, "ledger.entries")).Err()
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

func unregisteredMeet(string) (dataset.CoFunc, error) { return nil, nil }

func init() { dataset.RegisterCoMaker(unknownPayers) }

var payerSchema = arrow.NewSchema([]arrow.Field{{Name: "payer", Type: arrow.BinaryTypes.String}, {Name: "payments", Type: arrow.PrimitiveTypes.Int64}}, nil)

// unknownPayers lists those who pay and are no party, with the number of their payments. It needs no configuration.
func unknownPayers(string) (dataset.CoFunc, error) {
	return func(_ context.Context, payments, parties arrow.RecordBatch) (arrow.RecordBatch, error) {
		known := map[string]bool{}
		names := parties.Column(parties.Schema().FieldIndices("name")[0]).(*array.String)
		for i := range names.Len() {
			known[names.Value(i)] = true
		}
		unknown := map[string]int64{}
		payers := payments.Column(payments.Schema().FieldIndices("from")[0]).(*array.String)
		for i := range payers.Len() {
			if p := payers.Value(i); !known[p] {
				unknown[strings.Clone(p)]++
			}
		}
		out := array.NewRecordBuilder(memory.DefaultAllocator, payerSchema)
		defer out.Release()
		for _, p := range slices.Sorted(maps.Keys(unknown)) {
			out.Field(0).(*array.StringBuilder).Append(p)
			out.Field(1).(*array.Int64Builder).Append(unknown[p])
		}
		return out.NewRecordBatch(), nil
	}, nil
}

// Payers that nobody knows, by a function over the rows of both sides that share a key.
func ExampleCoGroup() {
	show(func(s beam.Scope) dataset.Rows {
		return dataset.CoGroup(s, payments(s), parties(s), []string{"from"}, []string{"name"}, unknownPayers, "", payerSchema)
	})
	// Output:
	// Eve | 1
}
