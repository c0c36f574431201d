package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// BalanceFigures are what the proof of balances shows.
type BalanceFigures struct {
	Job      *reconcile.BalanceReport
	Links    int            // movements
	Broken   int            // links that do not hold in the best order
	Days     int            // account-days with one
	Accounts int            // with one
	Off      money.Decimal  // Σ of the absolute differences
	By       map[string]int // broken links by difference
	Cut      []link         // those that no rounding explains
	Unpaid   int            // accounts with movements on the last day and no interest
}

// proveBalances proves each stated balance against the movements: by the reconcile job, whatever the order within a
// day, and then, to tell by how much and where, along the best order of each account.
func proveBalances(ctx context.Context, lake *catalog.Lake, out string) (*BalanceFigures, error) {
	rep, err := reconcile.Run(ctx, reconcile.Options{Lake: lake, Run: run, Out: out, Logger: slog.New(slog.DiscardHandler), Balances: &reconcile.Balances{Name: "stated-balances",
		Movements: reconcile.Movements{Table: "berka.movements", Account: "account_id", Amount: "amount", Date: "booked_on", Balance: "balance"}}})
	if err != nil {
		return nil, err
	}
	cut, err := lake.At(ctx, catalog.At{Cut: rep.Cut})
	if err != nil {
		return nil, err
	}
	all, err := rows[Movement](ctx, lake, cut, "berka.movements")
	if err != nil {
		return nil, err
	}
	f := &BalanceFigures{Job: rep.Balances, Links: len(all), By: map[string]int{}}
	byAccount := map[int64][]Movement{}
	for _, m := range all {
		byAccount[m.Account] = append(byAccount[m.Account], m)
	}
	for _, id := range slices.Sorted(maps.Keys(byAccount)) {
		links, err := bestOrder(byAccount[id])
		if err == nil {
			err = f.add(links)
		}
		if err != nil {
			return nil, fmt.Errorf("order of account %d: %w", id, err)
		}
	}
	f.Unpaid = withoutInterest(all)
	return f, nil
}

// add counts one account's links.
func (f *BalanceFigures) add(links []link) (err error) {
	days := map[time.Time]bool{}
	for _, l := range links {
		if l.Off.IsZero() {
			continue
		}
		days[l.Booked] = true
		f.Broken++
		f.By[l.Off.String()]++
		if f.Off, err = f.Off.Add(l.Off.Abs()); err != nil {
			return err
		}
	}
	f.Days += len(days)
	if len(days) > 0 {
		f.Accounts++
	}
	beyond, err := beyondRounding(links)
	f.Cut = append(f.Cut, beyond...)
	return err
}

// withoutInterest counts the accounts that have movements on the ledger's last day, a month's end, and no interest among them.
func withoutInterest(all []Movement) int {
	last := slices.MaxFunc(all, func(a, b Movement) int { return a.Booked.Compare(b.Booked) }).Booked
	interest := map[int64]bool{}
	for _, m := range all {
		if m.Booked.Equal(last) {
			interest[m.Account] = interest[m.Account] || m.Symbol != nil && *m.Symbol == "UROK"
		}
	}
	n := 0
	for _, paid := range interest {
		if !paid {
			n++
		}
	}
	return n
}

// print tells the figures.
func (f *BalanceFigures) print(w io.Writer) error {
	b := f.Job.Breaks
	_, err := fmt.Fprintf(w, `balances: %d account-days, %d follow from the movements in some order of the day and from the day before
  %d in which no order of the day's movements chains (order)
  %d that chain, and open with another balance than the day before closed with (opening)
in the best order of each account: %d of %d movements do not follow, on %d account-days of %d accounts, by %s in all
  %d by 0.10, %d by -0.10, %d by more
rounding to tenths of balances, interest and instalments explains %d of them; it does not explain %d:
`, f.Job.Days, f.Job.Holds, b[reconciliation.Order], b[reconciliation.Opening], f.Broken, f.Links, f.Days, f.Accounts, f.Off,
		f.By["0.10"], f.By["-0.10"], f.Broken-f.By["0.10"]-f.By["-0.10"], f.Broken-len(f.Cut), len(f.Cut))
	for _, l := range f.Cut {
		if err == nil {
			_, err = fmt.Fprintf(w, "  account %d, %s, movement %d: %s\n", l.Account, l.Booked.Format(time.DateOnly), l.ID, l.Off)
		}
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "accounts with movements on the last day and no interest on it: %d\n", f.Unpaid)
	}
	return err
}
