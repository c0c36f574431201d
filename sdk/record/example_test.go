package record_test

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/record"
)

// Entry is a ledger entry.
type Entry struct {
	ID       int64         `lake:"entry_id,key"`
	Account  string        // required
	Amount   money.Decimal `lake:",decimal(18,2)"`
	BookedAt time.Time
	ValueDay time.Time `lake:",date"`
	Memo     *string   // nullable
}

func ExampleSchemaOf() {
	schema, err := record.SchemaOf[Entry]()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range schema.Fields() {
		fmt.Println(f.Name, f.Type, f.Nullable)
	}
	// Output:
	// entry_id int64 false
	// account utf8 false
	// amount decimal(18, 2) false
	// booked_at timestamp[us, tz=UTC] false
	// value_day date32 false
	// memo utf8 true
}

func Example() {
	b, err := record.NewBuilder[Entry]()
	if err != nil {
		fmt.Println(err)
		return
	}
	amount, _ := money.Parse("12.30")
	at := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	if err := b.Append(Entry{ID: 1, Account: "a-1", Amount: amount, BookedAt: at, ValueDay: at}); err != nil {
		fmt.Println(err)
		return
	}
	rec := b.NewRecord()
	defer rec.Release()
	for e, err := range record.Rows[Entry](rec) {
		fmt.Println(e.ID, e.Account, e.Amount, e.ValueDay.Format(time.DateOnly), e.Memo == nil, err)
	}
	// Output: 1 a-1 12.30 2026-11-23 true <nil>
}
