package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/sdk/fault"
)

// postings is the schema of the tables in the tests of writing and reading.
var postings = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "account", Type: arrow.BinaryTypes.String},
	{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
	{Name: "memo", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "small", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
}, nil)

// postingRows makes n rows from row from on, in an order that is neither the key's nor the account's.
func postingRows(from, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, postings)
	defer b.Release()
	for i := from; i < from+n; i++ {
		k := int64(i) * 7919 % 1000003
		b.Field(0).(*array.Int64Builder).Append(k)
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("acc-%04d", k%300))
		if err := b.Field(2).AppendValueFromString(fmt.Sprintf("%d.%02d", k%1000-500, k%100)); err != nil {
			panic(err)
		}
		if k%5 == 0 {
			b.Field(3).AppendNull()
		} else {
			b.Field(3).(*array.StringBuilder).Append(fmt.Sprint("memo ", k%11))
		}
		b.Field(4).(*array.Int32Builder).Append(int32(k % 77))
	}
	return b.NewRecordBatch()
}

func postingSpec(buckets int, sorted bool) TableSpec {
	s := TableSpec{Name: "ledger.postings", Schema: postings}
	if buckets > 0 {
		s.BucketBy, s.Buckets = "account", buckets
	}
	if sorted {
		s.SortBy = []string{"account", "id"}
	}
	return s
}

// makePostings makes the table and gives where to write its files.
func makePostings(t testing.TB, l *Lake, spec TableSpec) Target {
	ctx := context.Background()
	if err := l.EnsureTable(ctx, spec); err != nil {
		t.Fatal(err)
	}
	tab, err := l.Table(ctx, spec.Name)
	if err != nil {
		t.Fatal(err)
	}
	full, err := tab.Spec()
	if err != nil {
		t.Fatal(err)
	}
	return Target{Location: tab.Location(), Spec: full}
}

