package reconciliation

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/sdk/money"
)

// piece is what a part hands over: pairs, or, last, what it could not settle.
type piece struct {
	rows *PairRows
	rest *sievePart
	err  error
	// settled is the rest, where parts are settled apart; nil where there was none.
	settled *settledPart
}

// settledPart is what became of a part's rows that are no pairs.
type settledPart struct {
	made any
	sums map[string]*controlSums
	cut  int64
}

// sievePart is the rows of some keys while they are settled as far as a sieve does.
type sievePart struct {
	sieve *Sieve
	tests []*pairTest // of the first passes, which pair rows by the same keys
	whole bool        // one of them needs more than amount, currency, date and key
	data  [2][]byte
	spare [2][]byte  // data of a large part, once its rows are put in order
	all   [2][]rowAt // its rows
	room  [2][]rowAt // for them in order
	bits  []uint16   // of their hashes
	rows  [2][]rowAt // those that are looked at
	rest  [2][]rowAt // those that are no pairs
	shift int        // bits of hashes that all rows that are looked at share
	of    [2][]int32 // by row: its key's entry
	slots []int32
	keys  []keyEntry
	order []int32
	moves [2]Movement
	pairs []int64 // by pass
	// explained are the pairs' sums by the code of their left row's currency.
	explained []explained
}

type explained struct {
	rows int64
	sums [2]money.Sum
}

// rowAt is where a row's key and body stand in its part's bytes.
type rowAt struct{ key, keyEnd, body, end uint32 }

// keyEntry is a key with its rows. first is a row on each side that has it; those with several are not told apart here.
type keyEntry struct {
	hash  uint64
	first [2]int32
	count [2]int32
}

func (s *Sieve) newPart(least scales) *sievePart {
	p := &sievePart{sieve: s, pairs: make([]int64, s.alike())}
	for i := range p.pairs {
		t := newPairTest(s.schema, &s.rules, i, least)
		p.tests, p.whole = append(p.tests, t), p.whole || t.whole
	}
	for side := range p.moves {
		p.moves[side] = Movement{Texts: make([]string, len(s.schema.Texts)), Numbers: make([]money.Decimal, len(s.schema.Numbers)), Days: make([]int32, len(s.schema.Days))}
	}
	return p
}

// settle settles part n: keys that have one row on each side, which match for certain. Pairs go to out in the order of their keys' hashes, or,
// without a pool, nowhere.
func (p *sievePart) settle(n int, out chan<- piece, pool *piecePool) error {
	clear(p.pairs)
	p.explained = p.explained[:0]
	for side, d := range p.sieve.sides {
		var err error
		if p.data[side], err = d.store.take(n, p.data[side][:0]); err != nil {
			return err
		}
		if err := p.find(side); err != nil {
			return fmt.Errorf("rows on disk of %s: %w", d.rest.name, err)
		}
	}
	rows := pool.take()
	bits := 0
	for max(len(p.all[0]), len(p.all[1]))>>bits > p.sieve.cached {
		bits++
	}
	var starts [2][]int
	for side := range p.all {
		starts[side] = p.split(side, bits)
	}
	p.shift = sieveBits + bits
	for i := range 1 << bits {
		for side := range p.rows {
			p.rows[side] = p.all[side][starts[side][i]:starts[side][i+1]]
		}
		var err error
		if rows, err = p.pairUp(rows, out, pool); err != nil {
			return err
		}
	}
	if rows != nil {
		out <- piece{rows: rows}
	}
	return nil
}

// cachedRows is how many rows of a side are looked at together at most, so that they lie in the processor's cache.
const cachedRows = 16 << 10

