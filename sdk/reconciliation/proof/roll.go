package proof

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// RollForward proves, by account and currency, that each day's opening + movements = closing, and that each opening is the closing stated before. A first
// day may open with any balance. Movements on a day of which no balance is stated are off with their net, and are not carried into the day after. The zero value is ready.
type RollForward struct {
	accounts map[string]*rolled
	key      []byte
}

type rolled struct {
	account, currency string
	days              map[int32]*rolledDay
}

type rolledDay struct {
	stated                     bool
	opening, movement, closing money.Decimal
}

// State takes the balances that are stated of a day, in days since 1970-01-01. A day that is stated twice is an error.
func (r *RollForward) State(account, currency string, day int32, opening, closing money.Decimal) error {
	d := r.day(account, currency, day)
	if d.stated {
		return fmt.Errorf("roll account %q in %q forward: day %d has balances twice; give each day's balances once", account, currency, day)
	}
	d.stated, d.opening, d.closing = true, opening, closing
	return nil
}

// Move takes a movement of a day.
func (r *RollForward) Move(account, currency string, day int32, amount money.Decimal) error {
	d := r.day(account, currency, day)
	sum, err := d.movement.Add(amount)
	if err != nil {
		return fmt.Errorf("roll account %q in %q forward: movements of day %d: %w", account, currency, day, err)
	}
	d.movement = sum
	return nil
}

// Prove judges all days. Items are "movement", of a closing that opening + movements does not come to, "opening", and "unstated".
func (r *RollForward) Prove(m Materiality) (Result, error) {
	var items []Item
	var days int64
	for _, a := range r.accounts {
		days += int64(len(a.days))
		off, err := a.prove()
		if err != nil {
			return Result{}, fmt.Errorf("roll account %q in %q forward: %w", a.account, a.currency, err)
		}
		items = append(items, off...)
	}
	return Judge(days, items, m)
}

func (a *rolled) prove() (items []Item, err error) {
	check := func(day int32, what string, expected, found money.Decimal) error {
		diff, err := found.Sub(expected)
		if err == nil && !diff.IsZero() {
			items = append(items, Item{Group: []string{a.account}, Currency: a.currency, Day: day, What: what, Expected: expected, Found: found, Difference: diff})
		}
		return err
	}
	var prior *rolledDay
	for _, n := range slices.Sorted(maps.Keys(a.days)) {
		d := a.days[n]
		if !d.stated {
			if err := check(n, "unstated", money.Decimal{}, d.movement); err != nil {
				return nil, err
			}
			continue
		}
		if prior != nil {
			if err := check(n, "opening", prior.closing, d.opening); err != nil {
				return nil, err
			}
		}
		end, err := d.opening.Add(d.movement)
		if err != nil {
			return nil, err
		}
		if err := check(n, "movement", end, d.closing); err != nil {
			return nil, err
		}
		prior = d
	}
	return items, nil
}

func (r *RollForward) day(account, currency string, day int32) *rolledDay {
	r.key = appendID(r.key[:0], account, currency)
	a := r.accounts[string(r.key)]
	if a == nil {
		if r.accounts == nil {
			r.accounts = map[string]*rolled{}
		}
		a = &rolled{account: strings.Clone(account), currency: strings.Clone(currency), days: map[int32]*rolledDay{}}
		r.accounts[string(r.key)] = a
	}
	d := a.days[day]
	if d == nil {
		d = &rolledDay{}
		a.days[day] = d
	}
	return d
}
