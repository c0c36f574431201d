package camt

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
	"github.com/millrace/millrace/sdk/statement/internal/markup"
)

// booking is an Ntry while it is read.
type booking struct {
	at       book.Place
	entry    statement.Entry
	ref      string // NtryRef
	code     code
	amount   money.Decimal // without a sign
	has      bool          // an amount
	credit   bool
	directed bool
	undone   bool
	bad      error

	details  int64 // transactions
	held     detail
	holding  bool
	parts    int64
	sum      money.Decimal // of parts, signed
	folded   int64
	lost     int64 // transactions that were quarantined
	overflow bool

	batch struct { // of the NtryDtls that is open
		count *int64
		seen  int64
		at    book.Place
	}
	rest bool // the parts are out: what they leave comes next
}

// code is a bank transaction code.
type code struct{ domain, family, sub, own string }

// set takes a text of a BkTxCd.
func (c *code) set(path []byte, value string) {
	switch string(path) {
	case "Domn/Cd":
		c.domain = value
	case "Domn/Fmly/Cd":
		c.family = value
	case "Domn/Fmly/SubFmlyCd":
		c.sub = value
	case "Prtry/Cd":
		c.own = value
	}
}

func (c code) String() string {
	if c.domain == "" {
		return c.own
	}
	return c.domain + "/" + c.family + "/" + c.sub
}

func unspaced(value []byte) string { return strings.ReplaceAll(string(value), " ", "") }

// begin opens an Ntry.
func (d *Decoder) begin(at book.Place) {
	d.ntry = booking{at: at}
	d.ntry.entry = statement.Entry{Number: d.book.Booking(), Line: at.Line, Offset: at.Offset}
	d.scan.Keep([]byte("<Ntry>"), statement.MaxRaw)
	d.state = inEntry
}

// entry takes an element of an Ntry.
func (d *Decoder) entry(tok *markup.Token, e *statement.Entry) (bool, error) {
	n := &d.ntry
	if tok.Kind == markup.End {
		d.state = inStatement
		if n.holding && n.details > 1 && n.bad == nil {
			n.holding, n.rest = false, true
			return d.part(&n.held, e)
		}
		return d.close(e)
	}
	name := d.names.of(tok.Name)
	if name == "NtryDtls" {
		d.ready()
		d.state = inDetails
		n.batch.count, n.batch.seen = nil, 0
		return false, nil
	}
	d.attr = append(d.attr[:0], tok.Attr("Ccy")...)
	return false, d.leaves(func(path, value []byte) error {
		if err := n.set(name, path, value, d); err != nil && n.bad == nil {
			n.bad = err
		}
		return nil
	})
}

// set takes one text of an Ntry.
func (n *booking) set(name string, path, value []byte, d *Decoder) (err error) {
	e := &n.entry
	switch name {
	case "Amt":
		if len(path) == 0 {
			e.Currency, n.has = d.names.of(d.attr), true
			n.amount, err = amount(value)
		}
	case "CdtDbtInd":
		n.credit, n.directed = string(value) == "CRDT", string(value) == "CRDT" || string(value) == "DBIT"
	case "RvslInd":
		n.undone, err = boolean(value)
	case "Sts":
		if len(path) == 0 || string(path) == "Cd" {
			e.Status, err = status(string(value))
		}
	case "BookgDt":
		e.BookingDate, err = date(value)
	case "ValDt":
		e.ValueDate, err = date(value)
	case "AcctSvcrRef":
		e.BankRef = string(value)
	case "NtryRef":
		n.ref = string(value)
	case "BkTxCd":
		n.code.set(path, d.names.of(value))
	case "AddtlNtryInf":
		e.Info = string(value)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return err
}

func boolean(value []byte) (bool, error) {
	switch string(value) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q: want true or false", statement.Short(value))
}

func status(value string) (statement.Status, error) {
	switch value {
	case "BOOK":
		return statement.Booked, nil
	case "PDNG", "FUTR":
		return statement.Pending, nil
	case "INFO":
		return statement.Information, nil
	}
	return "", fmt.Errorf("%q: want BOOK, PDNG, FUTR or INFO", statement.Short([]byte(value)))
}

// ready completes what an entry needs to be one, before its transactions are read.
func (d *Decoder) ready() {
	n := &d.ntry
	e := &n.entry
	switch {
	case n.bad != nil:
	case !n.has:
		n.bad = errors.New("the entry has no Amt")
	case !n.directed:
		n.bad = errors.New("the entry has no CdtDbtInd that is CRDT or DBIT")
	}
	e.Code, e.Amount, e.Mark = n.code.String(), n.amount, statement.MarkOf(n.credit, n.undone)
	if !n.credit {
		e.Amount = n.amount.Neg()
	}
	if e.CustomerRef == "" {
		e.CustomerRef = n.ref
	}
}

// close ends an Ntry; done where e is an entry.
func (d *Decoder) close(e *statement.Entry) (bool, error) {
	n := &d.ntry
	raw := d.scan.Kept()
	d.ready()
	if n.bad != nil {
		return false, d.book.Reject(n.at, raw, "%v", n.bad)
	}
	if err := d.count(); err != nil {
		return false, err
	}
	if n.parts == 0 {
		*e = n.entry
		if n.details == 1 && n.holding {
			n.held.into(e, n)
		}
		d.book.Statement().Folded += n.folded
		return d.book.Add(e, raw)
	}
	if err := d.proveParts(); err != nil {
		return false, err
	}
	rest, err := n.entry.Amount.Sub(n.sum)
	if err != nil || n.overflow {
		return false, d.book.Reject(n.at, raw, "the sum of its transactions has more than 38 digits")
	}
	if rest.IsZero() {
		return false, nil
	}
	*e = n.entry
	e.Part, e.Amount = n.parts+1, rest
	e.Mark = statement.MarkOf(rest.Sign() > 0, n.undone)
	return d.book.Add(e, raw)
}

// count adds the booking to what the statement's summary must say.
func (d *Decoder) count() error {
	n := &d.ntry
	c := &d.st.read[1]
	if n.credit {
		c = &d.st.read[0]
	}
	sum, err := c.sum.Add(n.amount)
	if err != nil {
		return d.book.Reject(n.at, nil, "the sum of entries has more than 38 digits")
	}
	c.number, c.sum = c.number+1, sum
	return nil
}

// proveParts compares the sum of a booking's transactions with it, where each has an amount.
func (d *Decoder) proveParts() error {
	n := &d.ntry
	d.book.Statement().Folded += n.folded
	if n.folded > 0 || n.lost > 0 || n.overflow {
		return nil
	}
	c := statement.Compare("batch total", fmt.Sprintf("%s, entry %d", d.book.Scope(), n.entry.Number), n.at.Line, n.entry.Amount, n.sum)
	c.Currency = n.entry.Currency
	return d.book.CheckEntry(n.at, c)
}