// split puts the rows of a side in the order of the next bits of their keys' hashes, with their bytes, and says where those of each value begin.
func (p *sievePart) split(side, bits int) []int {
	all, data := p.all[side], p.data[side]
	starts := make([]int, 1<<bits+1)
	if bits == 0 {
		starts[1] = len(all)
		return starts
	}
	sizes := make([]int, 1<<bits+1)
	if cap(p.bits) < len(all) {
		p.bits = make([]uint16, len(all)+len(all)/8)
	}
	of := p.bits[:len(all)]
	from := uint32(0)
	for i, r := range all {
		of[i] = uint16(xxh3.Hash(data[r.key:r.keyEnd]) << sieveBits >> (64 - bits))
		starts[of[i]+1]++
		sizes[of[i]+1] += int(r.end - from)
		from = r.end
	}
	for i := range 1 << bits {
		starts[i+1] += starts[i]
		sizes[i+1] += sizes[i]
	}
	p.spare[side] = slices.Grow(p.spare[side][:0], len(data))
	p.room[side] = slices.Grow(p.room[side][:0], len(all))
	to, rows, next := p.spare[side][:len(data)], p.room[side][:len(all)], slices.Clone(starts)
	from = 0
	for i, r := range all {
		b := of[i]
		at := uint32(sizes[b])
		sizes[b] += copy(to[at:], data[from:r.end])
		rows[next[b]] = rowAt{r.key - from + at, r.keyEnd - from + at, r.body - from + at, r.end - from + at}
		next[b]++
		from = r.end
	}
	p.all[side], p.room[side], p.data[side], p.spare[side] = rows, all[:0], to, data[:0]
	return starts
}

// pairUp settles the rows that are looked at, as far as pairs go.
func (p *sievePart) pairUp(rows *PairRows, out chan<- piece, pool *piecePool) (*PairRows, error) {
	p.table()
	for _, k := range p.order {
		e := &p.keys[k]
		if e.count != [2]int32{1, 1} {
			continue
		}
		ok, err := p.pair(e, rows)
		if err != nil {
			return rows, err
		}
		if !ok {
			continue
		}
		e.count = [2]int32{}
		if rows != nil && rows.Len() >= pieceRows {
			out <- piece{rows: rows}
			rows = pool.take()
		}
	}
	for side := range p.rows {
		for i, k := range p.of[side] {
			if p.keys[k].count[side] > 0 {
				p.rest[side] = append(p.rest[side], p.rows[side][i])
			}
		}
	}
	return rows, nil
}

// find notes where rows stand.
func (p *sievePart) find(side int) error {
	data := p.data[side]
	if len(data) > math.MaxUint32 {
		return fmt.Errorf("they have %d bytes of a few keys: a sieve takes up to 4 GiB of them; match by more columns", len(data))
	}
	p.all[side], p.rest[side] = p.all[side][:0], p.rest[side][:0]
	for at := 0; at < len(data); {
		var r rowAt
		for _, of := range [2][2]*uint32{{&r.key, &r.keyEnd}, {&r.body, &r.end}} {
			n, w := binary.Uvarint(data[at:])
			if at += w; w <= 0 || n > uint64(len(data)-at) {
				return errRows
			}
			*of[0], *of[1] = uint32(at), uint32(at)+uint32(n)
			at += int(n)
		}
		p.all[side] = append(p.all[side], r)
	}
	return nil
}

func (p *sievePart) key(side int, row int32) []byte {
	r := &p.rows[side][row]
	return p.data[side][r.key:r.keyEnd]
}

// table counts the rows of each key on both sides, and puts keys in order.
func (p *sievePart) table() {
	bits := 4
	for rows := len(p.rows[0]) + len(p.rows[1]); 1<<bits < rows+rows/4; {
		bits++
	}
	p.slots = slices.Grow(p.slots[:0], 1<<bits)[:1<<bits]
	clear(p.slots)
	p.keys = p.keys[:0]
	for side := range p.rows {
		p.of[side] = p.of[side][:0]
		for i := range p.rows[side] {
			p.of[side] = append(p.of[side], p.count(side, int32(i), bits))
		}
	}
	p.order = p.order[:0]
	for _, k := range p.slots {
		if k > 0 {
			p.order = append(p.order, k-1)
		}
	}
	// slots are almost in the order of hashes, so that this costs next to nothing
	for i := 1; i < len(p.order); i++ {
		for j := i; j > 0 && p.less(p.order[j], p.order[j-1]); j-- {
			p.order[j], p.order[j-1] = p.order[j-1], p.order[j]
		}
	}
}

// count counts a row of a key, and gives the key's entry.
func (p *sievePart) count(side int, row int32, bits int) int32 {
	key := p.key(side, row)
	hash := xxh3.Hash(key)
	mask := len(p.slots) - 1
	at := int(hash << p.shift >> (64 - bits))
	for {
		k := p.slots[at] - 1
		if k < 0 {
			k = int32(len(p.keys))
			p.keys = append(p.keys, keyEntry{hash: hash})
			p.slots[at] = k + 1
		} else if p.keys[k].hash != hash || !bytes.Equal(p.keyOf(k), key) {
			at = (at + 1) & mask
			continue
		}
		e := &p.keys[k]
		if e.count[side] == 0 {
			e.first[side] = row
		}
		e.count[side]++
		return k
	}
}

