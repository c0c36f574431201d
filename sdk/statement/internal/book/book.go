// Package book keeps what every decoder must account for: statements, entries, quarantined records and checks.
//
// Nouns. A [Book] is one file while it is read. A [Place] is where a record begins.
//
// Invariants: an entry belongs to an open statement, has an account, a currency and a mark that agrees with its amount,
// or it is quarantined. Every check is counted once. The sums are of booked entries in the currency of the
// statement's balances; an entry in another currency leaves the balance unproved.
package book

import (
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
)

// Place is where a record begins.
type Place struct {
	Line, Offset int64
}

// Book is one file while it is read.
type Book struct {
	File statement.File
	opts statement.Options
	st   *statement.Statement
	sums sums
	kept int // failed checks of single entries, in this statement
}

// sums are of the statement's entries.
type sums struct {
	credits, debits     money.Decimal // booked
	creditsN, debitsN   int64         // bookings, of any status
	creditAll, debitAll money.Decimal // of any status
	bookings            int64
	foreign             string // a currency that is not the statement's
	overflow            bool
}

// New begins the book of a file.
func New(format statement.Format, opts statement.Options) *Book {
	return &Book{File: statement.File{Name: opts.File, Format: format}, opts: opts}
}

// Options of the file.
func (b *Book) Options() *statement.Options { return &b.opts }

// MaxRecord is the most bytes of a line, a field or a text.
func (b *Book) MaxRecord() int {
	if b.opts.MaxRecord > 0 {
		return b.opts.MaxRecord
	}
	return statement.DefaultMaxRecord
}

// Statement is the open one, or nil.
func (b *Book) Statement() *statement.Statement { return b.st }

// Begin opens a statement. One that is open must have been ended.
func (b *Book) Begin(at Place) *statement.Statement {
	b.File.Statements++
	b.st = &statement.Statement{Number: b.File.Statements, Line: at.Line, Offset: at.Offset}
	b.sums, b.kept = sums{}, 0
	return b.st
}

// Balance adds a balance to the open statement.
func (b *Book) Balance(at Place, bal statement.Balance) error {
	if len(b.st.Balances) >= statement.MaxBalances {
		return b.Reject(at, nil, "the statement has more than %d balances", statement.MaxBalances)
	}
	bal.Line = at.Line
	b.st.Balances = append(b.st.Balances, bal)
	return nil
}

// Booking counts a booking, so that entries get its number; Add counts those that it was given whole.
func (b *Book) Booking() int64 {
	b.sums.bookings++
	return b.sums.bookings
}

// Add accounts for an entry of the open statement, whose number and amount are set, and completes what it has of its statement. ok is false
// where it was quarantined instead.
func (b *Book) Add(e *statement.Entry, raw []byte) (ok bool, err error) {
	at := Place{e.Line, e.Offset}
	st := b.st
	e.Statement, e.StatementID, e.Sequence = st.Number, st.ID, st.Sequence
	if e.Account == "" {
		e.Account = st.Account
	}
	if e.Bank == "" {
		e.Bank = st.Bank
	}
	if e.Holder == "" {
		e.Holder = st.Holder
	}
	if e.Currency == "" {
		e.Currency = st.Currency
	}
	if e.Currency == "" {
		e.Currency = b.opts.Currency
	}
	if e.Status == "" {
		e.Status = statement.Booked
	}
	switch {
	case e.Account == "":
		return false, b.Reject(at, raw, "the statement does not say which account it is of")
	case e.Currency == "":
		return false, b.Reject(at, raw, "neither the entry nor its statement has a currency; give one in the options")
	case !statement.IsCurrency(e.Currency):
		return false, b.Reject(at, raw, "the currency %q is not three capital letters", statement.Short([]byte(e.Currency)))
	case e.Mark.Sign() == 0:
		return false, b.Reject(at, raw, "the mark %q is none of C, D, RC and RD", statement.Short([]byte(e.Mark)))
	case e.Amount.Sign()*e.Mark.Sign() < 0:
		return false, b.Reject(at, raw, "the amount %s disagrees with its mark %s", e.Amount, e.Mark)
	}
	b.sum(e)
	st.Entries++
	b.File.Entries++
	return true, nil
}

func (b *Book) sum(e *statement.Entry) {
	s := &b.sums
	add := func(to *money.Decimal) {
		sum, err := to.Add(e.Amount)
		if err != nil {
			s.overflow = true
			return
		}
		*to = sum
	}
	credit := e.Mark.Sign() > 0
	if credit {
		add(&s.creditAll)
	} else {
		add(&s.debitAll)
	}
	if e.Part <= 1 {
		if credit {
			s.creditsN++
		} else {
			s.debitsN++
		}
	}
	if e.Status != statement.Booked {
		return
	}
	if e.Currency != b.st.Currency && b.st.Currency != "" {
		s.foreign = e.Currency
		return
	}
	if credit {
		add(&s.credits)
	} else {
		add(&s.debits)
	}
}

// Reject quarantines a record, or refuses the file.
func (b *Book) Reject(at Place, raw []byte, format string, args ...any) error {
	q := b.quarantine(at, raw, fmt.Sprintf(format, args...))
	b.File.Quarantined++
	if b.st != nil {
		b.st.Quarantined++
	}
	if b.opts.OnQuarantine == nil {
		return fault.Mark(fault.Usage, &statement.Refused{Quarantine: q, Err: statement.ErrMalformed})
	}
	if err := b.opts.OnQuarantine(q); err != nil {
		return fmt.Errorf("%s: %w", q, err)
	}
	return nil
}

// Damage is the error about a file whose rest cannot be told into records.
func (b *Book) Damage(at Place, format string, args ...any) error {
	q := b.quarantine(at, nil, fmt.Sprintf(format, args...))
	return fault.Mark(fault.Usage, &statement.Refused{Quarantine: q, Err: statement.ErrDamaged})
}

// Failed passes on an error of reading: the file's own io.ErrUnexpectedEOF is damage, all else is the storage's.
func (b *Book) Failed(at Place, err error) error {
	if errors.Is(err, io.EOF) {
		return b.Damage(at, "the file ends early")
	}
	return fmt.Errorf("read %s: %w", b.opts.File, err)
}

func (b *Book) quarantine(at Place, raw []byte, reason string) statement.Quarantine {
	if len(raw) > statement.MaxRaw {
		raw = raw[:statement.MaxRaw]
	}
	return statement.Quarantine{File: b.opts.File, Line: at.Line, Offset: at.Offset, Reason: reason, Raw: raw}
}
