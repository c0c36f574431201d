package expr

import (
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/money"
)

// vec is the literal as a constant of its own type.
func (l literal) vec() *vec {
	t := l.typ()
	v := nullVec(t)
	if l.value != nil {
		v.valid = nil
	}
	switch x := l.value.(type) {
	case bool:
		if x {
			v.bits.set(0)
		}
	case int64:
		v.ints[0] = x
	case money.Decimal:
		v.wide[0] = x.Coefficient()
	case float64:
		v.floats[0] = x
	case string:
		v.texts.list[0] = x
	case blob:
		v.texts.list[0] = string(x)
	case Day:
		v.ints[0] = int64(x)
	}
	if x, ok := l.value.(instant); ok {
		return x.vec(true)
	}
	return v
}

// vec is the instant as a timestamp of the coarsest unit from microseconds on that holds it.
func (i instant) vec(zoned bool) *vec {
	t := Type{Kind: Timestamp, Unit: arrow.Microsecond, Zoned: zoned}
	value := i.sec*1_000_000 + int64(i.nano)/1000
	if i.nano%1000 != 0 {
		t.Unit, value = arrow.Nanosecond, i.sec*1_000_000_000+int64(i.nano)
	}
	v := nullVec(t)
	v.valid, v.ints[0] = nil, value
	return v
}

// isLiteral reports whether t may adapt to another type.
func (t *term) isLiteral() bool { return t.op == opLit && t.expr.op == opLit }

// adapt turns a literal into a constant of another type where that is possible; else it returns t.
func (t *term) adapt(to Type) *term {
	if t.typ.Kind == Null {
		return &term{op: opLit, typ: to, nullable: true, expr: t.expr, konst: nullVec(to)}
	}
	if !t.isLiteral() {
		return t
	}
	var v *vec
	switch x := t.expr.lit.value.(type) {
	case int64:
		if to.Kind == Float {
			v = literal{value: float64(x)}.vec()
		}
	case money.Decimal:
		if f, err := strconv.ParseFloat(x.String(), 64); to.Kind == Float && err == nil {
			v = literal{value: f}.vec()
		}
	case string:
		v = textLiteral(x, to)
	case Day:
		if to.Kind == Timestamp {
			v = instantOf(x.Time()).vec(to.Zoned)
		}
	case instant:
		if to.Kind == Timestamp && !to.Zoned {
			v = x.vec(false)
		}
	}
	if v == nil {
		return t
	}
	return &term{op: opLit, typ: v.typ, expr: t.expr, konst: v}
}

// textLiteral reads a text as a date or timestamp; nil if it is none.
func textLiteral(text string, to Type) *vec {
	switch to.Kind {
	case Date:
		if d, err := ParseDay(text); err == nil {
			return literal{value: d}.vec()
		}
	case Timestamp:
		if at, err := parseInstant(text); err == nil {
			return instantOf(at).vec(to.Zoned)
		}
	}
	return nil
}

// adaptTogether lets the literals among terms adapt to the others.
func adaptTogether(terms []*term) {
	for i, a := range terms {
		for _, b := range terms {
			if a != b && !b.isLiteral() && b.typ.Kind != Null && a.typ != b.typ {
				terms[i] = a.adapt(b.typ)
				break
			}
		}
	}
	for i, a := range terms { // nulls, and numbers beside float literals, among literals only
		for _, b := range terms {
			if a.typ.Kind == Null && b.typ.Kind != Null || b.typ.Kind == Float && a.typ.Kind != Float {
				terms[i] = a.adapt(b.typ)
				break
			}
		}
	}
}

// asDecimal is the decimal type that holds all values of an Int or Decimal term.
func (t *term) asDecimal() Type {
	if t.typ.Kind != Int {
		return t.typ
	}
	if x, ok := t.expr.lit.value.(int64); ok && t.isLiteral() {
		d := money.FromInt64(x)
		return DecimalType(d.Precision(), 0)
	}
	return DecimalType(19, 0)
}

// common is the type that holds the values of all terms, for case, coalesce and in; ok is false if there is none.
func common(terms []*term) (Type, bool) {
	var out Type
	exact := true // all are of one kind
	for _, t := range terms {
		switch {
		case t.typ.Kind == Null:
		case out.Kind == Null:
			out = t.typ
		case out.Kind != t.typ.Kind:
			exact = false
		case out.Kind == Timestamp && out.Zoned != t.typ.Zoned, out.Kind == Other:
			return Type{}, false
		case out.Kind == Timestamp:
			out.Unit = max(out.Unit, t.typ.Unit)
		}
	}
	if exact && out.Kind != Decimal {
		return out, out.Kind != Other
	}
	whole, scale := 0, 0
	for _, t := range terms {
		if t.typ.Kind == Null {
			continue
		}
		if t.typ.Kind != Int && t.typ.Kind != Decimal {
			return Type{}, false
		}
		d := t.asDecimal()
		whole, scale = max(whole, d.Precision-d.Scale), max(scale, d.Scale)
	}
	return DecimalType(min(whole+scale, 38), scale), true
}

// list names the types of terms in messages.
func list(terms []*term) string {
	s := ""
	for i, t := range terms {
		if i > 0 {
			s += ", "
		}
		s += t.describe()
	}
	return shorten(s)
}
