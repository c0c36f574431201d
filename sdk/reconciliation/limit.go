package reconciliation

import "github.com/millrace/millrace/sdk/money"

// limit is a tolerance in integers of one scale.
type limit struct {
	absolute money.Int128 // rounded down to the scale
	percent  money.Decimal
	scale    int
	exact    bool // nothing but equal values
}

func newLimit(t Tolerance, scale int) limit {
	l := limit{percent: t.Percent, scale: scale, exact: t.Absolute.IsZero() && t.Percent.IsZero()}
	if d, err := t.Absolute.Rescale(scale, money.Down); err == nil {
		l.absolute = d.Coefficient()
	} else { // more than any amount
		l.absolute = money.MaxInt128
	}
	return l
}

// within reports whether two values are as near as the limit asks.
func (l limit) within(a, b money.Int128) bool {
	if l.exact {
		return a == b
	}
	d, ok := distance(a, b)
	return ok && d.Cmp(l.allowed(a, b)) <= 0
}

// allowed is the largest difference that two values may have.
func (l limit) allowed(a, b money.Int128) money.Int128 {
	if l.percent.IsZero() {
		return l.absolute
	}
	big := a
	if x, y := absolute(a), absolute(b); y.Cmp(x) > 0 {
		big = b
	}
	d, err := money.NewFromInt128(absolute(big), l.scale)
	if err != nil {
		return l.absolute
	}
	part, err := d.MulRound(l.percent, l.scale+2, money.Down)
	if err != nil {
		return l.absolute
	}
	hundredth, err := part.Div(money.FromInt64(100), l.scale, money.Down)
	if err != nil {
		return l.absolute
	}
	if c := hundredth.Coefficient(); c.Cmp(l.absolute) > 0 {
		return c
	}
	return l.absolute
}

func absolute(a money.Int128) money.Int128 {
	if x, ok := a.Abs(); ok {
		return x
	}
	return money.MaxInt128
}

// distance is |a − b|; ok is false where it has more bits than there are.
func distance(a, b money.Int128) (d money.Int128, ok bool) {
	if d, ok = a.Sub(b); !ok {
		return money.MaxInt128, false
	}
	return d.Abs()
}

// offset is how many days the right side's date lies after the left's. ok is false where one of them has none and the other does.
func (w *window) offset(c *Calendar, left, right int32) (days int64, ok bool) {
	if left == NoDate || right == NoDate {
		return 0, left == right
	}
	if w.Business {
		return c.Between(left, right), true
	}
	return int64(right) - int64(left), true
}

func (w *window) within(c *Calendar, left, right int32) (days int64, ok bool) {
	days, ok = w.offset(c, left, right)
	return days, ok && days >= -int64(w.Before) && days <= int64(w.After)
}
