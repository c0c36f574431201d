package bai2

import (
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
	"github.com/millrace/millrace/sdk/statement/internal/text"
)

// Decoder reads one file. It is used by one goroutine.
type Decoder struct {
	book    *book.Book
	records records
	file    level // 01
	group   level // 02
	account level // 03
	head    header
	totals  [2]summary // of the account: type codes 100 and 400
	entries book.Entries
	ended   bool // by 99
}

// level is a file, a group or an account that is open, with what its trailer must say.
type level struct {
	open    bool
	at      book.Place
	total   money.Decimal // of the numbers as they stand
	count   int64         // of groups or accounts
	records int64
}

// header is what file and group say of their accounts.
type header struct {
	fileID, bank, currency string
	asOf                   statement.Date
	status                 statement.Status
	digits                 int // of the account's currency
}

// summary is a total of credits or debits.
type summary struct {
	value        money.Decimal
	count        int64
	set, counted bool
}

// NewDecoder reads r, which it does not close. It fails with a fault.Usage for options that cannot be, and with an error of r.
func NewDecoder(r io.Reader, opts statement.Options) (*Decoder, error) {
	b, src, err := book.Open(statement.BAI2, r, opts)
	if err != nil {
		return nil, err
	}
	d := &Decoder{book: b}
	d.records = records{lines: text.NewAhead(src, d.book.MaxRecord()), book: d.book}
	return d, nil
}

// File is what was read so far.
func (d *Decoder) File() statement.File {
	d.book.File.Bytes = d.records.lines.Offset()
	return d.book.File
}

// Next fills e with the next entry, or returns io.EOF.
func (d *Decoder) Next(e *statement.Entry) error {
	return d.entries.Next(e, d.step)
}

// step uses one record; done where it is an entry.
func (d *Decoder) step(e *statement.Entry) (done bool, err error) {
	rec, err := d.records.next()
	if errors.Is(err, io.EOF) {
		return false, d.finish()
	}
	if err != nil {
		return false, err
	}
	d.file.records += rec.lines
	d.group.records += rec.lines
	d.account.records += rec.lines
	if rec.bad != "" {
		return false, d.reject(rec, "%s", rec.bad)
	}
	switch rec.code {
	case "01":
		return false, d.beginFile(rec)
	case "02":
		return false, d.beginGroup(rec)
	case "03":
		return false, d.beginAccount(rec)
	case "16":
		return d.detail(rec, e)
	case "49":
		return false, d.endAccount(rec)
	case "98":
		return false, d.endGroup(rec)
	case "99":
		return false, d.endFile(rec)
	case "88":
		return false, d.reject(rec, "a continuation without a record before it")
	}
	return false, d.reject(rec, "record type %q is not known", rec.code)
}

func (d *Decoder) reject(rec *record, format string, args ...any) error {
	return d.book.Reject(rec.at, rec.raw, format, args...)
}

func (d *Decoder) beginFile(rec *record) error {
	if d.file.open {
		if err := d.closeFile(rec.at); err != nil {
			return err
		}
	}
	c := rec.fields()
	d.book.File.ID = string(c.next())
	for range 3 {
		c.next()
	}
	d.head = header{fileID: string(c.next())}
	d.file = level{open: true, at: rec.at, records: rec.lines}
	d.ended = false
	for range 2 {
		c.next()
	}
	d.book.File.Version = string(c.next())
	return nil
}

func (d *Decoder) beginGroup(rec *record) error {
	if d.group.open {
		if err := d.closeGroup(); err != nil {
			return err
		}
	}
	d.group = level{open: true, at: rec.at, records: rec.lines}
	if !d.file.open {
		return d.reject(rec, "a group without a file header, 01, before it")
	}
	d.file.count++
	c := rec.fields()
	c.next()
	d.head.bank = string(c.next())
	d.head.status = statement.Booked
	if s := string(c.next()); s == "2" || s == "4" {
		d.head.status = statement.Information
	}
	day := c.next()
	c.next()
	d.head.currency = string(c.next())
	var ok bool
	if d.head.asOf, ok = shortDate(day); !ok {
		return d.reject(rec, "as-of date %q: want YYMMDD", statement.Short(day))
	}
	return nil
}

