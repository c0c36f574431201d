// Command settlement holds card entries against the card scheme's statement, a CSV file, by a rule of its own, and
// writes what does not match to marts.settlement_breaks and a count of each class to marts.settlement_summary.
// It shows a reconciliation as a pipeline: the reconcile job's own parts, composed with anything else. A nightly run
// that needs no more than a rule is a few lines in the project file instead; see millrace reconcile.
//
// STATEMENT is where the file is, such as s3://landing/cards/2026-11-24.csv, reached with the lake's own settings.
package main

import (
	"context"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/runners"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files/fileset"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
)

// statement is how the scheme writes its lines.
var statement = csvio.Options{Schema: arrow.NewSchema([]arrow.Field{
	{Name: "reference", Type: arrow.BinaryTypes.String},
	{Name: "account_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
	{Name: "currency", Type: arrow.BinaryTypes.String},
	{Name: "settled_on", Type: arrow.FixedWidthTypes.Date32},
}, nil)}

func build(s beam.Scope, lk *catalog.Lake) error { return against(s, lk, os.Getenv("STATEMENT")) }

// against builds the pipeline over the statement at a location.
func against(s beam.Scope, lk *catalog.Lake, location string) error {
	if location == "" {
		return fault.Usagef("STATEMENT is not set: write where the file is, such as STATEMENT=s3://landing/cards.csv")
	}
	ctx := context.Background() // building reads a listing at most
	store, name, err := lk.Storage(ctx, location)
	if err != nil {
		return err
	}
	file, err := csvio.NewSource(ctx, store, name, statement, fileset.Rejects{})
	if err != nil {
		return err
	}
	cent, err := money.New(1, 2)
	if err != nil {
		return err
	}
	key, scale := []string{"reference"}, int32(2)

	entries := dataset.ScanTable(ctx, s, lk, "ledger.entries")
	card := dataset.Filter(s, entries, expr.Col("channel").Eq("card").And(expr.Col("amount").Lt(0)))
	named := dataset.Join(s, dataset.InnerJoin, card, dataset.ScanTable(ctx, s, lk, "ledger.transactions"), dataset.On("transaction_id"), dataset.Keep("reference"))
	ours := columnar.Items(s, named, columnar.Columns{Key: key, Amount: "amount", Currency: "currency", Date: "value_date", Ref: []string{"entry_id"}, Scale: scale})
	theirs := columnar.Items(s, csvio.Read(s, file), columnar.Columns{
		Key: key, Amount: "amount", Currency: "currency", Date: "settled_on", Ref: []string{"reference", "settled_on"}, Scale: scale})

	rule := reconciliation.Rule{Name: "settlement", Tolerance: cent, HasDate: true, Days: 3} // settled within three days, to the cent
	outcomes := columnar.Compare(s, columnar.Both(s, ours, theirs, scale), rule)
	breaks := dataset.Filter(s, outcomes, expr.Col(columnar.ColClass).Ne(string(reconciliation.Matched)))
	dataset.Write(s, lk, "marts.settlement_breaks", breaks, dataset.SortBy(columnar.ColClass, columnar.ColKey))
	summary := dataset.GroupBy(s, outcomes, columnar.ColClass).Count("n").Sum(columnar.ColDifference, "difference")
	dataset.Write(s, lk, "marts.settlement_summary", summary, dataset.Key(columnar.ColClass))
	return nil
}

func main() { runners.Main(build) }
