package mt940

import (
	"bytes"
	"errors"
	"io"

	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
	"github.com/millrace/millrace/sdk/statement/internal/text"
)

// Decoder reads one file. It is used by one goroutine.
type Decoder struct {
	book    *book.Book
	fields  fields
	held    *field // was read and not yet used
	store   field
	entry   pending
	page    page
	totals  [2]total // :90D:, :90C:
	version string   // of the message
	began   bool
	entries book.Entries
}

// pending is a :61: that waits for its :86:.
type pending struct {
	open   bool
	at     book.Place
	move   movement
	bad    string
	raw    []byte
	info   []byte // of the :86:
	closed bool   // the statement has closed: a :86: is about it as a whole
}

// page remembers the closing balance of a page.
type page struct {
	account string
	balance statement.Balance
	set     bool
}

// NewDecoder reads r, which it does not close. It fails with a fault.Usage for options that cannot be, and with an error of r.
func NewDecoder(r io.Reader, opts statement.Options) (*Decoder, error) {
	b, src, err := book.Open(statement.MT940, r, opts)
	if err != nil {
		return nil, err
	}
	d := &Decoder{book: b}
	d.fields = fields{lines: text.NewLines(src, d.book.MaxRecord()), book: d.book}
	return d, nil
}

// File is what was read so far.
func (d *Decoder) File() statement.File {
	d.book.File.Bytes = d.fields.lines.Offset()
	return d.book.File
}

// Next fills e with the next entry, or returns io.EOF.
func (d *Decoder) Next(e *statement.Entry) error {
	return d.entries.Next(e, d.step)
}

// step uses one field; done where e was filled.
func (d *Decoder) step(e *statement.Entry) (done bool, err error) {
	if d.held == nil {
		d.store, err = d.fields.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		if err != nil {
			return d.finish(e)
		}
		d.held = &d.store
	}
	f := d.held
	if d.entry.open && f.tag != "86" {
		return d.emit(e) // the field stays held
	}
	d.held = nil
	return false, d.use(f)
}

// finish ends the file.
func (d *Decoder) finish(e *statement.Entry) (bool, error) {
	if d.entry.open {
		return d.emit(e)
	}
	if d.book.Statement() != nil {
		if err := d.end(d.last()); err != nil {
			return false, err
		}
	}
	if !d.began {
		d.began = true
		if err := d.book.Reject(book.Place{Line: 1}, nil, "the file is empty, or holds no MT940 message: there is no :20:"); err != nil {
			return false, err
		}
	}
	return false, io.EOF
}

func (d *Decoder) last() book.Place {
	return book.Place{Line: max(d.fields.lines.Number(), 1), Offset: d.fields.lines.Offset()}
}

// use takes a field that is not about an entry that waits, or a :86:.
func (d *Decoder) use(f *field) error {
	st := d.book.Statement()
	switch {
	case f.bad != "" && f.tag != "61":
		return d.book.Reject(f.at, f.value, "%s", f.bad)
	case f.tag == "20":
		return d.begin(f)
	case st == nil && f.tag == "":
		return nil
	case st == nil:
		return d.book.Reject(f.at, f.value, "a field :%s: before any :20:", f.tag)
	}
	switch f.tag {
	case "":
		return d.end(f.at)
	case "25", "25P":
		st.Account = account(f.value)
	case "28", "28C":
		st.Sequence = string(bytes.TrimSpace(f.value))
	case "60F", "60M", "62F", "62M", "64", "65":
		return d.balance(f)
	case "61":
		d.movement(f)
	case "86":
		d.inform(f)
	case "13", "13D":
		d.version = "MT942"
		if day, err := shortDate(f.value); err == nil {
			st.To = day
		}
	case "34F":
		d.version = "MT942"
		if len(f.value) >= 3 && statement.IsCurrency(string(f.value[:3])) && st.Currency == "" {
			st.Currency = string(f.value[:3])
		}
	case "90C", "90D":
		return d.total(f)
	default:
		d.book.File.Ignored++ // :21: and what banks add
	}
	return nil
}

func (d *Decoder) begin(f *field) error {
	if d.book.Statement() != nil {
		if err := d.end(f.at); err != nil {
			return err
		}
	}
	d.began = true
	st := d.book.Begin(f.at)
	st.ID = string(bytes.TrimSpace(f.value))
	d.entry.closed = false
	d.totals = [2]total{}
	d.version = "MT940"
	if d.fields.announced != "" {
		d.version, d.fields.announced = d.fields.announced, ""
	}
	return nil
}

