package expr

// Parse reads the text form of an expression, a subset of SQL:
//
//	or, and, not; = <> (or !=) < <= > >=; + - * / and unary -; parentheses
//	x is [not] null, x [not] in (…), x [not] between a and b, x [not] like 'pattern'
//	case when condition then value … [else value] end
//	coalesce(…), nullif(a, b), abs(x), round(x, scale, 'mode'), cast(x as type)
//	names (of letters, digits, _ and .), "any other name"; keywords and functions in any case
//	12 is an integer, 1.50 a decimal, 15e-1 a float; 'text' ('' is one quote); true, false, null
//	date '2026-01-31', timestamp '2026-01-31T10:00:00Z', x'0aff' (bytes)
//
// Errors are user mistakes, wrap ErrSyntax, and are a *SyntaxError with the position.
func Parse(text string) (Expr, error) {
	p := &parser{lex: lexer{text: text}}
	p.advance()
	e := p.or()
	if p.err == nil && p.tok.kind != tokEnd {
		p.failAt(p.tok, "unexpected %v after a complete expression", p.tok)
	}
	if p.err != nil {
		return nil, p.err
	}
	return e, nil
}

// parser is a recursive-descent parser. After the first error it stands still at the end.
type parser struct {
	lex   lexer
	tok   token // the next token
	depth int
	err   error
}

func (p *parser) advance() {
	if p.err != nil {
		return
	}
	t, err := p.lex.next()
	if err != nil {
		p.err, t = err, token{kind: tokEnd}
	}
	p.tok = t
}

func (p *parser) failAt(t token, format string, args ...any) Expr {
	if p.err == nil {
		p.err = syntaxError(p.lex.text, t.at, format, args...)
		p.tok = token{kind: tokEnd}
	}
	return Lit(nil)
}

// take advances over the keyword or sign if it is next.
func (p *parser) take(text string) bool {
	if !p.tok.is(text) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(text, where string) {
	if !p.take(text) {
		p.failAt(p.tok, "expected %s %s, found %v", text, where, p.tok)
	}
}

// made checks the depth of a new node.
func (p *parser) made(e Expr) Expr {
	if e.depth > maxDepth {
		return p.failAt(p.tok, "nested deeper than %d", maxDepth)
	}
	return e
}

// nest guards recursion; call the returned function when done.
func (p *parser) nest() func() {
	p.depth++
	if p.depth > maxDepth {
		p.failAt(p.tok, "nested deeper than %d", maxDepth)
	}
	return func() { p.depth-- }
}

func (p *parser) or() Expr {
	defer p.nest()()
	terms := []Expr{p.and()}
	for p.take("or") {
		terms = append(terms, p.and())
	}
	return p.made(terms[0].Or(terms[1:]...))
}

func (p *parser) and() Expr {
	terms := []Expr{p.not()}
	for p.take("and") {
		terms = append(terms, p.not())
	}
	return p.made(terms[0].And(terms[1:]...))
}

func (p *parser) not() Expr {
	if p.err == nil && p.tok.is("not") {
		defer p.nest()()
		if p.err != nil {
			return Lit(nil)
		}
		p.advance()
		return p.made(p.not().Not())
	}
	return p.predicate()
}

var comparisons = map[string]op{"=": opEq, "<>": opNe, "!=": opNe, "<": opLt, "<=": opLe, ">": opGt, ">=": opGe}

func (p *parser) predicate() Expr {
	left := p.sum()
	if o, ok := comparisons[p.tok.text]; ok && p.tok.kind == tokSign {
		p.advance()
		if p.tok.is("=") {
			return p.failAt(p.tok, "unexpected = after a comparison: equality is written with one =")
		}
		left = p.made(node(o, left, p.sum()))
		if _, again := comparisons[p.tok.text]; again && p.tok.kind == tokSign {
			return p.failAt(p.tok, "comparisons do not chain: write a < b and b < c")
		}
		return left
	}
	if p.take("is") {
		if p.take("not") {
			p.expect("null", "after is not")
			return p.made(left.IsNotNull())
		}
		p.expect("null", "after is")
		return p.made(left.IsNull())
	}
	negated := p.take("not")
	e := p.test(left)
	switch {
	case e == nil && negated:
		return p.failAt(p.tok, "expected in, between or like after not, found %v", p.tok)
	case e == nil:
		return left
	case negated:
		return p.made(e.Not())
	}
	return p.made(e)
}

// test reads what follows in, between or like; nil if none of them is next.
func (p *parser) test(left Expr) Expr {
	switch {
	case p.take("in"):
		p.expect("(", "after in")
		args := []Expr{left}
		for {
			args = append(args, p.sum())
			if !p.take(",") {
				break
			}
		}
		p.expect(")", "after the list")
		return node(opIn, args...)
	case p.take("between"):
		low := p.sum()
		p.expect("and", "between the bounds")
		return node(opBetween, left, low, p.sum())
	case p.take("like"):
		t := p.tok
		if t.kind != tokString {
			return p.failAt(t, "expected a pattern in quotes after like, found %v", t)
		}
		p.advance()
		return left.Like(t.text)
	}
	return nil
}

func (p *parser) sum() Expr {
	e := p.product()
	for {
		switch {
		case p.take("+"):
			e = p.made(node(opAdd, e, p.product()))
		case p.take("-"):
			e = p.made(node(opSub, e, p.product()))
		default:
			return e
		}
	}
}

func (p *parser) product() Expr {
	e := p.unary()
	for {
		switch {
		case p.take("*"):
			e = p.made(node(opMul, e, p.unary()))
		case p.take("/"):
			e = p.made(node(opDiv, e, p.unary()))
		default:
			return e
		}
	}
}

func (p *parser) unary() Expr {
	if !p.tok.is("-") {
		return p.primary()
	}
	defer p.nest()()
	p.advance()
	if p.tok.kind == tokNumber {
		return p.literal("-")
	}
	if p.err != nil {
		return Lit(nil)
	}
	return p.made(p.unary().Neg())
}

func (p *parser) primary() Expr {
	t := p.tok
	switch t.kind {
	case tokNumber, tokString, tokBytes:
		return p.literal("")
	case tokQuoted:
		p.advance()
		return Col(t.text)
	case tokWord:
		return p.word()
	}
	if p.take("(") {
		e := p.or()
		p.expect(")", "to close the parenthesis")
		return e
	}
	return p.failAt(t, "expected a value, a column or a parenthesis, found %v", t)
}
