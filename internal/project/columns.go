package project

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// ColumnType reads a column type: decimal(p,s), timestamp, date, bigint, int,
// text, boolean, double or binary. Timestamps are microseconds in UTC.
func ColumnType(text string) (arrow.DataType, error) {
	name := strings.ToLower(strings.TrimSpace(text))
	if rest, ok := strings.CutPrefix(name, "decimal("); ok {
		return decimalType(text, strings.TrimSuffix(rest, ")"))
	}
	switch name {
	case "timestamp":
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, nil
	case "date":
		return arrow.FixedWidthTypes.Date32, nil
	case "bigint":
		return arrow.PrimitiveTypes.Int64, nil
	case "int":
		return arrow.PrimitiveTypes.Int32, nil
	case "text":
		return arrow.BinaryTypes.String, nil
	case "boolean":
		return arrow.FixedWidthTypes.Boolean, nil
	case "double":
		return arrow.PrimitiveTypes.Float64, nil
	case "binary":
		return arrow.BinaryTypes.Binary, nil
	}
	return nil, fmt.Errorf("%q is not a column type; write decimal(18,2), timestamp, date, bigint, int, text, boolean, double or binary", text)
}

func decimalType(text, inside string) (arrow.DataType, error) {
	p, s, _ := strings.Cut(inside, ",")
	prec, err1 := strconv.Atoi(strings.TrimSpace(p))
	scale, err2 := strconv.Atoi(strings.TrimSpace(s))
	if err1 != nil || err2 != nil || prec < 1 || prec > 38 || scale < 0 || scale > prec {
		return nil, fmt.Errorf("%q: write decimal(precision,scale) with 1 ≤ precision ≤ 38 and 0 ≤ scale ≤ precision", text)
	}
	return &arrow.Decimal128Type{Precision: int32(prec), Scale: int32(scale)}, nil
}

// Control is a control total: the sum of Column, by the values of By if it is set.
type Control struct{ Column, By string }

// ParseControl reads "amount" or "amount by currency".
func ParseControl(text string) (Control, error) {
	w := strings.Fields(text)
	switch {
	case len(w) == 1:
		return Control{Column: w[0]}, nil
	case len(w) == 3 && w[1] == "by":
		return Control{Column: w[0], By: w[2]}, nil
	}
	return Control{}, fmt.Errorf("%q is not a control total; write 'amount' or 'amount by currency'", text)
}

// Schema reads the table's columns: "name type", with " null" where the column may be null.
// Key columns are never null, and must be among them.
func (t IngestTable) Schema() (*arrow.Schema, error) {
	fields := make([]arrow.Field, 0, len(t.Columns))
	seen := map[string]bool{}
	for _, text := range t.Columns {
		rest, null := strings.CutSuffix(strings.TrimSpace(text), " null")
		name, kind, ok := strings.Cut(strings.TrimSpace(rest), " ")
		if !ok || seen[name] {
			return nil, fmt.Errorf("%q: write 'name type' or 'name type null', each name once", text)
		}
		seen[name] = true
		dt, err := ColumnType(kind)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
		fields = append(fields, arrow.Field{Name: name, Type: dt, Nullable: null})
	}
	for _, k := range t.Key {
		if !seen[k] {
			return nil, fmt.Errorf("the key column %s is not among the columns", k)
		}
	}
	return arrow.NewSchema(fields, nil), nil
}
