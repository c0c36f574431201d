package proof

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// Totals are what a trailer or a control file says of rows; nil is not said.
type Totals struct {
	Rows    *money.Decimal
	Debits  *money.Decimal // Σ of amounts below zero, without their sign
	Credits *money.Decimal // Σ of amounts above zero
	Net     *money.Decimal // credits − debits
	Hash    *money.Decimal // see [Control]
}

// Control holds rows against control totals by currency, and against those of all rows, whose currency is "". Its hash total adds up the digits of a text
// of each row as one number, and keeps HashDigits of the sum at its end, as NACHA's entry hash keeps 10 of those of the first eight digits of its routing numbers. The zero
// value is ready, and keeps all digits.
type Control struct {
	HashDigits int // 0: all
	sums       map[string]*controlled
}

type controlled struct{ rows, debits, credits, hash money.Decimal }

// Take takes a row. hashed may be "".
func (c *Control) Take(currency string, amount money.Decimal, hashed string) error {
	number, err := digits(hashed)
	if err != nil {
		return err
	}
	for _, name := range slices.Compact([]string{"", currency}) {
		s := c.of(name)
		to := &s.credits
		if amount.Sign() < 0 {
			to = &s.debits
		}
		var errs [3]error
		s.rows, errs[0] = s.rows.Add(money.FromInt64(1))
		*to, errs[1] = to.Add(amount.Abs())
		s.hash, errs[2] = s.hash.Add(number)
		if err := cmp.Or(errs[0], errs[1], errs[2]); err != nil {
			return fmt.Errorf("control total in %q: %w", name, err)
		}
	}
	return nil
}

func (c *Control) of(currency string) *controlled {
	if s := c.sums[currency]; s != nil {
		return s
	}
	if c.sums == nil {
		c.sums = map[string]*controlled{}
	}
	s := &controlled{}
	c.sums[strings.Clone(currency)] = s
	return s
}

// digits is the number that a text's digits make; the others are left out.
func digits(text string) (money.Decimal, error) {
	only := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
	if only == "" {
		return money.Decimal{}, nil
	}
	d, err := money.Parse(only)
	if err != nil {
		return d, fmt.Errorf("hash total: the digits of %q: %w", text, err)
	}
	return d, nil
}

// Prove holds what was taken against what is stated, by currency; "" is all rows. Where totals of currencies are stated and those of all rows are not, a
// currency of which nothing is stated is an item, "unstated". Others are "rows", "debits", "credits", "net" and "hash". Differences of counts and hashes have no
// currency: no amount makes them immaterial.
func (c *Control) Prove(stated map[string]Totals, m Materiality) (Result, error) {
	var items []Item
	checked := int64(0)
	for _, currency := range slices.Sorted(maps.Keys(stated)) {
		s, t := c.sums[currency], stated[currency]
		if s == nil { // no row has it; it is not taken for one that came
			s = &controlled{}
		}
		net, err := s.credits.Sub(s.debits)
		if err != nil {
			return Result{}, fmt.Errorf("prove control totals in %q: %w", currency, err)
		}
		for _, of := range []struct {
			what   string
			stated *money.Decimal
			found  money.Decimal
			amount bool
		}{{"rows", t.Rows, s.rows, false}, {"debits", t.Debits, s.debits, true}, {"credits", t.Credits, s.credits, true}, {"net", t.Net, net, true},
			{"hash", t.Hash, ending(s.hash, c.HashDigits), false}} {
			if of.stated == nil {
				continue
			}
			checked++
			d, err := of.found.Sub(*of.stated)
			if err != nil {
				return Result{}, fmt.Errorf("prove control totals in %q: %w", currency, err)
			}
			if d.IsZero() {
				continue
			}
			it := Item{Group: []string{currency}, What: of.what, Expected: *of.stated, Found: of.found, Difference: d}
			if of.amount {
				it.Currency = currency
			}
			items = append(items, it)
		}
	}
	if _, all := stated[""]; !all {
		for _, currency := range slices.Sorted(maps.Keys(c.sums)) {
			if _, known := stated[currency]; !known && currency != "" {
				items = append(items, Item{Group: []string{currency}, What: "unstated", Found: c.sums[currency].rows, Difference: c.sums[currency].rows})
			}
		}
	}
	return Judge(checked, items, m)
}

// ending keeps the last n digits of a whole number; 0 keeps all.
func ending(d money.Decimal, n int) money.Decimal {
	text := d.String()
	if n == 0 || len(text) <= n {
		return d
	}
	short, err := money.Parse(text[len(text)-n:])
	if err != nil { // digits of a number are one
		return d
	}
	return short
}

// File is one that was received.
type File struct{ Name, SHA256 string }

// Received proves that each pattern of [path.Match] names one file, that no content came twice, and that no file came which no pattern names. Items are
// "missing", "several" (Found says how many), "same content" and "unexpected".
func Received(patterns []string, files []File, m Materiality) (Result, error) {
	var items []Item
	named := map[string]bool{}
	for _, p := range patterns {
		n := int64(0)
		for _, f := range files {
			ok, err := path.Match(p, f.Name)
			if err != nil {
				return Result{}, fmt.Errorf("pattern %q: %w", p, err)
			}
			if ok {
				n++
				named[f.Name] = true
			}
		}
		it := Item{Group: []string{p}, Expected: money.FromInt64(1), Found: money.FromInt64(n)}
		switch {
		case n == 0:
			it.What = "missing"
		case n > 1:
			it.What = "several"
		default:
			continue
		}
		items = append(items, it)
	}
	first := map[string]string{}
	for _, f := range slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Name, b.Name) }) {
		if !named[f.Name] {
			items = append(items, Item{Group: []string{f.Name}, What: "unexpected"})
		}
		if other, known := first[f.SHA256]; known {
			items = append(items, Item{Group: []string{f.Name, other}, What: "same content"})
		} else {
			first[f.SHA256] = f.Name
		}
	}
	return Judge(int64(len(patterns)+len(files)), items, m)
}
