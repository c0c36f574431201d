package features

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/feature"
)

// movements reads batches of entries. It is used by one goroutine.
type movements struct {
	p             *Plan
	key           func(i int) key
	amount        *array.Decimal128
	booked, known []int64
	currency      *array.String // nil if the ledger has none
}

// load takes a batch in, with the columns of Plan.entries.
func (m *movements) load(b arrow.RecordBatch) error {
	known := 3
	if m.p.o.KnownAt != KnownBooked {
		known = 4
	}
	if err := withoutNulls(b, m.p.entries.table, known); err != nil {
		return err
	}
	m.key = keys(b.Column(0))
	m.amount = b.Column(1).(*array.Decimal128)
	m.booked = micros(m.booked[:0], b.Column(2), dayStart, m.p.o.Zone)
	next := 3
	if m.p.o.KnownAt == KnownBooked {
		m.known = append(m.known[:0], m.booked...)
	} else {
		m.known = micros(m.known[:0], b.Column(3), dayStart, m.p.o.Zone)
		next++
	}
	if m.p.o.KnownAt == KnownCommit {
		if err := m.insertsOnly(b.Column(next).(*array.String), b.Column(0)); err != nil {
			return err
		}
		next++
	}
	if m.p.o.Currency != none {
		m.currency = b.Column(next).(*array.String)
	}
	return nil
}

// insertsOnly refuses a log in which an entry was changed: what was known before is not all in one row then.
func (m *movements) insertsOnly(ops *array.String, accounts arrow.Array) error {
	for i := range ops.Len() {
		if op := ops.Value(i); op != "c" && op != "r" {
			return fault.Usagef("%s holds an entry of account %s that was changed (operation %q): known-at %s needs entries that are only ever inserted; use known-at %s",
				m.p.entries.table, accounts.ValueStr(i), op, KnownCommit, KnownBooked)
		}
	}
	return nil
}

func (m *movements) len() int { return len(m.booked) }

func (m *movements) at(i int) feature.Movement {
	return feature.Movement{BookedAt: m.booked[i], KnownAt: m.known[i], Amount: int128(m.amount, i)}
}

func (m *movements) currencyAt(i int) string {
	if m.currency == nil || m.currency.IsNull(i) {
		return ""
	}
	return m.currency.Value(i)
}