func writeRows(t testing.TB, l *Lake, to Target, o WriterOptions, recs ...arrow.RecordBatch) []DataFile {
	ctx := context.Background()
	w, err := l.NewFileWriter(to, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if err := w.Write(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	files, err := w.Close(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func commitFiles(t testing.TB, l *Lake, epoch string, c TableChange) {
	c.Table = "ledger.postings"
	if _, err := l.Commit(context.Background(), Commit{Epoch: epoch, Tables: []TableChange{c}}); err != nil {
		t.Fatal(err)
	}
}

// scanAll reads all splits of the table as text rows.
func scanAll(t testing.TB, l *Lake, scan ScanOptions, opts ReadOptions, check func(ScanSplit, []string)) []string {
	ctx := context.Background()
	cut, err := l.At(ctx, At{})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := cut.PlanScan(ctx, "ledger.postings", scan)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, split := range plan.Splits {
		s, err := l.OpenSplit(ctx, plan.Schema, split, opts)
		if err != nil {
			t.Fatal(err)
		}
		var rows []string
		if err := EachBatch(ctx, s, func(rec arrow.RecordBatch) error { rows = append(rows, textRows(rec)...); return nil }); err != nil {
			t.Fatal(err)
		}
		if check != nil {
			check(split, rows)
		}
		out = append(out, rows...)
	}
	return out
}

func textRows(rec arrow.RecordBatch) []string {
	out := make([]string, rec.NumRows())
	for i := range out {
		var b strings.Builder
		for _, c := range rec.Columns() {
			fmt.Fprintf(&b, "%s|", c.ValueStr(i))
		}
		out[i] = b.String()
	}
	return out
}

func sorted(rows []string) []string {
	out := append([]string(nil), rows...)
	sort.Strings(out)
	return out
}

func sameRows(t testing.TB, want, got []string) {
	t.Helper()
	want, got = sorted(want), sorted(got)
	if len(want) != len(got) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("row %d is %s, want %s", i, got[i], want[i])
		}
	}
}

// TestWriteReadLayouts writes the same rows into tables of all layouts, in memory and through spilled runs, in few files and in
// many, and reads them back.
func TestWriteReadLayouts(t *testing.T) {
	t.Parallel()
	recs := []arrow.RecordBatch{postingRows(0, 5000), postingRows(5000, 1), postingRows(5001, 30000)}
	var want []string
	for _, r := range recs {
		want = append(want, textRows(r)...)
	}
	for _, buckets := range []int{0, 1, 7} {
		for _, inOrder := range []bool{false, true} {
			for _, o := range []WriterOptions{{}, {MemoryBytes: 200_000}, {TargetBytes: 20_000, MemoryBytes: 500_000, Parallelism: 4}} {
				t.Run(fmt.Sprintf("buckets=%d,sorted=%v,memory=%d", buckets, inOrder, o.MemoryBytes), func(t *testing.T) {
					t.Parallel()
					l := openTestLake(t)
					to := makePostings(t, l, postingSpec(buckets, inOrder))
					o.EpochID, o.Nonce, o.TempDir = "e1", "n1", t.TempDir()
					files := writeRows(t, l, to, o, recs...)
					checkFiles(t, to, files, int64(len(want)))
					commitFiles(t, l, "e1", TableChange{Add: files})
					ro := ReadOptions{BatchRows: 1000}
					if inOrder {
						ro.MergeBy = to.Spec.SortBy
					}
					got := scanAll(t, l, ScanOptions{WholeBuckets: buckets > 0}, ro, func(s ScanSplit, rows []string) {
						if inOrder && buckets > 0 && !sort.SliceIsSorted(rows, func(i, j int) bool { return orderKey(rows[i]) < orderKey(rows[j]) }) {
							t.Errorf("bucket %d is not in order", s.Bucket)
						}
					})
					sameRows(t, want, got)
				})
			}
		}
	}
}

// orderKey is the account of a text row and its id, so wide that they order as texts.
func orderKey(row string) string {
	f := strings.Split(row, "|")
	return f[1] + fmt.Sprintf("%012s", f[0])
}

func checkFiles(t *testing.T, to Target, files []DataFile, rows int64) {
	t.Helper()
	total, seen := int64(0), map[string]bool{}
	for _, f := range files {
		total += f.Rows
		if seen[f.Path] || !strings.HasPrefix(f.Path, to.Location+"/data/") || !strings.Contains(f.Path, "e1-n1-") {
			t.Errorf("path %s", f.Path)
		}
		seen[f.Path] = true
		if want := to.Spec.BucketBy != ""; want != (f.Bucket >= 0) || f.Sorted != (len(to.Spec.SortBy) > 0) {
			t.Errorf("%s: bucket %d, sorted %v", f.Path, f.Bucket, f.Sorted)
		}
		if len(f.Columns) != 5 || f.Columns[1].Values != f.Rows || f.Columns[1].Lower == nil || len(f.SplitOffsets) == 0 {
			t.Errorf("%s: statistics %+v", f.Path, f.Columns)
		}
	}
	if total != rows {
		t.Errorf("%d rows in files, want %d", total, rows)
	}
}

// TestReadAppliesPositionDeletes deletes rows from some of a table's files, in delete files of several shapes.
func TestReadAppliesPositionDeletes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := openTestLake(t)
	to := makePostings(t, l, postingSpec(0, false))
	var want []string
	var files []DataFile
	for i := range 3 {
		rec := postingRows(i*4000, 4000)
		files = append(files, writeRows(t, l, to, WriterOptions{EpochID: "e1", Nonce: fmt.Sprint(i)}, rec)...)
		for r, row := range textRows(rec) {
			if !(i == 0 && r%3 == 0) && !(i == 1) { // of file 0 every third row is deleted, of file 1 all, of file 2 none
				want = append(want, row)
			}
		}
	}
	commitFiles(t, l, "e1", TableChange{Add: files})
	tab, err := l.Table(ctx, "ledger.postings")
	if err != nil {
		t.Fatal(err)
	}
	del := RowDeletes{}
	for r := int64(0); r < 4000; r++ {
		if r%3 == 0 {
			del[files[0].Path] = append(del[files[0].Path], r, r) // named twice
		}
		del[files[1].Path] = append(del[files[1].Path], 3999-r)
	}
	both, err := l.WritePositionDeletes(ctx, to.Location+"/data/del-1.parquet", -1, del)
	if err != nil {
		t.Fatal(err)
	}
	one, err := l.WritePositionDeletes(ctx, to.Location+"/data/del-2.parquet", -1, RowDeletes{files[0].Path: {0, 3}})
	if err != nil {
		t.Fatal(err)
	}
	if both.Content != PositionDeletes || both.Rows != 4000+1334 || len(both.References) != 2 {
		t.Errorf("delete file %+v", both)
	}
	if b := one.Columns[DeletePathFieldID]; string(b.Lower) != files[0].Path || string(b.Upper) != files[0].Path {
		t.Errorf("bounds %q to %q, want the whole path", b.Lower, b.Upper)
	}
	commitFiles(t, l, "e2", TableChange{Add: []DataFile{both, one}, Based: tab.Snapshot()})
	for _, batch := range []int{0, 1, 7, 4000} {
		sameRows(t, want, scanAll(t, l, ScanOptions{}, ReadOptions{BatchRows: batch}, nil))
	}
	if _, err := l.WritePositionDeletes(ctx, to.Location+"/data/del-3.parquet", -1, nil); fault.Of(err) != fault.Usage {
		t.Errorf("no deletes: %v, want a usage error", err)
	}
}

// TestReadEvolvedSchema reads files that are older than the table's columns and types.
func TestReadEvolvedSchema(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := openTestLake(t)
	to := makePostings(t, l, postingSpec(0, false))
	rec := postingRows(0, 100)
	commitFiles(t, l, "e1", TableChange{Add: writeRows(t, l, to, WriterOptions{EpochID: "e1", Nonce: "n"}, rec)})
	fields := postings.Fields()
	fields[4].Type = arrow.PrimitiveTypes.Int64
	fields[2].Type = &arrow.Decimal128Type{Precision: 30, Scale: 2}
	fields = append(fields, arrow.Field{Name: "added", Type: arrow.BinaryTypes.String, Nullable: true})
	spec := postingSpec(0, false)
	spec.Schema = arrow.NewSchema(fields, nil)
	if err := l.EnsureTable(ctx, spec); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range textRows(rec) {
		want = append(want, r+array.NullValueStr+"|")
	}
	sameRows(t, want, scanAll(t, l, ScanOptions{}, ReadOptions{}, nil))
	got := scanAll(t, l, ScanOptions{Columns: []string{"added", "small"}}, ReadOptions{}, nil)
	if len(got) != 100 || !strings.HasPrefix(got[0], array.NullValueStr) {
		t.Errorf("projection %q", got)
	}
}

// TestMergeRefusesUnsorted: a merge must notice that a file is not in the order that its description claims.
func TestMergeRefusesUnsorted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := openTestLake(t)
	to := makePostings(t, l, postingSpec(0, false))
	files := writeRows(t, l, to, WriterOptions{EpochID: "e1", Nonce: "n"}, postingRows(0, 50000))
	schema := to.Spec.Schema
	for _, claim := range []bool{false, true} {
		split := ScanSplit{Files: []ScanFile{{Path: files[0].Path, Sorted: claim}, {Path: files[0].Path, Sorted: claim}}}
		s, err := l.OpenSplit(ctx, schema, split, ReadOptions{MergeBy: []string{"account"}})
		if err == nil {
			err = EachBatch(ctx, s, func(arrow.RecordBatch) error { return nil })
		}
		if !errors.Is(err, ErrNotSorted) || !strings.Contains(err.Error(), files[0].Path) {
			t.Errorf("claimed %v: got %v, want ErrNotSorted with the path", claim, err)
		}
	}
}

