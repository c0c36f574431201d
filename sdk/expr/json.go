package expr

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// jsonVersion is the version of the JSON form. A reader refuses versions that it does not know.
const jsonVersion = 1

type jsonDocument struct {
	Version int       `json:"v"`
	Expr    *jsonNode `json:"expr"`
}

type jsonNode struct {
	Op      op                 `json:"op,omitempty"`
	Args    []*jsonNode        `json:"args,omitempty"`
	Col     *string            `json:"col,omitempty"`
	Lit     *jsonLiteral       `json:"lit,omitempty"`
	Pattern *string            `json:"pattern,omitempty"` // of like
	Type    string             `json:"type,omitempty"`    // of cast
	Scale   *int               `json:"scale,omitempty"`   // of round
	Mode    money.RoundingMode `json:"mode,omitzero"`     // of round
}

type jsonLiteral struct {
	Type  string `json:"type"`
	Value string `json:"value,omitempty"`
}

// MarshalJSON writes {"v":1,"expr":…}: a node is {"col":name}, {"lit":{"type":…,"value":…}}
// or {"op":…,"args":[…]}. Numbers are strings, so that no reader rounds them. It fails with ErrType
// for values that are no literals.
func (e *Node) MarshalJSON() ([]byte, error) {
	if err := e.validate(); err != nil {
		return nil, fmt.Errorf("encode expression: %w", err)
	}
	return json.Marshal(jsonDocument{jsonVersion, e.toJSON()})
}

// UnmarshalJSON reads what MarshalJSON wrote, strictly: unknown fields, operations and versions
// are refused, as are wrong numbers of arguments. Errors are user mistakes and wrap ErrSyntax.
func (e *Node) UnmarshalJSON(data []byte) error {
	decoded, err := decodeJSON(data)
	if err != nil {
		return fault.Usagef("decode expression: %w: %w", ErrSyntax, err)
	}
	*e = *decoded
	return nil
}

// MarshalText is the text form, for YAML and the like.
func (e *Node) MarshalText() ([]byte, error) {
	if err := e.validate(); err != nil {
		return nil, fmt.Errorf("encode expression: %w", err)
	}
	return []byte(e.String()), nil
}

// UnmarshalText reads the text form as Parse does.
func (e *Node) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*e = *parsed
	return nil
}

