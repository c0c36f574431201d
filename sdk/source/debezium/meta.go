package debezium

import (
	"math"

	"github.com/millrace/millrace/sdk/change"
)

// Meta is what an event says about itself apart from the row.
type Meta struct {
	Op change.Op // 0 for tombstones and heartbeats
	// Tx is the transaction block's id, "" where the connector sends none. It stays valid.
	Tx string
	// TxOrder is the event's number in its transaction (total_order, from 1),
	// CollectionOrder its number among the transaction's events of one table.
	// Both are 0 without a transaction block.
	TxOrder, CollectionOrder int64
	// LSN is a PostgreSQL LSN, a MySQL binlog file number and offset as file<<40|pos, an
	// Oracle SCN, or the parts of a SQL Server LSN as 15, 32 and 16 bits; 0 where there is none or it does not fit.
	LSN int64
	// CommittedAt is the source's commit time in microseconds since 1970 UTC; for events of a snapshot the snapshot's. 0 where unknown.
	CommittedAt int64
	Tombstone   bool // a log-compaction marker: no row
	Heartbeat   bool // a heartbeat's value: no row
}

// meta takes one of the envelope's own values. A value of an unexpected type counts as absent.
func (s *scanner) meta(slot int, b []byte, i int) int {
	text := metaText>>slot&1 != 0
	s.unset(slot)
	if b[i] == '"' {
		e, flags := s.quoted(b, i+1)
		if e < 0 {
			return -1
		}
		switch {
		case text:
			s.literal(slot, b, i+1, e, flags)
		case metaWord>>slot&1 != 0:
			s.literal(slot, b, i+1, e, flags)
			s.num[slot] = wordOf(slot, s.text(slot, b))
		default:
			if x, msg := parseInt(b[i+1 : e]); msg == "" {
				s.keep(slot, x)
			}
		}
		return e + 1
	}
	number := b[i] == '-' || b[i]-'0' <= 9
	if number && !text {
		if x, e := smallInt(b, i); e > 0 {
			s.keepMeta(slot, x)
			return e
		}
	}
	e := s.skip(b, i)
	if e < 0 || !number {
		return e
	}
	if text {
		s.literal(slot, b, i, e, 0)
	} else if x, msg := parseInt(b[i:e]); msg == "" {
		s.keepMeta(slot, x)
	}
	return e
}

// keepMeta keeps a number, unless the slot's must be a word.
func (s *scanner) keepMeta(slot int, x int64) {
	if metaWord>>slot&1 == 0 {
		s.keep(slot, x)
	}
}

// wordOf is what a slot of metaWord says, as a number: the letter of an
// operation, the number of a binlog file such as mysql-bin.000003. It is -1 for any other text.
func wordOf(slot int, text []byte) int64 {
	if slot == mOp {
		if len(text) == 1 {
			return int64(text[0])
		}
		return -1
	}
	dot := len(text)
	for dot > 0 && text[dot-1] != '.' {
		dot--
	}
	n, msg := parseInt(text[dot:])
	if msg != "" || dot == 0 || n < 0 {
		return -1
	}
	return n
}

// text is a slot's text, nil if it has none.
func (s *scanner) text(slot int, msg []byte) []byte {
	if !s.has(slot) {
		return nil
	}
	p := s.str[slot]
	if p.scratch {
		msg = s.scratch
	}
	return msg[p.a:p.b]
}

// integer64 is a slot's number, 0 if it has none.
func (s *scanner) integer64(slot int) int64 {
	if !s.has(slot) {
		return 0
	}
	return s.num[slot]
}

// committedAt is the source's commit time in microseconds.
func (s *scanner) committedAt() int64 {
	switch ms := s.integer64(mTsMillis); {
	case s.has(mTsMicros):
		return s.num[mTsMicros]
	case s.has(mTsNanos):
		return floorDiv(s.num[mTsNanos], 1000)
	case ms > math.MaxInt64/1000 || ms < math.MinInt64/1000:
		return 0
	default:
		return ms * 1000
	}
}

// lsn is the place in the source's log; see Meta.
func (s *scanner) lsn(msg []byte) int64 {
	switch {
	case s.has(mLSN):
		return s.num[mLSN]
	case s.has(mPos) && s.has(mFile):
		return binlogPosition(s.num[mFile], s.num[mPos])
	case s.has(mSCN):
		return s.num[mSCN]
	}
	if t := s.text(mChangeLSN, msg); len(t) > 0 {
		return sqlServerLSN(t)
	}
	return sqlServerLSN(s.text(mCommitLSN, msg))
}

// binlogPosition packs the number of a file and an offset in it.
func binlogPosition(file, pos int64) int64 {
	if file < 0 || file >= 1<<23 || pos < 0 || pos >= 1<<40 {
		return 0
	}
	return file<<40 | pos
}

// sqlServerLSN packs 00000025:00000d98:00a2.
func sqlServerLSN(t []byte) int64 {
	if len(t) != 22 || t[8] != ':' || t[17] != ':' {
		return 0
	}
	vlf, block, slot := hex8(t[:8]), hex8(t[9:17]), int64(hex4(t[18:]))
	if vlf < 0 || vlf >= 1<<15 || block < 0 || slot < 0 {
		return 0
	}
	return vlf<<48 | block<<16 | slot
}

func hex8(t []byte) int64 {
	a, b := hex4(t), hex4(t[4:])
	if a < 0 || b < 0 {
		return -1
	}
	return int64(a)<<16 | int64(b)
}
