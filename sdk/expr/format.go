package expr

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// Binding strengths of the text form, weakest first.
const (
	levelOr = iota + 1
	levelAnd
	levelNot
	levelTest
	levelSum
	levelProduct
	levelUnary
	levelPrimary
)

var opSigns = map[op]string{
	opEq: "=", opNe: "<>", opLt: "<", opLe: "<=", opGt: ">", opGe: ">=",
	opAdd: "+", opSub: "-", opMul: "*", opDiv: "/", opAnd: "and", opOr: "or",
}

func (e *Node) level() int {
	switch e.op {
	case opOr:
		return levelOr
	case opAnd:
		return levelAnd
	case opNot:
		return levelNot
	case opEq, opNe, opLt, opLe, opGt, opGe, opIsNull, opIsNotNull, opIn, opBetween, opLike:
		return levelTest
	case opAdd, opSub:
		return levelSum
	case opMul, opDiv:
		return levelProduct
	case opNeg:
		return levelUnary
	}
	return levelPrimary
}

// String is the text form, which Parse reads back as an equal tree; "" for nil. A part
// that cannot be parsed back (a value that is no literal) stands as <…>.
func (e *Node) String() string {
	if e == nil {
		return ""
	}
	var b strings.Builder
	e.write(&b)
	return b.String()
}

// put writes an operand, in parentheses if it binds more weakly than least.
func (e *Node) put(b *strings.Builder, least int) {
	if e.level() < least {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	e.write(b)
}

func (e *Node) write(b *strings.Builder) {
	level := e.level()
	switch e.op {
	case opCol:
		writeName(b, e.text)
	case opLit:
		e.lit.write(b)
	case opAnd, opOr:
		e.list(b, e.args, " "+opSigns[e.op]+" ", level+1)
	case opEq, opNe, opLt, opLe, opGt, opGe:
		e.list(b, e.args, " "+opSigns[e.op]+" ", levelSum)
	case opAdd, opSub, opMul, opDiv:
		e.args[0].put(b, level)
		b.WriteString(" " + opSigns[e.op] + " ")
		e.args[1].put(b, level+1)
	case opNot:
		b.WriteString("not ")
		e.args[0].put(b, levelNot)
	case opNeg:
		b.WriteByte('-')
		if a := e.args[0]; a.op == opLit || a.op == opNeg { // -(5) is not the literal -5
			b.WriteByte('(')
			a.write(b)
			b.WriteByte(')')
			return
		}
		e.args[0].put(b, levelUnary)
	case opCase:
		e.writeCase(b)
	case opAbs, opRound, opCoalesce, opNullIf, opCast:
		e.writeCall(b)
	default:
		e.writeTest(b)
	}
}

func (e *Node) list(b *strings.Builder, args []Expr, separator string, least int) {
	for i, a := range args {
		if i > 0 {
			b.WriteString(separator)
		}
		a.put(b, least)
	}
}

func (e *Node) writeTest(b *strings.Builder) {
	e.args[0].put(b, levelSum)
	switch e.op {
	case opIsNull:
		b.WriteString(" is null")
	case opIsNotNull:
		b.WriteString(" is not null")
	case opIn:
		b.WriteString(" in (")
		e.list(b, e.args[1:], ", ", levelSum)
		b.WriteByte(')')
	case opBetween:
		b.WriteString(" between ")
		e.list(b, e.args[1:], " and ", levelSum)
	case opLike:
		b.WriteString(" like ")
		writeText(b, e.text)
	}
}

func (e *Node) writeCall(b *strings.Builder) {
	b.WriteString(string(e.op) + "(")
	e.list(b, e.args, ", ", levelOr)
	switch e.op {
	case opRound:
		fmt.Fprintf(b, ", %d, '%s'", e.scale, e.mode)
	case opCast:
		b.WriteString(" as " + e.typ.String())
	}
	b.WriteByte(')')
}

func (e *Node) writeCase(b *strings.Builder) {
	last := len(e.args) - 1
	b.WriteString("case")
	for i := 0; i < last; i += 2 {
		b.WriteString(" when ")
		e.args[i].write(b)
		b.WriteString(" then ")
		e.args[i+1].write(b)
	}
	if e.args[last].op != opLit || e.args[last].lit != (literal{}) {
		b.WriteString(" else ")
		e.args[last].write(b)
	}
	b.WriteString(" end")
}

func (l literal) write(b *strings.Builder) {
	if l.err != nil {
		fmt.Fprintf(b, "<%v>", l.err)
		return
	}
	switch v := l.value.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case money.Decimal:
		b.WriteString(v.String())
	case float64:
		b.WriteString(strconv.FormatFloat(v, 'e', -1, 64))
	case string:
		writeText(b, v)
	case blob:
		fmt.Fprintf(b, "x'%x'", string(v))
	case Day:
		b.WriteString("date '" + v.String() + "'")
	case instant:
		b.WriteString("timestamp '" + v.String() + "'")
	}
}

func writeText(b *strings.Builder, s string) {
	b.WriteString("'" + strings.ReplaceAll(s, "'", "''") + "'")
}

func writeName(b *strings.Builder, name string) {
	plain := name != "" && !isDigit(name[0]) && name[0] != '.' && !reserved[strings.ToLower(name)]
	for i := range len(name) {
		plain = plain && (isLetter(name[i]) || isDigit(name[i]) || name[i] == '.')
	}
	if plain {
		b.WriteString(name)
		return
	}
	b.WriteString(`"` + strings.ReplaceAll(name, `"`, `""`) + `"`)
}
