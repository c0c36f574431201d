package proof

import (
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// CutOff lists rows that are on different sides of a cut-off by value date and by booking date. Days are since 1970-01-01. It keeps such rows only.
type CutOff struct {
	// Day is the last day of the period.
	Day   int32
	items []Item
	rows  int64
}

// Take takes a row by its key. Its amount is what its item is off by.
func (c *CutOff) Take(key []string, currency string, value, booking int32, amount money.Decimal) {
	c.rows++
	it := Item{Currency: currency, Day: booking, Found: amount, Difference: amount}
	switch {
	case value <= c.Day && booking > c.Day:
		it.What = "booked late"
	case value > c.Day && booking <= c.Day:
		it.What = "booked early"
	default:
		return
	}
	it.Group, it.Currency = cloned(key), strings.Clone(currency)
	c.items = append(c.items, it)
}

// Prove judges all rows. Items are "booked late", of the period and booked after it, and "booked early", of a later period and booked in this one.
func (c *CutOff) Prove(m Materiality) (Result, error) {
	return Judge(c.rows, slices.Clone(c.items), m)
}
