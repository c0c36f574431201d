package scatter_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"

	bt "github.com/millrace/millrace/sdk/dataset/internal/batchtest"
	"github.com/millrace/millrace/sdk/dataset/internal/scatter"
)

// table is rows of drawn types; the first columns are the keys.
type table struct {
	schema *arrow.Schema
	keys   []string
	rows   []bt.Row
}

func drawTable(t *rapid.T) table {
	var x table
	var gens []*rapid.Generator[string]
	n := rapid.IntRange(1, 5).Draw(t, "columns")
	var fields []arrow.Field
	for i := range n {
		typ := bt.Types[rapid.IntRange(0, len(bt.Types)-1).Draw(t, "type")]
		name := fmt.Sprint("c", i)
		fields = append(fields, bt.Field(name, typ.Type))
		gens = append(gens, typ.Gen)
		if i < 2 && (i == 0 || rapid.Bool().Draw(t, "two keys")) {
			x.keys = append(x.keys, name)
		}
	}
	x.schema = bt.Schema(fields...)
	for range rapid.IntRange(0, 60).Draw(t, "rows") {
		row := make(bt.Row, n)
		for c := range row {
			if row[c] = gens[c].Draw(t, "value"); rapid.IntRange(0, 4).Draw(t, "null") == 0 {
				row[c] = bt.Null
			}
		}
		x.rows = append(x.rows, row)
	}
	return x
}

// spread sends the rows through a buffer and returns each cluster's chunks.
func (x table) spread(t bt.Fataler, parts, level, batch, every int) [][]scatter.Located {
	buf, err := scatter.NewBuffer(x.schema, x.keys, parts, level, nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var file bytes.Buffer
	var found []scatter.Extent
	flush := func() {
		extents, end, err := buf.Flush(&file, int64(file.Len()))
		if err != nil || end != int64(file.Len()) {
			t.Fatalf("flushed up to %d of %d: %v", end, file.Len(), err)
		}
		found = append(found, extents...)
	}
	for i, b := range bt.Batches(t, x.schema, x.rows, batch) {
		buf.Add(b)
		if i%every == 0 {
			flush()
		}
	}
	flush()
	out := make([][]scatter.Located, parts*scatter.Fan)
	for i, e := range found {
		at := e.Offset
		for k, c := range e.Chunks {
			if n := i%parts*scatter.Fan + k; c.Rows > 0 {
				out[n] = append(out[n], scatter.Located{File: bytes.NewReader(file.Bytes()), Offset: at, Chunk: c})
			}
			at += c.Length
		}
	}
	return out
}

// TestClustersHoldAllRows: every row is in one cluster, those of one key in the same and in their order, whatever the
// batches, the flushes and the level.
func TestClustersHoldAllRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := drawTable(t)
		level := rapid.IntRange(0, scatter.MaxLevel).Draw(t, "level")
		parts := 1
		if level == 0 {
			parts = rapid.IntRange(1, 4).Draw(t, "parts")
		}
		clusters := x.spread(t, parts, level, rapid.IntRange(1, 20).Draw(t, "batch"), rapid.IntRange(1, 5).Draw(t, "every"))
		collect := scatter.NewCollector(x.schema)
		got, where := map[string][]string{}, map[string]int{}
		for n, chunks := range clusters {
			b, err := collect.Collect(chunks)
			if err != nil {
				t.Fatalf("cluster %d: %v", n, err)
			}
			for _, row := range bt.Rows(b) {
				key := strings.Clone(strings.Join(row[:len(x.keys)], "|")) // the collector's room is used again
				if at, known := where[key]; known && at != n {
					t.Fatalf("the key %q is in clusters %d and %d", key, at, n)
				}
				where[key] = n
				got[key] = append(got[key], strings.Clone(strings.Join(row, "|")))
			}
			b.Release()
		}
		want := map[string][]string{}
		for _, row := range bt.Rows(bt.Batch(t, x.schema, x.rows)) {
			key := strings.Join(row[:len(x.keys)], "|")
			want[key] = append(want[key], strings.Join(row, "|"))
		}
		if len(got) != len(want) {
			t.Fatalf("%d keys, want %d", len(got), len(want))
		}
		for key, rows := range want {
			if !slices.Equal(got[key], rows) {
				t.Fatalf("key %q: got %q, want %q", key, got[key], rows)
			}
		}
	})
}

func TestDamageIsNoticed(t *testing.T) {
	t.Parallel()
	x := table{bt.Schema(bt.Field("k", arrow.BinaryTypes.String), bt.Field("n", arrow.PrimitiveTypes.Int64)), []string{"k"}, []bt.Row{{"a", "1"}, {"b", bt.Null}}}
	for n, chunks := range x.spread(t, 1, 0, 10, 1) {
		for _, c := range chunks {
			data := make([]byte, c.Length)
			if _, err := c.File.ReadAt(data, c.Offset); err != nil {
				t.Fatal(err)
			}
			for i := range data {
				data[i] ^= 0x40
				_, err := scatter.NewCollector(x.schema).Collect([]scatter.Located{{File: bytes.NewReader(data), Chunk: c.Chunk}})
				if !errors.Is(err, scatter.ErrDamaged) {
					t.Errorf("cluster %d, byte %d changed: error %v", n, i, err)
				}
				data[i] ^= 0x40
			}
			_, err := scatter.NewCollector(x.schema).Collect([]scatter.Located{{File: bytes.NewReader(data[:len(data)-1]), Chunk: c.Chunk}})
			if !errors.Is(err, scatter.ErrDamaged) {
				t.Errorf("cut short: error %v", err)
			}
		}
	}
}

func TestNestedColumnsAreRefused(t *testing.T) {
	t.Parallel()
	schema := bt.Schema(bt.Field("k", arrow.PrimitiveTypes.Int64), bt.Field("list", arrow.ListOf(arrow.PrimitiveTypes.Int64)))
	if _, err := scatter.NewBuffer(schema, []string{"k"}, 1, 0, nil); err == nil || !strings.Contains(err.Error(), `column "list"`) {
		t.Errorf("error %v", err)
	}
}

// FuzzCollect: bytes with a checksum that fits are decoded, or refused, but never cause a panic.
func FuzzCollect(f *testing.F) {
	var fields []arrow.Field
	row, nulls := bt.Row{}, bt.Row{}
	for i, typ := range bt.Types {
		fields = append(fields, bt.Field(fmt.Sprint("c", i), typ.Type))
		row, nulls = append(row, typ.Gen.Example(1)), append(nulls, bt.Null)
	}
	x := table{bt.Schema(fields...), []string{"c0"}, []bt.Row{row, row, nulls}}
	for _, chunks := range x.spread(f, 1, 0, 10, 1) {
		for _, c := range chunks {
			data := make([]byte, c.Length)
			if _, err := c.File.ReadAt(data, c.Offset); err != nil {
				f.Fatal(err)
			}
			f.Add(data, c.Rows)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, rows int64) {
		rows %= 1 << 16 // a writer's word for it, beside the bytes
		one := scatter.Located{File: bytes.NewReader(data), Chunk: scatter.Chunk{Length: int64(len(data)), Rows: rows, Sum: scatter.Sum(data)}}
		for _, chunks := range [][]scatter.Located{{one}, {one, one}} {
			b, err := scatter.NewCollector(x.schema).Collect(chunks)
			if err != nil {
				if rows != 0 && !errors.Is(err, scatter.ErrDamaged) {
					t.Fatalf("error %v", err)
				}
				continue
			}
			for _, row := range bt.Rows(b) {
				_ = row
			}
			b.Release()
		}
	})
}
