// Package catalogtest certifies lakes: one suite that every catalog service passes.
//
// Nouns. A [Harness] makes empty lakes of one kind. [Run] opens them, several times
// where racing committers are wanted, and checks what package catalog promises:
// commits that are whole or absent, epochs that enter once, cuts that never
// tear, conflicts that are found, plans that leave out only what cannot match.
//
// Invariants. The suite describes data files without writing them, because
// commits and plans read metadata only; where a test reads files, it writes them.
//
// Errors are reported through testing.T.
package catalogtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/money"
)

// Harness makes lakes of one kind.
type Harness struct {
	// New returns the configuration of a new, empty lake. Opened several times it is one lake.
	New func(t *testing.T) catalog.Config
	// SingleTable says that the catalog cannot commit several tables at once: the suite then
	// checks that it says so, and leaves out what needs it.
	SingleTable bool
}

// Run certifies the harness's lakes. The subtests run in parallel.
func Run(t *testing.T, h Harness) {
	always := map[string]func(*testing.T, Harness){
		"Tables":               testTables,
		"ReadOnly":             testReadOnly,
		"SchemaPolicies":       testSchemaPolicies,
		"SchemaInCommit":       testSchemaInCommit,
		"Summaries":            testSummaries,
		"EpochsEnterOnce":      testEpochsEnterOnce,
		"RunsEnterOnce":        testRunsEnterOnce,
		"RefusedCommits":       testRefusedCommits,
		"ReplaceAll":           testReplaceAll,
		"Compaction":           testCompaction,
		"DeletesConflict":      testDeletesConflict,
		"StreamOutlivesExpiry": testStreamOutlivesExpiry,
		"OtherEngines":         testOtherEngines,
		"MetadataIsTrimmed":    testMetadataIsTrimmed,
		"ManifestsStayFew":     testManifestsStayFew,
		"PlanBuckets":          testPlanBuckets,
		"PlanSplits":           testPlanSplits,
		"PlanDeletes":          testPlanDeletes,
		"RacingOneTable":       testRacingOneTable,
	}
	several := map[string]func(*testing.T, Harness){
		"AllOrNothing":     testAllOrNothing,
		"TimeTravel":       testTimeTravel,
		"BusinessDates":    testBusinessDates,
		"History":          testHistory,
		"TaggedCut":        testTaggedCutOutlivesExpiry,
		"RacingCommitters": testRacingCommitters,
		"RacingEpochs":     testRacingEpochs,
		"CutsNeverTear":    testCutsNeverTear,
	}
	run := func(tests map[string]func(*testing.T, Harness)) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, h)
			})
		}
	}
	run(always)
	if !h.SingleTable {
		run(several)
	} else {
		run(map[string]func(*testing.T, Harness){"SeveralTablesAreRefused": testSeveralTablesAreRefused})
	}
}

