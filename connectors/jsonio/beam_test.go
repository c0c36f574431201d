package jsonio_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/connectors/jsonio"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/fileset"
	"github.com/millrace/millrace/sdk/files/filestest"
	"github.com/millrace/millrace/sdk/storage"
)

// A source and a sink that travelled to a worker read and write what they would have at home.
func TestTravel(t *testing.T) {
	t.Parallel()
	s := store(t, "in/a.json", "{\"id\":1,\"x\":{\"y\":\"a\"}}\n{\"id\":\"bad\"}\n", "in/b.json", "[{\"id\":2}]")
	stores := storage.Resolver{"mem": func(context.Context, string) (storage.Store, error) { return s, nil }}
	opts := jsonio.Options{Flatten: true, Columns: []string{"x.y", "id"}, Schema: schema(col("id", arrow.PrimitiveTypes.Int64), col("x.y", arrow.BinaryTypes.String))}
	home, err := jsonio.NewSource(t.Context(), s, "in/*", opts, fileset.Rejects{To: "rejects"})
	if err != nil {
		t.Fatal(err)
	}
	src, err := jsonio.OpenSource(stores)(t.Context(), home.Ref().Config)
	if err != nil {
		t.Fatal(err)
	}
	homeSink, err := jsonio.NewSink(s, "out/x", jsonio.WriteOptions{OmitNulls: true})
	if err != nil {
		t.Fatal(err)
	}
	sink, err := jsonio.OpenSink(stores)(t.Context(), homeSink.Ref().Config)
	if err != nil {
		t.Fatal(err)
	}
	w, err := sink.NewWriter(t.Context(), src.Schema(), dataset.TaskID{Stage: "write", Digest: "d"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort(t.Context())
	splits, err := src.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
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
			if err := w.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, filestest.Texts(b)...)
			b.Release()
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	parts, err := w.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Commit(t.Context(), "r", parts); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(rows, []string{"a|1", "∅|2"}) {
		t.Errorf("rows %q", rows)
	}
	m, err := files.GetManifest(t.Context(), s, homeSink.Manifest())
	if err != nil || len(m.Files) != 1 || m.Rows != 2 {
		t.Fatalf("manifest %+v, %v", m, err)
	}
	got, err := s.Get(t.Context(), m.Files[0].Name)
	if err != nil || string(got) != "{\"x.y\":\"a\",\"id\":1}\n{\"id\":2}\n" {
		t.Errorf("wrote %q, %v", got, err)
	}
	if _, err := s.Get(t.Context(), "rejects/in/a.json-0.ndjson"); err != nil {
		t.Errorf("rejects: %v", err)
	}
	opts.OnReject = func(context.Context, files.Reject) error { return nil }
	if _, err := jsonio.NewSource(t.Context(), s, "in/*", opts, fileset.Rejects{}); fault.Of(err) != fault.Usage {
		t.Errorf("a function as handler: %v, want a usage error", err)
	}
}
