package ofx

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
	"github.com/millrace/millrace/sdk/statement/internal/markup"
)

// Decoder reads one file. It is used by one goroutine.
type Decoder struct {
	book    *book.Book
	scan    *markup.Scanner
	open    []string // aggregates, outermost first
	leaf    string   // the element that waits for its text
	trn     transaction
	bal     balance
	names   map[string]string // in capitals
	seen    bool              // an OFX element
	entries book.Entries
}

// aggregates are the elements that hold others. All others hold a text, or nothing.
var aggregates = set("OFX", "SIGNONMSGSRSV1", "SONRS", "STATUS", "FI",
	"BANKMSGSRSV1", "STMTTRNRS", "STMTRS", "CREDITCARDMSGSRSV1", "CCSTMTTRNRS", "CCSTMTRS", "INVSTMTMSGSRSV1", "INVSTMTTRNRS", "INVSTMTRS",
	"BANKACCTFROM", "CCACCTFROM", "BANKACCTTO", "CCACCTTO", "BANKTRANLIST", "STMTTRN", "PAYEE", "EXTDPAYEE", "CURRENCY", "ORIGCURRENCY",
	"LEDGERBAL", "AVAILBAL", "BALLIST", "BAL")

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// maxOpen is how deep aggregates may nest.
const maxOpen = 40

// NewDecoder reads r, which it does not close. It fails with a fault.Usage for options that cannot be, and with an error of r.
func NewDecoder(r io.Reader, opts statement.Options) (*Decoder, error) {
	b, src, err := book.Open(statement.OFX, r, opts)
	if err != nil {
		return nil, err
	}
	d := &Decoder{book: b, names: map[string]string{}}
	in := bufio.NewReaderSize(src, maxHeader)
	h, before, err := readHeader(in)
	if err != nil {
		return nil, d.book.Failed(book.Place{Line: 1}, err)
	}
	src.SetCharset(h.of())
	d.book.File.Version = h.version
	d.scan = markup.NewFrom(src, in, true, d.book.MaxRecord())
	d.scan.Skip(len(before))
	return d, nil
}

// File is what was read so far.
func (d *Decoder) File() statement.File {
	d.book.File.Bytes = d.scan.Offset()
	return d.book.File
}

// Next fills e with the next entry, or returns io.EOF.
func (d *Decoder) Next(e *statement.Entry) error {
	return d.entries.Next(e, d.step)
}

// step uses one token; done where e was filled.
func (d *Decoder) step(e *statement.Entry) (bool, error) {
	tok, err := d.scan.Next()
	var bad *markup.Error
	switch {
	case errors.As(err, &bad):
		return false, d.book.Damage(book.Place{Line: bad.Line, Offset: bad.Offset}, "%s", bad.Reason)
	case errors.Is(err, io.EOF):
		return false, d.finish()
	case err != nil:
		return false, d.book.Failed(book.Place{Line: d.scan.Line(), Offset: d.scan.Offset()}, err)
	}
	at := book.Place{Line: tok.Line, Offset: tok.Offset}
	switch tok.Kind {
	case markup.Begin:
		return false, d.begin(d.capital(tok.Name), at)
	case markup.End:
		return d.end(d.capital(tok.Name), at, e)
	}
	if d.leaf == "" {
		return false, d.book.Damage(at, "a text %q outside of any element", statement.Short(tok.Text))
	}
	leaf := d.leaf
	d.leaf = ""
	return false, d.value(leaf, at, tok.Text)
}

// capital is a name in capitals.
func (d *Decoder) capital(name []byte) string {
	if s, ok := d.names[string(name)]; ok {
		return s
	}
	s := strings.ToUpper(string(name))
	if len(d.names) < 1024 && len(s) < 64 {
		d.names[string(name)] = s
	}
	return s
}

// inside is the innermost aggregate.
func (d *Decoder) inside() string {
	if len(d.open) == 0 {
		return ""
	}
	return d.open[len(d.open)-1]
}

