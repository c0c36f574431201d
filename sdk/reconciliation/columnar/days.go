package columnar

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
)

func init() { dataset.RegisterMaker(makeDays) }

type dayConfig struct {
	Column string `json:"column"`
	Zone   string `json:"zone"`
}

// WithDay adds the column [ColDay]: the day of a date or timestamp column, for a timestamp by the clocks of a time zone.
func WithDay(s beam.Scope, in dataset.Dataset, column string, zone *time.Location) dataset.Dataset {
	schema := in.Schema()
	if schema == nil { // the dataset carries why
		return in
	}
	config, err := json.Marshal(dayConfig{column, zone.String()})
	if err != nil { // texts always encode
		config = nil
	}
	fields := append(schema.Fields(), arrow.Field{Name: ColDay, Type: arrow.FixedWidthTypes.Date32, Nullable: true})
	return dataset.MapWith(s.Scope("columnar.WithDay"), in, makeDays, string(config), dataset.OutputSchema(arrow.NewSchema(fields, nil)))
}

func makeDays(config string) (dataset.BatchFunc, error) {
	var c dayConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return nil, fmt.Errorf("day: %w", err)
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, fmt.Errorf("day: %w", err)
	}
	return func(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
		from := columnOf(b, c.Column)
		if from == nil || !isDate(from.DataType()) {
			return nil, fmt.Errorf("day: there is no date or timestamp column %q", c.Column)
		}
		days := daysOf(from, zone)
		defer days.Release()
		fields := append(b.Schema().Fields(), arrow.Field{Name: ColDay, Type: arrow.FixedWidthTypes.Date32, Nullable: true})
		return array.NewRecordBatch(arrow.NewSchema(fields, nil), append(append([]arrow.Array{}, b.Columns()...), days), b.NumRows()), nil
	}, nil
}

// daysOf are the days of dates or timestamps.
func daysOf(c arrow.Array, zone *time.Location) arrow.Array {
	t, ok := c.(*array.Timestamp)
	if !ok {
		c.Retain()
		return c
	}
	unit := t.DataType().(*arrow.TimestampType).Unit
	out := array.NewDate32Builder(memory.DefaultAllocator)
	defer out.Release()
	out.Reserve(t.Len())
	for i := range t.Len() {
		if t.IsNull(i) {
			out.AppendNull()
			continue
		}
		at := t.Value(i).ToTime(unit)
		_, offset := at.In(zone).Zone()
		seconds := at.Unix() + int64(offset)
		day := seconds / (24 * 60 * 60)
		if seconds%(24*60*60) < 0 {
			day--
		}
		out.UnsafeAppend(arrow.Date32(day))
	}
	return out.NewArray()
}
