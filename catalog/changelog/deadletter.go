package changelog

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/source"
)

// DeadLetterTable is the name, in each namespace, of the table of rejected events.
const DeadLetterTable = "dead_letters"

// deadLetterSchema: a null table means that even the table is unknown; key and value are the
// message's raw bytes, so that it can be replayed.
var deadLetterSchema = arrow.NewSchema([]arrow.Field{
	{Name: "table", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "shard", Type: arrow.BinaryTypes.String},
	{Name: "offset", Type: arrow.PrimitiveTypes.Int64},
	{Name: "at", Type: Timestamp, Nullable: true},
	{Name: "reason", Type: arrow.BinaryTypes.String},
	{Name: "key", Type: arrow.BinaryTypes.Binary, Nullable: true},
	{Name: "value", Type: arrow.BinaryTypes.Binary, Nullable: true},
	{Name: "epoch", Type: arrow.BinaryTypes.String},
	{Name: "attempts", Type: arrow.PrimitiveTypes.Int32},
}, nil)

// DeadLetterSpec is the layout of a namespace's dead-letter table.
func DeadLetterSpec(namespace string) catalog.TableSpec {
	return catalog.TableSpec{
		Name:   namespace + "." + DeadLetterTable,
		Schema: deadLetterSchema,
		Kind:   catalog.DeadLetter,
		SortBy: []string{"shard", "offset"},
	}
}

// DeadLetters makes the rows of rejected events, in their order. attempts says how often the epoch
// has tried to decode them. The caller releases the result, which shares no memory with the input.
func DeadLetters(epoch string, attempts int, rejected []source.Rejected) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, deadLetterSchema)
	defer b.Release()
	b.Reserve(len(rejected))
	bytesOrNull := func(i int, v []byte) {
		if v == nil {
			b.Field(i).AppendNull()
			return
		}
		b.Field(i).(*array.BinaryBuilder).Append(v)
	}
	for _, r := range rejected {
		if r.Table == "" {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.StringBuilder).Append(r.Table)
		}
		b.Field(1).(*array.StringBuilder).Append(r.Shard)
		b.Field(2).(*array.Int64Builder).Append(r.Offset)
		if r.At.IsZero() {
			b.Field(3).AppendNull()
		} else {
			b.Field(3).(*array.TimestampBuilder).Append(arrow.Timestamp(r.At.UnixMicro()))
		}
		b.Field(4).(*array.StringBuilder).Append(r.Reason)
		bytesOrNull(5, r.Key)
		bytesOrNull(6, r.Value)
		b.Field(7).(*array.StringBuilder).Append(epoch)
		b.Field(8).(*array.Int32Builder).Append(int32(attempts))
	}
	return b.NewRecordBatch()
}

// DeadLetterTotals are the totals that belong to those rows.
func DeadLetterTotals(rejected []source.Rejected) catalog.Totals {
	return catalog.Totals{Rows: int64(len(rejected)), Inserts: int64(len(rejected))}
}