func (p *sievePart) keyOf(k int32) []byte {
	e := &p.keys[k]
	if e.count[0] > 0 {
		return p.key(0, e.first[0])
	}
	return p.key(1, e.first[1])
}

func (p *sievePart) less(a, b int32) bool {
	return cmp.Or(cmp.Compare(p.keys[a].hash, p.keys[b].hash), bytes.Compare(p.keyOf(a), p.keyOf(b))) < 0
}

// movement decodes a row. It is valid until the next one of its side.
func (p *sievePart) movement(side int, r *rowAt, whole bool) (*Movement, error) {
	m := &p.moves[side]
	return m, p.sieve.sides[side].decode(m, p.data[side][r.key:r.keyEnd], p.data[side][r.body:r.end], whole)
}

// pair counts a key's two rows if they match for certain, and appends them to out, if it is not nil.
func (p *sievePart) pair(e *keyEntry, out *PairRows) (bool, error) {
	l, err := p.movement(0, &p.rows[0][e.first[0]], p.whole)
	if err != nil {
		return false, err
	}
	r, err := p.movement(1, &p.rows[1][e.first[1]], p.whole)
	if err != nil {
		return false, err
	}
	pass, amounts, ok := p.matches(l, r)
	if !ok {
		return false, nil
	}
	p.pairs[pass]++
	currency := p.sieve.sides[0].currencies.code(l.Currency)
	for int(currency) >= len(p.explained) {
		p.explained = append(p.explained, explained{})
	}
	x := &p.explained[currency]
	x.rows++
	x.sums[0].Add(amounts[0])
	x.sums[1].Add(amounts[1])
	if out == nil {
		return true, nil
	}
	from := len(out.Keys.Data)
	out.Keys.Data = p.tests[0].appendKey(out.Keys.Data, l)
	out.Keys.end()
	out.Keys.Data = append(out.Keys.Data, out.Keys.Data[from:]...)
	out.Keys.end()
	for side, m := range [2]*Movement{l, r} {
		out.Refs.Data = append(out.Refs.Data, m.Ref...)
		if m.RefNumber > 0 {
			out.Refs.Data = strconv.AppendInt(out.Refs.Data, m.RefNumber, 10)
		}
		out.Refs.end()
		out.Amounts = append(out.Amounts, amounts[side])
		out.Currencies = append(out.Currencies, currency)
		out.Dates = append(out.Dates, m.Date)
		out.Passes = append(out.Passes, int32(pass))
	}
	return true, nil
}

// matches finds the first pass by which two rows match that have a key for themselves; ok is false where that is none, or not certain.
func (p *sievePart) matches(l, r *Movement) (pass int, amounts [2]money.Int128, ok bool) {
	for i, t := range p.tests {
		amounts, answer := t.try(l, r)
		switch answer {
		case yes:
			return i, amounts, true
		case unsure:
			return 0, amounts, false
		}
	}
	return 0, amounts, false
}

// eachRest calls f for the rows that are left.
func (p *sievePart) eachRest(f func(side int, m *Movement) error) error {
	for side := range p.rest {
		for i := range p.rest[side] {
			m, err := p.movement(side, &p.rest[side][i], true)
			if err != nil {
				return err
			}
			if err := f(side, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// settleRest settles the rows that are left as Settle does.
func (p *sievePart) settleRest(least scales, part func(*Settlement) (any, error)) (*settledPart, error) {
	s := p.sieve
	sides := [2]*Side{NewSide(s.sides[0].rest.name, s.schema), NewSide(s.sides[1].rest.name, s.schema)}
	if err := p.eachRest(func(side int, m *Movement) error { return sides[side].Append(m.Clone()) }); err != nil {
		return nil, err
	}
	if sides[0].Len()+sides[1].Len() == 0 {
		return nil, nil
	}
	out, err := settle(sides[0], sides[1], s.rules, least)
	if err != nil {
		return nil, err
	}
	done := &settledPart{sums: map[string]*controlSums{}, cut: out.Cut}
	if err := out.explain(done.sums); err != nil {
		return nil, err
	}
	done.made, err = part(out)
	return done, err
}
