package expr

import (
	"time"

	"github.com/millrace/millrace/sdk/money"
	"pgregory.net/rapid"
)

// genForm draws expressions of any form, well typed or not.
func genForm(depth int) *rapid.Generator[Expr] {
	return rapid.Custom(func(t *rapid.T) Expr {
		if depth == 0 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
			if rapid.Bool().Draw(t, "col") {
				return Col(rapid.SampledFrom([]string{"a", "b_2", "after.amount", "Odd name", "date", "abs", "select", "and", `q"q`, "", "čas", "1a"}).Draw(t, "name"))
			}
			return Lit(genLiteral().Draw(t, "literal"))
		}
		sub := genForm(depth - 1)
		arg := func() Expr { return sub.Draw(t, "arg") }
		switch o := rapid.SampledFrom([]op{opEq, opNe, opLt, opLe, opGt, opGe, opAnd, opOr, opNot, opIsNull, opIsNotNull,
			opIn, opBetween, opLike, opAdd, opSub, opMul, opDiv, opNeg, opAbs, opRound, opNullIf, opCase, opCoalesce, opCast}).Draw(t, "op"); o {
		case opAnd:
			return arg().And(arg(), arg())
		case opOr:
			return arg().Or(arg())
		case opLike:
			return arg().Like(rapid.String().Draw(t, "pattern"))
		case opRound:
			return arg().Round(rapid.IntRange(0, 38).Draw(t, "scale"), money.RoundingMode(rapid.IntRange(1, 7).Draw(t, "mode")))
		case opCast:
			return arg().Cast(rapid.SampledFrom([]Type{{Kind: Bool}, {Kind: Int}, {Kind: Float}, {Kind: String}, {Kind: Bytes}, {Kind: Date}, DecimalType(18, 2), TimestampType(), LocalTimestampType(), {Kind: Timestamp, Unit: 3}}).Draw(t, "type"))
		case opIn:
			return arg().In(arg(), arg())
		case opBetween:
			return arg().Between(arg(), arg())
		case opCase:
			return Case().When(arg(), arg()).When(arg(), arg()).Else(arg())
		case opCoalesce:
			return Coalesce(arg(), arg())
		case opNot, opIsNull, opIsNotNull, opNeg, opAbs:
			return node(o, arg())
		default:
			return node(o, arg(), arg())
		}
	})
}

func genLiteral() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Map(rapid.Bool(), func(v bool) any { return v }),
		rapid.Map(rapid.Int64(), func(v int64) any { return v }),
		rapid.Map(rapid.Uint64(), func(v uint64) any { return v }),
		rapid.Map(rapid.Float64(), func(v float64) any { return v }),
		rapid.Map(rapid.String(), func(v string) any { return v }),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(v []byte) any { return v }),
		rapid.Map(rapid.Int32Range(-719528, 2932896), func(v int32) any { return Day(v) }),
		rapid.Map(rapid.Int64Range(-62167219200, 253402300799), func(v int64) any {
			if v > 9_000_000_000 || v < -9_000_000_000 {
				return time.Unix(v, v&0xfff*1000) // nanoseconds reach no further
			}
			return time.Unix(v, v&0xfffff)
		}),
		rapid.Custom(func(t *rapid.T) any {
			d, _ := money.New(rapid.Int64().Draw(t, "coefficient"), rapid.IntRange(0, 38).Draw(t, "scale"))
			return d
		}),
	)
}
