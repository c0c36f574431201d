package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/jobs/features"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

// LoanFeatures is what a model would have known of an account at the end of the day on which its loan was granted.
type LoanFeatures struct {
	Account       int64          `lake:"account_id"`
	AsOf          time.Time      `lake:"as_of_date,date"`
	Balance       *money.Decimal `lake:"balance,decimal(38,2)"`
	Inflow90      *money.Decimal `lake:"inflow_90d,decimal(38,2)"`
	Outflow90     *money.Decimal `lake:"outflow_90d,decimal(38,2)"`
	LargestDebit  *money.Decimal `lake:"largest_debit_90d,decimal(38,2)"`
	Credits30     *int64         `lake:"credits_30d"`
	Debits30      *int64         `lake:"debits_30d"`
	SinceCredit   *int64         `lake:"days_since_credit"`
	DaysOfHistory *int64         `lake:"days_of_history"`
}

// Loans is what the features of loans show.
type Loans struct {
	Job    features.Report
	Rows   []LoanFeatures  // by date
	Stated []money.Decimal // the balance that the ledger states at the end of the same day, for each row
}

// loanFeatures computes the twelve features of each account at its loan's date, for the loans that were granted
// while the ledger goes on: the table marts.loans_in_ledger is the list of questions, features.loans the answer.
func loanFeatures(ctx context.Context, lake *catalog.Lake) (*Loans, error) {
	cut, err := lake.At(ctx, catalog.At{})
	if err != nil {
		return nil, err
	}
	b, err := readBooks(ctx, lake, cut)
	if err != nil {
		return nil, err
	}
	err = run(ctx, func(s beam.Scope) error {
		loans := dataset.ScanTable(ctx, s, lake, "berka.loans")
		known := dataset.Filter(s, loans, expr.Col("granted_on").Le(expr.DayOf(b.last)))
		dataset.Write(s, lake, "marts.loans_in_ledger", dataset.Select(s, known, "loan_id", "account_id", "granted_on"), dataset.Key("loan_id"))
		return nil
	})
	if err != nil {
		return nil, err
	}
	rep, err := features.Run(ctx, features.Options{
		Lake: lake, Run: run, Spine: features.FromTable("marts.loans_in_ledger", "account_id", "granted_on"),
		Table: "features.loans", Entries: "berka.movements", Accounts: "berka.accounts", Booked: "booked_on", Currency: "none",
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	if cut, err = lake.At(ctx, catalog.At{}); err != nil {
		return nil, err
	}
	out := &Loans{Job: rep}
	if out.Rows, err = rows[LoanFeatures](ctx, lake, cut, rep.Table); err != nil {
		return nil, err
	}
	slices.SortFunc(out.Rows, func(x, y LoanFeatures) int { return cmp.Or(x.AsOf.Compare(y.AsOf), cmp.Compare(x.Account, y.Account)) })
	return out, out.state(b.movements)
}

// state finds the balances that the ledger states.
func (l *Loans) state(movements []Movement) error {
	for _, r := range l.Rows {
		var until []Movement
		for _, m := range movements {
			if m.Account == r.Account && !m.Booked.After(r.AsOf) {
				until = append(until, m)
			}
		}
		links, err := bestOrder(until)
		if err != nil {
			return fmt.Errorf("order of account %d: %w", r.Account, err)
		}
		var stated money.Decimal
		if len(links) > 0 {
			stated = links[len(links)-1].Balance
		}
		l.Stated = append(l.Stated, stated)
	}
	return nil
}

// print shows the features that fit on a line.
func (l *Loans) print(w io.Writer) error {
	fmt.Fprintf(w, "features: %d loans were granted while the ledger goes on; each as of the end of its own day, in %s\n", l.Job.Rows, l.Job.Table)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "account\tgranted\tbalance\tas stated\tinflow 90 d\toutflow 90 d\tlargest debit\tcredits 30 d\tdebits 30 d\thistory\t")
	for i, r := range l.Rows {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s d\t\n", r.Account, r.AsOf.Format(time.DateOnly), value(r.Balance), l.Stated[i], value(r.Inflow90), value(r.Outflow90),
			value(r.LargestDebit), value(r.Credits30), value(r.Debits30), value(r.DaysOfHistory))
	}
	return t.Flush()
}

// value shows a feature that may have no number.
func value[T any](v *T) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(*v)
}
