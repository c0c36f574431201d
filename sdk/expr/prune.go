package expr

import (
	"cmp"
	"math"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/money"
)

// Verdict says what statistics tell about a filter.
type Verdict int

// The verdicts.
const (
	Maybe  Verdict = iota // some rows may match: read them
	Never                 // no row matches
	Always                // every row matches
)

// String is the verdict in lower case.
func (v Verdict) String() string {
	switch v {
	case Never:
		return "never"
	case Always:
		return "always"
	}
	return "maybe"
}

// Stats describe the values of a column in some set of rows, such as a file or row group.
//
// Min and Max bound the values that are not null: no value lies outside, but the bounds need
// not be values themselves (cut-off texts will do). Either may be nil: unknown. They are
//
//	bool columns       bool
//	integers           any Go integer
//	decimals           money.Decimal of any scale, or any Go integer
//	floats             float64 or float32; the bounds need not cover NaN
//	texts and bytes    string or []byte
//	dates              Day, or a time.Time in UTC
//	timestamps         time.Time
//
// A bound of any other type counts as unknown.
type Stats struct {
	Min, Max any
	Nulls    int64 // number of nulls; negative: unknown
	Rows     int64 // number of rows, nulls included; negative: unknown
}

// Bounds returns the statistics of the column of that name, and false where there are none.
type Bounds func(column string) (Stats, bool)

// Prune says from statistics whether rows can match the filter. It is conservative: Never
// and Always are certain, whatever the rows are, and everything doubtful is Maybe. Rows on
// which the filter would fail (an overflow, say) may be pruned, and then do not fail.
// For an expression that is no bool the answer is Maybe.
func (b *Bound) Prune(bounds Bounds) Verdict {
	if k := b.root.typ.Kind; k != Bool && k != Null {
		return Maybe
	}
	switch outcomes := b.root.outcomes(bounds); {
	case outcomes&canTrue == 0:
		return Never
	case outcomes == canTrue:
		return Always
	}
	return Maybe
}

// outcomes is the set of results that a bool may have over the rows: any superset of the true set is right.
type outcomes uint8

const (
	canTrue outcomes = 1 << iota
	canFalse
	canNull
	anything = canTrue | canFalse | canNull
)

func (t *term) outcomes(bounds Bounds) outcomes {
	if t.konst != nil {
		return t.konst.outcome()
	}
	switch t.op {
	case opAnd, opOr:
		out := t.args[0].outcomes(bounds)
		for _, a := range t.args[1:] {
			out = combine(out, a.outcomes(bounds), t.op == opAnd)
		}
		return out
	case opNot:
		return t.args[0].outcomes(bounds).not()
	case opIsNull, opIsNotNull:
		out := t.args[0].nullness(bounds)
		if t.op == opIsNotNull {
			out = out.not()
		}
		return out
	case opEq, opNe, opLt, opLe, opGt, opGe:
		return compareRanges(t.args[0].span(bounds), t.args[1].span(bounds), relations[t.op])
	case opBetween:
		x := t.args[0].span(bounds)
		return combine(compareRanges(x, t.args[1].span(bounds), relations[opGe]), compareRanges(x, t.args[2].span(bounds), relations[opLe]), true)
	case opIn:
		x := t.args[0].span(bounds)
		out := compareRanges(x, t.args[1].span(bounds), relations[opEq])
		for _, m := range t.args[2:] {
			out = combine(out, compareRanges(x, m.span(bounds), relations[opEq]), false)
		}
		return out
	case opLike:
		return t.likeOutcomes(bounds)
	case opCol:
		return compareRanges(t.span(bounds), span{min: &scalar{kind: Bool, text: "t"}, max: &scalar{kind: Bool, text: "t"}, values: true}, relations[opEq])
	}
	return anything
}

func (v *vec) outcome() outcomes {
	switch {
	case v.valid != nil && !v.valid.has(0):
		return canNull
	case v.bool().has(0):
		return canTrue
	}
	return canFalse
}

func (o outcomes) not() outcomes {
	out := o & canNull
	if o&canTrue != 0 {
		out |= canFalse
	}
	if o&canFalse != 0 {
		out |= canTrue
	}
	return out
}

// combine is the set of results of and (or or) over all pairs.
func combine(a, b outcomes, and bool) outcomes {
	if !and {
		return combine(a.not(), b.not(), true).not()
	}
	out := (a | b) & canFalse
	if a == 0 || b == 0 { // no rows
		return 0
	}
	out |= a & b & canTrue
	if a&canNull != 0 && b&(canTrue|canNull) != 0 || b&canNull != 0 && a&(canTrue|canNull) != 0 {
		out |= canNull
	}
	return out
}

// span bounds the values of a term over the rows.
type span struct {
	min, max *scalar // nil: unbounded
	values   bool    // some values may not be null
	nulls    bool    // some values may be null
}

var unknownSpan = span{values: true, nulls: true}

// span is what is known of the term's values. For an operation that may fail that is what it gives where it does not.
func (t *term) span(bounds Bounds) span {
	switch {
	case t.konst != nil:
		return t.konst.span()
	case t.op == opCol:
		s, ok := bounds(t.expr.text)
		if !ok {
			return span{values: true, nulls: t.nullable}
		}
		return s.span(t)
	case t.monotone != nil:
		s := t.args[0].span(bounds)
		s.min, s.max = mapped(s.min, t.monotone), mapped(s.max, t.monotone)
		return s
	}
	return unknownSpan
}

func mapped(s *scalar, f func(scalar) (scalar, bool)) *scalar {
	if s == nil {
		return nil
	}
	if r, ok := f(*s); ok {
		return &r
	}
	return nil
}

