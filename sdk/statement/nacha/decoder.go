package nacha

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
)

// Decoder reads one file. It is used by one goroutine.
type Decoder struct {
	book    *book.Book
	records records
	held    *record
	entry   pending
	batch   batch
	file    struct {
		open, ended bool
		at          book.Place
		batches     int64
		records     int64
		totals      totals
	}
	entries book.Entries
}

// totals are what a control record states.
type totals struct {
	count, hash    int64
	debits, credit money.Decimal
}

// hashDigits is what an entry hash is cut to.
const hashDigits = 10_000_000_000

func (t *totals) add(o totals) error {
	debits, err := t.debits.Add(o.debits)
	if err != nil {
		return err
	}
	credit, err := t.credit.Add(o.credit)
	if err != nil {
		return err
	}
	*t = totals{t.count + o.count, (t.hash + o.hash) % hashDigits, debits, credit}
	return nil
}

// batch is the one that is open.
type batch struct {
	open                 bool
	at                   book.Place
	class, info          string
	company, companyID   string
	number               string
	effective, settled   statement.Date
	reversal, unreadable bool
	totals               totals
}

// pending is an entry that waits for its addenda.
type pending struct {
	open    bool
	at      book.Place
	raw     []byte
	bad     string
	entry   statement.Entry
	addenda bool // are announced
	seen    int64
	totals  totals
	text    strings.Builder
}

// NewDecoder reads r, which it does not close. Amounts are in USD unless opts names a currency. It fails with a fault.Usage for
// options that cannot be, and with an error of r.
func NewDecoder(r io.Reader, opts statement.Options) (*Decoder, error) {
	if opts.Currency == "" {
		opts.Currency = "USD"
	}
	b, src, err := book.Open(statement.NACHA, r, opts)
	if err != nil {
		return nil, err
	}
	d := &Decoder{book: b}
	d.records = records{src: src, in: bufio.NewReaderSize(src, 64<<10), book: d.book, offset: src.Start()}
	return d, nil
}

// File is what was read so far.
func (d *Decoder) File() statement.File {
	d.book.File.Bytes = d.records.offset
	return d.book.File
}

// Next fills e with the next entry, or returns io.EOF.
func (d *Decoder) Next(e *statement.Entry) error {
	return d.entries.Next(e, d.step)
}

// step uses one record; done where an entry has ended.
func (d *Decoder) step(e *statement.Entry) (done bool, err error) {
	if d.held == nil {
		d.held, err = d.records.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if err != nil && !d.entry.open {
			return false, d.finish()
		}
	}
	if d.entry.open && (d.held == nil || d.held.kind() != '7') {
		return d.emit(e)
	}
	rec := d.held
	d.held = nil
	if rec.fill() {
		return false, nil
	}
	d.file.records++
	return false, d.use(rec)
}

func (d *Decoder) reject(rec *record, format string, args ...any) error {
	return d.book.Reject(rec.at, rec.text, format, args...)
}

// use takes a record.
func (d *Decoder) use(rec *record) error {
	if rec.bad != "" && rec.kind() != '6' {
		return d.reject(rec, "%s", rec.bad)
	}
	switch rec.kind() {
	case '1':
		return d.beginFile(rec)
	case '5':
		return d.beginBatch(rec)
	case '6':
		return d.begin(rec)
	case '7':
		return d.addenda(rec)
	case '8':
		return d.endBatch(rec)
	case '9':
		return d.endFile(rec)
	}
	return d.reject(rec, "the record begins with %q: want a type from 1 to 9", rec.columns(1, 1))
}

func (d *Decoder) beginFile(rec *record) error {
	if d.file.open {
		if err := d.closeFile(rec.at); err != nil {
			return err
		}
	}
	d.file.open, d.file.ended, d.file.at = true, false, rec.at
	d.file.batches, d.file.records, d.file.totals = 0, 1, totals{}
	d.book.File.ID = strings.TrimSpace(string(rec.field(14, 23)) + " " + string(rec.field(24, 33)) + string(rec.field(34, 34)))
	if size := string(rec.columns(35, 37)); size != "094" {
		return d.reject(rec, "record size %q (columns 35 to 37): want 094", size)
	}
	return nil
}

func (d *Decoder) beginBatch(rec *record) error {
	if d.batch.open {
		if err := d.closeBatch(); err != nil {
			return err
		}
	}
	d.file.batches++
	b := batch{open: true, at: rec.at, class: string(rec.field(51, 53)), info: string(rec.field(54, 63)), number: string(rec.field(88, 94))}
	b.company, b.companyID = string(rec.field(5, 20)), string(rec.field(41, 50))
	b.effective = rec.date(70)
	b.settled = rec.settled(76, b.effective)
	b.reversal = b.info == "REVERSAL"
	b.unreadable = b.class == "ADV"
	d.batch = b
	st := d.book.Begin(rec.at)
	st.ID, st.Sequence, st.From, st.To, st.Holder = b.companyID, b.number, b.effective, b.effective, b.company
	if !d.file.open {
		return d.reject(rec, "a batch without a file header, 1, before it")
	}
	if b.unreadable {
		return d.reject(rec, "automated accounting advices, ADV, are not read")
	}
	return nil
}

