package expr

import (
	"fmt"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/money"
)

// bindCast binds conversions between kinds; Expr.Cast documents them.
func (t *term) bindCast() error {
	a, to := t.args[0], t.expr.typ
	t.typ = to
	if a.typ.Kind == Null {
		a = a.adapt(to)
		t.args[0] = a
	}
	if a.typ == to {
		t.monotone = sameScalar
		t.run = func(b *batch, need bitmap) (*vec, error) { return a.eval(b, need) }
		return nil
	}
	t.fallible = true
	from := a.typ
	switch {
	case to.Kind == String && t.castToText(from), from.Kind == String && t.castFromText(to):
		return nil
	case isNumber(from) && isNumber(to):
		t.castNumber(from, to)
		return nil
	case from.Kind == Timestamp && to.Kind == Date:
		t.castToDate(from)
		return nil
	case from.Kind == Date && to.Kind == Timestamp:
		t.castTimes(86400, unitScale(to.Unit))
		return nil
	case from.Kind == Timestamp && to.Kind == Timestamp:
		t.castUnits(unitScale(from.Unit), unitScale(to.Unit))
		return nil
	case from.Kind == String && to.Kind == Bytes:
		t.run = func(b *batch, need bitmap) (*vec, error) {
			v, err := a.eval(b, need)
			if err != nil {
				return nil, err
			}
			return &vec{typ: to, n: v.n, konst: v.konst, valid: v.valid, alien: true, texts: v.text()}, nil
		}
		return nil
	}
	return t.typeErrorf("%s cannot be cast to %s", a.describe(), to)
}

func isNumber(t Type) bool { return t.Kind == Int || t.Kind == Decimal || t.Kind == Float }

// castNumber converts between integers, decimals and floats.
func (t *term) castNumber(from, to Type) {
	scale := scaleOf(from)
	switch {
	case to.Kind == Float:
		t.fallible = false
		runRows(t, decimalsOf, decimalsOf, storeFloats, func(x, _ money.Int128) (float64, error) { return nearestFloat(x, scale), nil })
	case from.Kind == Float && to.Kind == Int:
		runRows(t, floatsOf, floatsOf, storeInts, func(x, _ float64) (int64, error) {
			if x != math.Trunc(x) || x < math.MinInt64 || x >= -math.MinInt64 {
				return 0, fmt.Errorf("%v is not an int64: %w", x, money.ErrInexact)
			}
			return int64(x), nil
		})
	case from.Kind == Float:
		runRows(t, floatsOf, floatsOf, storeWide, func(x, _ float64) (money.Int128, error) { return nearestDecimal(x, to) })
	case to.Kind == Int:
		t.monotone = sameScalar
		runRows(t, decimalsOf, decimalsOf, storeInts, func(x, _ money.Int128) (int64, error) {
			r, err := toScale(x, scale, 0)
			if err == nil && !r.IsInt64() {
				err = overflow("%s does not fit int64", decimalText(x, scale))
			}
			return int64(r.Lo), err
		})
	default:
		t.monotone = sameScalar
		limit, _ := money.PowerOfTen(to.Precision)
		runRows(t, decimalsOf, decimalsOf, storeWide, func(x, _ money.Int128) (money.Int128, error) {
			r, err := toScale(x, scale, to.Scale)
			if err == nil && !within(r, limit) {
				err = overflow("%s does not fit %v", decimalText(x, scale), to)
			}
			return r, err
		})
	}
}

// toScale brings a coefficient to another scale exactly.
func toScale(x money.Int128, from, to int) (money.Int128, error) {
	if from <= to {
		p, _ := money.PowerOfTen(to - from)
		if r, ok := x.Mul(p); ok {
			return r, nil
		}
		return money.Int128{}, overflow("%s at scale %d", decimalText(x, from), to)
	}
	p, _ := money.PowerOfTen(from - to)
	q, r, _ := x.QuoRem(p)
	if r.Sign() != 0 {
		return money.Int128{}, fmt.Errorf("%s at scale %d: %w: round it first", decimalText(x, from), to, money.ErrInexact)
	}
	return q, nil
}

// nearestFloat is the float nearest to x/10^scale.
func nearestFloat(x money.Int128, scale int) float64 {
	const exact = 1 << 53 // integers up to this, and powers of ten up to 10^22, are floats, so that their quotient is rounded once
	if x.IsInt64() && int64(x.Lo) <= exact && int64(x.Lo) >= -exact && scale <= 22 {
		return float64(int64(x.Lo)) / math.Pow10(scale)
	}
	f, err := strconv.ParseFloat(x.String()+"e-"+strconv.Itoa(scale), 64)
	if err != nil {
		return math.NaN() // not reached: 39 digits are in range
	}
	return f
}

