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
	last      sizes
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

// sizes says how much a segment held, so that the next one starts with that much room.
type sizes struct {
	lay         *layout
	rows        int
	row, before []int // bytes of text by column
}

func newSegment(l *layout, last sizes, maxRows int) *segment {
	g := &segment{lay: l, last: last}
	if last.lay != l {
		g.last.row, g.last.before = nil, nil
	}
	g.row.cols = make([]vector, len(l.cols))
	g.grow(min(max(64, last.rows), maxRows))
	g.row.reserve(g.last.row)
	return g
}

// reserve makes room for text.
func (v *vectors) reserve(text []int) {
	for c, n := range text {
		if n > 0 {
			v.cols[c].data = make([]byte, 0, n+n/8+64)
		}
	}
}

// size is the bytes of text by column.
func (v *vectors) size() []int {
	text := make([]int, len(v.cols))
	for c := range v.cols {
		text[c] = len(v.cols[c].data)
	}
	return text
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
	for _, c := range l.singles {
		v.cols[c].words[row] = s.num[first+c]
	}
	for _, c := range l.pairs {
		w := v.cols[c].words[2*row : 2*row+2]
		w[0], w[1] = s.num[first+c], s.high[first+c]
	}
	for _, c := range l.texts {
		if slot := first + c; s.has(slot) {
			p, from := s.str[slot], msg
			if p.scratch {
				from = s.scratch
			}
			col := &v.cols[c]
			col.appendText(from, int(p.a), int(p.b))
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

// appendText appends from[a:b]; short texts are copied as one block.
func (v *vector) appendText(from []byte, a, b int) {
	n := len(v.data)
	if b-a <= 16 && cap(v.data)-n >= 16 && len(from)-a >= 16 {
		*(*[16]byte)(v.data[n : n+16]) = *(*[16]byte)(from[a:])
		v.data = v.data[:n+b-a]
		return
	}
	v.data = append(v.data, from[a:b]...)
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
		g.before.reserve(g.last.before)
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
