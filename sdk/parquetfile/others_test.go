package parquetfile_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/parquetfile"
)

// TestReadFilesOfOthers reads files that pyarrow and DuckDB wrote in their various ways; testdata/others/make.py made them.
func TestReadFilesOfOthers(t *testing.T) {
	t.Parallel()
	var want []map[string]any
	b, err := os.ReadFile("testdata/others/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	if err := d.Decode(&want); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/others/*.parquet")
	if err != nil || len(files) < 9 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range []parquetfile.ReaderOptions{{}, {BatchRows: 13, PrefetchBytes: 1}, {BatchRows: 50, Dictionaries: []string{"kind", "note"}}} {
				schema, cols := readOwn(t, b, o)
				for c, col := range cols {
					f := schema.Field(c)
					for r := range want {
						if got, w := goValue(col, r), normal(want[r][f.Name]); got != w {
							t.Fatalf("column %s %s, row %d: %s, want %s", f.Name, f.Type, r, got, w)
						}
					}
				}
			}
		})
	}
}

// normal is a JSON value as text.
func normal(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, normal(e))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		return "{" + normal(v["name"]) + "," + normal(v["age"]) + "}"
	case json.Number:
		f, err := v.Float64()
		if err == nil && strings.Contains(v.String(), ".") {
			return strconv.FormatFloat(f, 'g', -1, 64)
		}
	}
	return fmt.Sprint(v)
}

// goValue is an Arrow value as the same text.
func goValue(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return "null"
	}
	switch a := a.(type) {
	case *array.Dictionary:
		return goValue(a.Dictionary(), a.GetValueIndex(i))
	case *array.List:
		from, to := a.ValueOffsets(i)
		var parts []string
		for k := from; k < to; k++ {
			parts = append(parts, goValue(a.ListValues(), int(k)))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *array.Struct:
		return "{" + goValue(a.Field(0), i) + "," + goValue(a.Field(1), i) + "}"
	case *array.Decimal128:
		return a.Value(i).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
	case *array.Timestamp:
		return a.Value(i).ToTime(a.DataType().(*arrow.TimestampType).Unit).Format("2006-01-02 15:04:05.000000")
	case *array.Date32:
		return a.Value(i).FormattedString()
	case *array.Float64:
		f := strconv.FormatFloat(a.Value(i), 'g', -1, 64)
		return f
	}
	return a.ValueStr(i)
}
