package money

import (
	"fmt"
	"math/bits"
)

// Parse reads a decimal number: an optional sign, digits, and optionally a point and
// more digits, as in 12, -0.50 or +007.10. The digits after the point are the scale,
// trailing zeros included. Spaces, thousands separators, exponents, a bare point, and
// points without digits on both sides are refused with ErrSyntax, more than 38
// significant digits with ErrOverflow, more than 38 digits after the point with ErrScale.
// Errors name the text.
func Parse(text string) (Decimal, error) { return parse(text, false) }

// ParseBytes is Parse for a byte slice, which it does not keep. It does not allocate unless it fails.
func ParseBytes(text []byte) (Decimal, error) { return parse(text, false) }

// ParseSci is Parse that also takes an exponent, as in 1.5e3 or 25E-4, the way Java's
// BigDecimal writes large and small values. 1.5e3 has the scale 0 and 25E-4 the scale 4.
func ParseSci(text string) (Decimal, error) { return parse(text, true) }

// ParseScaled reads a number as Parse does and returns its coefficient at exactly the
// given scale, for a decimal column: ParseScaled("12.3", 2) is 1230. Missing digits are
// zeros; a digit other than zero after the scale is refused with ErrInexact. It does not
// allocate unless it fails.
func ParseScaled(text []byte, scale int) (Int128, error) {
	d, err := parse(text, false)
	if err != nil {
		return Int128{}, err
	}
	if int(d.scale) == scale {
		return d.coef, nil
	}
	if d, err = d.RescaleExact(scale); err != nil {
		return Int128{}, err
	}
	return d.coef, nil
}

func parse[T string | []byte](text T, exponent bool) (Decimal, error) {
	p := parser[T]{text: text}
	p.number()
	if exponent {
		p.exponent()
	}
	if p.err == nil && p.pos < len(text) {
		p.err = fmt.Errorf("%w: byte %d is %q", ErrSyntax, p.pos, p.text[p.pos])
	}
	if p.err != nil {
		return Decimal{}, fmt.Errorf("parse decimal %q: %w", abbreviate(text), p.err)
	}
	d, err := p.decimal()
	if err != nil {
		return Decimal{}, fmt.Errorf("parse decimal %q: %w", abbreviate(text), err)
	}
	return d, nil
}

// abbreviate keeps error messages short for texts that are far too long.
func abbreviate[T string | []byte](text T) string {
	const most = 64
	if len(text) <= most {
		return string(text)
	}
	return string(text[:most]) + "…"
}

type parser[T string | []byte] struct {
	text     T
	pos      int
	negative bool
	coef     u128
	overflow bool
	scale    int // may leave 0 to 38 before the exponent is applied
	err      error
}

func (p *parser[T]) number() {
	if p.pos < len(p.text) && (p.text[p.pos] == '-' || p.text[p.pos] == '+') {
		p.negative = p.text[p.pos] == '-'
		p.pos++
	}
	if p.digits() == 0 {
		p.err = fmt.Errorf("%w: no digit at byte %d", ErrSyntax, p.pos)
		return
	}
	if p.pos < len(p.text) && p.text[p.pos] == '.' {
		p.pos++
		if p.scale = p.digits(); p.scale == 0 {
			p.err = fmt.Errorf("%w: no digit after the point", ErrSyntax)
		}
	}
}

// digits takes a run of digits into the coefficient and returns how many there were.
func (p *parser[T]) digits() int {
	start := p.pos
	for p.pos < len(p.text) && !p.overflow {
		chunk, n := uint64(0), 0
		for n < 18 && p.pos < len(p.text) {
			c := p.text[p.pos] - '0'
			if c > 9 {
				break
			}
			chunk = chunk*10 + uint64(c)
			p.pos++
			n++
		}
		p.push(chunk, n)
		if n < 18 {
			return p.pos - start
		}
	}
	for p.pos < len(p.text) && p.text[p.pos]-'0' <= 9 { // overflowed: find where the number ends
		p.pos++
	}
	return p.pos - start
}

// push appends n digits to the coefficient.
func (p *parser[T]) push(chunk uint64, n int) {
	if p.coef.hi == 0 {
		h, l := bits.Mul64(p.coef.lo, pow10[n].lo)
		l, c := bits.Add64(l, chunk, 0)
		p.coef = u128{h + c, l}
		return
	}
	m, ok := p.coef.scaleUp(n)
	if ok {
		m, ok = m.add(u128{0, chunk})
	}
	p.coef, p.overflow = m, !ok
}

// exponent takes an optional e or E with a signed number of at most four digits.
func (p *parser[T]) exponent() {
	if p.err != nil || p.pos >= len(p.text) || p.text[p.pos]|0x20 != 'e' {
		return
	}
	p.pos++
	negative := false
	if p.pos < len(p.text) && (p.text[p.pos] == '-' || p.text[p.pos] == '+') {
		negative = p.text[p.pos] == '-'
		p.pos++
	}
	exp, start := 0, p.pos
	for p.pos < len(p.text) && p.text[p.pos]-'0' <= 9 {
		if exp = exp*10 + int(p.text[p.pos]-'0'); exp > 9999 {
			p.err = fmt.Errorf("exponent of more than four digits: %w", ErrOverflow)
			return
		}
		p.pos++
	}
	if p.pos == start {
		p.err = fmt.Errorf("%w: no digit in the exponent", ErrSyntax)
		return
	}
	if negative {
		exp = -exp
	}
	p.scale -= exp
}

func (p *parser[T]) decimal() (Decimal, error) {
	coef, scale := p.coef, p.scale
	if p.overflow || !coef.less(pow10[MaxPrecision]) {
		return Decimal{}, ErrOverflow
	}
	if scale < 0 {
		var ok bool
		if coef, ok = coef.scaleUp(-scale); !ok || !coef.less(pow10[MaxPrecision]) {
			return Decimal{}, ErrOverflow
		}
		scale = 0
	}
	if err := checkScale(scale); err != nil {
		return Decimal{}, err
	}
	c, _ := coef.signed(p.negative)
	return Decimal{c, uint8(scale)}, nil
}
