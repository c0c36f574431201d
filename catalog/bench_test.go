package catalog

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/expr"
)

// BenchmarkCommit measures small commits of five tables, each of one file, as a stream with short epochs makes them.
func BenchmarkCommit(b *testing.B) {
	ctx := context.Background()
	l := openTestLake(b)
	var names []string
	for i := range 5 {
		names = append(names, fmt.Sprintf("ledger.t%d", i))
		if err := l.EnsureTable(ctx, entrySpec(names[i])); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	n, last := 0, time.Now()
	for b.Loop() {
		var tcs []TableChange
		for _, name := range names {
			tcs = append(tcs, TableChange{Table: name, Schema: entrySchema, Add: []DataFile{file(l, name, n, n%4)}, Totals: Totals{Rows: 10, Inserts: 10}})
		}
		if _, err := l.Commit(ctx, Commit{Stream: "s", Epoch: fmt.Sprint(n), From: at(int64(n)), To: at(int64(n + 1)), Tables: tcs}); err != nil {
			b.Fatal(err)
		}
		if n++; n%100 == 0 {
			b.Logf("commits %d to %d: %v each", n-100, n, time.Since(last)/100)
			last = time.Now()
		}
	}
}

// BenchmarkPlanScan plans one bucket, and one account, of a table of 10,000 files with five columns of statistics.
func BenchmarkPlanScan(b *testing.B) {
	ctx := context.Background()
	l := openTestLake(b)
	spec := entrySpec("ledger.entries")
	spec.Buckets = 64
	if err := l.EnsureTable(ctx, spec); err != nil {
		b.Fatal(err)
	}
	for run := range 10 {
		tc := TableChange{Table: spec.Name}
		for n := range 1000 {
			f := file(l, spec.Name, run*1000+n, n%64)
			for id := 1; id <= 5; id++ {
				f.Columns[id] = ColumnStats{Bytes: 100, Values: 10, Lower: le64(int64(n * 10)), Upper: le64(int64(n*10 + 9))}
			}
			tc.Add = append(tc.Add, f)
		}
		if _, err := l.Commit(ctx, Commit{Epoch: fmt.Sprint(run), Tables: []TableChange{tc}}); err != nil {
			b.Fatal(err)
		}
	}
	for name, opts := range map[string]ScanOptions{"bucket": {Buckets: []int{5}}, "filter": {Filter: expr.Col("entry_id").Eq(4711)}} {
		for _, cold := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/cold=%v", name, cold), func(b *testing.B) {
				for b.Loop() {
					if cold {
						l.manifests = newManifestCache(l.files)
					}
					c, err := l.At(ctx, At{})
					if err != nil {
						b.Fatal(err)
					}
					if _, err := c.PlanScan(ctx, spec.Name, opts); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
