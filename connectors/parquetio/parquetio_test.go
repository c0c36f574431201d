package parquetio_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/filestest"
	"github.com/millrace/millrace/sdk/parquetfile"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func schema(fields ...arrow.Field) *arrow.Schema { return arrow.NewSchema(fields, nil) }

func col(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

func write(t testing.TB, s storage.Store, base string, batch arrow.RecordBatch, opts parquetio.WriteOptions) files.Manifest {
	t.Helper()
	w, err := parquetio.NewWriter(s, base, batch.Schema(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	m, err := w.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func read(ctx context.Context, s storage.Store, glob string, opts parquetio.Options) (rows []string, splits []files.Split, err error) {
	if splits, err = parquetio.Splits(ctx, s, glob, opts); err != nil {
		return nil, nil, err
	}
	for _, split := range splits {
		r, err := parquetio.Open(ctx, s, split, opts)
		if err != nil {
			return nil, splits, err
		}
		defer r.Close()
		for {
			b, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return rows, splits, err
			}
			rows = append(rows, filestest.Texts(b)...)
			b.Release()
		}
		if r.Counts().Rows != split.Rows {
			return rows, splits, errors.New("the split has other rows than planned")
		}
	}
	return rows, splits, nil
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		batch := filestest.Batch(rt)
		defer batch.Release()
		for _, f := range batch.Schema().Fields() {
			if ts, ok := f.Type.(*arrow.TimestampType); ok && ts.Unit == arrow.Second {
				return // Parquet has no such unit
			}
		}
		s := storagetest.NewMemory("out", nil)
		m := write(t, s, "d/part", batch, parquetio.WriteOptions{
			WriterOptions: files.WriterOptions{MaxRows: rapid.Int64Range(1, 60).Draw(rt, "rows a file")},
			File:          parquetfile.WriterOptions{RowGroupRows: rapid.Int64Range(1, 20).Draw(rt, "rows a group")},
		})
		if m.Rows != batch.NumRows() {
			rt.Fatalf("manifest %+v", m)
		}
		inferred, err := parquetio.Infer(t.Context(), s, "d/*", parquetio.Options{})
		if err != nil || len(inferred.Fields()) != len(batch.Schema().Fields()) {
			rt.Fatalf("inferred %v, %v", inferred, err)
		}
		got, _, err := read(t.Context(), s, "d/*", parquetio.Options{Schema: batch.Schema(), SplitBytes: rapid.Int64Range(1, 2000).Draw(rt, "split")})
		if err != nil {
			rt.Fatal(err)
		}
		if want := filestest.Texts(batch); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			rt.Fatalf("read %q\nwrote %q", got, want)
		}
	})
}

func TestSplitsAndProjection(t *testing.T) {
	t.Parallel()
	s := storagetest.NewMemory("out", nil)
	in := schema(col("id", arrow.PrimitiveTypes.Int64), col("t", arrow.BinaryTypes.String))
	var data [][]any
	for i := range 95 {
		data = append(data, []any{i, strings.Repeat("x", i)})
	}
	batch := filestest.Rows(in, data...)
	defer batch.Release()
	write(t, s, "f", batch, parquetio.WriteOptions{File: parquetfile.WriterOptions{RowGroupRows: 10}})
	for size, want := range map[int64]int{1: 10, 1 << 30: 1} {
		rows, splits, err := read(t.Context(), s, "f*", parquetio.Options{SplitBytes: size, Columns: []string{"id"}})
		if err != nil || len(splits) != want || len(rows) != 95 || rows[94] != "94" {
			t.Errorf("splits of %d bytes: %d splits, %d rows, %v; want %d splits", size, len(splits), len(rows), err, want)
		}
	}
	wide := schema(col("t", arrow.BinaryTypes.String), col("new", arrow.PrimitiveTypes.Int32))
	rows, _, err := read(t.Context(), s, "f*", parquetio.Options{Schema: wide})
	if err != nil || rows[2] != "xx|∅" {
		t.Errorf("a column that the file lacks: %q, %v", rows[:min(3, len(rows))], err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	s := storagetest.NewMemory("out", nil)
	one := filestest.Rows(schema(col("id", arrow.PrimitiveTypes.Int64)), []any{1})
	defer one.Release()
	two := filestest.Rows(schema(col("id", arrow.BinaryTypes.String)), []any{"1"})
	defer two.Release()
	three := filestest.Rows(schema(col("other", arrow.PrimitiveTypes.Int64)), []any{1})
	defer three.Release()
	write(t, s, "a/1", one, parquetio.WriteOptions{})
	write(t, s, "a/2", two, parquetio.WriteOptions{})
	write(t, s, "b/1", one, parquetio.WriteOptions{})
	write(t, s, "b/3", three, parquetio.WriteOptions{})
	for glob, says := range map[string]string{"a/*": "column id is utf8 and not int64", "b/*": "column other", "none/*": "matches"} {
		if _, err := parquetio.Infer(t.Context(), s, glob, parquetio.Options{}); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want a usage error that says %q", glob, err, says)
		}
	}
	if _, _, err := read(t.Context(), s, "a/1*", parquetio.Options{Schema: one.Schema(), Columns: []string{"z"}}); fault.Of(err) != fault.Usage {
		t.Errorf("no such column: %v", err)
	}
	if _, err := parquetio.NewWriter(s, "x", one.Schema(), parquetio.WriteOptions{WriterOptions: files.WriterOptions{Compression: files.Gzip}}); fault.Of(err) != fault.Usage {
		t.Errorf("gzip around Parquet: %v", err)
	}
	if err := s.Put(t.Context(), "bad.parquet", []byte("PAR1 this is no parquet file PAR1"), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := read(t.Context(), s, "bad.parquet", parquetio.Options{}); !errors.Is(err, parquetfile.ErrCorrupt) || !strings.Contains(err.Error(), "bad.parquet") {
		t.Errorf("no parquet: %v, want ErrCorrupt that names the file", err)
	}
}
