package csvio_test

import (
	"context"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/sdk/files"
)

func TestLinesOfRows(t *testing.T) {
	t.Parallel()
	s := store(t, "a.csv", "id,text\n1,a\n\n2,\"b\nb\"\nbad\n3,c\r\n4,d")
	opts := csvio.Options{BatchRows: 3, Schema: schema(col("id", arrow.PrimitiveTypes.Int64), col("text", arrow.BinaryTypes.String)),
		OnReject: func(context.Context, files.Reject) error { return nil }}
	splits, err := csvio.Splits(t.Context(), s, "a.csv", opts)
	if err != nil || len(splits) != 1 {
		t.Fatalf("%d splits, error %v", len(splits), err)
	}
	r, err := csvio.Open(t.Context(), s, splits[0], opts)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, want := range [][]int64{{2, 4, 7}, {8}} {
		b, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
		if !slices.Equal(r.Lines(), want) {
			t.Errorf("rows begin on lines %v, want %v", r.Lines(), want)
		}
	}
}