func (d *Decoder) balance(f *field) error {
	b, err := parseBalance(f.value)
	if err != nil {
		return d.book.Reject(f.at, f.value, ":%s: %v", f.tag, err)
	}
	st := d.book.Statement()
	b.Code = f.tag
	b.Kind = map[string]statement.BalanceKind{
		"60F": statement.Opening, "60M": statement.InterimOpening, "62F": statement.Closing, "62M": statement.InterimClosing,
		"64": statement.Available, "65": statement.Forward,
	}[f.tag]
	if _, twice := st.Find(b.Kind); twice && b.Kind != statement.Forward {
		return d.book.Reject(f.at, f.value, "a second :%s: in one message", f.tag)
	}
	if st.Currency == "" {
		st.Currency = b.Currency
	}
	switch b.Kind {
	case statement.Opening:
		st.From = b.Date
	case statement.Closing, statement.InterimClosing:
		st.To = b.Date
		d.entry.closed = true
	}
	b.Line = f.at.Line
	if b.Kind == statement.InterimOpening && d.page.set && d.page.account == st.Account {
		c := statement.Compare(statement.PageChain, d.book.Scope(), f.at.Line, b.Amount, d.page.balance.Amount)
		c.Currency = b.Currency
		if err := d.book.Check(f.at, c); err != nil {
			return err
		}
	}
	if b.Kind == statement.InterimClosing {
		d.page = page{st.Account, b, true}
	}
	return d.book.Balance(f.at, b)
}

func (d *Decoder) total(f *field) error {
	t, err := parseTotal(f.value)
	if err != nil {
		return d.book.Reject(f.at, f.value, ":%s: %v", f.tag, err)
	}
	d.version = "MT942"
	t.at = f.at.Line
	if f.tag == "90D" {
		t.amount = t.amount.Neg()
		d.totals[0] = t
	} else {
		d.totals[1] = t
	}
	return nil
}

// movement begins an entry.
func (d *Decoder) movement(f *field) {
	p := &d.entry
	p.open, p.at, p.bad, p.info = true, f.at, f.bad, p.info[:0]
	p.raw = append(append(p.raw[:0], ":61:"...), f.value...)
	if p.bad == "" {
		var err error
		if p.move, err = parseMovement(f.value); err != nil {
			p.bad = err.Error()
		} else {
			p.move.supplement = append([]byte(nil), p.move.supplement...)
		}
	}
}

// inform takes a :86:, which is about the entry that waits, or about the statement.
func (d *Decoder) inform(f *field) {
	p := &d.entry
	if !p.open || p.closed {
		d.book.File.Ignored++
		return
	}
	p.raw = append(append(p.raw, "\n:86:"...), f.value...)
	if len(p.info) > 0 {
		p.info = append(p.info, '\n')
	}
	p.info = append(p.info, f.value...)
}

// emit ends the entry that waits; done where it is a row.
func (d *Decoder) emit(e *statement.Entry) (bool, error) {
	p := &d.entry
	p.open = false
	number := d.book.Booking()
	if p.bad != "" {
		return false, d.book.Reject(p.at, p.raw, ":61: %s", p.bad)
	}
	m := &p.move
	*e = statement.Entry{
		Number: number, Line: p.at.Line, Offset: p.at.Offset, Amount: m.amount, Mark: m.mark,
		BookingDate: m.booked, ValueDate: m.valued, Code: m.code, CustomerRef: m.customer, BankRef: m.bank,
	}
	if m.expected {
		e.Status = statement.Pending
	}
	e.Info = string(bytes.TrimSpace(bytes.ReplaceAll(m.supplement, []byte("\n"), []byte(" "))))
	if len(p.info) > 0 {
		inform(e, p.info)
	}
	return d.book.Add(e, p.raw)
}

// end closes a message.
func (d *Decoder) end(at book.Place) error {
	st := d.book.Statement()
	d.book.File.Version = d.version
	if d.version == "MT940" && !d.entry.closed {
		if err := d.book.Reject(book.Place{Line: st.Line, Offset: st.Offset}, nil, "the statement has no closing balance, :62F: or :62M:; its end may be missing"); err != nil {
			return err
		}
	}
	if err := d.proveTotals(at); err != nil {
		return err
	}
	if err := d.book.Prove(at); err != nil {
		return err
	}
	return d.book.End()
}

// proveTotals compares the counts and sums of an MT942.
func (d *Decoder) proveTotals(at book.Place) error {
	sums := d.book.Sums()
	for i, t := range d.totals {
		if !t.set {
			continue
		}
		count, sum, names := sums.DebitCount, sums.Debits, [2]string{statement.DebitCount, statement.DebitTotal}
		if i == 1 {
			count, sum, names = sums.CreditCount, sums.Credits, [2]string{statement.CreditCount, statement.CreditTotal}
		}
		c := statement.CompareCount(names[0], d.book.Scope(), t.at, t.count, count)
		if err := d.book.Check(at, c); err != nil {
			return err
		}
		c = statement.Compare(names[1], d.book.Scope(), t.at, t.amount, sum)
		c.Currency = d.book.Statement().Currency
		if err := d.book.Check(at, c); err != nil {
			return err
		}
	}
	return nil
}

// account is an account's number without blanks, and without a currency behind an IBAN.
func account(value []byte) string {
	line, _, _ := bytes.Cut(value, []byte("\n"))
	text := string(bytes.ReplaceAll(line, []byte(" "), nil))
	if n := len(text) - 3; n >= 15 && statement.IsCurrency(text[n:]) && statement.IsIBAN(text[:n]) {
		return text[:n]
	}
	return text
}