// TestStreamsEndTheirGoroutines closes streams in the middle, cancels them, and meets missing files.
func TestStreamsEndTheirGoroutines(t *testing.T) {
	ctx := context.Background()
	l := openTestLake(t)
	to := makePostings(t, l, postingSpec(2, true))
	var files []DataFile
	for i := range 5 {
		files = append(files, writeRows(t, l, to, WriterOptions{EpochID: "e1", Nonce: fmt.Sprint(i)}, postingRows(i*20000, 20000))...)
	}
	var split ScanSplit
	for _, f := range files {
		split.Files = append(split.Files, ScanFile{Path: f.Path, Sorted: true})
	}
	before := goleak.IgnoreCurrent()
	for _, mergeBy := range [][]string{nil, to.Spec.SortBy} {
		for range 3 {
			s, err := l.OpenSplit(ctx, to.Spec.Schema, split, ReadOptions{MergeBy: mergeBy, BatchRows: 100})
			if err != nil {
				t.Fatal(err)
			}
			rec, err := s.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			rec.Release()
			if err := errors.Join(s.Close(), s.Close()); err != nil {
				t.Fatal(err)
			}
		}
		cctx, cancel := context.WithCancel(ctx)
		s, err := l.OpenSplit(cctx, to.Spec.Schema, split, ReadOptions{MergeBy: mergeBy, BatchRows: 100})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		for err == nil {
			var rec arrow.RecordBatch
			if rec, err = s.Next(ctx); err == nil {
				rec.Release()
			}
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		s.Close()
	}
	s, err := l.OpenSplit(ctx, to.Spec.Schema, ScanSplit{Files: []ScanFile{{Path: to.Location + "/data/none.parquet"}}}, ReadOptions{})
	if err == nil {
		err = EachBatch(ctx, s, func(arrow.RecordBatch) error { return nil })
	}
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("missing file: %v", err)
	}
	goleak.VerifyNone(t, before)
}

