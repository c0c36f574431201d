// Package proof has the proofs of a night's books: trial balance, agreement of two sides’ totals, roll-forward, sequence and cut-off.
//
// Nouns: an accumulator takes rows in any order; its result has a verdict and the offending items; a materiality says how far
// items may be off before the verdict is a warning or a failure.
//
// Invariants: amounts are exact. Items come by group, currency, day, then number, whatever the order of rows. Differences are judged gross and by currency: each
// counts with its absolute value, so that +100 and −100 are 200 off. Without a materiality every item fails.
//
// Errors: an amount or a sum of more than 38 digits. Whether a sum whose parts are near that bound overflows may depend on the order of rows.
package proof

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// Verdict is how a proof ends.
type Verdict string

// The verdicts, best first.
const (
	Pass Verdict = "pass"
	Warn Verdict = "warn" // items, all immaterial
	Fail Verdict = "fail"
)

// Item is one thing that is not as it should be.
type Item struct {
	Group      []string // for example account and currency
	Currency   string   // of the amounts; "" where there is none
	Day        int32    // days since 1970-01-01; 0 where the proof has no days; of cut-offs the booking date
	What       string   // "total", "movement", "opening", "unstated", "gap", "duplicate", "booked late" or "booked early"
	Expected   money.Decimal
	Found      money.Decimal
	Difference money.Decimal // found − expected
}

// Result is a proof's outcome.
type Result struct {
	Verdict Verdict
	Checked int64 // groups, days or rows
	Items   []Item
	// Gross has Σ |difference| by currency.
	Gross map[string]money.Decimal
}

// Materiality is how much may be off for a warning. The zero value allows nothing.
type Materiality struct {
	// Amount is the largest gross difference by currency; a currency that is not named is allowed none.
	Amount map[string]money.Decimal
	// Count is the largest number of items.
	Count int
}

// Judge gives items their order and the verdict: pass without items, warn where their number and each currency's gross difference are within m, else fail.
func Judge(checked int64, items []Item, m Materiality) (Result, error) {
	slices.SortFunc(items, func(a, b Item) int {
		return cmp.Or(slices.Compare(a.Group, b.Group), cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Day, b.Day), a.Expected.Cmp(b.Expected),
			strings.Compare(a.What, b.What), a.Found.Cmp(b.Found))
	})
	r := Result{Verdict: Pass, Checked: checked, Items: items, Gross: map[string]money.Decimal{}}
	for _, it := range items {
		sum, err := r.Gross[it.Currency].Add(it.Difference.Abs())
		if err != nil {
			return Result{}, fmt.Errorf("prove: gross difference in %q: %w", it.Currency, err)
		}
		r.Gross[it.Currency] = sum
	}
	if len(items) == 0 {
		return r, nil
	}
	r.Verdict = Warn
	if len(items) > m.Count {
		r.Verdict = Fail
	}
	for currency, gross := range r.Gross {
		if gross.Cmp(m.Amount[currency]) > 0 {
			r.Verdict = Fail
		}
	}
	return r, nil
}

// id is a key of texts that no other list of texts has.
func id(texts ...string) string {
	var b strings.Builder
	for _, t := range texts {
		fmt.Fprintf(&b, "%d:%s", len(t), t)
	}
	return b.String()
}
