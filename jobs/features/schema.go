package features

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/feature"
)

// The columns of a features table that are no features; the account's column has the name that it has in the entries.
const (
	ColAsOf     = "as_of"      // timestamptz: the instant
	ColAsOfDate = "as_of_date" // date: the instant's date in the run's zone
	ColCurrency = "currency"   // text, null where the account's is not known
	// SpecialSuffix ends the name of the column that says why a feature has no number.
	SpecialSuffix = "_special"
)

// instant is the type of as-of instants: microseconds, UTC.
var instant = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}

// Schema is the schema of a features table over a ledger whose account column and amounts
// have the given types. Its key is (account, as_of).
//
// Amounts are decimal(38, the entries' scale); counts and days are bigint. A feature that has no number
// is null, never zero. The three that may lack one on their own
// (largest_debit_90d, days_since_credit, days_of_history) have a text column beside them with the reason,
// null where there is a number. An account without any entry known at the instant has "no history" in
// all three, and all of its twelve features are null.
func Schema(account arrow.Field, scale int32) *arrow.Schema {
	amount := &arrow.Decimal128Type{Precision: 38, Scale: scale}
	fields := []arrow.Field{
		{Name: account.Name, Type: account.Type},
		{Name: ColAsOf, Type: instant},
		{Name: ColAsOfDate, Type: arrow.FixedWidthTypes.Date32},
		{Name: ColCurrency, Type: arrow.BinaryTypes.String, Nullable: true},
	}
	for _, f := range feature.All() {
		var dt arrow.DataType = arrow.PrimitiveTypes.Int64
		if f.Unit == feature.Money {
			dt = amount
		}
		fields = append(fields, arrow.Field{Name: f.Name, Type: dt, Nullable: true})
		if f.Optional {
			fields = append(fields, arrow.Field{Name: f.Name + SpecialSuffix, Type: arrow.BinaryTypes.String, Nullable: true})
		}
	}
	return arrow.NewSchema(fields, nil)
}

// The kinds of rows that an exchange moves, in the order in which an account's rows of one instant are taken.
const (
	rowAccount  int32 = iota // there is such an account
	rowMovement              // an entry
	rowAsk                   // a pair of the spine
)

// eventSchema is the schema of the rows that an exchange moves.
func eventSchema(account arrow.DataType, scale int32) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "account", Type: account},
		{Name: "seen_at", Type: instant},
		{Name: "kind", Type: arrow.PrimitiveTypes.Int32},
		{Name: "booked_at", Type: instant},
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 38, Scale: scale}},
		{Name: "currency", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
}

// eventOrder is the order in which a task takes them.
var eventOrder = []string{"account", "seen_at", "kind", "booked_at"}
