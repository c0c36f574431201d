package reconciliation

import (
	"unsafe"

	"github.com/millrace/millrace/sdk/money"
)

// pieceRows is how many rows of pairs are handed over at once, at most.
const pieceRows = 16 << 10

// PairRows are matches of one row with one: row 2i is the left one of a pair and row 2i+1 the right one. They are columns, so that they can be written as they
// are, and valid until the function that gets them returns.
type PairRows struct {
	Keys, Refs TextColumn
	Amounts    []money.Int128 // of Scale digits after the point
	Scale      int
	Precision  int      // of all amounts of the sieve: 18 or 38
	Currencies []int32  // places in Names
	Names      []string // of the left side's currencies
	Dates      []int32  // days since 1970-01-01, or NoDate
	Passes     []int32  // places in Rules.Passes: which one has matched the pair
}

// TextColumn is a column of texts: text i is Data[Offsets[i]:Offsets[i+1]].
type TextColumn struct {
	Offsets []int32
	Data    []byte
}

// At is the i-th text. It shares the column's memory.
func (c *TextColumn) At(i int) string {
	b := c.Data[c.Offsets[i]:c.Offsets[i+1]]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (c *TextColumn) end() { c.Offsets = append(c.Offsets, int32(len(c.Data))) }

func (c *TextColumn) reset() { c.Offsets, c.Data = append(c.Offsets[:0], 0), c.Data[:0] }

// Len is the number of rows: twice that of pairs.
func (p *PairRows) Len() int { return len(p.Amounts) }

func (p *PairRows) reset() {
	p.Keys.reset()
	p.Refs.reset()
	p.Amounts, p.Currencies, p.Dates, p.Passes = p.Amounts[:0], p.Currencies[:0], p.Dates[:0], p.Passes[:0]
}

// piecePool keeps pieces between parts.
type piecePool struct {
	free  chan *PairRows
	empty PairRows
}

func newPiecePool(empty PairRows) *piecePool {
	return &piecePool{free: make(chan *PairRows, 8), empty: empty}
}

func (p *piecePool) take() *PairRows {
	if p == nil {
		return nil
	}
	select {
	case rows := <-p.free:
		rows.reset()
		return rows
	default:
		rows := p.empty
		rows.reset()
		return &rows
	}
}

func (p *piecePool) give(rows *PairRows) {
	select {
	case p.free <- rows:
	default:
	}
}