// TestFileWriterRefuses covers mistakes of the caller, and that nothing is left behind after them.
func TestFileWriterRefuses(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := openTestLake(t)
	to := makePostings(t, l, postingSpec(4, true))
	for what, o := range map[string]WriterOptions{"no epoch": {Nonce: "n"}, "no nonce": {EpochID: "e"}, "a path": {EpochID: "../x", Nonce: "n"}} {
		if _, err := l.NewFileWriter(to, o); fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v, want a usage error", what, err)
		}
	}
	if _, err := l.NewFileWriter(Target{Location: to.Location, Spec: postingSpec(4, true)}, WriterOptions{EpochID: "e", Nonce: "n"}); fault.Of(err) != fault.Usage {
		t.Errorf("no field ids: %v, want a usage error", err)
	}
	w, err := l.NewFileWriter(to, WriterOptions{EpochID: "e", Nonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	short := array.NewRecordBatch(arrow.NewSchema(postings.Fields()[:1], nil), postingRows(0, 1).Columns()[:1], 1)
	if err := w.Write(ctx, short); fault.Of(err) != fault.Usage {
		t.Errorf("too few columns: %v, want a usage error", err)
	}
	if err := w.Abort(ctx); err != nil {
		t.Error(err)
	}
	if files := writeRows(t, l, to, WriterOptions{EpochID: "e", Nonce: "n"}); len(files) != 0 {
		t.Errorf("no rows made files %v", files)
	}
}

// BenchmarkSmallEpoch writes what a short epoch brings: 10,000 rows into five bucketed tables.
func BenchmarkSmallEpoch(b *testing.B) {
	l := openTestLake(b)
	to := makePostings(b, l, postingSpec(8, true))
	rec := postingRows(0, 2000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for range 5 {
			n++
			writeRows(b, l, to, WriterOptions{EpochID: "e", Nonce: fmt.Sprint(n)}, rec)
		}
	}
}

// BenchmarkBucketedWrite writes a million rows into a bucketed, sorted table.
func BenchmarkBucketedWrite(b *testing.B) {
	for _, memory := range []int64{0, 16 << 20} {
		b.Run(fmt.Sprint("memory=", memory), func(b *testing.B) {
			l := openTestLake(b)
			to := makePostings(b, l, postingSpec(16, true))
			var recs []arrow.RecordBatch
			for i := range 16 {
				recs = append(recs, postingRows(i<<16, 1<<16))
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				writeRows(b, l, to, WriterOptions{EpochID: "e", Nonce: fmt.Sprint(n), MemoryBytes: memory, TempDir: b.TempDir()}, recs...)
			}
			b.ReportMetric(float64(n)*16*65536/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}

// BenchmarkMergeRead merges eight sorted files of one bucket, whose keys interleave.
func BenchmarkMergeRead(b *testing.B) {
	ctx := context.Background()
	l := openTestLake(b)
	to := makePostings(b, l, postingSpec(1, true))
	var split ScanSplit
	for i := range 8 {
		for _, f := range writeRows(b, l, to, WriterOptions{EpochID: "e", Nonce: fmt.Sprint(i)}, postingRows(i<<17, 1<<17)) {
			split.Files = append(split.Files, ScanFile{Path: f.Path, Sorted: true})
		}
	}
	rows := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		s, err := l.OpenSplit(ctx, to.Spec.Schema, split, ReadOptions{MergeBy: to.Spec.SortBy})
		if err != nil {
			b.Fatal(err)
		}
		if err := EachBatch(ctx, s, func(r arrow.RecordBatch) error { rows += r.NumRows(); return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

// TestWriteDictionaries writes texts that come as dictionaries, and narrower numbers, as the table's own types.
func TestWriteDictionaries(t *testing.T) {
	t.Parallel()
	l := openTestLake(t)
	to := makePostings(t, l, postingSpec(3, true))
	rec := postingRows(0, 3000)
	fields, cols := postings.Fields(), append([]arrow.Array(nil), rec.Columns()...)
	for _, i := range []int{1, 3} {
		dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
		b := array.NewBuilder(memory.DefaultAllocator, arrow.DataType(dt)).(*array.BinaryDictionaryBuilder)
		for r := range cols[i].Len() {
			if cols[i].IsNull(r) {
				b.AppendNull()
			} else if err := b.AppendString(cols[i].ValueStr(r)); err != nil {
				t.Fatal(err)
			}
		}
		cols[i] = b.NewArray()
		fields[i].Type = dt
	}
	in := array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, rec.NumRows())
	commitFiles(t, l, "e1", TableChange{Add: writeRows(t, l, to, WriterOptions{EpochID: "e1", Nonce: "n"}, in)})
	sameRows(t, textRows(rec), scanAll(t, l, ScanOptions{}, ReadOptions{MergeBy: to.Spec.SortBy}, nil))
	got := scanAll(t, l, ScanOptions{Columns: []string{"memo", "id"}}, ReadOptions{Dictionaries: []string{"memo"}}, nil)
	if len(got) != 3000 {
		t.Errorf("%d rows as dictionaries", len(got))
	}
}
