package debezium

import (
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// maxSegmentBytes bounds the messages of one segment, so that a batch of wide
// rows stays small and offsets stay far below 2^31.
const maxSegmentBytes = 32 << 20

// segment collects the rows of one batch; they all have the same layout.
type segment struct {
	lay       *layout
	rows      int
	room      int // rows that the vectors can hold
	bytes     int // of messages
	row       vectors
	before    vectors
	hasBefore bool
	ops       []change.Op
	offset    []int64
	committed []int64
	lsn       []int64
	order     []int64
	tx        []string
}

func newSegment(l *layout, room int) *segment {
	g := &segment{lay: l}
	g.row.cols = make([]vector, len(l.cols))
	g.grow(room)
	return g
}

// grow makes room for n rows.
func (g *segment) grow(n int) {
	g.row.grow(g.lay, n)
	if g.hasBefore {
		g.before.grow(g.lay, n)
	}
	g.room = n
	g.ops = regrow(g.ops, n)
	g.offset, g.committed, g.lsn, g.order = regrow(g.offset, n), regrow(g.committed, n), regrow(g.lsn, n), regrow(g.order, n)
	g.tx = regrow(g.tx, n)
}

func (v *vectors) grow(l *layout, n int) {
	for c := range v.cols {
		v.cols[c].grow(l.cols[c].store, n)
	}
}

// append adds the image whose first slot is first as the next row.
func (v *vectors) append(s *scanner, first int, msg []byte, room int) {
	l, row := s.lay, v.rows
	for _, c := range l.byStore[inWord] {
		v.cols[c].words[row] = s.num[first+c]
	}
	for _, c := range l.byStore[inPair] {
		w := v.cols[c].words[2*row : 2*row+2]
		w[0], w[1] = s.num[first+c], s.high[first+c]
	}
	for _, st := range [...]store{inInt32, inBit} {
		for _, c := range l.byStore[st] {
			v.cols[c].words[row] = s.num[first+c]
		}
	}
	for _, c := range l.byStore[inBytes] {
		if slot := first + c; s.has(slot) {
			p, from := s.str[slot], msg
			if p.scratch {
				from = s.scratch
			}
			col := &v.cols[c]
			col.data = append(col.data, from[p.a:p.b]...)
			col.off[row+1] = int32(len(col.data))
		}
	}
	for w, full := range l.full {
		for miss := full &^ s.set[first>>6+w]; miss != 0; miss &= miss - 1 {
			c := w<<6 + bits.TrailingZeros64(miss)
			v.cols[c].null(l.cols[c].store, row, row+1, room)
		}
	}
	v.rows++
}

// pad adds rows of nulls up to n.
func (v *vectors) pad(l *layout, n, room int) {
	if v.rows == n {
		return
	}
	for c := range v.cols {
		v.cols[c].null(l.cols[c].store, v.rows, n, room)
	}
	v.rows = n
}

// image adds the rows of one event: the row's image, whose first slot is first
// (0 for a row of nulls), and the image before it if there is one.
func (g *segment) image(s *scanner, first int, before bool, msg []byte) {
	if first == 0 {
		g.row.pad(g.lay, g.rows+1, g.room)
	} else {
		g.row.append(s, first, msg, g.room)
	}
	if !before {
		return
	}
	if !g.hasBefore {
		g.hasBefore = true
		g.before.cols = make([]vector, len(g.lay.cols))
		g.before.grow(g.lay, g.room)
	}
	g.before.pad(g.lay, g.rows, g.room)
	g.before.append(s, g.lay.before, msg, g.room)
}

// seal makes a batch of the rows. The segment must not be used afterwards.
func (g *segment) seal(table string) *source.Batch {
	n := g.rows
	b := &source.Batch{
		Table: table, Ops: g.ops[:n], Offset: g.offset[:n], CommittedAt: g.committed[:n],
		LSN: g.lsn[:n], Tx: g.tx[:n], TxOrder: g.order[:n], Row: g.row.seal(g.lay, n),
	}
	if g.hasBefore {
		g.before.pad(g.lay, n, g.room)
		b.Before = g.before.seal(g.lay, n)
	}
	return b
}

func (v *vectors) seal(l *layout, n int) arrow.RecordBatch {
	arrays := make([]arrow.Array, len(v.cols))
	for c := range v.cols {
		arrays[c] = v.cols[c].seal(l.cols[c].store, l.cols[c].field.Type, n)
		defer arrays[c].Release()
	}
	return array.NewRecordBatch(l.schema, arrays, int64(n))
}