func (d *Decoder) begin(name string, at book.Place) error {
	d.leaf = ""
	if !aggregates[name] {
		d.leaf = name
		if name == "STMTTRNP" {
			d.book.File.Ignored++
		}
		return nil
	}
	if len(d.open) >= maxOpen {
		return d.book.Damage(at, "elements nest deeper than %d", maxOpen)
	}
	switch name {
	case "OFX":
		if len(d.open) > 0 {
			return d.book.Damage(at, "an <OFX> within <%s>", d.inside())
		}
		d.seen = true
	case "STMTRS", "CCSTMTRS":
		if d.book.Statement() != nil {
			return d.book.Damage(at, "a <%s> within another statement", name)
		}
		d.book.Begin(at)
	case "INVSTMTRS":
		d.book.File.Ignored++
	case "STMTTRN":
		if d.trn.open {
			return d.book.Damage(at, "a <STMTTRN> within another; the one on line %d does not end", d.trn.at.Line)
		}
		d.trn = transaction{open: true, at: at}
		if d.book.Statement() != nil {
			d.trn.number = d.book.Booking()
		}
		d.scan.Keep([]byte("<STMTTRN>"), statement.MaxRaw)
	case "LEDGERBAL", "AVAILBAL", "BAL":
		d.bal = balance{at: at}
	}
	if len(d.open) == 0 && name != "OFX" {
		return d.book.Damage(at, "a <%s> outside of <OFX>", name)
	}
	d.open = append(d.open, name)
	return nil
}

// end closes an element; done where e was filled.
func (d *Decoder) end(name string, at book.Place, e *statement.Entry) (bool, error) {
	d.leaf = ""
	if !aggregates[name] {
		return false, nil // of a leaf
	}
	if d.inside() != name {
		if d.inside() == "" {
			return false, d.book.Damage(at, "</%s> ends nothing", name)
		}
		return false, d.book.Damage(at, "</%s> where </%s> should be", name, d.inside())
	}
	d.open = d.open[:len(d.open)-1]
	switch name {
	case "STMTRS", "CCSTMTRS":
		if err := d.book.Prove(at); err != nil {
			return false, err
		}
		return false, d.book.End()
	case "STMTTRN":
		d.trn.open = false
		return d.emit(e)
	case "LEDGERBAL", "AVAILBAL", "BAL":
		return false, d.balance(name)
	}
	return false, nil
}

// finish ends the reading.
func (d *Decoder) finish() error {
	at := book.Place{Line: d.scan.Line(), Offset: d.scan.Offset()}
	if len(d.open) > 0 {
		return d.book.Damage(at, "the file ends within <%s>", d.inside())
	}
	if !d.seen {
		if err := d.book.Reject(book.Place{Line: 1}, nil, "the file is empty, or holds no <OFX>"); err != nil {
			return err
		}
	}
	return io.EOF
}

// within reports whether an aggregate is open.
func (d *Decoder) within(name string) bool {
	for _, n := range d.open {
		if n == name {
			return true
		}
	}
	return false
}

// value takes the text of an element.
func (d *Decoder) value(name string, at book.Place, value []byte) error {
	switch {
	case d.trn.open:
		d.trn.set(d.inside(), name, value, d.book.MaxRecord())
		return nil
	case d.inside() == "LEDGERBAL", d.inside() == "AVAILBAL", d.inside() == "BAL":
		d.bal.set(name, value)
		return nil
	}
	st := d.book.Statement()
	if st == nil || d.within("INVSTMTRS") {
		return nil
	}
	switch d.inside() + "/" + name {
	case "STMTRS/CURDEF", "CCSTMTRS/CURDEF":
		st.Currency = string(value)
	case "BANKACCTFROM/ACCTID", "CCACCTFROM/ACCTID":
		st.Account = string(bytes.ReplaceAll(value, []byte(" "), nil))
	case "BANKACCTFROM/BANKID":
		st.Bank = string(value)
	case "BANKTRANLIST/DTSTART", "BANKTRANLIST/DTEND":
		day, err := date(value)
		if err != nil {
			return d.book.Reject(at, value, "%s: %v", name, err)
		}
		if name == "DTSTART" {
			st.From = day
		} else {
			st.To = day
		}
	}
	return nil
}
