package parquetfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/parquetfile"
)

// Example writes a file, looks at its statistics and reads one column of it back.
func Example() {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "account", Type: arrow.BinaryTypes.String},
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 12, Scale: 2}, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	b.Field(0).(*array.StringBuilder).AppendValues([]string{"A-1", "A-2", "A-3"}, nil)
	for _, v := range []string{"10.50", "-3.25"} {
		if err := b.Field(1).AppendValueFromString(v); err != nil {
			fmt.Println(err)
			return
		}
	}
	b.Field(1).AppendNull()
	rec := b.NewRecordBatch()
	defer rec.Release()

	var file bytes.Buffer
	w, err := parquetfile.NewWriter(&file, schema, parquetfile.WriterOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Write(rec); err != nil {
		fmt.Println(err)
		return
	}
	stats, err := w.Close()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(stats.Rows, "rows, accounts", stats.Columns[0].Min, "to", stats.Columns[0].Max, "and", stats.Columns[1].Nulls, "null amount")

	r, err := parquetfile.Open(bytes.NewReader(file.Bytes()), int64(file.Len()), parquetfile.ReaderOptions{Columns: []string{"amount"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(rec.Column(0))
		rec.Release()
	}
	// Output:
	// 3 rows, accounts A-1 to A-3 and 1 null amount
	// [10.5 -3.25 (null)]
}

// ExampleWriter_Reset writes many files of one schema in the same buffers, which small files gain most from.
func ExampleWriter_Reset() {
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
	w, err := parquetfile.NewWriter(io.Discard, schema, parquetfile.WriterOptions{Encodings: map[string]parquetfile.Encoding{"id": parquetfile.Plain}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		w.Reset(io.Discard)
		stats, err := w.Close()
		fmt.Println(stats.Rows, err)
	}
	// Output:
	// 0 <nil>
	// 0 <nil>
	// 0 <nil>
}

// ExampleReaderOptions reads a file as a newer schema: a column that it lacks, and a wider type.
func ExampleReaderOptions() {
	old := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int32, Metadata: arrow.NewMetadata([]string{parquetfile.FieldIDKey}, []string{"1"})}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, old)
	defer b.Release()
	b.Field(0).(*array.Int32Builder).AppendValues([]int32{1, 2}, nil)
	rec := b.NewRecordBatch()
	defer rec.Release()
	var file bytes.Buffer
	w, err := parquetfile.NewWriter(&file, old, parquetfile.WriterOptions{})
	if err == nil {
		err = w.Write(rec)
	}
	if err == nil {
		_, err = w.Close()
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := parquetfile.Open(bytes.NewReader(file.Bytes()), int64(file.Len()), parquetfile.ReaderOptions{Fields: []arrow.Field{
		{Name: "number", Type: arrow.PrimitiveTypes.Int64, Metadata: arrow.NewMetadata([]string{parquetfile.FieldIDKey}, []string{"1"})},
		{Name: "added", Type: arrow.BinaryTypes.String, Nullable: true, Metadata: arrow.NewMetadata([]string{parquetfile.FieldIDKey}, []string{"2"})},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	got, err := r.Next()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer got.Release()
	fmt.Println(got.Column(0).DataType(), got.Column(0), got.Column(1))
	// Output: int64 [1 2] [(null) (null)]
}
