package parquetio_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/filestest"
	"github.com/millrace/millrace/sdk/parquetfile"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// A source and a sink that travelled to a worker read and write what they would have at home.
func TestTravel(t *testing.T) {
	t.Parallel()
	s := storagetest.NewMemory("m", nil)
	stores := storage.Resolver{"mem": func(context.Context, string) (storage.Store, error) { return s, nil }}
	in := schema(col("id", arrow.PrimitiveTypes.Int64), col("t", arrow.BinaryTypes.String))
	batch := filestest.Rows(in, []any{1, "a"}, []any{2, "b"}, []any{3, "c"})
	defer batch.Release()
	homeSink, err := parquetio.NewSink(s, "out/x", parquetio.WriteOptions{File: parquetfile.WriterOptions{RowGroupRows: 2, Encodings: map[string]parquetfile.Encoding{"t": parquetfile.Plain}}})
	if err != nil {
		t.Fatal(err)
	}
	sink, err := parquetio.OpenSink(stores)(t.Context(), homeSink.Ref().Config)
	if err != nil {
		t.Fatal(err)
	}
	w, err := sink.NewWriter(t.Context(), in, dataset.TaskID{Stage: "write", Digest: "d"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort(t.Context())
	if err := w.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	parts, err := w.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Commit(t.Context(), "r", parts); err != nil {
		t.Fatal(err)
	}
	if m, err := files.GetManifest(t.Context(), s, homeSink.Manifest()); err != nil || m.Rows != 3 || len(m.Files) != 1 {
		t.Errorf("manifest %+v, %v", m, err)
	}

	home, err := parquetio.NewSource(t.Context(), s, "out/*.parquet", parquetio.Options{Columns: []string{"t"}, SplitBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	src, err := parquetio.OpenSource(stores)(t.Context(), home.Ref().Config)
	if err != nil {
		t.Fatal(err)
	}
	splits, err := src.Plan(t.Context())
	if err != nil || len(splits) != 2 || splits[0].Rows != 2 {
		t.Fatalf("splits %v, %v: want one a row group", splits, err)
	}
	var rows []string
	for _, split := range splits {
		r, err := src.Open(t.Context(), split, 100)
		if err != nil {
			t.Fatal(err)
		}
		for {
			b, err := r.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, filestest.Texts(b)...)
			b.Release()
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(rows, []string{"a", "b", "c"}) || src.Schema().NumFields() != 1 {
		t.Errorf("rows %q of schema %v", rows, src.Schema())
	}
}