func (s Stats) span(t *term) span {
	out := span{values: s.Rows < 0 || s.Nulls < 0 || s.Nulls < s.Rows, nulls: s.Nulls > 0 || s.Nulls < 0 && t.nullable}
	out.min, out.max = scalarOf(s.Min, t.typ), scalarOf(s.Max, t.typ)
	if t.typ.Kind == Float {
		out.max = nil // NaN, which is greater than all numbers, need not be covered
	}
	return out
}

func (v *vec) span() span {
	if v.valid != nil && !v.valid.has(0) {
		return span{nulls: true}
	}
	s := scalar{kind: v.typ.Kind, scale: scaleOf(v.typ)}
	switch v.typ.Kind {
	case Bool:
		s.text = "f"
		if v.bool().has(0) {
			s.text = "t"
		}
	case Int, Date, Timestamp, Decimal:
		s.wide = v.decimals()[0]
	case Float:
		s.float = v.floats[0]
	case String, Bytes:
		s.text = v.text().at(0)
	default:
		return unknownSpan
	}
	return span{min: &s, max: &s, values: true}
}

// nullness is the outcomes of "is null".
func (t *term) nullness(bounds Bounds) outcomes {
	s := t.span(bounds)
	if t.op == opCol || t.konst != nil || t.monotone != nil {
		var out outcomes
		if s.nulls {
			out |= canTrue
		}
		if s.values {
			out |= canFalse
		}
		return out
	}
	if !t.nullable {
		return canFalse
	}
	return canTrue | canFalse
}

// compareRanges is the outcomes of comparing any value of a with any of b.
func compareRanges(a, b span, r relation) outcomes {
	var out outcomes
	if a.nulls || b.nulls {
		out |= canNull
	}
	if !a.values || !b.values {
		return out
	}
	less := a.min == nil || b.max == nil || a.min.cmp(b.max) < 0          // some a may be less than some b
	greater := a.max == nil || b.min == nil || a.max.cmp(b.min) > 0       // or greater
	overlap := (a.min == nil || b.max == nil || a.min.cmp(b.max) <= 0) && // or equal
		(a.max == nil || b.min == nil || a.max.cmp(b.min) >= 0)
	for _, c := range [...]struct{ may, holds bool }{{less, r.less}, {overlap, r.equal}, {greater, r.greater}} {
		if c.may && c.holds {
			out |= canTrue
		} else if c.may {
			out |= canFalse
		}
	}
	return out
}

// likeOutcomes compares the pattern's literal prefix with the bounds.
func (t *term) likeOutcomes(bounds Bounds) outcomes {
	s := t.args[0].span(bounds)
	var out outcomes
	if s.nulls {
		out |= canNull
	}
	if !s.values {
		return out
	}
	out |= canFalse
	prefix := compilePattern(t.expr.text).prefix()
	below := s.max != nil && s.max.text < prefix // no text that starts with the prefix is less than it
	above := s.min != nil && s.min.text > prefix && !strings.HasPrefix(s.min.text, prefix)
	if !below && !above {
		out |= canTrue
	}
	return out
}

// scalar is a single value for comparison with its like.
type scalar struct {
	kind  Kind
	wide  money.Int128 // integers, decimals, dates and timestamps, at scale
	scale int
	float float64
	text  string // texts and bytes; for bools f and t
}

func sameScalar(s scalar) (scalar, bool) { return s, true }

func (s *scalar) cmp(o *scalar) int {
	switch s.kind {
	case Float:
		return compareFloat(s.float, o.float)
	case String, Bytes, Bool:
		return cmp.Compare(s.text, o.text)
	}
	return money.CompareScaled(s.wide, s.scale, o.wide, o.scale)
}

// scalarOf takes a bound for a column of a type; nil if its Go type does not belong to it.
func scalarOf(v any, t Type) *scalar {
	s := &scalar{kind: t.Kind}
	switch x := v.(type) {
	case bool:
		s.text = "f"
		if x {
			s.text = "t"
		}
		return s.only(Bool)
	case money.Decimal:
		s.wide, s.scale = x.Coefficient(), x.Scale()
		return s.only(Decimal, Int)
	case float64:
		return floatScalar(x, t)
	case float32:
		return floatScalar(float64(x), t)
	case string:
		s.text = x
		return s.only(String, Bytes)
	case []byte:
		s.text = string(x)
		return s.only(String, Bytes)
	case Day:
		s.wide = money.Int128Of(int64(x))
		return s.only(Date)
	case time.Time:
		if t.Kind == Date {
			s.wide = money.Int128Of(int64(DayOf(x.UTC())))
			return s
		}
		seconds, _ := money.Int128Of(x.Unix()).Mul(money.Int128Of(1_000_000_000))
		s.wide, _ = seconds.Add(money.Int128Of(int64(x.Nanosecond())))
		s.scale = 9
		return s.only(Timestamp)
	}
	if x, ok := v.(int64); ok {
		s.wide = money.Int128Of(x)
		return s.only(Int, Decimal)
	}
	switch x := integerLiteral(v).value.(type) {
	case int64:
		s.wide = money.Int128Of(x)
	case money.Decimal:
		s.wide = x.Coefficient()
	default:
		return nil
	}
	return s.only(Int, Decimal)
}

func (s *scalar) only(kinds ...Kind) *scalar {
	for _, k := range kinds {
		if s.kind == k {
			return s
		}
	}
	return nil
}

func floatScalar(x float64, t Type) *scalar {
	if t.Kind != Float || math.IsNaN(x) {
		return nil
	}
	return &scalar{kind: Float, float: x}
}
