package ofx

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
)

// transaction is a STMTTRN while it is read.
type transaction struct {
	open             bool
	at               book.Place
	number           int64
	kind             string
	amount           string
	has              bool
	posted           []byte
	avail            []byte
	id               string
	ref              string
	check            string
	name             string
	memo             string
	account          string
	ccy              string
	corrects, action string
	bad              error
}

func (t *transaction) set(inside, name string, value []byte, limit int) {
	if len(value) > limit {
		t.bad = fmt.Errorf("%s is longer than %d bytes", name, limit)
		return
	}
	text := string(value)
	switch inside {
	case "PAYEE", "EXTDPAYEE":
		if name == "NAME" {
			t.name = text
		}
		return
	case "BANKACCTTO", "CCACCTTO":
		if name == "ACCTID" {
			t.account = strings.ReplaceAll(text, " ", "")
		}
		return
	case "CURRENCY":
		if name == "CURSYM" {
			t.ccy = text
		}
		return
	case "STMTTRN":
	default:
		return
	}
	switch name {
	case "TRNTYPE":
		t.kind = text
	case "TRNAMT":
		t.amount, t.has = text, true
	case "DTPOSTED":
		t.posted = bytes.Clone(value)
	case "DTAVAIL":
		t.avail = bytes.Clone(value)
	case "FITID":
		t.id = text
	case "REFNUM":
		t.ref = text
	case "CHECKNUM":
		t.check = text
	case "NAME":
		t.name = text
	case "MEMO":
		t.memo = text
	case "CORRECTFITID":
		t.corrects = text
	case "CORRECTACTION":
		t.action = text
	}
}

// emit ends a transaction; done where it is a row.
func (d *Decoder) emit(e *statement.Entry) (bool, error) {
	t := &d.trn
	raw := d.scan.Kept()
	st := d.book.Statement()
	if st == nil || d.within("INVSTMTRS") {
		d.book.File.Ignored++
		return false, nil
	}
	*e = statement.Entry{
		Number: t.number, Line: t.at.Line, Offset: t.at.Offset, Currency: t.ccy, Code: t.kind, BankRef: t.id, CustomerRef: t.ref,
		Counterparty: t.name, CounterpartyAccount: t.account, Remittance: t.memo,
	}
	if e.CustomerRef == "" {
		e.CustomerRef = t.check
	}
	if t.corrects != "" {
		e.Info = strings.TrimSpace(t.action + " " + t.corrects)
	}
	if err := t.into(e, st.Currency); err != nil {
		return false, d.book.Reject(t.at, raw, "%v", err)
	}
	return d.book.Add(e, raw)
}

// into reads the amount and the dates of a transaction.
func (t *transaction) into(e *statement.Entry, currency string) (err error) {
	switch {
	case t.bad != nil:
		return t.bad
	case !t.has:
		return errors.New("the transaction has no TRNAMT")
	case len(t.posted) == 0:
		return errors.New("the transaction has no DTPOSTED")
	}
	if e.Currency != "" {
		currency = e.Currency
	}
	if e.Amount, err = parseAmount([]byte(t.amount), currency); err != nil {
		return fmt.Errorf("TRNAMT: %w", err)
	}
	e.Mark = statement.MarkOf(e.Amount.Sign() >= 0, false)
	if e.BookingDate, err = date(t.posted); err != nil {
		return fmt.Errorf("DTPOSTED: %w", err)
	}
	if len(t.avail) > 0 {
		if e.ValueDate, err = date(t.avail); err != nil {
			return fmt.Errorf("DTAVAIL: %w", err)
		}
	}
	return nil
}

// balance is a LEDGERBAL, an AVAILBAL, or a BAL of a list while it is read.
type balance struct {
	at     book.Place
	name   string
	amount string
	has    bool
	asOf   []byte
	ccy    string
}

func (b *balance) set(name string, value []byte) {
	switch name {
	case "NAME":
		b.name = string(value)
	case "BALAMT", "VALUE":
		b.amount, b.has = string(value), true
	case "DTASOF":
		b.asOf = bytes.Clone(value)
	case "CURSYM":
		b.ccy = string(value)
	}
}

func (d *Decoder) balance(name string) error {
	st := d.book.Statement()
	if st == nil || d.within("INVSTMTRS") {
		return nil
	}
	b := &d.bal
	out := statement.Balance{Kind: statement.OtherBalance, Code: name, Currency: st.Currency}
	switch {
	case name == "LEDGERBAL":
		out.Kind = statement.Closing
	case name == "AVAILBAL":
		out.Kind = statement.Available
	default:
		out.Code = b.name
		if strings.EqualFold(b.name, "opening") {
			out.Kind = statement.Opening
		}
	}
	if b.ccy != "" {
		out.Currency = b.ccy
	}
	if !b.has {
		return d.book.Reject(b.at, nil, "%s has no amount", name)
	}
	var err error
	if out.Amount, err = parseAmount([]byte(b.amount), out.Currency); err != nil {
		return d.book.Reject(b.at, []byte(b.amount), "%s: %v", name, err)
	}
	if len(b.asOf) > 0 {
		if out.Date, err = date(b.asOf); err != nil {
			return d.book.Reject(b.at, b.asOf, "%s: %v", name, err)
		}
	}
	return d.book.Balance(b.at, out)
}

var errMarks = errors.New("its mark could stand before a fraction or between groups of three")

// parseAmount reads a signed number whose decimal mark is a point or a comma.
func parseAmount(value []byte, currency string) (money.Decimal, error) {
	point, comma := bytes.LastIndexByte(value, '.'), bytes.LastIndexByte(value, ',')
	style := statement.AmountStyle{}
	switch last := max(point, comma); {
	case last < 0:
	case point >= 0 && comma >= 0:
		if comma > point {
			style = statement.AmountStyle{DecimalMark: ",", GroupMark: "."}
		} else {
			style = statement.AmountStyle{GroupMark: ","}
		}
	case bytes.Count(value, value[last:last+1]) > 1:
		style = statement.AmountStyle{DecimalMark: ",", GroupMark: "."}
		if comma >= 0 {
			style = statement.AmountStyle{GroupMark: ","}
		}
	default:
		c, err := money.ParseCurrency(currency)
		if len(value)-last-1 == 3 && last > 0 && len(bytes.TrimLeft(value[:last], " +-0")) > 0 && (err != nil || c.Digits() != 3) {
			return money.Decimal{}, fmt.Errorf("amount %q: %w", statement.Short(value), errMarks)
		}
		style.DecimalMark = string(value[last : last+1])
	}
	return style.Parse(value)
}

// date reads YYYYMMDD, whatever stands behind it: the time and its zone.
func date(value []byte) (statement.Date, error) {
	n := 0
	for i, c := range value {
		if i == 8 {
			break
		}
		if c < '0' || c > '9' {
			n = -1
			break
		}
		n = n*10 + int(c-'0')
	}
	d, ok := statement.DateOf(n/10000, n/100%100, n%100)
	if !ok || len(value) < 8 {
		return statement.Date{}, fmt.Errorf("date %q: want a day such as 20260331", statement.Short(value))
	}
	return d, nil
}
