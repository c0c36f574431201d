package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
	"github.com/millrace/millrace/sdk/storage"
)

// Order is a row of berka.orders.
type Order struct {
	ID        int64         `lake:"order_id"`
	Account   int64         `lake:"account_id"`
	BankTo    string        `lake:"bank_to"`
	AccountTo string        `lake:"account_to"`
	Amount    money.Decimal `lake:"amount,decimal(18,2)"`
	Symbol    *string       `lake:"symbol"`
}

// Account is a row of berka.accounts.
type Account struct {
	ID     int64     `lake:"account_id"`
	Opened time.Time `lake:"opened_on,date"`
}

// Loan is a row of berka.loans.
type Loan struct {
	ID      int64     `lake:"loan_id"`
	Account int64     `lake:"account_id"`
	Granted time.Time `lake:"granted_on,date"`
}

// Why an order was never paid, as far as the data tells.
const (
	loanLater = "loan payments of a loan that was granted in the ledger's last month, or after its end"
	leasing   = "leasing: not one such order is paid"
	young     = "the account was opened in the ledger's last seven months, and first payments come up to so long after the opening"
	unknown   = "no reason in the data"
)

// reasons is their order in reports.
var reasons = []string{loanLater, leasing, young, unknown}

// OrderFigures are what comparing permanent orders with payments shows.
type OrderFigures struct {
	Orders    int                // in all
	Unopened  int                // of accounts that were opened after the ledger's end: not judged
	Paid      int                // orders
	Never     map[string][]Order // by reason
	Symbols   int                // payments that carry no symbol, or another one than their order
	Unordered int                // transfers that no order explains
	Job       *reconcile.StatementReport
}

// books are the tables that the comparison reads.
type books struct {
	movements []Movement
	orders    []Order
	opened    map[int64]time.Time
	granted   map[int64]time.Time // of each account's loan
	last      time.Time
}

func readBooks(ctx context.Context, lake *catalog.Lake, cut *catalog.Cut) (*books, error) {
	b := &books{opened: map[int64]time.Time{}, granted: map[int64]time.Time{}}
	var err error
	if b.movements, err = rows[Movement](ctx, lake, cut, "berka.movements"); err != nil {
		return nil, err
	}
	if b.orders, err = rows[Order](ctx, lake, cut, "berka.orders"); err != nil {
		return nil, err
	}
	accounts, err := rows[Account](ctx, lake, cut, "berka.accounts")
	if err != nil {
		return nil, err
	}
	loans, err := rows[Loan](ctx, lake, cut, "berka.loans")
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		b.opened[a.ID] = a.Opened
	}
	for _, l := range loans {
		b.granted[l.Account] = l.Granted
	}
	for _, m := range b.movements {
		if m.Booked.After(b.last) {
			b.last = m.Booked
		}
	}
	slices.SortFunc(b.orders, func(x, y Order) int { return cmp.Compare(x.ID, y.ID) })
	return b, nil
}

// target is what an order and its payments have in common.
type target struct {
	account          int64
	bank, to, amount string
}

// compareOrders makes a statement of what should have been paid, and has the reconcile job hold the payments against it.
//
// An order says neither since when nor on which day it is paid, so the statement takes both from its first payment: from
// there on a payment is due each month, on the same day, to the ledger's end. An order of an account in the ledger
// that has no payment at all is due once, on the last day, so that the job lists it as a break.
func compareOrders(ctx context.Context, lake *catalog.Lake, out string) (*OrderFigures, error) {
	cut, err := lake.At(ctx, catalog.At{})
	if err != nil {
		return nil, err
	}
	b, err := readBooks(ctx, lake, cut)
	if err != nil {
		return nil, err
	}
	f := &OrderFigures{Orders: len(b.orders), Never: map[string][]Order{}}
	statement := filepath.Join(out, "due.csv")
	if err := f.writeDue(b, statement); err != nil {
		return nil, fmt.Errorf("write %s: %w", statement, err)
	}
	key := []string{"account_id", "bank", "partner"}
	rep, err := reconcile.Run(ctx, reconcile.Options{
		Lake: lake, Run: run, Out: out, At: catalog.At{Cut: cut.Number()}, Stores: storage.Resolver{"file": localio.Opener(localio.Options{})},
		Logger: slog.New(slog.DiscardHandler),
		Statement: &reconcile.Statement{
			Rule:  reconciliation.Rule{Name: "permanent-orders", HasDate: true},
			Table: "berka.movements", Where: expr.Col("operation").Eq("PREVOD NA UCET"),
			Left:  columnar.Columns{Key: key, Amount: "amount", Date: "booked_on", Show: []string{"symbol"}},
			File:  statement,
			Right: columnar.Columns{Key: key, Amount: "amount", Date: "due_on", Show: []string{"order_id", "symbol"}},
		},
	})
	f.Job = rep.Checked
	return f, err
}

