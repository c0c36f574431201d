package camt

import (
	"fmt"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
	"github.com/millrace/millrace/sdk/statement/internal/markup"
)

// stated is what a statement says of its entries, and what they are.
type stated struct {
	all, credits, debits summary
	net                  *money.Decimal
	netDebit             bool
	at                   book.Place
	read                 [2]count // credits, debits: of bookings of any status
}

// summary is a number of bookings and their sum, as stated.
type summary struct {
	number *int64
	sum    *money.Decimal
}

// count is a number of bookings and their sum, as read. The sum has no sign.
type count struct {
	number int64
	sum    money.Decimal
}

// statement takes an element of a statement.
func (d *Decoder) statement(tok *markup.Token, at book.Place) error {
	st := d.book.Statement()
	if tok.Kind == markup.End {
		d.state = inMessage
		return d.end(at)
	}
	var err error
	switch string(tok.Name) {
	case "Ntry":
		d.begin(at)
	case "Id":
		st.ID, err = d.leaf()
	case "ElctrncSeqNb":
		st.Sequence, err = d.leaf()
	case "LglSeqNb":
		var n string
		if n, err = d.leaf(); st.Sequence == "" {
			st.Sequence = n
		}
	case "StmtPgntn", "RptPgntn", "NtfctnPgntn":
		err = d.leaves(func(path, value []byte) error {
			if string(path) == "PgNb" {
				st.Sequence += "/" + string(value)
			}
			return nil
		})
	case "FrToDt":
		err = d.leaves(func(path, value []byte) error {
			day, bad := date(value)
			switch {
			case bad != nil:
				return d.book.Reject(at, value, "FrToDt: %v", bad)
			case string(path) == "FrDtTm", string(path) == "FrDt":
				st.From = day
			case string(path) == "ToDtTm", string(path) == "ToDt":
				st.To = day
			}
			return nil
		})
	case "Acct":
		err = d.leaves(func(path, value []byte) error {
			d.account(st, string(path), value)
			return nil
		})
	case "Bal":
		err = d.balance(at)
	case "TxsSummry":
		d.st.at = at
		err = d.leaves(func(path, value []byte) error { return d.summary(at, string(path), value) })
	default:
		err = d.leaves(ignore)
	}
	return err
}

func (d *Decoder) account(st *statement.Statement, path string, value []byte) {
	switch path {
	case "Id/IBAN":
		st.Account = unspaced(value)
	case "Id/Othr/Id":
		if st.Account == "" {
			st.Account = unspaced(value)
		}
	case "Ccy":
		st.Currency = string(value)
	case "Ownr/Nm":
		st.Holder = string(value)
	case "Svcr/FinInstnId/BIC", "Svcr/FinInstnId/BICFI":
		st.Bank = string(value)
	case "Svcr/FinInstnId/ClrSysMmbId/MmbId":
		if st.Bank == "" {
			st.Bank = string(value)
		}
	}
}

