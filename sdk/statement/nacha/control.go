package nacha

import (
	"io"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
)

// control reads the totals of a control record, whose count of entries begins in a column and fills some.
func (r *record) control(from, countDigits int) (t totals, err error) {
	next := from
	number := func(width int, what string) (n int64) {
		if err == nil {
			n, err = r.digits(next, next+width-1, what)
		}
		next += width
		return n
	}
	t.count = number(countDigits, "entry and addenda count")
	t.hash = number(10, "entry hash")
	debits, credit := number(12, "total debit"), number(12, "total credit")
	if err != nil {
		return t, err
	}
	if t.debits, err = cents(debits); err != nil {
		return t, err
	}
	t.credit, err = cents(credit)
	return t, err
}

// prove compares stated totals with those of the records.
func (d *Decoder) prove(at book.Place, scope string, stated, computed totals) error {
	currency := d.book.Options().Currency
	sum := func(name string, stated, computed money.Decimal) statement.Check {
		c := statement.Compare(name, scope, at.Line, stated, computed)
		c.Currency = currency
		return c
	}
	for _, c := range []statement.Check{
		statement.CompareCount(statement.EntryCount, scope, at.Line, stated.count, computed.count),
		statement.CompareCount(statement.EntryHash, scope, at.Line, stated.hash, computed.hash),
		sum(statement.DebitTotal, stated.debits, computed.debits),
		sum(statement.CreditTotal, stated.credit, computed.credit),
	} {
		if err := d.book.Check(at, c); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) endBatch(rec *record) error {
	if !d.batch.open {
		return d.reject(rec, "a batch control without a batch header, 5, before it")
	}
	if d.batch.unreadable {
		if err := d.reject(rec, "its batch is not read"); err != nil {
			return err
		}
		return d.sealBatch()
	}
	stated, err := rec.control(5, 6)
	if err != nil {
		if err := d.reject(rec, "%v", err); err != nil {
			return err
		}
		return d.sealBatch()
	}
	if number := string(rec.field(88, 94)); number != d.batch.number {
		if err := d.reject(rec, "the control is of batch %q, its header of %q", number, d.batch.number); err != nil {
			return err
		}
	}
	if err := d.prove(rec.at, "batch "+d.batch.number, stated, d.batch.totals); err != nil {
		return err
	}
	return d.sealBatch()
}

// sealBatch adds the batch to the file's totals and hands it over.
func (d *Decoder) sealBatch() error {
	d.batch.open = false
	if err := d.file.totals.add(d.batch.totals); err != nil {
		if err := d.book.Reject(d.batch.at, nil, "file total: %v", err); err != nil {
			return err
		}
	}
	return d.book.End()
}

// closeBatch ends a batch that has no control record.
func (d *Decoder) closeBatch() error {
	if err := d.book.Reject(d.batch.at, nil, "the batch has no control record, 8"); err != nil {
		return err
	}
	return d.sealBatch()
}

func (d *Decoder) endFile(rec *record) error {
	if d.batch.open {
		if err := d.closeBatch(); err != nil {
			return err
		}
	}
	if !d.file.open {
		return d.reject(rec, "a file control without a file header, 1, before it")
	}
	d.file.open, d.file.ended = false, true
	batches, err := rec.digits(2, 7, "batch count")
	if err != nil {
		return d.reject(rec, "%v", err)
	}
	blocks, err := rec.digits(8, 13, "block count")
	if err != nil {
		return d.reject(rec, "%v", err)
	}
	stated, err := rec.control(14, 8)
	if err != nil {
		return d.reject(rec, "%v", err)
	}
	for _, c := range []statement.Check{
		statement.CompareCount("batch count", "the file", rec.at.Line, batches, d.file.batches),
		statement.CompareCount("block count", "the file", rec.at.Line, blocks, (d.file.records+9)/10),
	} {
		if err := d.book.Check(rec.at, c); err != nil {
			return err
		}
	}
	return d.prove(rec.at, "the file", stated, d.file.totals)
}

// closeFile ends a file that has no control record.
func (d *Decoder) closeFile(at book.Place) error {
	if d.batch.open {
		if err := d.closeBatch(); err != nil {
			return err
		}
	}
	d.file.open, d.file.ended = false, true
	return d.book.Check(at, statement.CompareCount(statement.FileTrailer, "the file", d.file.at.Line, 1, 0))
}

// finish ends the reading.
func (d *Decoder) finish() error {
	at := book.Place{Line: max(d.records.line, 1), Offset: d.records.offset}
	switch {
	case d.file.open, d.batch.open:
		if err := d.closeFile(at); err != nil {
			return err
		}
	case !d.file.ended:
		if err := d.book.Reject(book.Place{Line: 1}, nil, "the file is empty, or holds no file header, 1"); err != nil {
			return err
		}
	}
	return io.EOF
}