// writeDue writes the statement, and counts on the way.
func (f *OrderFigures) writeDue(b *books, path string) error {
	paid := map[target][]Movement{}
	for _, m := range b.movements {
		if m.Operation != nil && *m.Operation == "PREVOD NA UCET" && m.Bank != nil && m.Partner != nil {
			t := target{m.Account, *m.Bank, *m.Partner, m.Amount.Neg().String()}
			paid[t] = append(paid[t], m)
		}
	}
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	write := func(o Order, due time.Time) error {
		return w.Write([]string{strconv.FormatInt(o.ID, 10), strconv.FormatInt(o.Account, 10), o.BankTo, o.AccountTo, o.Amount.Neg().String(), symbol(o.Symbol), due.Format(time.DateOnly)})
	}
	err := w.Write([]string{"order_id", "account_id", "bank", "partner", "amount", "symbol", "due_on"})
	for _, o := range b.orders {
		t := target{o.Account, o.BankTo, o.AccountTo, o.Amount.String()}
		payments := paid[t]
		delete(paid, t)
		switch {
		case err != nil:
			return err
		case len(payments) > 0:
			f.Paid++
			for due := firstOf(payments); !due.After(b.last) && err == nil; due = due.AddDate(0, 1, 0) {
				err = write(o, due)
			}
			f.Symbols += otherSymbols(o, payments)
		case b.opened[o.Account].After(b.last):
			f.Unopened++
		default:
			why := b.why(o)
			f.Never[why] = append(f.Never[why], o)
			err = write(o, b.last)
		}
	}
	for _, payments := range paid {
		f.Unordered += len(payments)
	}
	w.Flush()
	if err := cmp.Or(err, w.Error(), os.MkdirAll(filepath.Dir(path), 0o755)); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
}

func symbol(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func firstOf(payments []Movement) time.Time {
	return slices.MinFunc(payments, func(a, b Movement) int { return a.Booked.Compare(b.Booked) }).Booked
}

func otherSymbols(o Order, payments []Movement) (n int) {
	for _, m := range payments {
		if symbol(m.Symbol) != symbol(o.Symbol) {
			n++
		}
	}
	return n
}

// why says what the data knows about an order that was never paid.
func (b *books) why(o Order) string {
	granted, hasLoan := b.granted[o.Account]
	switch {
	case symbol(o.Symbol) == "UVER" && hasLoan && granted.After(b.last.AddDate(0, -1, 0)):
		return loanLater
	case symbol(o.Symbol) == "LEASING":
		return leasing
	case !b.opened[o.Account].Before(b.last.AddDate(0, -7, 0)):
		return young
	}
	return unknown
}

// print tells the figures, and with list which orders of old accounts were never paid.
func (f *OrderFigures) print(w io.Writer, list bool) error {
	never := 0
	for _, os := range f.Never {
		never += len(os)
	}
	fmt.Fprintf(w, `orders: %d, of which %d belong to accounts that were opened after the ledger's end
  %d were paid: %d payments matched to the day and the crown, %d missing, %d too many; %d transfers without an order
  %d payments carry another symbol than their order, or none
  %d were never paid:
`, f.Orders, f.Unopened, f.Paid, f.Job.Matched, f.Job.Breaks[reconciliation.MissingLeft]-int64(never), f.Job.Breaks[reconciliation.MissingRight]+f.Job.Breaks[reconciliation.Duplicate], f.Unordered, f.Symbols, never)
	for _, why := range reasons {
		fmt.Fprintf(w, "  %5d %s\n", len(f.Never[why]), why)
	}
	if !list {
		return nil
	}
	for _, why := range slices.Sorted(maps.Keys(f.Never)) {
		for _, o := range f.Never[why] {
			if _, err := fmt.Fprintf(w, "order %d, account %d, %s %s, %s, %s: %s\n", o.ID, o.Account, o.BankTo, o.AccountTo, o.Amount, symbol(o.Symbol), why); err != nil {
				return err
			}
		}
	}
	return nil
}