// balance reads a Bal.
func (d *Decoder) balance(at book.Place) error {
	var b statement.Balance
	var bad error
	direction, interim := "", false
	amt := false
	err := d.leaves(func(path, value []byte) error {
		var err error
		switch string(path) {
		case "Tp/CdOrPrtry/Cd", "Tp/CdOrPrtry/Prtry":
			b.Code = string(value)
		case "Tp/SubTp/Cd":
			interim = string(value) == "INTM"
		case "Amt":
			b.Currency, amt = string(d.attr), true
			b.Amount, err = amount(value)
		case "CdtDbtInd":
			direction = string(value)
		case "Dt/Dt", "Dt/DtTm":
			b.Date, err = date(value)
		}
		if bad == nil {
			bad = err
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case bad != nil:
	case !amt:
		bad = fmt.Errorf("it has no Amt")
	case direction != "CRDT" && direction != "DBIT":
		bad = fmt.Errorf("its CdtDbtInd is %q: want CRDT or DBIT", direction)
	case !statement.IsCurrency(b.Currency):
		bad = fmt.Errorf("its currency %q is not three capital letters", b.Currency)
	}
	if bad != nil {
		return d.book.Reject(at, nil, "balance %s: %v", b.Code, bad)
	}
	if direction == "DBIT" {
		b.Amount = b.Amount.Neg()
	}
	b.Kind = kindOf(b.Code, interim)
	if st := d.book.Statement(); st.Currency == "" {
		st.Currency = b.Currency
	}
	return d.book.Balance(at, b)
}

func kindOf(code string, interim bool) statement.BalanceKind {
	switch {
	case code == "OPBD" && interim:
		return statement.InterimOpening
	case code == "CLBD" && interim:
		return statement.InterimClosing
	}
	switch code {
	case "OPBD", "PRCD":
		return statement.Opening
	case "CLBD":
		return statement.Closing
	case "CLAV":
		return statement.Available
	case "OPAV":
		return statement.OpeningAvailable
	case "FWAV":
		return statement.Forward
	}
	return statement.OtherBalance
}

// interim says which of the balances ITBD open a page, and which close it.
func interim(st *statement.Statement) {
	_, opens := st.Find(statement.Opening)
	_, closes := st.Find(statement.Closing)
	var at []int
	for i, b := range st.Balances {
		if b.Code == "ITBD" {
			at = append(at, i)
		}
	}
	switch {
	case len(at) == 1 && closes && !opens:
		st.Balances[at[0]].Kind = statement.InterimOpening
	case len(at) == 1 && !closes:
		st.Balances[at[0]].Kind = statement.InterimClosing
	case len(at) == 2 && !opens && !closes:
		st.Balances[at[0]].Kind, st.Balances[at[1]].Kind = statement.InterimOpening, statement.InterimClosing
	}
}

// summary takes one figure of TxsSummry.
func (d *Decoder) summary(at book.Place, path string, value []byte) error {
	s := &d.st
	var number **int64
	var sum **money.Decimal
	switch path {
	case "TtlNtries/NbOfNtries":
		number = &s.all.number
	case "TtlNtries/Sum":
		sum = &s.all.sum
	case "TtlNtries/TtlNetNtryAmt", "TtlNtries/TtlNetNtry/Amt":
		sum = &s.net
	case "TtlNtries/CdtDbtInd", "TtlNtries/TtlNetNtry/CdtDbtInd":
		s.netDebit = string(value) == "DBIT"
	case "TtlCdtNtries/NbOfNtries":
		number = &s.credits.number
	case "TtlCdtNtries/Sum":
		sum = &s.credits.sum
	case "TtlDbtNtries/NbOfNtries":
		number = &s.debits.number
	case "TtlDbtNtries/Sum":
		sum = &s.debits.sum
	}
	if number == nil && sum == nil {
		return nil
	}
	a, err := amount(value)
	if err == nil && number != nil {
		n, fits := a.Coefficient().Int64()
		if !fits || a.Scale() != 0 {
			err = fmt.Errorf("%q is no count", statement.Short(value))
		}
		*number = &n
	}
	if err != nil {
		return d.book.Reject(at, value, "TxsSummry/%s: %v", path, err)
	}
	if sum != nil {
		*sum = &a
	}
	return nil
}

// end proves a statement and hands it over.
func (d *Decoder) end(at book.Place) error {
	st := d.book.Statement()
	interim(st)
	if b, ok := st.Find(statement.Opening); ok && st.From.IsZero() {
		st.From = b.Date
	}
	if b, ok := st.Find(statement.Closing); ok && st.To.IsZero() {
		st.To = b.Date
	}
	if err := d.proveSummary(); err != nil {
		return err
	}
	if err := d.book.Prove(at); err != nil {
		return err
	}
	return d.book.End()
}

func (d *Decoder) proveSummary() error {
	s := &d.st
	credits, debits := s.read[0], s.read[1]
	sum, err := credits.sum.Add(debits.sum)
	if err != nil {
		return nil // more than 38 digits: the closing balance says so
	}
	net, err := credits.sum.Sub(debits.sum)
	if err != nil {
		return nil
	}
	if s.net != nil && s.netDebit {
		negative := s.net.Neg()
		s.net = &negative
	}
	numbers := func(name string, stated *int64, read int64) error {
		if stated == nil {
			return nil
		}
		return d.book.Check(s.at, statement.CompareCount(name, d.book.Scope(), s.at.Line, *stated, read))
	}
	sums := func(name string, stated *money.Decimal, read money.Decimal) error {
		if stated == nil {
			return nil
		}
		return d.book.Check(s.at, statement.Compare(name, d.book.Scope(), s.at.Line, *stated, read))
	}
	for _, check := range []func() error{
		func() error { return numbers(statement.EntryCount, s.all.number, credits.number+debits.number) },
		func() error { return sums("entry total", s.all.sum, sum) },
		func() error { return sums("net total", s.net, net) },
		func() error { return numbers(statement.CreditCount, s.credits.number, credits.number) },
		func() error { return sums(statement.CreditTotal, s.credits.sum, credits.sum) },
		func() error { return numbers(statement.DebitCount, s.debits.number, debits.number) },
		func() error { return sums(statement.DebitTotal, s.debits.sum, debits.sum) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}
