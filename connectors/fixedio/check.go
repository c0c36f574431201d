package fixedio

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/sdk/money"
)

// tally is a check with what was counted since the last record that stated it.
type tally struct {
	check         Check
	rows, records int64
	apart         int64 // records that could not be read
	sum           money.Decimal
	stated        bool // at least once
}

// prove holds what a record states against what was counted, and begins to count anew.
func (r *Reader) prove(ctx context.Context, rec *record, kind string) error {
	var wrong []error
	for i := range r.tallies {
		t := &r.tallies[i]
		if t.check.Record != kind {
			continue
		}
		if err := r.proveOne(rec, t); err != nil {
			wrong = append(wrong, err)
		}
		*t = tally{check: t.check, stated: true}
	}
	for _, err := range wrong {
		if err := r.reject(ctx, rec, err); err != nil {
			return final{err}
		}
	}
	return nil
}

func (r *Reader) proveOne(rec *record, t *tally) error {
	c := &t.check
	value, stated, err := r.field(rec, Place{c.Start, c.Length}, cmp.Or(c.Type, Number), c.Decimals)
	if err == nil && value == nil {
		err = errors.New("it is blank")
	}
	if err != nil {
		return fmt.Errorf("record %s: what it states of %s: %w", c.Record, cmp.Or(c.Count, c.Sum), err)
	}
	counted := t.sum
	switch c.Count {
	case CountRows:
		counted = money.FromInt64(t.rows)
	case CountRecords:
		counted = money.FromInt64(t.records)
	}
	if counted.Cmp(stated) == 0 {
		return nil
	}
	what := c.Count
	if c.Sum != "" {
		what = "as the sum of " + c.Sum
	}
	err = fmt.Errorf("record %s states %s %s, there are %s", c.Record, stated, what, counted)
	if t.apart > 0 {
		err = fmt.Errorf("%w; %d records could not be read", err, t.apart)
	}
	return err
}

// missing finds checks that no record has stated when the file ends.
func (r *Reader) missing(ctx context.Context) error {
	said := map[string]bool{}
	for i := range r.tallies {
		t := &r.tallies[i]
		if said[t.check.Record] || t.stated && t.rows == 0 {
			continue
		}
		said[t.check.Record] = true
		err := fmt.Errorf("the file ends without its record %s", t.check.Record)
		if t.stated {
			err = fmt.Errorf("the file ends without another record %s: %d rows stand behind the last", t.check.Record, t.rows)
		}
		if err := r.reject(ctx, &record{offset: r.Counts().Bytes, line: r.scan.count}, err); err != nil {
			return err
		}
	}
	return nil
}
