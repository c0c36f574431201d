package expr

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/millrace/millrace/sdk/money"
)

// literal reads a number (with the sign that was before it), text or bytes.
func (p *parser) literal(sign string) Expr {
	t := p.tok
	p.advance()
	switch {
	case t.kind == tokString:
		return Lit(t.text)
	case t.kind == tokBytes:
		b, err := hex.DecodeString(t.text)
		if err != nil {
			return p.failAt(t, "bytes are written as pairs of hexadecimal digits")
		}
		return Lit(b)
	case strings.ContainsAny(t.text, "eE"):
		f, err := strconv.ParseFloat(sign+t.text, 64)
		if err != nil {
			return p.failAt(t, "the float %s is out of range", sign+t.text)
		}
		return Lit(f)
	}
	d, err := money.Parse(sign + t.text)
	if err != nil {
		return p.failAt(t, "%v", err)
	}
	return Lit(d)
}

var reserved = map[string]bool{
	"and": true, "or": true, "not": true, "in": true, "between": true, "like": true, "is": true, "null": true,
	"true": true, "false": true, "case": true, "when": true, "then": true, "else": true, "end": true,
}

// word reads a constant, case, function, typed literal or column. Only reserved words cannot
// be plain column names: date is a column unless a text follows, abs unless a parenthesis does.
func (p *parser) word() Expr {
	t := p.tok
	if !utf8.ValidString(t.text) {
		return p.failAt(t, "the column name %q is not UTF-8", t.text)
	}
	p.advance()
	switch word := strings.ToLower(t.text); {
	case word == "true", word == "false":
		return Lit(word == "true")
	case word == "null":
		return Lit(nil)
	case word == "case":
		return p.cases()
	case reserved[word]:
		return p.failAt(t, "expected a value or a column, found %v (a column of this name is written in double quotes)", t)
	case p.tok.kind == tokString && (word == "date" || word == "timestamp" || word == "timestamptz"):
		return p.timeLiteral(word)
	case p.tok.is("("):
		return p.function(t)
	}
	return Col(t.text)
}

func (p *parser) timeLiteral(word string) Expr {
	t := p.tok
	p.advance()
	if word == "date" {
		d, err := ParseDay(t.text)
		if err != nil {
			return p.failAt(t, "%v", err)
		}
		return Lit(d)
	}
	at, err := parseInstant(t.text)
	if err != nil {
		return p.failAt(t, "%v", err)
	}
	return p.checked(t, Lit(at))
}

// checked reports a literal that Lit refused.
func (p *parser) checked(t token, e Expr) Expr {
	if e.lit.err != nil {
		return p.failAt(t, "%v", e.lit.err)
	}
	return e
}

// parseInstant reads an RFC 3339 time; without a zone it is in UTC, without a time it is midnight.
func parseInstant(text string) (time.Time, error) {
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("parse timestamp " + strconv.Quote(text) + ": want YYYY-MM-DDThh:mm:ssZ")
}

func (p *parser) cases() Expr {
	c := Case()
	for p.take("when") {
		cond := p.or()
		p.expect("then", "after the condition")
		c = c.When(cond, p.or())
	}
	if len(c.args) == 0 {
		return p.failAt(p.tok, "expected when after case, found %v", p.tok)
	}
	e := Lit(nil)
	if p.take("else") {
		e = p.or()
	}
	p.expect("end", "to close case")
	return p.made(c.Else(e))
}

func (p *parser) function(name token) Expr {
	p.advance() // (
	var e Expr
	switch word := strings.ToLower(name.text); word {
	case "abs":
		e = p.or().Abs()
	case "coalesce", "nullif":
		args := []any{p.or()}
		for p.take(",") {
			args = append(args, p.or())
		}
		if word == "coalesce" {
			e = Coalesce(args...)
		} else if len(args) == 2 {
			e = args[0].(Expr).NullIf(args[1])
		} else {
			return p.failAt(name, "nullif takes two arguments")
		}
	case "round":
		e = p.round()
	case "cast":
		e = p.cast()
	default:
		return p.failAt(name, "unknown function %s: want abs, cast, coalesce, nullif or round", name.text)
	}
	p.expect(")", "after the arguments of "+name.text)
	return p.made(e)
}

func (p *parser) round() Expr {
	x := p.or()
	p.expect(",", "before the scale")
	scale := p.tok
	n, err := strconv.Atoi(scale.text)
	if scale.kind != tokNumber || err != nil || n > money.MaxScale {
		return p.failAt(scale, "expected a scale of 0 to %d, found %v", money.MaxScale, scale)
	}
	p.advance()
	p.expect(",", "before the rounding mode")
	name := p.tok
	mode, err := money.ParseRoundingMode(name.text)
	if name.kind != tokString || err != nil {
		return p.failAt(name, "expected a rounding mode such as 'half_even', found %v", name)
	}
	p.advance()
	return x.Round(n, mode)
}

func (p *parser) cast() Expr {
	x := p.or()
	p.expect("as", "before the type")
	start := p.tok
	p.advance()
	name := start.text
	if p.take("(") {
		name += "("
		for p.err == nil && !p.tok.is(")") {
			if p.tok.kind == tokEnd || len(name) > 40 {
				return p.failAt(p.tok, "expected ) after the type")
			}
			name += p.tok.text
			p.advance()
		}
		name += ")"
		p.expect(")", "after the type")
	}
	t, err := ParseType(name)
	if err != nil {
		return p.failAt(start, "%v", err)
	}
	return x.Cast(t)
}
