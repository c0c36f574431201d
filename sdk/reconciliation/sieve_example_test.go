package reconciliation_test

import (
	"fmt"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// ExampleSieve settles two sides whose rows need not fit into memory.
func ExampleSieve() {
	rules := reconciliation.Rules{Name: "cards", Passes: []reconciliation.Pass{{Name: "exact", Keys: []string{"reference"}, Near: true}}}
	s, err := reconciliation.NewSieve("ledger", "bank", reconciliation.Schema{Texts: []string{"reference"}}, rules, reconciliation.SieveOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	row := func(side int, line int64, reference string, cents int64) {
		amount, err := money.New(cents, 2)
		if err == nil {
			err = s.Append(side, &reconciliation.Movement{Ref: "line ", RefNumber: line, Amount: amount, Currency: "EUR", Date: 20454, Texts: []string{reference}})
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	row(0, 1, "A1", 10_00)
	row(0, 2, "A2", 20_00)
	row(1, 1, "A2", 20_50)
	row(1, 2, "A1", 10_00)

	out, err := s.Settle(reconciliation.Takers{
		Pairs: func(p *reconciliation.PairRows) error {
			for i := 0; i < p.Len(); i += 2 {
				fmt.Printf("%s: %s = %s\n", p.Keys.At(i), p.Refs.At(i), p.Refs.At(i+1))
			}
			return nil
		},
		Part: func(part *reconciliation.Settlement) (any, error) { return part.Breaks(), nil },
		Take: func(breaks any) error {
			for _, b := range breaks.([]*reconciliation.Outcome) {
				fmt.Printf("%s: %s\n", b.Key, b.Class)
			}
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	totals, err := out.Controls()
	fmt.Println(totals[0].Breaks, "explained by breaks,", totals[0].Unexplained, "unexplained", err)
	// Unordered output:
	// A1: line 1 = line 2
	// A2: amount
	// -0.50 explained by breaks, 0.00 unexplained <nil>
}

// ExampleSieve_Screen adds two sides up first, and compares only rows of buckets that differ.
func ExampleSieve_Screen() {
	rules := reconciliation.Rules{Name: "replica", Passes: []reconciliation.Pass{{Name: "exact", Keys: []string{"reference"}, Near: true}}}
	s, err := reconciliation.NewSieve("ledger", "replica", reconciliation.Schema{Texts: []string{"reference"}}, rules, reconciliation.SieveOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	// each reads both sides: of 1,000 rows, one has another amount on the replica
	each := func(take func(side int, m *reconciliation.Movement) error) error {
		for side := range 2 {
			for i := range 1000 {
				cents := int64(i)
				if side == 1 && i == 500 {
					cents++
				}
				amount, err := money.New(cents, 2)
				if err != nil {
					return err
				}
				m := reconciliation.Movement{Ref: "row ", RefNumber: int64(i + 1), Amount: amount, Currency: "EUR", Date: 20454, Texts: []string{fmt.Sprint("A", i)}}
				if err := take(side, &m); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := s.StartScreen(); err != nil {
		fmt.Println(err)
		return
	}
	if err := each(s.Screen); err != nil {
		fmt.Println(err)
		return
	}
	found, err := s.Screened()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(found.Differ), "bucket differs")
	if !found.Equal() {
		if err := each(s.Append); err != nil { // all rows again: those of equal buckets are dropped
			fmt.Println(err)
			return
		}
	}
	out, err := s.Settle(reconciliation.Takers{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, b := range out.Breaks() {
		fmt.Printf("%d matched, %s: %s\n", out.Pairs[0], b.Key, b.Class)
	}
	// Output:
	// 1 bucket differs
	// 999 matched, A500: amount
}
