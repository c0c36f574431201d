package expr

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// Day is a calendar day: the number of days since 1970-01-01.
type Day int32

// DayOf is the day that t shows on its own clock.
func DayOf(t time.Time) Day {
	y, m, d := t.Date()
	return Day(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// ParseDay reads a day as String writes it.
func ParseDay(text string) (Day, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("parse date %q: want YYYY-MM-DD", text)
	}
	return DayOf(t), nil
}

// Time is the day's midnight in UTC.
func (d Day) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// String is the day as YYYY-MM-DD.
func (d Day) String() string { return d.Time().Format(time.DateOnly) }

// literal is a constant. value is nil, bool, int64, money.Decimal, float64, string, blob, Day or instant.
type literal struct {
	value any
	err   error // why the value cannot be a literal
}

// blob is a []byte that is immutable and comparable.
type blob string

// instant is a point in time, comparable, to the nanosecond.
type instant struct {
	sec  int64 // since 1970-01-01 UTC
	nano int32 // 0 to 999,999,999
}

func instantOf(t time.Time) instant { return instant{t.Unix(), int32(t.Nanosecond())} }

func (i instant) time() time.Time { return time.Unix(i.sec, int64(i.nano)).UTC() }

func (i instant) String() string { return i.time().Format(time.RFC3339Nano) }

// years that RFC 3339 can write
const minYear, maxYear = 0, 9999

// maxNanoSeconds are the seconds that 64 bits of nanoseconds hold on either side of 1970.
const maxNanoSeconds = math.MaxInt64 / 1_000_000_000

func literalOf(v any) literal {
	switch v := v.(type) {
	case nil, bool, int64, float64, string, money.Decimal, Day:
		return checkedLiteral(v)
	case float32:
		return checkedLiteral(float64(v))
	case []byte:
		return literal{value: blob(v)}
	case time.Time:
		if y := v.UTC().Year(); y < minYear || y > maxYear {
			return literal{err: fault.Usagef("%w: time %v is outside the years %d to %d", ErrType, v, minYear, maxYear)}
		}
		if s := v.Unix(); v.Nanosecond()%1000 != 0 && (s < -maxNanoSeconds || s >= maxNanoSeconds) {
			return literal{err: fault.Usagef("%w: time %v is finer than a microsecond and outside the years 1678 to 2262", ErrType, v)}
		}
		return literal{value: instantOf(v)}
	}
	return integerLiteral(v)
}

// checkedLiteral keeps numbers in the one form that the text form gives them: whole
// decimals at scale 0 that fit 64 bits are integers.
func checkedLiteral(v any) literal {
	switch v := v.(type) {
	case money.Decimal:
		if n, ok := v.Coefficient().Int64(); ok && v.Scale() == 0 {
			return literal{value: n}
		}
	case Day:
		if y := v.Time().Year(); y < minYear || y > maxYear {
			return literal{err: fault.Usagef("%w: day %d is outside the years %d to %d", ErrType, int32(v), minYear, maxYear)}
		}
	case string:
		if !utf8.ValidString(v) {
			return literal{err: fault.Usagef("%w: the text %q is not UTF-8: use a []byte", ErrType, v)}
		}
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return literal{err: fault.Usagef("%w: %v is not a literal", ErrType, v)}
		}
	}
	return literal{value: v}
}

func integerLiteral(v any) literal {
	switch v := v.(type) {
	case int:
		return literal{value: int64(v)}
	case int8:
		return literal{value: int64(v)}
	case int16:
		return literal{value: int64(v)}
	case int32:
		return literal{value: int64(v)}
	case uint8:
		return literal{value: int64(v)}
	case uint16:
		return literal{value: int64(v)}
	case uint32:
		return literal{value: int64(v)}
	case uint:
		return unsignedLiteral(uint64(v))
	case uint64:
		return unsignedLiteral(v)
	case Expr:
		return literal{err: fault.Usagef("%w: nil expression used as an operand", ErrType)}
	}
	return literal{err: fault.Usagef("%w: a Go %T is not a literal: want nil, a bool, number, money.Decimal, string, []byte, expr.Day or time.Time", ErrType, v)}
}

func unsignedLiteral(v uint64) literal {
	if v <= math.MaxInt64 {
		return literal{value: int64(v)}
	}
	d, err := money.NewFromInt128(money.Int128{Lo: v}, 0)
	return literal{value: d, err: err}
}

func (l literal) same(m literal) bool {
	return l.value == m.value && (l.err == nil) == (m.err == nil)
}

// typ is the literal's own type, before it adapts.
func (l literal) typ() Type {
	switch v := l.value.(type) {
	case bool:
		return Type{Kind: Bool}
	case int64:
		return Type{Kind: Int}
	case money.Decimal:
		return DecimalType(max(v.Precision(), v.Scale(), 1), v.Scale())
	case float64:
		return Type{Kind: Float}
	case string:
		return Type{Kind: String}
	case blob:
		return Type{Kind: Bytes}
	case Day:
		return Type{Kind: Date}
	case instant:
		return TimestampType()
	}
	return Type{Kind: Null}
}