func (d *Decoder) beginAccount(rec *record) error {
	if d.account.open {
		if err := d.closeAccount(); err != nil {
			return err
		}
	}
	d.account = level{open: true, at: rec.at, records: rec.lines}
	d.group.count++
	d.totals = [2]summary{}
	st := d.book.Begin(rec.at)
	c := rec.fields()
	st.Account, st.Bank, st.Sequence, st.From, st.To = string(c.next()), d.head.bank, d.head.fileID, d.head.asOf, d.head.asOf
	st.Currency = string(c.next())
	for _, other := range []string{d.head.currency, d.book.Options().Currency, "USD"} {
		if st.Currency == "" {
			st.Currency = other
		}
	}
	if !d.group.open {
		if err := d.reject(rec, "an account without a group header, 02, before it"); err != nil {
			return err
		}
	}
	var err error
	if d.head.digits, err = digitsOf(st.Currency); err != nil {
		d.head.digits = -1
		return d.reject(rec, "%v", err)
	}
	for c.more() {
		if err := d.summary(rec, &c); err != nil {
			return err
		}
	}
	return nil
}

// summary reads one amount of an account's header. One that cannot be read ends the header.
func (d *Decoder) summary(rec *record, c *cursor) error {
	field := c.next()
	if len(field) == 0 { // an account without summaries has empty fields
		c.optional()
		c.optional()
		_, _, err := funds(c)
		if err != nil {
			c.drop()
			return d.reject(rec, "%v", err)
		}
		return nil
	}
	code := number(field)
	a, err := parseAmount(c.optional(), d.head.digits)
	items := c.optional()
	if err == nil {
		_, _, err = funds(c)
	}
	if err == nil && (code < 0 || len(field) != 3) {
		err = fmt.Errorf("type code %q: want three digits", statement.Short(field))
	}
	if err != nil {
		c.drop()
		return d.reject(rec, "%v", err)
	}
	if !a.set {
		return nil
	}
	if err := d.add(rec, a.units); err != nil {
		return err
	}
	st := d.book.Statement()
	switch {
	case code < 100:
		kind := balances[code]
		if kind == "" {
			kind = statement.OtherBalance
		}
		return d.book.Balance(rec.at, statement.Balance{Kind: kind, Code: string(field), Date: d.head.asOf, Amount: a.value, Currency: st.Currency})
	case code == 100, code == 400:
		n := number(items)
		d.totals[code/400] = summary{value: a.value, count: n, counted: n >= 0, set: true}
	}
	return nil
}

// add adds a number to the control totals.
func (d *Decoder) add(rec *record, units money.Decimal) error {
	sum, err := d.account.total.Add(units)
	if err != nil {
		return d.reject(rec, "control total: %v", err)
	}
	d.account.total = sum
	return nil
}

// detail reads an entry.
func (d *Decoder) detail(rec *record, e *statement.Entry) (bool, error) {
	st := d.book.Statement()
	if st == nil {
		return false, d.reject(rec, "a detail without an account, 03, before it")
	}
	if d.head.digits < 0 {
		return false, d.reject(rec, "its account has no known currency")
	}
	c := rec.fields()
	field := c.next()
	code := number(field)
	a, err := parseAmount(c.next(), d.head.digits)
	if err != nil {
		return false, d.reject(rec, "%v", err)
	}
	if code == 890 {
		d.book.File.Ignored++
		return false, d.add(rec, a.units)
	}
	credit, known := direction(code)
	switch {
	case len(field) != 3 || !known:
		return false, d.reject(rec, "type code %q is neither a credit nor a debit", statement.Short(field))
	case !a.set:
		return false, d.reject(rec, "a detail without an amount")
	}
	kind, valued, err := funds(&c)
	if err != nil {
		return false, d.reject(rec, "%v", err)
	}
	if err := d.add(rec, a.units); err != nil {
		return false, err
	}
	if kind == "0" {
		valued = d.head.asOf
	}
	undone := a.value.Sign() < 0
	if !credit {
		a.value = a.value.Neg()
	}
	*e = statement.Entry{
		Number: d.book.Booking(), Line: rec.at.Line, Offset: rec.at.Offset,
		BookingDate: d.head.asOf, ValueDate: valued, Amount: a.value, Mark: statement.MarkOf(credit != undone, undone), Status: d.head.status,
		Code: string(field), BankRef: string(c.next()), CustomerRef: string(c.next()), Remittance: string(c.rest()),
	}
	return d.book.Add(e, rec.raw)
}
