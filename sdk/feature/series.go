package feature

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/sdk/money"
)

// Movement is one signed amount on an entity's account.
type Movement struct {
	KnownAt int64        // microseconds since 1970-01-01 UTC
	Amount  money.Int128 // in units of the series' scale; a credit is positive
}

// Series is an entity's movements, in ascending order of KnownAt.
type Series []Movement

// Special says why a feature has no number.
type Special uint8

// The reasons for which a feature has no number.
const (
	None      Special = iota // the feature has a number
	NoHistory                // the entity has no movement known at the as-of instant
	NoEvent                  // there are movements, but none of the kind that the feature measures, in its window
)

// String is the reason as it stands in exports; "" for None.
func (s Special) String() string {
	switch s {
	case NoHistory:
		return "no history"
	case NoEvent:
		return "no event in the window"
	}
	return ""
}

// Windows are the lengths of the sliding windows.
var windows = [3]int64{7 * day, 30 * day, 90 * day}

const day = int64(24 * time.Hour / time.Microsecond)

// Values are the twelve features of one entity at one as-of instant. Amounts are in the series' scale.
type Values struct {
	Balance         money.Int128    // Σ of all movements known
	Inflow          [3]money.Int128 // Σ of credits over 7, 30, 90 days
	Outflow         [3]money.Int128 // Σ of debits over 7, 30, 90 days, as a positive number
	Credits30       int64           // credits in 30 days
	Debits30        int64           // debits in 30 days
	LargestDebit90  money.Int128    // largest debit in 90 days, as a positive number; see LargestDebitSpecial
	DaysSinceCredit int64           // whole days since the last credit; see DaysSinceCreditSpecial
	DaysOfHistory   int64           // whole days since the first movement; see HistorySpecial

	LargestDebitSpecial, DaysSinceCreditSpecial, HistorySpecial Special
}

// At computes the features at each as-of instant (microseconds UTC, ascending).
// It walks the series once: the cost is linear in movements and instants.
// Errors: a series or instants out of order; a sum beyond 128 bits.
func (s Series) At(asOf []int64) ([]Values, error) {
	w := walker{series: s}
	out := make([]Values, len(asOf))
	for i, t := range asOf {
		if i > 0 && t < asOf[i-1] {
			return nil, fmt.Errorf("features: as-of instants are not in order at %d", i)
		}
		if err := w.advance(t); err != nil {
			return nil, err
		}
		v, err := w.values(t)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// walker holds running sums: for each window the movements from start[k] to end are inside.
type walker struct {
	series     Series
	end        int // movements known so far
	start      [3]int
	in, out    [3]money.Sum
	balance    money.Sum
	credits30  int64
	debits30   int64
	lastCredit int64 // KnownAt of the last credit
	anyCredit  bool
	largest    []int // indexes of debits in 90 days, largest first: a monotonic queue
}

// advance takes the movements known at or before t in, and lets those leave that fell out of their window.
func (w *walker) advance(t int64) error {
	for w.end < len(w.series) && w.series[w.end].KnownAt <= t {
		if w.end > 0 && w.series[w.end].KnownAt < w.series[w.end-1].KnownAt {
			return fmt.Errorf("features: movements are not in the order in which they became known, at %d", w.end)
		}
		w.enter(w.end)
		w.end++
	}
	for k, n := range windows {
		for w.start[k] < w.end && w.series[w.start[k]].KnownAt <= t-n {
			w.leave(k, w.series[w.start[k]])
			w.start[k]++
		}
	}
	for len(w.largest) > 0 && w.series[w.largest[0]].KnownAt <= t-windows[2] {
		w.largest = w.largest[1:]
	}
	return nil
}

func (w *walker) enter(i int) {
	m := w.series[i]
	w.balance.Add(m.Amount)
	switch m.Amount.Sign() {
	case 1:
		for k := range windows {
			w.in[k].Add(m.Amount)
		}
		w.credits30++
		w.lastCredit, w.anyCredit = m.KnownAt, true
	case -1:
		for k := range windows {
			w.out[k].Add(m.Amount)
		}
		w.debits30++
		for len(w.largest) > 0 && !w.series[w.largest[len(w.largest)-1]].Amount.Less(m.Amount) {
			w.largest = w.largest[:len(w.largest)-1]
		}
		w.largest = append(w.largest, i)
	}
}

func (w *walker) leave(k int, m Movement) {
	var one money.Sum
	one.Add(m.Amount)
	switch m.Amount.Sign() {
	case 1:
		w.in[k].Sub(one)
		if k == 1 {
			w.credits30--
		}
	case -1:
		w.out[k].Sub(one)
		if k == 1 {
			w.debits30--
		}
	}
}

func (w *walker) values(t int64) (Values, error) {
	v := Values{Credits30: w.credits30, Debits30: w.debits30}
	var err error
	if v.Balance, err = w.balance.Total(); err != nil {
		return v, fmt.Errorf("features: balance: %w", err)
	}
	for k := range windows {
		if v.Inflow[k], err = w.in[k].Total(); err != nil {
			return v, fmt.Errorf("features: inflow: %w", err)
		}
		if v.Outflow[k], err = negated(w.out[k]); err != nil {
			return v, fmt.Errorf("features: outflow: %w", err)
		}
	}
	if w.end == 0 {
		v.LargestDebitSpecial, v.DaysSinceCreditSpecial, v.HistorySpecial = NoHistory, NoHistory, NoHistory
		return v, nil
	}
	v.DaysOfHistory = (t - w.series[0].KnownAt) / day
	if w.anyCredit {
		v.DaysSinceCredit = (t - w.lastCredit) / day
	} else {
		v.DaysSinceCreditSpecial = NoEvent
	}
	if len(w.largest) == 0 {
		v.LargestDebitSpecial = NoEvent
		return v, nil
	}
	var ok bool
	if v.LargestDebit90, ok = w.series[w.largest[0]].Amount.Neg(); !ok {
		return v, fmt.Errorf("features: largest debit: %w", money.ErrOverflow)
	}
	return v, nil
}

func negated(s money.Sum) (money.Int128, error) {
	t, err := s.Total()
	if err != nil {
		return t, err
	}
	n, ok := t.Neg()
	if !ok {
		return t, money.ErrOverflow
	}
	return n, nil
}