// nearestDecimal is the decimal of a type nearest to x, halves to even: of x's shortest decimal text.
func nearestDecimal(x float64, to Type) (money.Int128, error) {
	if math.IsNaN(x) || math.Abs(x) >= 1e38 {
		return money.Int128{}, overflow("%v does not fit %v", x, to)
	}
	text := strconv.FormatFloat(x, 'f', -1, 64)
	d, err := money.Parse(text)
	if err != nil { // more than 38 digits: round the text first
		if d, err = money.Parse(strconv.FormatFloat(x, 'f', to.Scale, 64)); err != nil {
			return money.Int128{}, overflow("%v does not fit %v", x, to)
		}
	}
	limit, _ := money.PowerOfTen(to.Precision)
	if d, err = d.Rescale(to.Scale, money.HalfEven); err != nil || !within(d.Coefficient(), limit) {
		return money.Int128{}, overflow("%v does not fit %v", x, to)
	}
	return d.Coefficient(), nil
}

// castToDate is the day that a timestamp lies in.
func (t *term) castToDate(from Type) {
	unit := int64(math.Pow10(unitScale(from.Unit))) * 86400
	t.monotone = func(s scalar) (scalar, bool) {
		p, _ := money.PowerOfTen(s.scale)
		day, _ := p.Mul(money.Int128Of(86400))
		q, r, ok := s.wide.QuoRem(day)
		if r.Sign() < 0 {
			q, _ = q.Sub(money.Int128Of(1))
		}
		return scalar{kind: Date, wide: q}, ok
	}
	runRows(t, intsOf, intsOf, storeInts, func(x, _ int64) (int64, error) {
		d := x / unit
		if x%unit < 0 {
			d--
		}
		if d != int64(int32(d)) {
			return 0, overflow("day %d does not fit a date", d)
		}
		return d, nil
	})
}

// castTimes multiplies days by seconds and brings them to a unit.
func (t *term) castTimes(seconds int64, scale int) {
	factor := seconds * int64(math.Pow10(scale))
	t.monotone = func(s scalar) (scalar, bool) {
		r, ok := s.wide.Mul(money.Int128Of(factor))
		return scalar{kind: Timestamp, wide: r, scale: scale}, ok
	}
	to := t.typ
	runRows(t, intsOf, intsOf, storeInts, func(x, _ int64) (int64, error) {
		if r, ok := money.Int128Of(x).Mul(money.Int128Of(factor)); ok && r.IsInt64() {
			return int64(r.Lo), nil
		}
		return 0, overflow("day %d does not fit %v", x, to)
	})
}

// castUnits brings timestamps to another unit exactly; the zone is only relabelled: local times are taken as UTC.
func (t *term) castUnits(from, to int) {
	t.monotone = sameScalar
	typ := t.typ
	runRows(t, intsOf, intsOf, storeInts, func(x, _ int64) (int64, error) {
		r, err := toScale(money.Int128Of(x), from, to)
		if err == nil && !r.IsInt64() {
			err = overflow("timestamp %d does not fit %v", x, typ)
		}
		return int64(r.Lo), err
	})
}

// castToText writes values as the text form of expressions does, without quotes; false for kinds that have none.
func (t *term) castToText(from Type) bool {
	var write func(v *vec) func(i int) string
	switch from.Kind {
	case Bool:
		write = func(v *vec) func(int) string {
			return func(i int) string { return strconv.FormatBool(v.bool().has(i)) }
		}
	case Int:
		write = func(v *vec) func(int) string {
			return func(i int) string { return strconv.FormatInt(v.int64s()[i], 10) }
		}
	case Decimal:
		write = func(v *vec) func(int) string {
			return func(i int) string { return decimalText(v.decimals()[i], from.Scale) }
		}
	case Float:
		write = func(v *vec) func(int) string {
			return func(i int) string { return strconv.FormatFloat(v.numbers()[i], 'g', -1, 64) }
		}
	case Date:
		write = func(v *vec) func(int) string { return func(i int) string { return Day(v.int64s()[i]).String() } }
	case Timestamp:
		write = func(v *vec) func(int) string { return func(i int) string { return timestampText(v.int64s()[i], from) } }
	default:
		return false
	}
	t.fallible = t.args[0].fallible
	t.run = func(b *batch, need bitmap) (*vec, error) {
		v, err := t.args[0].eval(b, need)
		if err != nil {
			return nil, err
		}
		v = v.spread(b.n)
		out := &vec{typ: t.typ, n: b.n, valid: v.valid, texts: &texts{list: make([]string, b.n)}}
		text := write(v)
		for i := range b.n {
			if v.valid.isIn(i) && need.isIn(i) {
				out.texts.list[i] = text(i)
			}
		}
		return out, nil
	}
	return true
}

