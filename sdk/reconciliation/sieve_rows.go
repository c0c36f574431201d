package reconciliation

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unsafe"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/sdk/money"
)

// sieveSide is one side of a sieve.
type sieveSide struct {
	sieve        *Sieve
	store        rowStore
	rest         *Side // rows without a key, and then those that do not match
	key, row     []byte
	scratch      []byte
	currencies   codes // of held
	held         []*held
	prefixes     codes // of refs: code 0 stands for none
	scale        int
	numberScales []int
	last         int32
	again        []*held                    // after a screen: what was appended of what is held
	bars         bool                       // a key has | in it, or may have
	largest      [money.MaxScale + 1]uint64 // of the amounts' coefficients, without signs, by scale; MaxUint64 stands for all larger ones
}

func newSieveSide(s *Sieve, name string) *sieveSide {
	d := &sieveSide{sieve: s, rest: NewSide(name, s.schema), numberScales: make([]int, len(s.schema.Numbers)), last: NoDate,
		store: rowStore{dir: s.opts.Dir, budget: &s.budget}}
	d.prefixes.of("")
	return d
}

// append takes a row into the part of its key.
func (d *sieveSide) append(m *Movement) error {
	if len(m.Texts) != len(d.rest.texts) || len(m.Numbers) != len(d.numberScales) || len(m.Days) != len(d.rest.days) {
		return d.rest.Append(*m) // it says what is wrong
	}
	if m.NoAmount {
		m.Amount = money.Decimal{}
	}
	keyed := d.keyOf(m)
	var currency int
	if screen := d.sieve.screen; screen == nil {
		currency = d.count(m)
	} else {
		if !screen.ended {
			return errScreen
		}
		if keyed && !screen.differs(d) {
			return nil
		}
		currency = d.appended(m)
	}
	if !keyed {
		return d.keep(m)
	}
	d.encode(m, currency)
	return d.store.add(int(xxh3.Hash(d.key)>>(64-sieveBits)), d.row)
}

// keep takes a row among those that Settle gets.
func (d *sieveSide) keep(m *Movement) error {
	return d.rest.Append(m.Clone())
}

// count takes a row into what the side holds, and gives the code of its currency.
func (d *sieveSide) count(m *Movement) (currency int) {
	scale := m.Amount.Scale()
	d.scale = max(d.scale, scale)
	for k, n := range m.Numbers {
		d.numberScales[k] = max(d.numberScales[k], n.Scale())
	}
	d.last = max(d.last, m.Date)
	currency = d.currencies.of(m.Currency)
	if currency == len(d.held) {
		d.held = append(d.held, &held{})
	}
	d.held[currency].add(m.Amount)
	d.largest[scale] = max(d.largest[scale], magnitude(m.Amount.Coefficient()))
	return currency
}

// appended takes a row that was counted when it was screened.
func (d *sieveSide) appended(m *Movement) (currency int) {
	currency = d.currencies.of(m.Currency)
	for len(d.again) <= currency {
		d.again = append(d.again, &held{})
	}
	d.again[currency].add(m.Amount)
	return currency
}

// magnitude is |c|, or MaxUint64 where it is larger.
func magnitude(c money.Int128) uint64 {
	v, ok := c.Int64()
	switch {
	case !ok:
		return math.MaxUint64
	case v < 0:
		return -uint64(v)
	}
	return uint64(v)
}

// codes numbers texts of which there are few, from 0 on in the order in which they come first.
type codes struct {
	names []string
	known map[string]int // nil while there are few
	last  int
}

// fewCodes is up to how many names are looked through one by one.
const fewCodes = 8

func (c *codes) of(name string) int {
	if c.last < len(c.names) && c.names[c.last] == name {
		return c.last
	}
	if c.known == nil {
		for i, n := range c.names {
			if n == name {
				c.last = i
				return i
			}
		}
	} else if i, ok := c.known[name]; ok {
		c.last = i
		return i
	}
	name = strings.Clone(name)
	c.last, c.names = len(c.names), append(c.names, name)
	switch {
	case c.known != nil:
		c.known[name] = c.last
	case len(c.names) > fewCodes:
		c.known = map[string]int{}
		for i, n := range c.names {
			c.known[n] = i
		}
	}
	return c.last
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
			d.bars = d.bars || d.sieve.several && strings.IndexByte(t, '|') >= 0
			continue
		}
		value := appendValue(d.scratch[:0], m, c)
		d.scratch = value
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

// encode writes the row to d.row: key, then the length of what follows, amount, currency, date, ref, texts that are not in the key, numbers, days.
func (d *sieveSide) encode(m *Movement, currency int) {
	flag := byte(0)
	if m.NoAmount {
		flag = 1
	}
	b := appendDecimal(append(d.scratch[:0], flag), m.Amount)
	b = binary.AppendUvarint(b, uint64(currency))
	b = binary.AppendVarint(b, int64(m.Date))
	if m.RefNumber > 0 {
		b = binary.AppendUvarint(b, uint64(d.prefixes.of(m.Ref))<<1|1)
		b = binary.AppendUvarint(b, uint64(m.RefNumber))
	} else {
		b = binary.AppendUvarint(b, uint64(len(m.Ref))<<1)
		b = append(b, m.Ref...)
	}
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
	d.scratch = b
	row := binary.AppendUvarint(d.row[:0], uint64(len(d.key)))
	row = append(row, d.key...)
	row = binary.AppendUvarint(row, uint64(len(b)))
	d.row = append(row, b...)
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

// decode makes a movement of an encoded row, whose key and body share the row's memory, as m then does. m has room for the columns; where it need not be
// whole, it gets those of the schema only that are in the key.
func (d *sieveSide) decode(m *Movement, key, body []byte, whole bool) error {
	in := rowReader{data: key}
	for _, c := range d.sieve.keys {
		if value := in.text(); c.kind == textColumn {
			m.Texts[c.at] = value
		}
	}
	in.data = body
	m.NoAmount = in.byte() == 1
	m.Amount = in.decimal()
	m.Currency = d.currencies.name(in.uvarint())
	m.Date = int32(in.varint())
	if ref := in.uvarint(); ref&1 == 1 {
		m.Ref, m.RefNumber = d.prefixes.name(ref>>1), int64(in.uvarint())
	} else {
		b := in.take(ref >> 1)
		m.Ref, m.RefNumber = unsafe.String(unsafe.SliceData(b), len(b)), 0
	}
	if whole {
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
	}
	if in.err != nil {
		return fmt.Errorf("rows on disk of %s: %w", d.rest.name, in.err)
	}
	return nil
}

// code is that of a name that is known. Unlike of it may be called by several goroutines.
func (c *codes) code(name string) int32 {
	if c.known != nil {
		return int32(c.known[name])
	}
	for i, n := range c.names {
		if n == name {
			return int32(i)
		}
	}
	return 0
}

// name is that of a code; "" where there is none.
func (c *codes) name(code uint64) string {
	if code < uint64(len(c.names)) {
		return c.names[code]
	}
	return ""
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