// begin begins an entry.
func (d *Decoder) begin(rec *record) error {
	p := &d.entry
	p.open, p.at, p.seen, p.bad, p.totals = true, rec.at, 0, rec.bad, totals{}
	p.raw = append(p.raw[:0], rec.text...)
	p.text.Reset()
	if !d.batch.open {
		p.open = false
		return d.reject(rec, "an entry without a batch header, 5, before it")
	}
	if p.bad == "" && d.batch.unreadable {
		p.bad = "its batch is not read"
	}
	if p.bad == "" {
		if err := d.parse(rec); err != nil {
			p.bad = err.Error()
		}
	}
	return nil
}

// parse reads an entry's record.
func (d *Decoder) parse(rec *record) error {
	b, p := &d.batch, &d.entry
	code, err := rec.digits(2, 3, "transaction code")
	if err != nil {
		return err
	}
	if tens := code / 10; tens < 2 || tens > 5 || code%10 == 0 {
		return fmt.Errorf("transaction code %d: want 21 to 59", code)
	}
	routing, err := rec.digits(4, 11, "routing number")
	if err != nil {
		return err
	}
	n, err := rec.digits(30, 39, "amount")
	if err != nil {
		return err
	}
	amount, err := cents(n)
	if err != nil {
		return err
	}
	account, name, id := rec.field(13, 29), rec.field(55, 76), rec.field(40, 54)
	switch b.class {
	case "IAT":
		account, name, id = rec.field(40, 74), nil, nil
	case "CTX":
		name = rec.field(59, 74)
	}
	credit, undone := code%10 <= 4, code%10 == 1 || code%10 == 6
	p.totals = totals{count: 1, hash: routing}
	if credit {
		p.totals.credit = amount
	} else {
		p.totals.debits = amount
	}
	mark := statement.MarkOf(credit != undone, undone || b.reversal)
	if mark.Sign() < 0 {
		amount = amount.Neg()
	}
	p.entry = statement.Entry{
		Line: rec.at.Line, Offset: rec.at.Offset, Account: string(account), Bank: string(rec.field(4, 12)), Holder: string(name),
		BookingDate: b.settled, ValueDate: b.effective, Amount: amount, Mark: mark, CustomerRef: string(id), BankRef: string(rec.field(80, 94)),
		Code: b.class + "/" + string(rec.columns(2, 3)), Info: b.info, Counterparty: b.company, CounterpartyAccount: b.companyID,
	}
	if code%10 == 3 || code%10 == 8 {
		p.entry.Status = statement.Information
	}
	p.addenda = string(rec.columns(79, 79)) == "1"
	if len(account) == 0 {
		return errors.New("the entry has no account (columns 13 to 29)")
	}
	return nil
}

// addenda adds to the entry that waits.
func (d *Decoder) addenda(rec *record) error {
	p := &d.entry
	if !p.open {
		return d.reject(rec, "an addenda without an entry, 6, before it")
	}
	p.seen++
	if len(p.raw) < statement.MaxRaw {
		p.raw = append(append(p.raw, '\n'), rec.text...)
	}
	if p.bad != "" {
		return nil
	}
	if p.text.Len() > d.book.MaxRecord() {
		p.bad = "its addenda are too long"
		return nil
	}
	switch kind := string(rec.columns(2, 3)); kind {
	case "05", "17":
		p.add(rec.field(4, 83))
	case "10":
		p.entry.Holder = string(rec.field(47, 81))
	case "98":
		p.entry.Code += "/" + string(rec.field(4, 6))
		p.entry.CustomerRef, p.entry.Status = string(rec.field(7, 21)), statement.Information
		p.add(rec.field(36, 64))
	case "99":
		p.entry.Code += "/" + string(rec.field(4, 6))
		p.entry.CustomerRef = string(rec.field(7, 21))
		p.add(rec.field(36, 79))
	case "02", "11", "12", "13", "14", "15", "16", "18":
		d.book.File.Ignored++
	default:
		p.bad = fmt.Sprintf("addenda type %q is not known", kind)
	}
	return nil
}

func (p *pending) add(text []byte) {
	if len(text) > 0 && p.text.Len() > 0 {
		p.text.WriteByte(' ')
	}
	p.text.Write(text)
}

// emit ends the entry that waits; done where it is a row.
func (d *Decoder) emit(e *statement.Entry) (bool, error) {
	p := &d.entry
	p.open = false
	number := d.book.Booking()
	switch {
	case p.bad != "":
	case p.addenda && p.seen == 0:
		p.bad = "an addenda is announced (column 79) and none follows"
	case !p.addenda && p.seen > 0:
		p.bad = "an addenda follows and none is announced (column 79)"
	}
	if p.bad != "" {
		return false, d.book.Reject(p.at, p.raw, "%s", p.bad)
	}
	p.totals.count += p.seen
	if err := d.batch.totals.add(p.totals); err != nil {
		return false, d.book.Reject(p.at, p.raw, "batch total: %v", err)
	}
	*e = p.entry
	e.Number, e.Remittance = number, p.text.String()
	return d.book.Add(e, p.raw)
}
