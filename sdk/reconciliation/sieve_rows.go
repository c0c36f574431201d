package reconciliation

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/sdk/money"
)

// sieveParts is into how many parts rows are cut by their keys.
const sieveParts = 256

// sieveSide is one side of a sieve.
type sieveSide struct {
	sieve        *Sieve
	number       int
	parts        [sieveParts][]byte // rows, one after the other
	files        [sieveParts]*os.File
	rest         *Side // rows without a key, and then those that do not match
	one          *Side // room for a row
	key, row     []byte
	names        []string // of currencies, by code
	currencies   map[string]*held
	scale        int
	numberScales []int
	last         int32
	recent       *held // the currency of the row that is being added
}

func newSieveSide(s *Sieve, number int, name string) *sieveSide {
	return &sieveSide{sieve: s, number: number, rest: NewSide(name, s.schema), currencies: map[string]*held{},
		numberScales: make([]int, len(s.schema.Numbers)), last: NoDate, one: NewSide(name, s.schema)}
}

func (d *sieveSide) close() error {
	var errs []error
	for _, f := range d.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// append takes a row into the part of its key.
func (d *sieveSide) append(m *Movement) error {
	if len(m.Texts) != len(d.one.texts) || len(m.Numbers) != len(d.numberScales) || len(m.Days) != len(d.one.days) {
		return d.one.Append(*m) // it says what is wrong
	}
	if m.NoAmount {
		m.Amount = money.Decimal{}
	}
	d.count(m)
	if !d.keyOf(m) {
		return d.keep(m)
	}
	hash := xxh3.Hash(d.key)
	d.encode(m, hash)
	p := hash >> 56
	d.parts[p] = append(d.parts[p], d.row...)
	if d.sieve.held.Add(int64(len(d.row))) > d.sieve.opts.Memory && len(d.parts[p]) >= spillAt(d.sieve.opts.Memory) {
		return d.spill(int(p))
	}
	return nil
}

// spillAt is from which size on a part goes to disk: half of what each part of both sides may have.
func spillAt(memory int64) int { return int(memory / (4 * sieveParts)) }

// keep takes a row among those that Settle gets.
func (d *sieveSide) keep(m *Movement) error {
	return d.rest.Append(m.Clone())
}

// count takes a row into what the side holds.
func (d *sieveSide) count(m *Movement) {
	d.scale = max(d.scale, m.Amount.Scale())
	for k, n := range m.Numbers {
		d.numberScales[k] = max(d.numberScales[k], n.Scale())
	}
	d.last = max(d.last, m.Date)
	h := d.currencies[m.Currency]
	if h == nil {
		name := strings.Clone(m.Currency)
		h = &held{code: uint64(len(d.names))}
		d.names, d.currencies[name] = append(d.names, name), h
	}
	d.recent = h
	h.rows++
	h.sums[m.Amount.Scale()].Add(m.Amount.Coefficient())
}

// keyOf puts the row's key into d.key, each value with its length before it; false where one is blank.
func (d *sieveSide) keyOf(m *Movement) bool {
	d.key = d.key[:0]
	for _, c := range d.sieve.keys {
		if c.kind == textColumn {
			t := m.Texts[c.at]
			if t == "" {
				return false
			}
			d.key = binary.AppendUvarint(d.key, uint64(len(t)))
			d.key = append(d.key, t...)
			continue
		}
		value := appendValue(d.row[:0], m, c)
		d.row = value
		if len(value) == 0 {
			return false
		}
		d.key = binary.AppendUvarint(d.key, uint64(len(value)))
		d.key = append(d.key, value...)
	}
	return true
}

// appendValue appends a value as Side.appendColumn does.
func appendValue(dst []byte, m *Movement, c column) []byte {
	switch c.kind {
	case textColumn:
		return append(dst, m.Texts[c.at]...)
	case currencyColumn:
		return append(dst, m.Currency...)
	case amountColumn:
		if m.NoAmount {
			return dst
		}
		return m.Amount.Normalize().Append(dst)
	case numberColumn:
		return m.Numbers[c.at].Normalize().Append(dst)
	}
	day := m.Date
	if c.kind == dayColumn {
		day = m.Days[c.at]
	}
	if day == NoDate {
		return dst
	}
	return appendDay(dst, day)
}

// encode writes the row to d.row: hash, key, amount, currency, date, ref, texts that are not in the key, numbers, days.
func (d *sieveSide) encode(m *Movement, hash uint64) {
	b := binary.LittleEndian.AppendUint64(d.row[:0], hash)
	b = binary.AppendUvarint(b, uint64(len(d.key)))
	b = append(b, d.key...)
	flag := byte(0)
	if m.NoAmount {
		flag = 1
	}
	b = appendDecimal(append(b, flag), m.Amount)
	b = binary.AppendUvarint(b, d.recent.code)
	b = binary.AppendVarint(b, int64(m.Date))
	b = appendText(b, m.Ref)
	for i, t := range m.Texts {
		if !d.sieve.inKey[i] {
			b = appendText(b, t)
		}
	}
	for _, n := range m.Numbers {
		b = appendDecimal(b, n)
	}
	for _, day := range m.Days {
		b = binary.AppendVarint(b, int64(day))
	}
	d.row = b
}

func appendText(b []byte, t string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(t))), t...)
}

