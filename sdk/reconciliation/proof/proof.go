// Package proof has the proofs of a night's books: trial balance, agreement of two sides’ totals, roll-forward, sequence, cut-off, control totals, files received.
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
	"encoding/binary"
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
	What       string   // such as "total", "opening" or "gap": each proof says which it has
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
	// Accounts have limits of their own: items whose first group is an account's name are judged by its limits alone, and not among the others.
	Accounts map[string]Materiality
}

// Judge gives items their order and the verdict: pass without items, warn where their number and each currency's gross difference are within m, else fail.
// Accounts that m names are judged apart, and the worst verdict is the proof's.
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
	by := map[string][]Item{}
	for _, it := range items {
		account := ""
		if len(it.Group) > 0 {
			if _, named := m.Accounts[it.Group[0]]; named {
				account = it.Group[0]
			}
		}
		by[account] = append(by[account], it)
	}
	for account, of := range by {
		limits := m
		if account != "" {
			limits = m.Accounts[account]
		}
		within, err := limits.allows(of)
		if err != nil {
			return Result{}, err
		}
		if !within {
			r.Verdict = Fail
		}
	}
	return r, nil
}

// allows reports whether items are within the limits.
func (m Materiality) allows(items []Item) (bool, error) {
	if len(items) > m.Count {
		return false, nil
	}
	gross := map[string]money.Decimal{}
	for _, it := range items {
		sum, err := gross[it.Currency].Add(it.Difference.Abs())
		if err != nil {
			return false, fmt.Errorf("prove: gross difference in %q: %w", it.Currency, err)
		}
		if gross[it.Currency] = sum; sum.Cmp(m.Amount[it.Currency]) > 0 {
			return false, nil
		}
	}
	return true, nil
}

// appendID appends a key of texts that no other list of texts has.
func appendID(dst []byte, texts ...string) []byte {
	for _, t := range texts {
		dst = binary.AppendUvarint(dst, uint64(len(t)))
		dst = append(dst, t...)
	}
	return dst
}
