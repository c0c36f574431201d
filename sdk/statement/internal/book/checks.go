package book

import (
	"fmt"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
)

// Scope names the open statement in checks.
func (b *Book) Scope() string { return fmt.Sprintf("statement %d", b.st.Number) }

// Check files a check of the open statement, or of the file where none is open. Where it fails the file may be refused.
func (b *Book) Check(at Place, c statement.Check) error {
	c = b.note(c)
	if b.st != nil {
		b.st.Checks = append(b.st.Checks, c)
	} else {
		b.File.Checks = append(b.File.Checks, c)
	}
	return b.settle(at, c)
}

// CheckEntry files a check of a single entry: it is counted, and kept if it does not pass.
func (b *Book) CheckEntry(at Place, c statement.Check) error {
	if c.Verdict != statement.Pass && b.kept < statement.MaxFailures {
		b.kept++
		return b.Check(at, c)
	}
	return b.settle(at, b.note(c))
}

// note says that quarantined records may explain a failure.
func (b *Book) note(c statement.Check) statement.Check {
	n := b.File.Quarantined
	if b.st != nil {
		n = b.st.Quarantined
	}
	if c.Verdict == statement.Fail && n > 0 && c.Note == "" {
		c.Note = fmt.Sprintf("%d records were quarantined", n)
	}
	return c
}

func (b *Book) settle(at Place, c statement.Check) error {
	switch c.Verdict {
	case statement.Pass:
		b.File.Passed++
		return nil
	case statement.Unproved:
		b.File.Unproved++
		return nil
	}
	b.File.Failed++
	policy := b.opts.Totals
	if policy == statement.RefuseTotals || policy == statement.AutoTotals && b.opts.OnQuarantine == nil {
		return fault.Mark(fault.Usage, &statement.Refused{Quarantine: b.quarantine(at, nil, c.String()), Err: statement.ErrTotals})
	}
	return nil
}

// Sums of the open statement.
type Sums struct {
	Credits, Debits         money.Decimal // Σ of positive and of negative amounts of any status
	CreditCount, DebitCount int64         // bookings
}

// Sums are those of the open statement so far.
func (b *Book) Sums() Sums {
	s := &b.sums
	return Sums{s.creditAll, s.debitAll, s.creditsN, s.debitsN}
}

// Prove checks opening + entries = closing, for the first pair of balances that the statement has: of its account's
// ledger, or interim ones of a page.
func (b *Book) Prove(at Place) error {
	st := b.st
	c := statement.Check{Name: statement.ClosingBalance, Scope: b.Scope(), Line: at.Line, Verdict: statement.Unproved}
	first, okFirst := b.either(statement.Opening, statement.InterimOpening)
	last, okLast := b.either(statement.Closing, statement.InterimClosing)
	switch {
	case !okFirst && !okLast:
		return nil // nothing is stated
	case !okFirst:
		c.Note = "the statement has no opening balance"
	case !okLast:
		c.Note = "the statement has no closing balance"
	case first.Currency != last.Currency:
		c.Note = fmt.Sprintf("it opens in %s and closes in %s", first.Currency, last.Currency)
	case b.sums.foreign != "":
		c.Note = fmt.Sprintf("it has entries in %s", b.sums.foreign)
	case st.Currency != "" && st.Currency != last.Currency:
		c.Note = fmt.Sprintf("the account is in %s and the balance in %s", st.Currency, last.Currency)
	default:
		computed, err := b.closing(first.Amount)
		if err != nil {
			c.Note = "the sum has more than 38 digits"
			break
		}
		c = statement.Compare(c.Name, c.Scope, last.Line, last.Amount, computed)
		c.Currency = last.Currency
	}
	return b.Check(at, c)
}

func (b *Book) either(kinds ...statement.BalanceKind) (statement.Balance, bool) {
	for _, k := range kinds {
		if bal, ok := b.st.Find(k); ok {
			return bal, true
		}
	}
	return statement.Balance{}, false
}

func (b *Book) closing(opening money.Decimal) (money.Decimal, error) {
	if b.sums.overflow {
		return money.Decimal{}, money.ErrOverflow
	}
	sum, err := opening.Add(b.sums.credits)
	if err != nil {
		return sum, err
	}
	return sum.Add(b.sums.debits)
}

// End closes the open statement and hands it over.
func (b *Book) End() error {
	st := b.st
	b.st = nil
	st.Credits, st.Debits = b.sums.credits, b.sums.debits
	if b.opts.OnStatement == nil {
		return nil
	}
	if err := b.opts.OnStatement(st); err != nil {
		return fmt.Errorf("%s: statement %d: %w", b.opts.File, st.Number, err)
	}
	return nil
}
