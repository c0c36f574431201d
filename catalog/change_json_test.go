package catalog_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/money"
)

// A change that a task writes is committed by another task, to which it travels as JSON.
func TestTableChangeTravelsWhole(t *testing.T) {
	t.Parallel()
	amount, err := money.Parse("-12.30")
	if err != nil {
		t.Fatal(err)
	}
	want := catalog.TableChange{
		Table: "ledger.entries", Based: 7, Rewrite: true, ReplaceAll: true, Remove: []string{"a", "b"},
		Schema: arrow.NewSchema([]arrow.Field{
			{Name: "id", Type: arrow.PrimitiveTypes.Int64, Metadata: arrow.MetadataFrom(map[string]string{catalog.FieldIDKey: "1"})},
			{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}, Nullable: true},
		}, nil),
		Add: []catalog.DataFile{{Path: "p", Content: catalog.PositionDeletes, Bucket: -1, Rows: 3, Bytes: 4, Sorted: true,
			Columns: map[int]catalog.ColumnStats{1: {Bytes: 5, Values: 6, Nulls: 1, Lower: []byte{1}, Upper: []byte{2}}}, SplitOffsets: []int64{4}, References: []string{"r"}}},
		Totals:  catalog.Totals{Rows: 1, Inserts: 2, Updates: 3, Deletes: 4, Control: map[string]money.Decimal{"amount": amount}},
		Summary: map[string]string{"k": "v"},
	}
	for _, c := range []catalog.TableChange{want, {Table: "ledger.none"}} {
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var got catalog.TableChange
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if (got.Schema == nil) != (c.Schema == nil) || c.Schema != nil && !got.Schema.Equal(c.Schema) {
			t.Errorf("the schema of %s arrives as %v", c.Table, got.Schema)
		}
		got.Schema, c.Schema = nil, nil
		if !reflect.DeepEqual(got, c) {
			t.Errorf("arrives as %+v, want %+v", got, c)
		}
	}
	var bad catalog.TableChange
	if err := json.Unmarshal([]byte(`{"Table":"t","Schema":"AAAA"}`), &bad); err == nil {
		t.Error("a damaged schema is accepted")
	}
}
