package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/millrace/millrace/sdk/money"
)

// Movement is a row of berka.movements, as the proofs read it.
type Movement struct {
	ID        int64         `lake:"movement_id"`
	Account   int64         `lake:"account_id"`
	Booked    time.Time     `lake:"booked_on,date"`
	Amount    money.Decimal `lake:"amount,decimal(18,2)"`
	Balance   money.Decimal `lake:"balance,decimal(18,2)"`
	Operation *string       `lake:"operation"`
	Symbol    *string       `lake:"symbol"`
	Bank      *string       `lake:"bank"`
	Partner   *string       `lake:"partner"`
}

// link is a movement in the order that was found: Off is balance − (balance before + amount), zero where it follows.
type link struct {
	Movement
	Off money.Decimal
}

// weight is how bad an order is: links that do not hold, then by how much in all.
type weight struct {
	broken int
	off    money.Decimal
}

func (w weight) with(off money.Decimal) (weight, error) {
	if off.IsZero() {
		return w, nil
	}
	sum, err := w.off.Add(off.Abs())
	return weight{w.broken + 1, sum}, err
}

func (w weight) less(v weight) bool {
	return cmp.Or(cmp.Compare(w.broken, v.broken), w.off.Cmp(v.off)) < 0
}

// path is an order of an account's movements so far, from its last one back.
type path struct {
	link
	weight
	before *path
}

// then puts a movement behind a path; nil is the empty path, at balance zero.
func (p *path) then(m Movement) (*path, error) {
	var balance money.Decimal
	var w weight
	if p != nil {
		balance, w = p.Balance, p.weight
	}
	want, err := balance.Add(m.Amount)
	if err != nil {
		return nil, err
	}
	off, err := m.Balance.Sub(want)
	if err != nil {
		return nil, err
	}
	w, err = w.with(off)
	return &path{link{m, off}, w, p}, err
}

// bestOrder orders one account's movements, free within each day, so that as few stated balances as possible do
// not follow from the one before, and among those orders the differences add up to least. That is exact:
// a day's orders are searched by which movements are placed and which is last (Held and Karp), and
// between days only the closing balance matters, so one best path for each is carried on. A
// day of n movements costs 2ⁿ·n² steps; the data's largest has seven.
func bestOrder(movements []Movement) ([]link, error) {
	slices.SortStableFunc(movements, func(a, b Movement) int { return cmp.Or(a.Booked.Compare(b.Booked), cmp.Compare(a.ID, b.ID)) })
	ends := []*path{nil}
	for len(movements) > 0 {
		n := 1
		for n < len(movements) && movements[n].Booked.Equal(movements[0].Booked) {
			n++
		}
		var err error
		if ends, err = orderDay(ends, movements[:n]); err != nil {
			return nil, err
		}
		movements = movements[n:]
	}
	var links []link
	best := slices.MinFunc(ends, compare)
	for p := best; p != nil; p = p.before {
		links = append(links, p.link)
	}
	slices.Reverse(links)
	return links, nil
}

func compare(a, b *path) int {
	switch {
	case a.weight.less(b.weight):
		return -1
	case b.weight.less(a.weight):
		return 1
	}
	return 0
}

// orderDay carries the best paths over one day: for each movement that may be its last, the best path that ends there.
func orderDay(starts []*path, day []Movement) ([]*path, error) {
	all := 1<<len(day) - 1
	best := make([]*path, (all+1)*len(day)) // by the set that is placed, and its last
	keep := func(set, last int, p *path) {
		if at := &best[set*len(day)+last]; *at == nil || p.less((*at).weight) {
			*at = p
		}
	}
	for _, s := range starts {
		for i, m := range day {
			p, err := s.then(m)
			if err != nil {
				return nil, err
			}
			keep(1<<i, i, p)
		}
	}
	for set := 1; set <= all; set++ {
		for last := range day {
			p := best[set*len(day)+last]
			for i, m := range day {
				if p == nil || set>>i&1 == 1 {
					continue
				}
				next, err := p.then(m)
				if err != nil {
					return nil, err
				}
				keep(set|1<<i, i, next)
			}
		}
	}
	return best[all*len(day):], nil
}

// computed says whether the bank computes a movement's amount, so that it may have more digits than are stated: interest,
// penalty interest, and loan instalments. Other amounts are what somebody wrote on a slip.
func (m Movement) computed() bool {
	return m.Symbol != nil && slices.Contains([]string{"UROK", "SANKC. UROK", "UVER"}, *m.Symbol)
}

// between is where an exact balance can lie.
type between struct{ low, high money.Decimal }

// around widens a stated figure.
func around(low, high, by money.Decimal) (between, error) {
	l, err := low.Sub(by)
	if err != nil {
		return between{}, err
	}
	h, err := high.Add(by)
	return between{l, h}, err
}

// beyondRounding finds the links that rounding cannot explain. It carries along where the exact balance can lie: if each
// balance and each computed amount is stated to the nearest tenth and all else is exact, then the exact balance after a
// movement is within half a tenth of the stated one and within what the movements lead to. Where these
// do not meet, something else is wrong, and the search starts anew from the stated balance.
func beyondRounding(links []link) ([]link, error) {
	halfTenth, err := money.New(5, 2)
	if err != nil {
		return nil, err
	}
	var out []link
	var exact between
	for _, l := range links {
		low, err := exact.low.Add(l.Amount)
		if err != nil {
			return nil, err
		}
		high, err := exact.high.Add(l.Amount)
		if err != nil {
			return nil, err
		}
		exact = between{low, high}
		if l.computed() {
			if exact, err = around(low, high, halfTenth); err != nil {
				return nil, err
			}
		}
		stated, err := around(l.Balance, l.Balance, halfTenth)
		if err != nil {
			return nil, err
		}
		if exact.low.Cmp(stated.low) < 0 {
			exact.low = stated.low
		}
		if exact.high.Cmp(stated.high) > 0 {
			exact.high = stated.high
		}
		if exact.low.Cmp(exact.high) > 0 {
			out, exact = append(out, l), stated
		}
	}
	return out, nil
}
