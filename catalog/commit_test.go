package catalog

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/change"
)

func testConfig(dir string) Config {
	return Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/wh", Storage: OpenFolder, Logger: slog.New(slog.DiscardHandler)}
}

func openTestLake(t testing.TB) *Lake {
	t.Helper()
	l, err := Open(context.Background(), testConfig(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

var entrySchema = arrow.NewSchema([]arrow.Field{
	{Name: "account_id", Type: arrow.BinaryTypes.String},
	{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
	{Name: "booked_at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
	{Name: "memo", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

func entrySpec(name string) TableSpec {
	return TableSpec{Name: name, Schema: entrySchema, Kind: Mirror, Key: []string{"entry_id"}, BucketBy: "account_id", Buckets: 4, SortBy: []string{"account_id", "entry_id"}}
}

// file describes a data file that need not exist: commits and plans read only metadata.
func file(l *Lake, table string, n, bucket int) DataFile {
	return DataFile{
		Path: fmt.Sprintf("%s/x/%s/data/f%05d.parquet", l.Warehouse(), table, n), Bucket: bucket, Rows: 10, Bytes: 1000, Sorted: true,
		Columns: map[int]ColumnStats{2: {Bytes: 100, Values: 10, Lower: le64(int64(n * 10)), Upper: le64(int64(n*10 + 9))}},
	}
}

func le64(v int64) []byte {
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	return b
}

func at(n int64) change.Position { return change.Position{Next: map[string]int64{"p0": n}} }

func TestMinimalPath(t *testing.T) {
	ctx := context.Background()
	l := openTestLake(t)
	for _, name := range []string{"ledger.entries", "ledger.accounts"} {
		if err := l.EnsureTable(ctx, entrySpec(name)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		var tcs []TableChange
		for _, name := range []string{"ledger.entries", "ledger.accounts"} {
			tcs = append(tcs, TableChange{Table: name, Schema: entrySchema, Add: []DataFile{file(l, name, i, i%4)}, Totals: Totals{Rows: 10, Inserts: 10}})
		}
		out, err := l.Commit(ctx, Commit{Stream: "s", Epoch: fmt.Sprint(i), From: at(int64(i)), To: at(int64(i + 1)), Tables: tcs})
		if err != nil {
			t.Fatal(err)
		}
		if out.Cut != int64(i+1) {
			t.Fatalf("cut %d", out.Cut)
		}
	}
	c, err := l.At(ctx, At{Cut: 7})
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.PlanScan(ctx, "ledger.entries", ScanOptions{Buckets: []int{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", p)
	pos, err := l.StreamPosition(ctx, "s")
	if err != nil || pos.Compare(at(20)) != change.Equal {
		t.Fatal(pos, err)
	}
}
