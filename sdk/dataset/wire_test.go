package dataset

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime"

	"github.com/millrace/millrace/sdk/dataset/internal/aggregate"
	"github.com/millrace/millrace/sdk/dataset/internal/runs"
	"github.com/millrace/millrace/sdk/dataset/internal/scatter"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs.\nPipelines that run, and savepoints of them, know these names: change them only on purpose, with go test -update.\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// wireRow is a row type for the generic DoFns.
type wireRow struct{ ID int64 }

func TestWireNames(t *testing.T) {
	t.Parallel()
	var names []string
	for _, v := range []any{planFn{}, taskFn{}, commitFn{}, mistakeFn{}, gatherFn{}, packFn{}, toBeamFn[wireRow]{}, fromBeamFn[wireRow]{}} {
		key, ok := runtime.TypeKey(reflect.TypeOf(v))
		if !ok {
			t.Fatalf("%T has no name", v)
		}
		names = append(names, key)
	}
	slices.Sort(names)
	golden(t, "wire-names.txt", strings.Join(names, "\n")+"\n")
}

// TestWireForm holds the names of all fields that travel inside pipelines.
func TestWireForm(t *testing.T) {
	t.Parallel()
	schema := wireSchema{arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}}, nil)}
	scan := &scanSpec{
		Source: "scan1", Ref: Ref{"millrace.lake", "{}"}, Table: "ledger.entries", Columns: []string{"a"}, Filter: expr.Col("a").Gt(1), At: At{Cut: 7},
		Layout: Layout{"a", 16, []string{"a"}}, ByBucket: true, Schema: schema,
	}
	leaf := &op{Kind: opLeaf, Source: "scan1", Scan: scan, Schema: schema}
	other := &op{Kind: opLeaf, Source: "xs4", Sort: []string{"a"}, Schema: schema}
	agg := aggregate.Spec{Kind: aggregate.Avg, Column: "a", As: "mean", OrderBy: []string{"a"}, Scale: 2, Rounding: money.HalfEven}
	root := &op{
		Kind: opJoin, Schema: schema, In: []*op{
			{Kind: opGroup, In: []*op{{Kind: opFilter, In: []*op{leaf}, Filter: expr.Col("a").IsNotNull(), Schema: schema}}, Schema: schema,
				Group: &groupSpec{In: schema, Keys: []string{"a"}, Aggs: []aggregate.Spec{agg}}},
			{Kind: opMap, Func: "bank.clean", Schema: schema, In: []*op{{Kind: opProject, In: []*op{
				{Kind: opMapGroups, Func: "bank.each", Config: "c", Keys: []string{"a"}, Sort: []string{"a"}, In: []*op{other}, Schema: schema}}, Schema: schema,
				Items: []expr.Named{{Name: "a", Expr: expr.Col("a")}}}}},
		},
		Join: &joinSpec{Kind: LeftJoin, Left: []string{"a"}, Right: []string{"a"}, Keep: []renamed{{"b", "c"}}},
	}
	run := runConfig{ID: "r1", Staging: "s3://bank/staging", Workers: 2, Memory: DefaultMemory, BatchRows: DefaultBatchRows, SpillDir: "/spill"}
	write := &writeSpec{Ref: scan.Ref, Table: "marts.x", Schema: schema, Key: []string{"a"}, Layout: scan.Layout, Mode: Add, Identity: "d", Properties: map[string]string{"k": "v"}}
	docs := []any{
		planWire{Run: run, Scans: []*scanSpec{scan}, Pack: true, Seed: "bs1"},
		taskWire{Run: run, Stage: &stage{ID: "s1", Name: "n", Root: root, Output: &outputSpec{
			Exchange: &exchangeSpec{ID: "xs1", Schema: schema, Partition: partition{partBucket, []string{"a"}, 16}, Sort: []string{"a"}}}}},
		taskWire{Run: run, Stage: &stage{ID: "s2", Name: "n", Root: &op{Kind: opCoGroup, Func: "bank.meet", Config: "c", Schema: schema,
			Join: &joinSpec{Left: []string{"a"}, Right: []string{"a"}}, In: []*op{{Kind: opLeaf, Source: "xs5", Clusters: true, Schema: schema}, leaf}}, Output: &outputSpec{
			Exchange: &exchangeSpec{ID: "xs2", Schema: schema, Partition: partition{partCluster, []string{"a"}, 16}, Cluster: []string{"a"}}}}},
		commitWire{Run: run, Stage: "write marts.x", Write: write, Sink: &sinkSpec{Ref: scan.Ref, Schema: schema}},
		fromWire{Run: run, Source: "bs1"},
		piece{Source: "scan1", Split: &Split{Bucket: 3, Rows: 10, Bytes: 100, Data: []byte("split")}, Sorted: []string{"a"}},
		piece{Source: "xs1", File: "f", Segment: &runs.Segment{Offset: 1, Length: 2, Rows: 3, Sum: 4}, By: 5, Seq: 6},
		piece{Source: "xs2", File: "f", Extent: &scatter.Extent{Offset: 1, Chunks: []scatter.Chunk{{Length: 2, Rows: 3, Sum: 4}, {}}}, By: 5, Seq: 6},
		written{Files: [][]byte{[]byte("file")}, Rows: 3},
	}
	var text strings.Builder
	for _, d := range docs {
		b, err := json.MarshalIndent(d, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
		text.WriteByte('\n')
		back := reflect.New(reflect.TypeOf(d))
		if err := json.Unmarshal(b, back.Interface()); err != nil {
			t.Fatalf("%T does not come back: %v", d, err)
		}
		again, err := json.MarshalIndent(back.Interface(), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != string(b) {
			t.Errorf("%T comes back as\n%s, was\n%s", d, again, b)
		}
	}
	golden(t, "wire-form.json", text.String())
}

func TestPack(t *testing.T) {
	t.Parallel()
	const full = packTarget
	for _, c := range []struct {
		weights map[int64]int64
		tasks   map[int64]int64
	}{
		{map[int64]int64{}, map[int64]int64{}},
		{map[int64]int64{5: 0}, map[int64]int64{5: 0}},
		{map[int64]int64{0: 1, 1: 2, 7: 3}, map[int64]int64{0: 0, 1: 0, 7: 0}},
		{map[int64]int64{0: full, 1: 1, 2: full, 3: full / 2, 4: full / 2}, map[int64]int64{0: 0, 1: 1, 2: 2, 3: 3, 4: 3}},
		{map[int64]int64{0: 0, 1: full * 3, 2: 0}, map[int64]int64{0: 0, 1: 0, 2: 1}},
	} {
		got := pack(c.weights)
		if !reflect.DeepEqual(got, c.tasks) {
			t.Errorf("pack(%v) = %v, want %v", c.weights, got, c.tasks)
		}
	}
}

func FuzzDescriptors(f *testing.F) {
	p, err := piece{Source: "x", File: "f", Segment: &runs.Segment{Rows: 1}}.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(make([]byte, 8), p...))
	f.Add([]byte("12345678{}"))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := packed([][]byte{data})
		if err == nil && len(out) != 1 {
			t.Fatalf("%d messages of one", len(out))
		}
	})
}

func FuzzParseFailure(f *testing.F) {
	f.Add("Caused by: ⦗usage: no such table⦘ at org.apache.beam")
	f.Add("⦗")
	f.Add("⦗⦘")
	f.Fuzz(func(t *testing.T, text string) {
		if err := ParseFailure(text); err != nil && !strings.Contains(text, err.Error()) {
			t.Fatalf("%q is not in %q", err, text)
		}
	})
}

// TestBucketNumbers holds the values of the Iceberg specification's appendix B.
func TestBucketNumbers(t *testing.T) {
	t.Parallel()
	if h := hashLong(34); h != 2017239379 {
		t.Errorf("the hash of 34 is %d", h)
	}
	d, err := money.Parse("14.20")
	if err != nil {
		t.Fatal(err)
	}
	c := d.Coefficient()
	if h := int32(hashDecimal(decimalOf(c.Hi, c.Lo))); h != -500754589 {
		t.Errorf("the hash of 14.20 is %d", h)
	}
}
