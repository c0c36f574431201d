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
	same          []bool        // rows of a change log that change nothing of the movement; nil if there are none
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
	m.same = nil
	if m.p.o.KnownAt == KnownCommit {
		if err := m.insertsOnly(b, b.Column(next).(*array.String)); err != nil {
			return err
		}
		next++
	}
	if m.p.o.Currency != none {
		m.currency = b.Column(next).(*array.String)
	}
	return nil
}

// insertsOnly passes over updates that leave account, amount and booking as they were (of a memo, say), and
// refuses a log in which a movement was changed or taken back: what was known before is not all in one row then.
func (m *movements) insertsOnly(b arrow.RecordBatch, ops *array.String) error {
	before := int(b.NumCols()) - 3
	for i := range ops.Len() {
		op := ops.Value(i)
		if op == "c" || op == "r" {
			continue
		}
		if op != "u" || !equalAt(b, i, before) {
			return fault.Usagef("%s holds an entry of account %s that was changed (operation %q): known-at %s needs entries that are only ever inserted; use known-at %s",
				m.p.entries.table, b.Column(0).ValueStr(i), op, KnownCommit, KnownBooked)
		}
		if m.same == nil {
			m.same = make([]bool, ops.Len())
		}
		m.same[i] = true
	}
	return nil
}

// equalAt reports whether account, amount and booking are what they were before.
func equalAt(b arrow.RecordBatch, row, before int) bool {
	for c := range 3 {
		was := b.Column(before + c)
		if was.IsNull(row) || was.ValueStr(row) != b.Column(c).ValueStr(row) {
			return false
		}
	}
	return true
}

// skip reports whether a row is no movement.
func (m *movements) skip(i int) bool { return m.same != nil && m.same[i] }

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