// appendDecimal appends the scale, with 0x80 where the coefficient is one of 64 bits, and the coefficient.
func appendDecimal(b []byte, d money.Decimal) []byte {
	c := d.Coefficient()
	if v, ok := c.Int64(); ok {
		return binary.AppendVarint(append(b, byte(d.Scale())|0x80), v)
	}
	b = binary.LittleEndian.AppendUint64(append(b, byte(d.Scale())), c.Lo)
	return binary.LittleEndian.AppendUint64(b, uint64(c.Hi))
}

// spill moves a part's rows to its file.
func (d *sieveSide) spill(p int) (err error) {
	if d.files[p] == nil {
		name := filepath.Join(d.sieve.opts.Dir, fmt.Sprintf("%d-%03d", d.number, p))
		if d.files[p], err = os.OpenFile(name, os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600); err != nil {
			return fmt.Errorf("keep rows on disk: %w", err)
		}
	}
	if _, err := d.files[p].Write(d.parts[p]); err != nil {
		return fmt.Errorf("keep rows on disk: %w", err)
	}
	d.sieve.held.Add(-int64(len(d.parts[p])))
	d.parts[p] = d.parts[p][:0]
	return nil
}

// rows are all rows of a part. The part is empty afterwards.
func (d *sieveSide) rows(p int) ([]byte, error) {
	held := d.parts[p]
	d.parts[p] = nil
	f := d.files[p]
	if f == nil {
		return held, nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read rows from disk: %w", err)
	}
	all := make([]byte, info.Size(), info.Size()+int64(len(held)))
	if _, err := f.ReadAt(all, 0); err != nil {
		return nil, fmt.Errorf("read rows from disk: %w", err)
	}
	d.files[p] = nil
	return append(all, held...), errors.Join(f.Close(), os.Remove(f.Name()))
}

// sieved is a row while a part is settled.
type sieved struct {
	hash uint64
	key  []byte
}

// decode makes a side of encoded rows, which share the bytes' memory.
func (d *sieveSide) decode(data []byte) (*Side, []sieved, error) {
	side := NewSide(d.rest.name, d.sieve.schema)
	in := rowReader{data: data}
	var rows []sieved
	schema := d.sieve.schema
	m := Movement{Texts: make([]string, len(schema.Texts)), Numbers: make([]money.Decimal, len(schema.Numbers)), Days: make([]int32, len(schema.Days))}
	for len(in.data) > 0 {
		r := sieved{hash: in.uint64(), key: in.bytes()}
		key := rowReader{data: r.key}
		for _, c := range d.sieve.keys {
			if value := key.text(); c.kind == textColumn {
				m.Texts[c.at] = value
			}
		}
		m.NoAmount = in.byte() == 1
		m.Amount = in.decimal()
		m.Currency = d.names[in.uvarint()]
		m.Date = int32(in.varint())
		m.Ref = in.text()
		for i := range m.Texts {
			if !d.sieve.inKey[i] {
				m.Texts[i] = in.text()
			}
		}
		for i := range m.Numbers {
			m.Numbers[i] = in.decimal()
		}
		for i := range m.Days {
			m.Days[i] = int32(in.varint())
		}
		if in.err != nil {
			return nil, nil, fmt.Errorf("rows on disk of %s: %w", side.name, in.err)
		}
		if err := side.Append(m); err != nil {
			return nil, nil, err
		}
		rows = append(rows, r)
	}
	return side, rows, nil
}

// rowReader reads encoded rows. After an error it gives zeros.
type rowReader struct {
	data []byte
	err  error
}

var errRows = errors.New("they are spoilt")

