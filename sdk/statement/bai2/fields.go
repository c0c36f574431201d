package bai2

import (
	"fmt"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
)

// amount is a number as it stands, and as money.
type amount struct {
	units money.Decimal // as it stands, for control totals
	value money.Decimal
	set   bool
}

// parseAmount reads a number of minor units; an empty field is no amount.
func parseAmount(text []byte, digits int) (a amount, err error) {
	if len(text) == 0 {
		return a, nil
	}
	units, err := money.ParseBytes(text)
	if err != nil || units.Scale() != 0 {
		return a, fmt.Errorf("amount %q: want digits of the currency's minor unit", statement.Short(text))
	}
	value, err := money.NewFromInt128(units.Coefficient(), digits)
	if err != nil {
		return a, fmt.Errorf("amount %q: %w", statement.Short(text), err)
	}
	return amount{units, value, true}, nil
}

// digitsOf is how many digits the minor unit of a currency has.
func digitsOf(code string) (int, error) {
	c, err := money.ParseCurrency(code)
	if err != nil {
		return 0, err
	}
	return c.Digits(), nil
}

// shortDate reads YYMMDD, of 1980 to 2079.
func shortDate(text []byte) (statement.Date, bool) {
	n := number(text)
	if n < 0 || len(text) != 6 {
		return statement.Date{}, false
	}
	year := 2000 + int(n/10000)
	if year >= 2080 {
		year -= 100
	}
	return statement.DateOf(year, int(n/100%100), int(n%100))
}

// funds passes over the availability of an amount; valued is the day that it names.
func funds(c *cursor) (kind string, valued statement.Date, err error) {
	kind = string(c.optional())
	switch kind {
	case "", "0", "1", "2", "Z":
	case "S":
		for range 3 {
			c.next()
		}
	case "V":
		day := c.next()
		c.next()
		var ok bool
		if valued, ok = shortDate(day); !ok {
			return kind, valued, fmt.Errorf("value date %q: want YYMMDD", day)
		}
	case "D":
		n, err := count(c.next(), "number of availabilities")
		if err != nil {
			return kind, valued, err
		}
		for ; n > 0 && c.more(); n-- {
			c.next()
			c.next()
		}
	default:
		return kind, valued, fmt.Errorf("funds type %q: want 0, 1, 2, S, V, D, Z or nothing", statement.Short([]byte(kind)))
	}
	return kind, valued, nil
}

// direction is whether details of a type code are credits; ok is false for codes that are neither.
func direction(code int64) (credit, ok bool) {
	switch {
	case code >= 100 && code < 400, code >= 920 && code < 960:
		return true, true
	case code >= 400 && code < 700, code >= 960 && code < 1000:
		return false, true
	}
	return false, false
}

var balances = map[int64]statement.BalanceKind{10: statement.Opening, 15: statement.Closing, 40: statement.OpeningAvailable, 45: statement.Available}
