// Command first-digits counts the leading digits of amounts per channel, the raw material of a Benford
// test for invented figures. It shows a function of one's own over Arrow record batches: the fast way in, as no
// row is ever built. Expressions of package expr need no such function; this one is beyond them.
package main

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/runners"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/money"
)

// Entry holds the columns of ledger.entries that the pipeline reads.
type Entry struct {
	Channel string
	Amount  money.Decimal `lake:",decimal(18,2)"`
}

// digits is what firstDigits returns.
var digits = arrow.NewSchema([]arrow.Field{
	{Name: "channel", Type: arrow.BinaryTypes.String},
	{Name: "digit", Type: arrow.PrimitiveTypes.Int32},
}, nil)

// Functions that travel to workers are registered, as DoFns of Beam are.
func init() { dataset.RegisterMapBatches(firstDigits) }

// firstDigits replaces each amount by its first digit that is not zero. The channel's column is passed on as it is.
func firstDigits(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	amounts, ok := in.Column(1).(*array.Decimal128)
	if !ok {
		return nil, fmt.Errorf("the amount is %s, not a decimal", in.Column(1).DataType())
	}
	out := array.NewInt32Builder(memory.DefaultAllocator)
	defer out.Release()
	out.Reserve(amounts.Len())
	for i := range amounts.Len() {
		units := amounts.Value(i).Abs().BigInt().Uint64() // 18 digits fit
		for units >= 10 {
			units /= 10
		}
		out.UnsafeAppend(int32(units))
	}
	column := out.NewArray()
	defer column.Release()
	return array.NewRecordBatch(digits, []arrow.Array{in.Column(0), column}, in.NumRows()), nil
}

func build(s beam.Scope, lk *catalog.Lake) {
	entries := dataset.Scan[Entry](s, lk, "ledger.entries")
	first := dataset.MapBatches(s, entries, firstDigits, dataset.OutputSchema(digits))
	dataset.Write(s, lk, "marts.first_digits", dataset.GroupBy(s, first, "channel", "digit").Count("n"), dataset.Key("channel", "digit"))
}

func main() { runners.Main(build) }