func (r *rowReader) take(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.err, r.data = errRows, nil
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

func (r *rowReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *rowReader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *rowReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.err, r.data = errRows, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *rowReader) varint() int64 {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.err, r.data = errRows, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *rowReader) bytes() []byte { return r.take(r.uvarint()) }

// text shares the bytes' memory.
func (r *rowReader) text() string {
	b := r.bytes()
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func (r *rowReader) decimal() money.Decimal {
	scale := r.byte()
	var c money.Int128
	if scale&0x80 != 0 {
		c = money.Int128Of(r.varint())
	} else {
		c = money.Int128{Lo: r.uint64(), Hi: int64(r.uint64())}
	}
	d, err := money.NewFromInt128(c, int(scale&0x7f))
	if err != nil && r.err == nil {
		r.err = err
	}
	return d
}

// sievePart is the rows of some keys, settled as far as a sieve does.
type sievePart struct {
	views [2]*view
	pairs []Pair
	rest  [2][]int32
}

// part settles one: keys that have one row on each side, which match by the first pass for certain.
func (s *Sieve) part(n int, least scales) (*sievePart, error) {
	var rows [2][]sieved
	var sides [2]*Side
	for i, d := range s.sides {
		data, err := d.rows(n)
		if err != nil {
			return nil, err
		}
		if sides[i], rows[i], err = d.decode(data); err != nil {
			return nil, err
		}
	}
	g, err := newLeg(sides[0], sides[1], s.rules, least)
	if err != nil {
		return nil, err
	}
	p := &sievePart{views: g.views}
	for _, v := range g.views {
		if err := v.scaleNumbers(g.views, least.numbers); err != nil {
			return nil, err
		}
	}
	t := newTask(g, &s.rules.Passes[0])
	keys := newKeyTable(rows)
	for k := range keys.all {
		e := &keys.all[k]
		if e.count == [2]int32{1, 1} && t.certain(e.first[0], e.first[1]) {
			p.pairs = append(p.pairs, Pair{Left: sides[0], Right: sides[1], L: e.first[0], R: e.first[1], Key: t.keyText(t.columns, sideLeft, e.first[0]),
				Days: t.daysApart(e.first[0], e.first[1]), raw: e.key})
			e.count = [2]int32{}
		}
	}
	for side := range rows {
		for i, k := range keys.of[side] {
			if keys.all[k].count[side] > 0 {
				p.rest[side] = append(p.rest[side], int32(i))
			}
		}
	}
	slices.SortFunc(p.pairs, func(a, b Pair) int { return cmp.Or(strings.Compare(a.Key, b.Key), bytes.Compare(a.raw, b.raw)) })
	return p, nil
}

// certain reports whether two rows that have a key for themselves match.
func (t *task) certain(left, right int32) bool {
	x, y := t.views[0], t.views[1]
	if x.without(left) || y.without(right) || x.currency[left] != y.currency[right] {
		return false
	}
	for _, name := range t.p.Equal {
		c, _ := x.schema.find(name)
		if string(x.appendColumn(nil, c, int(left))) != string(y.appendColumn(nil, c, int(right))) {
			return false
		}
	}
	t.nodes[0] = append(t.nodes[0][:0], node{rows: t.pair[0][:], amount: t.value(0, left)})
	t.nodes[1] = append(t.nodes[1][:0], node{rows: t.pair[1][:], amount: t.value(1, right)})
	t.pair[0][0], t.pair[1][0] = left, right
	_, ok := t.weigh(0, 0)
	return ok
}

// keyTable counts the rows of each key on both sides.
type keyTable struct {
	all []keyEntry
	of  [2][]int32 // by row: the number of its key
}

type keyEntry struct {
	hash  uint64
	key   []byte
	first [2]int32
	count [2]int32
}

func newKeyTable(rows [2][]sieved) *keyTable {
	size := 16
	for size < 2*(len(rows[0])+len(rows[1])) {
		size *= 2
	}
	slots := make([]int32, size)
	t := &keyTable{all: make([]keyEntry, 0, max(len(rows[0]), len(rows[1])))}
	for side := range rows {
		t.of[side] = make([]int32, len(rows[side]))
		for i := range rows[side] {
			r := &rows[side][i]
			at := int(r.hash) & (size - 1)
			for {
				k := slots[at] - 1
				if k < 0 {
					k = int32(len(t.all))
					t.all = append(t.all, keyEntry{hash: r.hash, key: r.key})
					slots[at] = k + 1
				} else if t.all[k].hash != r.hash || string(t.all[k].key) != string(r.key) {
					at = (at + 1) & (size - 1)
					continue
				}
				e := &t.all[k]
				if e.count[side] == 0 {
					e.first[side] = int32(i)
				}
				e.count[side]++
				t.of[side][i] = k
				break
			}
		}
	}
	return t
}
