package bai2

import (
	"io"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
)

// trailer is what a 49, 98 or 99 states.
type trailer struct {
	total          money.Decimal
	count, records int64
}

// parseTrailer reads a control total and the counts behind it: of groups or accounts, unless the level has none, and of records.
func parseTrailer(rec *record, counted bool) (t trailer, err error) {
	c := rec.fields()
	a, err := parseAmount(c.next(), 0)
	if err != nil {
		return t, err
	}
	t.total = a.units
	if counted {
		if t.count, err = count(c.next(), "count"); err != nil {
			return t, err
		}
	}
	t.records, err = count(c.next(), "number of records")
	return t, err
}

// prove compares a trailer with what was read. of names what is counted.
func (d *Decoder) prove(rec *record, scope, of string, t trailer, l *level) error {
	err := d.book.Check(rec.at, statement.Compare(statement.ControlTotal, scope, rec.at.Line, t.total, l.total))
	if err == nil && of != "" {
		err = d.book.Check(rec.at, statement.CompareCount(of, scope, rec.at.Line, t.count, l.count))
	}
	if err == nil {
		err = d.book.Check(rec.at, statement.CompareCount(statement.RecordCount, scope, rec.at.Line, t.records, l.records))
	}
	return err
}

func (d *Decoder) endAccount(rec *record) error {
	if !d.account.open {
		return d.reject(rec, "an account trailer without an account, 03, before it")
	}
	t, err := parseTrailer(rec, false)
	if err != nil {
		if err := d.reject(rec, "%v", err); err != nil {
			return err
		}
		return d.sealAccount(rec.at)
	}
	if err := d.prove(rec, d.book.Scope(), "", t, &d.account); err != nil {
		return err
	}
	return d.sealAccount(rec.at)
}

// sealAccount proves the account's balances and totals, and hands it over.
func (d *Decoder) sealAccount(at book.Place) error {
	sum, err := d.group.total.Add(d.account.total)
	if err == nil {
		d.group.total = sum
	}
	d.account.open = false
	sums := d.book.Sums()
	for i, t := range d.totals {
		if !t.set {
			continue
		}
		count, value, names := sums.CreditCount, sums.Credits, [2]string{statement.CreditTotal, statement.CreditCount}
		if i == 1 {
			count, value, names = sums.DebitCount, sums.Debits.Neg(), [2]string{statement.DebitTotal, statement.DebitCount}
		}
		c := statement.Compare(names[0], d.book.Scope(), d.account.at.Line, t.value, value)
		c.Currency = d.book.Statement().Currency
		if err := d.book.Check(d.account.at, c); err != nil {
			return err
		}
		if t.counted {
			if err := d.book.Check(d.account.at, statement.CompareCount(names[1], d.book.Scope(), d.account.at.Line, t.count, count)); err != nil {
				return err
			}
		}
	}
	if err := d.book.Prove(at); err != nil {
		return err
	}
	return d.book.End()
}

// closeAccount ends an account that has no trailer.
func (d *Decoder) closeAccount() error {
	if err := d.book.Reject(d.account.at, nil, "the account has no trailer, 49"); err != nil {
		return err
	}
	return d.sealAccount(d.account.at)
}

func (d *Decoder) endGroup(rec *record) error {
	if d.account.open {
		if err := d.closeAccount(); err != nil {
			return err
		}
	}
	if !d.group.open {
		return d.reject(rec, "a group trailer without a group, 02, before it")
	}
	d.sealGroup()
	t, err := parseTrailer(rec, true)
	if err != nil {
		return d.reject(rec, "%v", err)
	}
	return d.prove(rec, "group", "account count", t, &d.group)
}

func (d *Decoder) sealGroup() {
	if sum, err := d.file.total.Add(d.group.total); err == nil {
		d.file.total = sum
	}
	d.group.open = false
}

// closeGroup ends a group that has no trailer.
func (d *Decoder) closeGroup() error {
	if d.account.open {
		if err := d.closeAccount(); err != nil {
			return err
		}
	}
	if err := d.book.Reject(d.group.at, nil, "the group has no trailer, 98"); err != nil {
		return err
	}
	d.sealGroup()
	return nil
}

func (d *Decoder) endFile(rec *record) error {
	if d.group.open {
		if err := d.closeGroup(); err != nil {
			return err
		}
	}
	if !d.file.open {
		return d.reject(rec, "a file trailer without a file header, 01, before it")
	}
	d.file.open, d.ended = false, true
	t, err := parseTrailer(rec, true)
	if err != nil {
		return d.reject(rec, "%v", err)
	}
	return d.prove(rec, "the file", "group count", t, &d.file)
}

// closeFile ends a file that has no trailer.
func (d *Decoder) closeFile(at book.Place) error {
	if d.group.open {
		if err := d.closeGroup(); err != nil {
			return err
		}
	}
	d.file.open = false
	return d.book.Check(at, statement.CompareCount(statement.FileTrailer, "the file", d.file.at.Line, 1, 0))
}

// finish ends the reading.
func (d *Decoder) finish() error {
	at := book.Place{Line: d.records.lines.Number(), Offset: d.records.lines.Offset()}
	switch {
	case d.account.open && !d.group.open:
		if err := d.closeAccount(); err != nil {
			return err
		}
		fallthrough
	case d.file.open, d.group.open:
		if err := d.closeFile(at); err != nil {
			return err
		}
	case !d.ended:
		if err := d.book.Reject(book.Place{Line: 1}, nil, "the file is empty, or holds no BAI2 file header, 01"); err != nil {
			return err
		}
	}
	return io.EOF
}
