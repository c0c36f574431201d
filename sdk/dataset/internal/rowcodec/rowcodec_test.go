package rowcodec

import (
	"errors"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"

	bt "github.com/millrace/millrace/sdk/dataset/internal/batchtest"
)

func schemaOfAll() *arrow.Schema {
	var fields []arrow.Field
	for i, ty := range bt.Types {
		fields = append(fields, bt.Field(string(rune('a'+i)), ty.Type))
	}
	return bt.Schema(append(fields, bt.Field("bytes", arrow.BinaryTypes.Binary))...)
}

func TestRowsComeBack(t *testing.T) {
	t.Parallel()
	schema := schemaOfAll()
	if err := Supported(schema); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		rows := make([]bt.Row, 3)
		for r := range rows {
			for _, ty := range bt.Types {
				rows[r] = append(rows[r], rapid.OneOf(ty.Gen, ty.Gen, rapid.Just(bt.Null)).Draw(t, "value"))
			}
			rows[r] = append(rows[r], rapid.SampledFrom([]string{"", "YWJj", bt.Null}).Draw(t, "bytes"))
		}
		b := bt.Batch(t, schema, rows)
		b = b.NewSlice(1, 3)
		for r := range 2 {
			data := Append(nil, b, r)
			got, err := Decode(schema, data)
			if err != nil {
				t.Fatal(err)
			}
			if row := bt.Rows(got)[0]; !slices.Equal(row, rows[r+1]) {
				t.Fatalf("row %v comes back as %v", rows[r+1], row)
			}
			if _, err := Decode(schema, data[:len(data)-1]); !errors.Is(err, ErrDamaged) {
				t.Fatalf("a row that is cut: error is %v", err)
			}
			if _, err := Decode(schema, append(data, 0)); !errors.Is(err, ErrDamaged) {
				t.Fatalf("a row that is too long: error is %v", err)
			}
		}
	})
}

func TestSupported(t *testing.T) {
	t.Parallel()
	if err := Supported(bt.Schema(bt.Field("l", arrow.ListOf(arrow.PrimitiveTypes.Int8)))); err == nil {
		t.Error("a list is supported")
	}
}

func FuzzDecode(f *testing.F) {
	schema := schemaOfAll()
	row := bt.Row{"7", "7", "7", "a", "true", "1.25", "2026-11-23", "2026-11-23T10:00:00Z", "YWJj"}
	f.Add(Append(nil, bt.Batch(f, schema, []bt.Row{row}), 0))
	f.Add(make([]byte, schema.NumFields()))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Decode(schema, data)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		again, err := Decode(schema, Append(nil, b, 0))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(bt.Rows(b)[0], bt.Rows(again)[0]) {
			t.Fatalf("%v comes back as %v", bt.Rows(b), bt.Rows(again))
		}
	})
}