// validate finds what cannot be encoded or bound: bad literals, names that are not UTF-8, bad
// types, scales and modes, and trees that are too deep.
func (e *Node) validate() error {
	if e.depth > maxDepth {
		return fault.Usagef("%w: nested deeper than %d", ErrType, maxDepth)
	}
	if e.size > maxSize {
		return fault.Usagef("%w: more than %d operations", ErrType, maxSize)
	}
	if e.lit.err != nil {
		return e.lit.err
	}
	if !utf8.ValidString(e.text) {
		return fault.Usagef("%w: %q is not UTF-8", ErrType, e.text)
	}
	switch e.op {
	case opCast:
		if err := e.typ.check(); err != nil {
			return fault.Usagef("cast: %w", err)
		}
	case opRound:
		if e.scale < 0 || e.scale > money.MaxScale || !e.mode.Valid() {
			return fault.Usagef("%w: round to scale %d by %v: want a scale of 0 to %d and a rounding mode", ErrType, e.scale, e.mode, money.MaxScale)
		}
	}
	for _, a := range e.args {
		if err := a.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (e *Node) toJSON() *jsonNode {
	switch e.op {
	case opCol:
		return &jsonNode{Col: &e.text}
	case opLit:
		return &jsonNode{Lit: e.lit.toJSON()}
	}
	n := &jsonNode{Op: e.op}
	for _, a := range e.args {
		n.Args = append(n.Args, a.toJSON())
	}
	switch e.op {
	case opLike:
		n.Pattern = &e.text
	case opCast:
		n.Type = e.typ.String()
	case opRound:
		n.Scale, n.Mode = &e.scale, e.mode
	}
	return n
}

func (l literal) toJSON() *jsonLiteral {
	kind := l.typ().Kind.String()
	switch v := l.value.(type) {
	case nil:
		return &jsonLiteral{Type: kind}
	case float64:
		return &jsonLiteral{kind, strconv.FormatFloat(v, 'g', -1, 64)}
	case blob:
		return &jsonLiteral{kind, base64.StdEncoding.EncodeToString([]byte(v))}
	default:
		return &jsonLiteral{kind, fmt.Sprint(v)}
	}
}

func decodeJSON(data []byte) (Expr, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var doc jsonDocument
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the expression")
	}
	if doc.Version != jsonVersion {
		return nil, fmt.Errorf("version %d: this program knows version %d", doc.Version, jsonVersion)
	}
	return doc.Expr.node(1)
}

func (n *jsonNode) node(depth int) (Expr, error) {
	if n == nil {
		return nil, errors.New("a node is missing")
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	forms := 0
	for _, has := range [...]bool{n.Op != "", n.Col != nil, n.Lit != nil} {
		if has {
			forms++
		}
	}
	if forms != 1 {
		return nil, errors.New("a node has to have one of op, col and lit")
	}
	if n.Op == "" && (n.Args != nil || n.Pattern != nil || n.Type != "" || n.Scale != nil || n.Mode != 0) {
		return nil, errors.New("only an op takes args, pattern, type, scale and mode")
	}
	switch {
	case n.Col != nil:
		return Col(*n.Col), nil
	case n.Lit != nil:
		l, err := n.Lit.literal()
		if err != nil {
			return nil, err
		}
		return build(Node{op: opLit, lit: l}), nil
	}
	return n.operation(depth)
}

func (n *jsonNode) operation(depth int) (Expr, error) {
	bounds, known := arity[n.Op]
	if !known {
		return nil, fmt.Errorf("unknown operation %q", n.Op)
	}
	if len(n.Args) < bounds[0] || bounds[1] >= 0 && len(n.Args) > bounds[1] || n.Op == opCase && len(n.Args)%2 == 0 {
		return nil, fmt.Errorf("operation %s does not take %d arguments", n.Op, len(n.Args))
	}
	if (n.Pattern != nil) != (n.Op == opLike) || (n.Type != "") != (n.Op == opCast) ||
		(n.Scale != nil) != (n.Op == opRound) || (n.Mode != 0) != (n.Op == opRound) {
		return nil, fmt.Errorf("operation %s: pattern belongs to like, type to cast, scale and mode to round", n.Op)
	}
	out := Node{op: n.Op, mode: n.Mode}
	for _, a := range n.Args {
		arg, err := a.node(depth + 1)
		if err != nil {
			return nil, err
		}
		out.args = append(out.args, arg)
	}
	switch n.Op {
	case opAnd, opOr:
		return join(n.Op, out.args[0], out.args[1:]), nil
	case opLike:
		out.text = *n.Pattern
	case opRound:
		out.scale = *n.Scale
	case opCast:
		var err error
		if out.typ, err = ParseType(n.Type); err != nil {
			return nil, err
		}
	}
	e := build(out)
	return e, e.validateOwn()
}

// validateOwn is validate without the operands, which have been checked.
func (e *Node) validateOwn() error {
	shallow := *e
	shallow.args = nil
	return shallow.validate()
}

func (l *jsonLiteral) literal() (literal, error) {
	value, err := l.parse()
	if err != nil {
		return literal{}, fmt.Errorf("literal %s %q: %w", l.Type, l.Value, err)
	}
	lit := literalOf(value)
	return lit, lit.err
}

func (l *jsonLiteral) parse() (any, error) {
	switch l.Type {
	case Null.String():
		if l.Value != "" {
			return nil, errors.New("null has no value")
		}
		return nil, nil
	case Bool.String():
		return strconv.ParseBool(l.Value)
	case Int.String():
		return strconv.ParseInt(l.Value, 10, 64)
	case Decimal.String():
		return money.Parse(l.Value)
	case Float.String():
		return strconv.ParseFloat(l.Value, 64)
	case String.String():
		return l.Value, nil
	case Bytes.String():
		return base64.StdEncoding.DecodeString(l.Value)
	case Date.String():
		return ParseDay(l.Value)
	case Timestamp.String():
		return time.Parse(time.RFC3339, l.Value)
	}
	return nil, fmt.Errorf("unknown type")
}
