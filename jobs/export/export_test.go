package export_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/export"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "account_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "as_of", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
	{Name: "as_of_date", Type: arrow.FixedWidthTypes.Date32},
	{Name: "currency", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "balance", Type: &arrow.Decimal128Type{Precision: 38, Scale: 2}, Nullable: true},
	{Name: "memo", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

// bank is a lake with one table, and a folder to export to.
type bank struct {
	t    testing.TB
	lake *catalog.Lake
	to   storage.Store
	dir  string // of to
	n    int
}

func newBank(t testing.TB) *bank {
	t.Helper()
	dir := t.TempDir()
	open := localio.Opener(localio.Options{})
	l, err := catalog.Open(t.Context(), catalog.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse", Storage: open})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	spec := catalog.TableSpec{Name: "features.daily", Schema: schema, Kind: catalog.Plain, Key: []string{"account_id"}, BucketBy: "account_id", Buckets: 3, SortBy: []string{"account_id"}}
	if err := l.EnsureTable(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	b := &bank{t: t, lake: l, dir: filepath.Join(dir, "out")}
	if b.to, err = open(t.Context(), b.dir); err != nil {
		t.Fatal(err)
	}
	return b
}

// write adds n rows; the last digit of an amount shows where a float would have been used.
func (b *bank) write(n int) {
	b.t.Helper()
	ctx := b.t.Context()
	t, err := b.lake.Table(ctx, "features.daily")
	if err != nil {
		b.t.Fatal(err)
	}
	spec, err := t.Spec()
	if err != nil {
		b.t.Fatal(err)
	}
	b.n++
	w, err := b.lake.NewFileWriter(catalog.Target{Location: t.Location(), Spec: spec}, catalog.WriterOptions{EpochID: fmt.Sprint("e", b.n), Nonce: "n"})
	if err != nil {
		b.t.Fatal(err)
	}
	rb := array.NewRecordBuilder(memory.DefaultAllocator, spec.Schema)
	defer rb.Release()
	for i := range n {
		rb.Field(0).(*array.Int64Builder).Append(int64(i))
		rb.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(1_770_000_000_000_001 + int64(i)))
		rb.Field(2).(*array.Date32Builder).Append(arrow.Date32(20_000 + i))
		if i%5 == 4 {
			rb.Field(3).AppendNull()
			rb.Field(4).AppendNull()
			rb.Field(5).AppendNull()
			continue
		}
		rb.Field(3).(*array.StringBuilder).Append([]string{"CZK", "EUR"}[i%2])
		rb.Field(4).(*array.Decimal128Builder).Append(decimal128.New(1<<50, uint64(i)))
		rb.Field(5).(*array.StringBuilder).Append(`č. 7, "příkaz"` + "\nřádek")
	}
	rec := rb.NewRecordBatch()
	defer rec.Release()
	if err := w.Write(ctx, rec); err != nil {
		b.t.Fatal(err)
	}
	files, err := w.Close(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.lake.Commit(ctx, catalog.Commit{Epoch: fmt.Sprint("c", b.n), Tables: []catalog.TableChange{{Table: "features.daily", Add: files}}}); err != nil {
		b.t.Fatal(err)
	}
}

func onPrism(ctx context.Context, build func(beam.Scope) error) error {
	oneAtATime.Lock() // prism shares state between the pipelines of a process
	defer oneAtATime.Unlock()
	_, err := embedded.Run(ctx, build, embedded.Options{Name: "export", Log: slog.New(slog.DiscardHandler)})
	return err
}

func (b *bank) try(o export.Options) (export.Report, error) {
	o.Lake, o.To, o.Logger = b.lake, b.to, slog.New(slog.DiscardHandler)
	o.Clock = func() time.Time { return time.Date(2026, 3, 31, 23, 0, 0, 0, time.UTC) }
	if o.Table == "" {
		o.Table = "features.daily"
	}
	if o.Run == nil {
		o.Run = onPrism
	}
	return export.Run(b.t.Context(), o)
}

func (b *bank) run(o export.Options) export.Report {
	b.t.Helper()
	rep, err := b.try(o)
	if err != nil {
		b.t.Fatal(err)
	}
	return rep
}

func (b *bank) verify(name string) []string {
	b.t.Helper()
	v, err := export.Verify(b.t.Context(), b.to, name)
	if err != nil {
		b.t.Fatal(err)
	}
	return v.Findings
}

func where(t testing.TB, text string) expr.Expr {
	t.Helper()
	e, err := expr.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestReadersAgreeWithTheManifest lets DuckDB and pyarrow read what was exported and recompute all totals.
func TestReadersAgreeWithTheManifest(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.write(500)
	var names []string
	for _, o := range []export.Options{
		{}, {Format: export.CSV}, {Name: "one/currency", Where: where(t, "currency = 'EUR'"), Columns: []string{"balance", "currency", "account_id"}},
		{Name: "nothing", Where: where(t, "account_id < 0")}, {Name: "small", MaxFileBytes: 2000}, {Name: "smallcsv", MaxFileBytes: 2000, Format: export.CSV},
	} {
		rep := b.run(o)
		name := rep.Manifest.Name
		names = append(names, name)
		if found := b.verify(name); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
		want := map[string]int64{"one/currency": 200, "nothing": 0}
		if n, ok := want[name]; ok != (o.Where != nil) || ok && rep.Manifest.Rows != n || !ok && rep.Manifest.Rows != 500 {
			t.Errorf("%s: %d rows", name, rep.Manifest.Rows)
		}
		if len(rep.Manifest.Files) == 0 || strings.HasPrefix(name, "small") && len(rep.Manifest.Files) < 3 {
			t.Errorf("%s: %d files", name, len(rep.Manifest.Files))
		}
	}
	python, err := exec.Command("bash", "../../internal/scripts/python.sh").Output()
	if err != nil {
		t.Fatalf("install DuckDB and pyarrow: %v", err)
	}
	args := []string{"testdata/check.py"}
	for _, n := range names {
		args = append(args, filepath.Join(b.dir, n))
	}
	said, err := exec.CommandContext(t.Context(), strings.TrimSpace(string(python)), args...).CombinedOutput()
	if err != nil || !strings.Contains(string(said), fmt.Sprint(len(names), " exports agree")) {
		t.Errorf("the readers disagree: %v\n%s", err, said)
	}
}

// TestTheSameExportIsThereOnce: the second run writes nothing, unless a file was lost; another snapshot is another export.
func TestTheSameExportIsThereOnce(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.write(40)
	first := b.run(export.Options{})
	refuse := func(context.Context, func(beam.Scope) error) error { return fmt.Errorf("it ran") }
	again := b.run(export.Options{Run: refuse})
	if first.Existed || !again.Existed || again.Manifest.Identity != first.Manifest.Identity || !again.Manifest.CreatedAt.Equal(first.Manifest.CreatedAt) {
		t.Errorf("first %+v\nagain %+v", first, again)
	}
	lost := filepath.Join(b.dir, first.Manifest.Name, first.Manifest.Files[0].Name)
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	if found := b.verify(first.Manifest.Name); len(found) != 1 || !strings.Contains(found[0], "is missing") {
		t.Errorf("findings: %v", found)
	}
	if healed := b.run(export.Options{}); healed.Existed || len(b.verify(healed.Manifest.Name)) > 0 {
		t.Errorf("the lost file is still lost: %+v", healed)
	}
	b.write(3)
	if next := b.run(export.Options{}); next.Existed || next.Manifest.Name == first.Manifest.Name || next.Manifest.Rows != 43 {
		t.Errorf("after a commit: %+v", next)
	}
	if err := b.lake.EnsureTable(t.Context(), catalog.TableSpec{Name: "other.table", Schema: schema}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.lake.Commit(t.Context(), catalog.Commit{Epoch: "other", Tables: []catalog.TableChange{{Table: "other.table"}}}); err != nil {
		t.Fatal(err)
	}
	if same := b.run(export.Options{}); !same.Existed {
		t.Errorf("a commit of another table made another export: %+v", same)
	}
	old := b.run(export.Options{At: catalog.At{Cut: first.Manifest.Cut}})
	if !old.Existed {
		t.Errorf("the older cut again: %+v", old)
	}
}

func TestANameIsTakenOnlyToReplace(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.write(40)
	b.run(export.Options{Name: "latest"})
	b.write(5)
	if _, err := b.try(export.Options{Name: "latest"}); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "holds another export already") {
		t.Errorf("got %v", err)
	}
	rep := b.run(export.Options{Name: "latest", Replace: true})
	if rep.Manifest.Rows != 45 || len(b.verify("latest")) > 0 {
		t.Errorf("%+v", rep)
	}
	entries, err := os.ReadDir(filepath.Join(b.dir, "latest"))
	if err != nil || len(entries) != len(rep.Manifest.Files)+1 {
		t.Errorf("files of the export before are left: %v %v", entries, err)
	}
}

// TestAKilledRunIsNoExport: its files have no manifest, and are gone after the next run.
func TestAKilledRunIsNoExport(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.write(40)
	left := filepath.Join(b.dir, "x", "part-0badc0de-left-00000.parquet")
	if err := os.MkdirAll(filepath.Dir(left), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("PAR1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := export.Verify(t.Context(), b.to, "x"); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "there is no export in") {
		t.Errorf("got %v", err)
	}
	b.run(export.Options{Name: "x"})
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

// TestVerifyFindsWhatWasChanged breaks an export in several ways.
func TestVerifyFindsWhatWasChanged(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.write(40)
	for want, harm := range map[string]func(path string, manifest []byte) []byte{
		"has the checksum": func(path string, m []byte) []byte {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			return m
		},
		"bytes; the manifest says": func(path string, m []byte) []byte {
			if err := os.Truncate(path, 100); err != nil {
				t.Fatal(err)
			}
			return m
		},
		"balance in EUR sums to": func(_ string, m []byte) []byte { return []byte(strings.Replace(string(m), `"sum": "`, `"sum": "9`, 5)) },
		"together": func(_ string, m []byte) []byte {
			return []byte(strings.Replace(string(m), `"rows": 40`, `"rows": 41`, 1))
		},
		"cannot be read": func(_ string, m []byte) []byte { return []byte(strings.Replace(string(m), `"memo"`, `"memory"`, 1)) },
	} {
		name := strings.ReplaceAll(strings.Split(want, ";")[0], " ", "-")
		rep := b.run(export.Options{Name: name})
		mpath := filepath.Join(b.dir, name, export.ManifestName)
		m, err := os.ReadFile(mpath)
		if err != nil {
			t.Fatal(err)
		}
		m = harm(filepath.Join(b.dir, name, rep.Manifest.Files[0].Name), m)
		if err := os.WriteFile(mpath, m, 0o600); err != nil {
			t.Fatal(err)
		}
		if found := strings.Join(b.verify(name), "\n"); !strings.Contains(found, want) {
			t.Errorf("want %q, found %q", want, found)
		}
	}
}

// TestAnOlderCutHasItsOwnColumns exports a snapshot from before the table got another column.
func TestAnOlderCutHasItsOwnColumns(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.write(10)
	before := b.run(export.Options{Name: "before"})
	wider := arrow.NewSchema(append(schema.Fields(), arrow.Field{Name: "branch", Type: arrow.BinaryTypes.String, Nullable: true}), nil)
	if err := b.lake.EnsureTable(b.t.Context(), catalog.TableSpec{Name: "features.daily", Schema: wider}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.lake.Commit(t.Context(), catalog.Commit{Epoch: "wider", Tables: []catalog.TableChange{{Table: "features.daily"}}}); err != nil {
		t.Fatal(err)
	}
	old := b.run(export.Options{Name: "old", At: catalog.At{Cut: before.Manifest.Cut}})
	now := b.run(export.Options{Name: "now"})
	if len(old.Manifest.Columns) != len(now.Manifest.Columns)-1 || old.Manifest.Rows != 10 || now.Manifest.Rows != 10 {
		t.Errorf("old %+v\nnow %+v", old.Manifest, now.Manifest)
	}
	for _, name := range []string{"before", "old", "now"} {
		if found := b.verify(name); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	b.write(10)
	for want, o := range map[string]export.Options{
		"did you mean features.daily?": {Table: "features.dayly"},
		"did you mean balance?":        {Columns: []string{"balanse"}},
		"listed twice":                 {Columns: []string{"balance", "balance"}},
		"is not a format":              {Format: "xlsx"},
		"cut 77":                       {At: catalog.At{Cut: 77}},
		"as_off":                       {Where: where(t, "as_off > 3")},
		"/../":                         {Name: "a/../b"},
	} {
		_, err := b.try(o)
		if err == nil || !strings.Contains(err.Error(), want) && want != "/../" || fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v (%v)", want, err, fault.Of(err))
		}
	}
}

// oneAtATime lets one pipeline run at a time.
var oneAtATime sync.Mutex