// Schema is that of the suite's tables, a ledger's entries.
func Schema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "account_id", Type: arrow.BinaryTypes.String},
		{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}, Metadata: arrow.MetadataFrom(map[string]string{"currency": "EUR"})},
		{Name: "booked_at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
		{Name: "memo", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
}

// Buckets is the number of buckets of the suite's tables.
const Buckets = 4

// Spec lays a table out by account.
func Spec(name string) catalog.TableSpec {
	return catalog.TableSpec{
		Name: name, Schema: Schema(), Kind: catalog.Mirror, Key: []string{"entry_id"},
		BucketBy: "account_id", Buckets: Buckets, SortBy: []string{"account_id", "entry_id"},
	}
}

// lake is an opened lake with the tables t0, t1, … and helpers that fail the test.
type lake struct {
	*catalog.Lake
	t     *testing.T
	cfg   catalog.Config
	files int
}

func open(t *testing.T, h Harness, tables int) *lake {
	t.Helper()
	cfg := h.New(t)
	l := reopen(t, cfg)
	for i := range tables {
		if err := l.EnsureTable(t.Context(), Spec(tableName(i))); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func reopen(t *testing.T, cfg catalog.Config) *lake {
	t.Helper()
	l, err := catalog.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return &lake{Lake: l, t: t, cfg: cfg}
}

func tableName(i int) string { return fmt.Sprintf("ledger.t%d", i) }

// file describes a new data file of ten rows whose entry ids are from to from+9.
func (l *lake) file(bucket int, from int64) catalog.DataFile {
	l.files++
	return dataFile(fmt.Sprintf("%s/files/%p-%04d.parquet", l.Warehouse(), l, l.files), bucket, from)
}

func dataFile(path string, bucket int, from int64) catalog.DataFile {
	return catalog.DataFile{
		Path: path, Bucket: bucket, Rows: 10, Bytes: 1000, Sorted: true,
		Columns: map[int]catalog.ColumnStats{
			1: {Bytes: 100, Values: 10, Lower: []byte("a"), Upper: []byte("z")},
			2: {Bytes: 100, Values: 10, Lower: le64(from), Upper: le64(from + 9)},
			3: {Bytes: 100, Values: 10, Lower: []byte{0x00}, Upper: []byte{0x7f}},
			4: {Bytes: 100, Values: 10, Lower: le64(0), Upper: le64(1)},
			5: {Bytes: 100, Values: 10, Nulls: 10},
		},
	}
}

// deletes describes a position-delete file that names rows of the given data files.
func (l *lake) deletes(bucket int, paths ...string) catalog.DataFile {
	l.files++
	lower, upper := paths[0], paths[0]
	for _, p := range paths {
		lower, upper = min(lower, p), max(upper, p)
	}
	return catalog.DataFile{
		Path: fmt.Sprintf("%s/files/%p-%04d-deletes.parquet", l.Warehouse(), l, l.files), Content: catalog.PositionDeletes,
		Bucket: bucket, Rows: int64(len(paths)), Bytes: 500, References: paths,
		Columns: map[int]catalog.ColumnStats{
			catalog.DeletePathFieldID: {Bytes: 50, Values: int64(len(paths)), Lower: []byte(lower), Upper: []byte(upper)},
		},
	}
}

func le64(v int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(v)) }

// offset is a position of a stream with one shard.
func offset(n int64) change.Position { return change.Position{Next: map[string]int64{"0": n}} }

// commit commits and fails the test on errors and drops.
func (l *lake) commit(c catalog.Commit) catalog.Committed {
	l.t.Helper()
	out, err := l.Commit(context.Background(), c)
	if err != nil {
		l.t.Fatal(err)
	}
	if out.Dropped {
		l.t.Fatalf("epoch %s was dropped", c.Epoch)
	}
	return out
}

// add is an epoch of the stream "s" from n to n+1 that adds one file to each of the tables.
func (l *lake) add(n int64, tables ...string) catalog.Commit {
	c := catalog.Commit{Stream: "s", Epoch: fmt.Sprintf("e%d", n), From: offset(n), To: offset(n + 1)}
	for _, name := range tables {
		c.Tables = append(c.Tables, catalog.TableChange{
			Table: name, Schema: Schema(), Add: []catalog.DataFile{l.file(int(n%Buckets), n*10)}, Totals: totals(10, "12.50"),
		})
	}
	return c
}

func totals(rows int64, amount string) catalog.Totals {
	d, err := money.Parse(amount)
	if err != nil {
		panic(err) // a constant of this package
	}
	return catalog.Totals{Rows: rows, Inserts: rows, Control: map[string]money.Decimal{"amount[currency=EUR]": d}}
}

func (l *lake) at(at catalog.At) *catalog.Cut {
	l.t.Helper()
	c, err := l.At(context.Background(), at)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func (l *lake) tableAt(at catalog.At, name string) *catalog.Table {
	l.t.Helper()
	t, err := l.at(at).Table(name)
	if err != nil {
		l.t.Fatal(err)
	}
	return t
}

// paths lists the table's data files.
func (l *lake) paths(at catalog.At, name string) []string {
	l.t.Helper()
	files, err := l.tableAt(at, name).Files(context.Background())
	if err != nil {
		l.t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		if f.Content == catalog.Rows {
			out = append(out, f.Path)
		}
	}
	return out
}

func (l *lake) plan(name string, opts catalog.ScanOptions) catalog.ScanPlan {
	l.t.Helper()
	p, err := l.at(catalog.At{}).PlanScan(context.Background(), name, opts)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

func planned(p catalog.ScanPlan) []catalog.ScanFile {
	var out []catalog.ScanFile
	for _, s := range p.Splits {
		out = append(out, s.Files...)
	}
	return out
}
