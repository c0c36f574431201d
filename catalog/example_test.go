package catalog_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/expr"
)

// exampleLake opens an empty lake with the tables ledger.entries and ledger.accounts.
func exampleLake() (l *catalog.Lake, done func()) {
	dir, err := os.MkdirTemp("", "lake")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	l, err = catalog.Open(ctx, catalog.Config{
		Catalog:   "sqlite://" + dir + "/catalog.db",
		Warehouse: "file://" + dir + "/warehouse",
		Storage:   catalog.OpenFolder, // in a program: storage.Resolver{"file": localio.Opener(…), "s3": s3io.Opener(…)}.Open
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"ledger.entries", "ledger.accounts"} {
		err := l.EnsureTable(ctx, catalog.TableSpec{
			Name: name,
			Schema: arrow.NewSchema([]arrow.Field{
				{Name: "account_id", Type: arrow.BinaryTypes.String},
				{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
			}, nil),
			BucketBy: "account_id", Buckets: 4, SortBy: []string{"account_id"},
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	return l, func() {
		if err := l.Close(); err != nil {
			log.Print(err)
		}
		os.RemoveAll(dir)
	}
}

func position(n int64) change.Position { return change.Position{Next: map[string]int64{"0": n}} }

// written stands for a file that a FileWriter has finished.
func written(l *catalog.Lake, name string, bucket int) catalog.DataFile {
	return catalog.DataFile{Path: l.Warehouse() + "/" + name, Bucket: bucket, Rows: 100, Bytes: 4096, Sorted: true, Columns: map[int]catalog.ColumnStats{
		1: {Bytes: 800, Values: 100, Lower: []byte("A-1"), Upper: []byte("A-9")},
	}}
}

// An epoch of a change stream enters all of its tables in one step, and once.
func ExampleLake_Commit() {
	l, done := exampleLake()
	defer done()
	ctx := context.Background()
	epoch := func(attempt string) catalog.Commit {
		return catalog.Commit{
			Stream: "core", Epoch: change.EpochID("core", position(0)), From: position(0), To: position(250),
			Tables: []catalog.TableChange{
				{Table: "ledger.entries", Add: []catalog.DataFile{written(l, attempt+"-entries.parquet", 1)}},
				{Table: "ledger.accounts", Add: []catalog.DataFile{written(l, attempt+"-accounts.parquet", 1)}},
			},
		}
	}
	for _, attempt := range []string{"first", "second"} {
		out, err := l.Commit(ctx, epoch(attempt))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: cut %d, dropped %v\n", attempt, out.Cut, out.Dropped)
	}
	at, err := l.StreamPosition(ctx, "core")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the stream goes on from", at)
	// Output:
	// first: cut 1, dropped false
	// second: cut 1, dropped true
	// the stream goes on from {"next":{"0":250}}
}

// A cut is the state of all tables after one commit. Older ones stay readable.
func ExampleLake_At() {
	l, done := exampleLake()
	defer done()
	ctx := context.Background()
	for n := range int64(3) {
		_, err := l.Commit(ctx, catalog.Commit{
			Stream: "core", Epoch: change.EpochID("core", position(n)), From: position(n), To: position(n + 1),
			Tables: []catalog.TableChange{{Table: "ledger.entries", Add: []catalog.DataFile{written(l, fmt.Sprint(n), 0)}}},
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	asOf := position(2)
	for _, at := range []catalog.At{{}, {Cut: 1}, {Position: &asOf}, {Tag: catalog.TagCut}} {
		cut, err := l.At(ctx, at)
		if err != nil {
			log.Fatal(err)
		}
		entries, err := cut.Table("ledger.entries")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("cut %d has %d entries\n", cut.Number(), entries.Rows())
	}
	// Output:
	// cut 3 has 300 entries
	// cut 1 has 100 entries
	// cut 2 has 200 entries
	// cut 3 has 300 entries
}

// A plan leaves out the files that cannot hold a wanted row.
func ExampleCut_PlanScan() {
	l, done := exampleLake()
	defer done()
	ctx := context.Background()
	var files []catalog.DataFile
	for bucket := range 4 {
		files = append(files, written(l, fmt.Sprintf("bucket-%d.parquet", bucket), bucket))
	}
	if _, err := l.Commit(ctx, catalog.Commit{Epoch: "load", Tables: []catalog.TableChange{{Table: "ledger.entries", Add: files}}}); err != nil {
		log.Fatal(err)
	}
	cut, err := l.At(ctx, catalog.At{})
	if err != nil {
		log.Fatal(err)
	}
	for _, account := range []string{"A-5", "X-5"} {
		plan, err := cut.PlanScan(ctx, "ledger.entries", catalog.ScanOptions{
			Columns: []string{"amount"}, Filter: expr.Col("account_id").Eq(account),
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %d split of %d files; %d are of other buckets, %d out of bounds\n",
			account, len(plan.Splits), plan.Pruned.Files, plan.Pruned.ByPartition, plan.Pruned.ByStatistics)
	}
	// Output:
	// A-5: 1 split of 4 files; 3 are of other buckets, 0 out of bounds
	// X-5: 0 split of 4 files; 3 are of other buckets, 1 out of bounds
}
