package feature

import (
	"time"

	"github.com/millrace/millrace/sdk/money"
)

// Special says why a feature has no number.
type Special uint8

// The reasons for which a feature has no number.
const (
	None      Special = iota // the feature has a number
	NoHistory                // the entity has no movement seen at the as-of instant
	NoEvent                  // there are movements, but none of the kind that the feature measures, in its window
)

// String is the reason as it stands in tables and exports; "" for None.
func (s Special) String() string {
	switch s {
	case NoHistory:
		return "no history"
	case NoEvent:
		return "no event in the window"
	}
	return ""
}

// windows are the lengths of the sliding windows.
var windows = [3]int64{7 * day, 30 * day, 90 * day}

const day = int64(24 * time.Hour / time.Microsecond)

// Values are the twelve features of one entity at one as-of instant. Amounts are
// in the movements' scale. Where HistorySpecial is NoHistory, none of the twelve has a meaning.
type Values struct {
	Balance         money.Int128    // Σ of all movements seen
	Inflow          [3]money.Int128 // Σ of credits over 7, 30, 90 days
	Outflow         [3]money.Int128 // Σ of debits over 7, 30, 90 days, as a positive number
	Credits30       int64           // credits in 30 days
	Debits30        int64           // debits in 30 days
	LargestDebit90  money.Int128    // largest debit in 90 days, as a positive number; see LargestDebitSpecial
	DaysSinceCredit int64           // whole days since the last credit was booked; see DaysSinceCreditSpecial
	DaysOfHistory   int64           // whole days since the first movement was booked; see HistorySpecial

	LargestDebitSpecial, DaysSinceCreditSpecial, HistorySpecial Special
}

// Unit says what a feature's number counts.
type Unit uint8

// The units of features.
const (
	Money Unit = iota // an amount, in the movements' scale and currency
	Count             // a number of movements
	Days              // whole days
)

// Feature is one of the twelve: its stable name and how to read it from Values.
type Feature struct {
	Name string
	Unit Unit
	// Optional says that the feature may lack a number although there is a history.
	Optional bool

	read func(*Values) (money.Int128, Special)
}

// Of is the feature's number, or why it has none. An entity without history has no number for any feature.
func (f Feature) Of(v *Values) (money.Int128, Special) {
	if v.HistorySpecial != None {
		return money.Int128{}, v.HistorySpecial
	}
	return f.read(v)
}

// All lists the twelve features in the order of their columns.
func All() []Feature {
	sum := func(name string, get func(*Values) money.Int128) Feature {
		return Feature{Name: name, Unit: Money, read: func(v *Values) (money.Int128, Special) { return get(v), None }}
	}
	count := func(name string, get func(*Values) int64) Feature {
		return Feature{Name: name, Unit: Count, read: func(v *Values) (money.Int128, Special) { return money.Int128Of(get(v)), None }}
	}
	return []Feature{
		sum("balance", func(v *Values) money.Int128 { return v.Balance }),
		sum("inflow_7d", func(v *Values) money.Int128 { return v.Inflow[0] }),
		sum("inflow_30d", func(v *Values) money.Int128 { return v.Inflow[1] }),
		sum("inflow_90d", func(v *Values) money.Int128 { return v.Inflow[2] }),
		sum("outflow_7d", func(v *Values) money.Int128 { return v.Outflow[0] }),
		sum("outflow_30d", func(v *Values) money.Int128 { return v.Outflow[1] }),
		sum("outflow_90d", func(v *Values) money.Int128 { return v.Outflow[2] }),
		count("credits_30d", func(v *Values) int64 { return v.Credits30 }),
		count("debits_30d", func(v *Values) int64 { return v.Debits30 }),
		{Name: "largest_debit_90d", Unit: Money, Optional: true, read: func(v *Values) (money.Int128, Special) {
			return v.LargestDebit90, v.LargestDebitSpecial
		}},
		{Name: "days_since_credit", Unit: Days, Optional: true, read: func(v *Values) (money.Int128, Special) {
			return money.Int128Of(v.DaysSinceCredit), v.DaysSinceCreditSpecial
		}},
		{Name: "days_of_history", Unit: Days, Optional: true, read: func(v *Values) (money.Int128, Special) {
			return money.Int128Of(v.DaysOfHistory), v.HistorySpecial
		}},
	}
}
