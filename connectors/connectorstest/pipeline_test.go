// Package connectorstest runs pipelines that read with one connector and write with another, on Beam.
package connectorstest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/connectors/jsonio"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/connectors/s3io"
	"github.com/millrace/millrace/internal/faults"
	"github.com/millrace/millrace/internal/s3gateway/gatewaytest"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/fileset"
	"github.com/millrace/millrace/sdk/files/filestest"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

func col(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

// faultyS3 is a bucket whose traffic goes wrong now and then.
func faultyS3(t *testing.T) storage.Store {
	t.Helper()
	g := gatewaytest.Start(t, "lake")
	p, err := faults.StartProxy(g.Endpoint(), 7,
		faults.HTTPRule{Fault: faults.InternalError, When: faults.When{Percent: 10}},
		faults.HTTPRule{Fault: faults.LostReply, When: faults.When{Percent: 10}},
		faults.HTTPRule{Fault: faults.CutBody, When: faults.When{Percent: 10}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if len(p.Counts()) < 3 {
			t.Errorf("few faults were injected: %v", p.Counts())
		}
		p.Close()
	})
	s, err := s3io.Open(t.Context(), "s3://lake/data", s3io.Options{
		Endpoint: p.Endpoint(), Credentials: s3io.Credentials{AccessKey: gatewaytest.AccessKey, SecretKey: gatewaytest.SecretKey},
		Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func run(t *testing.T, build func(beam.Scope)) {
	t.Helper()
	_, err := embedded.Run(t.Context(), func(s beam.Scope) error { build(s); return nil }, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
}

// rows reads a source to its end, sorted.
func rows(t *testing.T, src dataset.Reader) []string {
	t.Helper()
	splits, err := src.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, split := range splits {
		all = append(all, splitRows(t, src, split)...)
	}
	slices.Sort(all)
	return all
}

func splitRows(t *testing.T, src dataset.Reader, split dataset.Split) (all []string) {
	t.Helper()
	r, err := src.Open(t.Context(), split, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		b, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, filestest.Texts(b)...)
		b.Release()
	}
}

// CSV becomes Parquet, and that aggregated NDJSON, over a faulty S3.
func TestFromFormatToFormat(t *testing.T) {
	s := faultyS3(t)
	putStatement(t, s)
	money := &arrow.Decimal128Type{Precision: 18, Scale: 2}
	in, err := csvio.NewSource(t.Context(), s, "in/*.csv", csvio.Options{
		Schema:     arrow.NewSchema([]arrow.Field{col("account_id", arrow.BinaryTypes.String), col("amount", money), col("memo", arrow.BinaryTypes.String)}, nil),
		SplitBytes: 2000,
	}, fileset.Rejects{To: "rejects"})
	if err != nil {
		t.Fatal(err)
	}
	clean, err := parquetio.NewSink(s, "clean/entries", parquetio.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	run(t, func(scope beam.Scope) {
		kept := dataset.Filter(scope, csvio.Read(scope, in), expr.Col("account_id").Ne("ACC-2"))
		parquetio.Write(scope, clean, kept)
	})
	entries, err := parquetio.NewSource(t.Context(), s, "clean/*.parquet", parquetio.Options{Columns: []string{"account_id", "amount"}})
	if err != nil {
		t.Fatal(err)
	}
	spend, err := jsonio.NewSink(s, "marts/spend", jsonio.WriteOptions{Decimals: jsonio.AsNumbers})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a second run replaces the first one's files
		run(t, func(scope beam.Scope) {
			sums := dataset.GroupBy(scope, parquetio.Read(scope, entries), "account_id").Sum("amount", "spent").Count("n")
			jsonio.Write(scope, spend, sums)
		})
	}
	out, err := jsonio.NewSource(t.Context(), s, "marts/*.ndjson", jsonio.Options{}, fileset.Rejects{})
	if err != nil {
		t.Fatal(err)
	}
	// Multiples of three from 0 to 498 sum to 41583, those one above to 41750; each amount has 25 cents more.
	want := []string{"ACC-0|41624.75|167", "ACC-1|41791.75|167", "ACC-9|0.75|1"}
	if got := rows(t, out); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if m, err := files.GetManifest(t.Context(), s, spend.Manifest()); err != nil || m.Rows != 3 {
		t.Errorf("manifest %+v, %v", m, err)
	}
	if n := rejectLines(t, s); n != 1 {
		t.Errorf("%d rejects were kept, want 1", n)
	}
}

func putStatement(t *testing.T, s storage.Store) {
	t.Helper()
	var text strings.Builder
	text.WriteString("account_id,amount,memo\n")
	for i := range 500 {
		fmt.Fprintf(&text, "ACC-%d,%d.25,\"line\n%d\"\n", i%3, i, i)
	}
	text.WriteString("ACC-1,bad,x\n")
	for name, text := range map[string]string{"in/a.csv": text.String(), "in/b.csv": "account_id,amount,memo\nACC-9,0.75,\n"} {
		if err := s.Put(t.Context(), name, []byte(text), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func rejectLines(t *testing.T, s storage.Store) (n int) {
	t.Helper()
	for info, err := range s.List(t.Context(), "rejects/") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.Get(t.Context(), info.Name)
		if err != nil {
			t.Fatal(err)
		}
		n += strings.Count(string(data), "\n")
	}
	return n
}

// A bad record without a place for rejects fails the run, says where, and leaves no manifest.
func TestBadRecordFailsTheRun(t *testing.T) {
	s := storagetest.NewMemory("m", nil)
	if err := s.Put(t.Context(), "a.csv", []byte("id\n1\nx\n"), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	opts := csvio.Options{Schema: arrow.NewSchema([]arrow.Field{col("id", arrow.PrimitiveTypes.Int64)}, nil)}
	src, err := csvio.NewSource(t.Context(), s, "a.csv", opts, fileset.Rejects{})
	if err != nil {
		t.Fatal(err)
	}
	sink, err := csvio.NewSink(s, "out", csvio.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = embedded.Run(context.Background(), func(scope beam.Scope) error {
		csvio.Write(scope, sink, csvio.Read(scope, src))
		return nil
	}, embedded.Options{})
	if err == nil || !strings.Contains(err.Error(), "a.csv:3") {
		t.Errorf("got %v, want an error at a.csv:3", err)
	}
	if _, err := s.Stat(t.Context(), sink.Manifest()); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("the manifest of a run that failed: %v, want none", err)
	}
}
