package reconciliation

import (
	"cmp"
	"slices"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// Rate is the value of one unit of a currency in the base currency, from a day on.
type Rate struct {
	Day      int32
	Currency string
	Value    money.Decimal
}

// Rates are exchange rates by date. They are immutable.
type Rates struct {
	base string
	by   map[string][]Rate // ascending by day
}

// NewRates makes rates into a base currency. Two rates of one currency and day, and rates that are not above zero, are refused.
func NewRates(base string, rates []Rate) (*Rates, error) {
	if base == "" {
		return nil, fault.Usagef("rates: say which currency they lead to")
	}
	r := &Rates{base, map[string][]Rate{}}
	for _, x := range rates {
		if x.Value.Sign() <= 0 {
			return nil, fault.Usagef("rates: %s on %s is %s; a rate is above zero", x.Currency, FormatDay(x.Day), x.Value)
		}
		r.by[x.Currency] = append(r.by[x.Currency], x)
	}
	for ccy, list := range r.by {
		slices.SortFunc(list, func(a, b Rate) int { return cmp.Compare(a.Day, b.Day) })
		for i := 1; i < len(list); i++ {
			if list[i].Day == list[i-1].Day {
				return nil, fault.Usagef("rates: %s has two rates on %s", ccy, FormatDay(list[i].Day))
			}
		}
	}
	return r, nil
}

// Base is the currency that the rates lead to.
func (r *Rates) Base() string { return r.base }

// Convert gives an amount of a day in the base currency, rounded half to even to scale digits: by the last rate on or before the day.
// ok is false where there is none, or where the result has more than 38 digits.
func (r *Rates) Convert(amount money.Decimal, currency string, day int32, scale int) (converted money.Decimal, ok bool) {
	if currency == r.base {
		d, err := amount.Rescale(scale, money.HalfEven)
		return d, err == nil
	}
	list := r.by[currency]
	i, exact := slices.BinarySearchFunc(list, day, func(x Rate, d int32) int { return cmp.Compare(x.Day, d) })
	if !exact {
		i--
	}
	if i < 0 || day == NoDate {
		return money.Decimal{}, false
	}
	d, err := amount.MulRound(list[i].Value, scale, money.HalfEven)
	return d, err == nil
}
