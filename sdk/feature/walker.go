package feature

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/millrace/millrace/sdk/money"
)

// errOrder is wrapped where movements or instants come out of order.
var errOrder = errors.New("features: out of order")

// Walker computes features while it walks forward in time over one entity's movements:
// Add those that an as-of instant sees, then ask At. It holds the movements
// booked within 90 days, whatever the length of the history. The zero value is at the beginning of time.
// It is not safe for concurrent use.
type Walker struct {
	now   int64 // the last movement or instant
	edge  int64 // windows are those of this instant: now, or a later one before which nothing is asked
	begun bool

	balance         money.Sum
	in, out         [3]money.Sum
	credits, debits int64 // in 30 days

	any, anyCredit    bool
	first, lastCredit int64 // BookedAt

	// recent are the movements booked within the longest window, by BookedAt; those from
	// start[k] on are in window k. What lies before start[2] is garbage.
	recent []booked
	start  [3]int
	// peaks are debits within the longest window, by BookedAt, each larger than all that were booked after it: the first is the largest.
	peaks []booked
}

type booked struct {
	at     int64
	amount money.Int128
}

// Reset takes the walker back to the beginning of time, for another entity. It keeps its memory.
func (w *Walker) Reset() {
	*w = Walker{recent: w.recent[:0], peaks: w.peaks[:0]}
}

// SkipTo promises that no instant before t will be asked: movements that have left all windows by
// then need not enter them. It changes no value, only the cost.
func (w *Walker) SkipTo(t int64) {
	if !w.begun || t > w.edge {
		if !w.begun {
			w.now, w.begun = math.MinInt64, true
		}
		w.slide(t)
	}
}

// Add takes a movement in. Movements come in ascending order of SeenAt, and before any as-of instant that sees them.
func (w *Walker) Add(m Movement) error {
	if err := w.advance(m.SeenAt()); err != nil {
		return err
	}
	w.balance.Add(m.Amount)
	if !w.any || m.BookedAt < w.first {
		w.any, w.first = true, m.BookedAt
	}
	if m.Amount.Sign() > 0 && (!w.anyCredit || m.BookedAt > w.lastCredit) {
		w.anyCredit, w.lastCredit = true, m.BookedAt
	}
	if m.BookedAt > w.edge-windows[2] {
		w.enter(booked{m.BookedAt, m.Amount})
	}
	return nil
}

// At is the features at t (microseconds UTC) of the movements added so far. Instants ascend, also in regard to movements.
func (w *Walker) At(t int64) (Values, error) {
	if w.begun && t < w.edge {
		return Values{}, fmt.Errorf("%w: %d is asked after %d", errOrder, t, w.edge)
	}
	if err := w.advance(t); err != nil {
		return Values{}, err
	}
	return w.values(t)
}

// advance moves on to t.
func (w *Walker) advance(t int64) error {
	if w.begun && t < w.now {
		return fmt.Errorf("%w: %d comes after %d", errOrder, t, w.now)
	}
	if !w.begun || t > w.edge {
		w.slide(t)
	}
	w.begun, w.now = true, t
	return nil
}

// slide lets those movements leave that fell out of their window by t.
func (w *Walker) slide(t int64) {
	w.edge = t
	for k, n := range windows {
		for w.start[k] < len(w.recent) && w.recent[w.start[k]].at <= t-n {
			w.count(k, w.recent[w.start[k]].amount, -1)
			w.start[k]++
		}
	}
	if w.start[2] > 64 && w.start[2] > len(w.recent)/2 {
		w.compact()
	}
	gone := 0
	for gone < len(w.peaks) && w.peaks[gone].at <= t-windows[2] {
		gone++
	}
	w.peaks = slices.Delete(w.peaks, 0, gone)
}

// compact drops the garbage in front of recent.
func (w *Walker) compact() {
	n := w.start[2]
	w.recent = slices.Delete(w.recent, 0, n)
	for k := range w.start {
		w.start[k] -= n
	}
}

// enter puts a movement into the windows that reach back to its booking.
func (w *Walker) enter(b booked) {
	p := len(w.recent)
	if p > w.start[2] && w.recent[p-1].at > b.at { // it is late
		from := w.start[2]
		p = from + sort.Search(p-from, func(i int) bool { return w.recent[from+i].at > b.at })
	}
	w.recent = slices.Insert(w.recent, p, b)
	for k, n := range windows {
		if b.at > w.edge-n {
			w.count(k, b.amount, 1)
		} else {
			w.start[k]++ // it stands before those that are in the window
		}
	}
	if b.amount.Sign() < 0 {
		w.peak(b)
	}
}

// count adds a movement to a window (by 1) or takes it out (by -1).
func (w *Walker) count(k int, amount money.Int128, by int64) {
	sum, number := &w.in[k], &w.credits
	switch amount.Sign() {
	case 0:
		return
	case -1:
		sum, number = &w.out[k], &w.debits
	}
	if by > 0 {
		sum.Add(amount)
	} else {
		var one money.Sum
		one.Add(amount)
		sum.Sub(one)
	}
	if k == 1 {
		*number += by
	}
}

// peak keeps a debit if none that was booked after it is as large, and drops those before it that are not larger.
func (w *Walker) peak(b booked) {
	to := len(w.peaks)
	for to > 0 && w.peaks[to-1].at > b.at {
		to--
	}
	if to < len(w.peaks) && !b.amount.Less(w.peaks[to].amount) {
		return
	}
	from := to
	for from > 0 && !w.peaks[from-1].amount.Less(b.amount) {
		from--
	}
	w.peaks = slices.Replace(w.peaks, from, to, b)
}

func (w *Walker) values(t int64) (Values, error) {
	v := Values{Credits30: w.credits, Debits30: w.debits}
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
	if !w.any {
		v.LargestDebitSpecial, v.DaysSinceCreditSpecial, v.HistorySpecial = NoHistory, NoHistory, NoHistory
		return v, nil
	}
	v.DaysOfHistory = (t - w.first) / day
	if w.anyCredit {
		v.DaysSinceCredit = (t - w.lastCredit) / day
	} else {
		v.DaysSinceCreditSpecial = NoEvent
	}
	if len(w.peaks) == 0 {
		v.LargestDebitSpecial = NoEvent
		return v, nil
	}
	var ok bool
	if v.LargestDebit90, ok = w.peaks[0].amount.Neg(); !ok {
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
