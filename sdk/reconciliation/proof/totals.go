package proof

import (
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// Agreement proves that two sides' totals agree by group and currency: a sub-ledger with its control account, or a file with its control totals. A group that only
// one side has is 0 on the other. With nothing expected it is a trial balance: each group nets to zero. The zero value is ready.
type Agreement struct {
	groups map[string]*Item
	key    []byte
}

// Expect adds an amount to what a group should come to.
func (a *Agreement) Expect(group []string, currency string, amount money.Decimal) error {
	g := a.group(group, currency)
	return add(&g.Expected, amount, g)
}

// Find adds an amount to what a group comes to; debits and credits have opposite signs.
func (a *Agreement) Find(group []string, currency string, amount money.Decimal) error {
	g := a.group(group, currency)
	return add(&g.Found, amount, g)
}

// Prove judges all groups.
func (a *Agreement) Prove(m Materiality) (Result, error) {
	var items []Item
	for _, g := range a.groups {
		it := *g
		var err error
		if it.Difference, err = it.Found.Sub(it.Expected); err != nil {
			return Result{}, fmt.Errorf("prove total of %q in %q: %w", it.Group, it.Currency, err)
		}
		if !it.Difference.IsZero() {
			items = append(items, it)
		}
	}
	return Judge(int64(len(a.groups)), items, m)
}

func (a *Agreement) group(group []string, currency string) *Item {
	a.key = appendID(appendID(a.key[:0], currency), group...)
	if g := a.groups[string(a.key)]; g != nil {
		return g
	}
	if a.groups == nil {
		a.groups = map[string]*Item{}
	}
	g := &Item{Group: cloned(group), Currency: strings.Clone(currency), What: "total"}
	a.groups[string(a.key)] = g
	return g
}

// cloned are texts with memory of their own.
func cloned(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = strings.Clone(t)
	}
	return out
}

func add(to *money.Decimal, amount money.Decimal, g *Item) error {
	sum, err := to.Add(amount)
	if err != nil {
		return fmt.Errorf("add %s to total of %q in %q: %w", amount, g.Group, g.Currency, err)
	}
	*to = sum
	return nil
}

// Sequence proves that the numbers of each group have neither gap nor duplicate between the first and the last that came. It keeps each number once. Numbers
// missing before the first or after the last are not seen. The zero value is ready.
type Sequence struct {
	groups map[string]*numbers
	rows   int64
	key    []byte
}

type numbers struct {
	group []string
	seen  map[int64]int64
}

// Take takes a row's number.
func (s *Sequence) Take(group []string, number int64) {
	s.key = appendID(s.key[:0], group...)
	g := s.groups[string(s.key)]
	if g == nil {
		if s.groups == nil {
			s.groups = map[string]*numbers{}
		}
		g = &numbers{group: cloned(group), seen: map[int64]int64{}}
		s.groups[string(s.key)] = g
	}
	g.seen[number]++
	s.rows++
}

// Prove lists gaps, with Expected the first and Found the last number that is missing, and duplicates, with Expected the number and Found how often it came.
// Any of them fails unless m.Count allows that many; differences are zero, as there are no amounts.
func (s *Sequence) Prove(m Materiality) (Result, error) {
	var items []Item
	for _, g := range s.groups {
		all := make([]int64, 0, len(g.seen))
		for n := range g.seen {
			all = append(all, n)
		}
		slices.Sort(all)
		for i, n := range all {
			if times := g.seen[n]; times > 1 {
				items = append(items, Item{Group: g.group, What: "duplicate", Expected: money.FromInt64(n), Found: money.FromInt64(times)})
			}
			if i > 0 && all[i-1] != n-1 {
				items = append(items, Item{Group: g.group, What: "gap", Expected: money.FromInt64(all[i-1] + 1), Found: money.FromInt64(n - 1)})
			}
		}
	}
	return Judge(s.rows, items, m)
}