// timestampText is RFC 3339 without the zone for local times.
func timestampText(x int64, t Type) string {
	at := arrow.Timestamp(x).ToTime(t.Unit).UTC()
	if t.Zoned {
		return at.Format("2006-01-02T15:04:05.999999999Z07:00")
	}
	return at.Format("2006-01-02T15:04:05.999999999")
}

// castFromText reads values from texts; false for kinds that are not read.
func (t *term) castFromText(to Type) bool {
	switch to.Kind {
	case Bool:
		t.run = func(b *batch, need bitmap) (*vec, error) {
			out := newBitmap(b.n)
			v, err := t.parseRows(b, need, func(i int, s string) error {
				if s != "true" && s != "false" {
					return fmt.Errorf("%q is not true or false", shorten(s))
				}
				if s == "true" {
					out.set(i)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
			return boolVec(b.n, out, v.rows(b.n)), nil
		}
	case Int:
		parseInto(t, storeInts, func(s string) (int64, error) {
			x, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				err = fmt.Errorf("%q is not an int64", shorten(s))
			}
			return x, err
		})
	case Decimal:
		parseInto(t, storeWide, func(s string) (money.Int128, error) { return parseDecimal(s, to) })
	case Float:
		parseInto(t, storeFloats, func(s string) (float64, error) {
			x, err := strconv.ParseFloat(s, 64)
			if err != nil {
				err = fmt.Errorf("%q is not a number", shorten(s))
			}
			return x, err
		})
	case Date:
		parseInto(t, storeInts, func(s string) (int64, error) {
			d, err := ParseDay(s)
			return int64(d), err
		})
	case Timestamp:
		parseInto(t, storeInts, func(s string) (int64, error) { return parseTimestamp(s, to) })
	default:
		return false
	}
	return true
}

func parseDecimal(s string, to Type) (money.Int128, error) {
	d, err := money.Parse(s)
	if err != nil {
		return money.Int128{}, err
	}
	r, err := toScale(d.Coefficient(), d.Scale(), to.Scale)
	if err == nil && !r.Fits(to.Precision) {
		err = overflow("%v does not fit %v", d, to)
	}
	return r, err
}

func parseTimestamp(s string, to Type) (int64, error) {
	at, err := parseInstant(s)
	if err != nil {
		return 0, err
	}
	seconds, _ := money.Int128Of(at.Unix()).Mul(money.Int128Of(1_000_000_000))
	nanos, _ := seconds.Add(money.Int128Of(int64(at.Nanosecond())))
	r, err := toScale(nanos, 9, unitScale(to.Unit))
	if err == nil && !r.IsInt64() {
		err = overflow("%s does not fit %v", s, to)
	}
	return int64(r.Lo), err
}

// parseRows reads the texts that are needed and not null.
func (t *term) parseRows(b *batch, need bitmap, read func(i int, s string) error) (*vec, error) {
	v, err := t.args[0].eval(b, need)
	if err != nil {
		return nil, err
	}
	valid, mask, text := v.rows(b.n), v.index(), v.text()
	for i := range b.n {
		if !valid.isIn(i) || !need.isIn(i) {
			continue
		}
		if err := read(i, text.at(i&mask)); err != nil {
			return nil, t.failed(i, err)
		}
	}
	return v, nil
}

func parseInto[R any](t *term, store func(*vec, []R), parse func(string) (R, error)) {
	t.run = func(b *batch, need bitmap) (*vec, error) {
		values := make([]R, b.n)
		v, err := t.parseRows(b, need, func(i int, s string) (err error) {
			values[i], err = parse(s)
			return err
		})
		if err != nil {
			return nil, err
		}
		out := &vec{typ: t.typ, n: b.n, valid: v.rows(b.n)}
		store(out, values)
		return out, nil
	}
}
