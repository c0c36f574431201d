package camt

import (
	"bytes"
	"errors"
	"io"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
	"github.com/millrace/millrace/sdk/statement/internal/markup"
)

// Decoder reads one file. It is used by one goroutine.
type Decoder struct {
	book    *book.Book
	scan    *markup.Scanner
	state   state
	path    []byte // of the leaf in an element that is read whole
	attr    []byte // Ccy of the innermost element
	st      stated
	ntry    booking
	names   interned
	seen    bool // a message
	entries book.Entries
}

// state is which element is open.
type state uint8

const (
	outside state = iota
	inMessage
	inStatement
	inEntry
	inDetails
)

// NewDecoder reads r, which it does not close. It fails with a fault.Usage for options that cannot be, and with an error of r.
func NewDecoder(r io.Reader, opts statement.Options) (*Decoder, error) {
	b, src, err := book.Open(statement.CAMT, r, opts)
	if err != nil {
		return nil, err
	}
	d := &Decoder{book: b, names: interned{}}
	d.scan = markup.New(src, false, d.book.MaxRecord())
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

func (d *Decoder) place() book.Place {
	return book.Place{Line: d.scan.Line(), Offset: d.scan.Offset()}
}

// token reads a token; what is not well-formed damages the file.
func (d *Decoder) token() (markup.Token, error) {
	tok, err := d.scan.Next()
	var bad *markup.Error
	switch {
	case err == nil:
		return tok, nil
	case errors.As(err, &bad):
		return tok, d.book.Damage(book.Place{Line: bad.Line, Offset: bad.Offset}, "%s", bad.Reason)
	case errors.Is(err, io.EOF):
		return tok, io.EOF
	}
	return tok, d.book.Failed(d.place(), err)
}

// step uses one token; done where e was filled.
func (d *Decoder) step(e *statement.Entry) (bool, error) {
	if d.ntry.rest {
		d.ntry.rest = false
		return d.close(e)
	}
	tok, err := d.token()
	if errors.Is(err, io.EOF) && !d.seen {
		if err := d.book.Reject(book.Place{Line: 1}, nil, "the file is empty, or holds no camt message: no BkToCstmrAcctRpt, BkToCstmrStmt or BkToCstmrDbtCdtNtfctn"); err != nil {
			return false, err
		}
	}
	if err != nil || tok.Kind == markup.Text {
		return false, err
	}
	at := book.Place{Line: tok.Line, Offset: tok.Offset}
	switch d.state {
	case outside:
		d.outside(&tok)
		return false, nil
	case inMessage:
		return false, d.inMessage(&tok, at)
	case inStatement:
		return false, d.statement(&tok, at)
	case inEntry:
		return d.entry(&tok, e)
	}
	return d.details(&tok, at, e)
}

// outside looks for a message.
func (d *Decoder) outside(tok *markup.Token) {
	if tok.Kind != markup.Begin {
		return
	}
	if v := version(tok.Attrs); v != "" {
		d.book.File.Version = v
	}
	switch string(tok.Name) {
	case "BkToCstmrAcctRpt", "BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn":
		d.state, d.seen = inMessage, true
	}
}

// version finds camt.05x.001.yy in the attributes of an element.
func version(attrs []byte) string {
	i := bytes.Index(attrs, []byte("camt.05"))
	if i < 0 {
		return ""
	}
	n := i
	for n < len(attrs) && n < i+40 && attrs[n] != '"' && attrs[n] != '\'' && attrs[n] != ' ' {
		n++
	}
	return string(attrs[i:n])
}

// inMessage takes an element of a message.
func (d *Decoder) inMessage(tok *markup.Token, at book.Place) error {
	if tok.Kind == markup.End {
		d.state = outside
		return nil
	}
	switch string(tok.Name) {
	case "Rpt", "Stmt", "Ntfctn":
		d.book.Begin(at)
		d.st = stated{}
		d.state = inStatement
		return nil
	case "GrpHdr":
		return d.leaves(func(path, value []byte) error {
			if string(path) == "MsgId" {
				d.book.File.ID = string(value)
			}
			return nil
		})
	}
	return d.leaves(ignore)
}

func ignore(_, _ []byte) error { return nil }

// leaves reads the element that has just begun to its end, and calls f with the text of each element in it that has one,
// and with its path. d.attr is its currency.
func (d *Decoder) leaves(f func(path, value []byte) error) error {
	d.path = d.path[:0]
	for depth := 1; depth > 0; {
		tok, err := d.token()
		if err != nil {
			return err
		}
		switch tok.Kind {
		case markup.Begin:
			if depth++; depth > 2 {
				d.path = append(d.path, '/')
			}
			d.path = append(d.path, tok.Name...)
			d.attr = append(d.attr[:0], tok.Attr("Ccy")...)
		case markup.End:
			depth--
			d.path = d.path[:max(bytes.LastIndexByte(d.path, '/'), 0)]
		default:
			if err := f(d.path, tok.Text); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaf reads the text of the element that has just begun.
func (d *Decoder) leaf() (string, error) {
	out := ""
	err := d.leaves(func(path, value []byte) error {
		if len(path) == 0 && out == "" {
			out = string(value)
		}
		return nil
	})
	return out, err
}

// interned holds texts that come again and again.
type interned map[string]string

func (m interned) of(b []byte) string {
	if s, ok := m[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(m) < 1024 && len(s) < 64 {
		m[s] = s
	}
	return s
}

// date reads the day of a date, or of a date and time, as the bank wrote it.
func date(value []byte) (statement.Date, error) {
	return statement.ParseDate(string(value[:min(len(value), 10)]))
}

// amount reads an amount, which has no sign.
func amount(value []byte) (money.Decimal, error) {
	a, err := statement.AmountStyle{}.Parse(value)
	if err == nil && a.Sign() < 0 {
		err = errors.New("an amount has a direction and no sign")
	}
	return a, err
}
