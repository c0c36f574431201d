package catalog

import (
	"context"
	"fmt"
	"testing"
	"time"
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
