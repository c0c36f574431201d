package expr

import (
	"strings"
	"unicode/utf8"
)

func (t *term) bindLike() error {
	if t.args[0].typ.Kind == Null {
		t.args[0] = t.args[0].adapt(Type{Kind: String})
	}
	if t.args[0].typ.Kind != String {
		return t.typeErrorf("%s is not a string", t.args[0].describe())
	}
	p := compilePattern(t.expr.text)
	prefix, isPrefix := p.isPrefix()
	match := p.matcher()
	t.typ = Type{Kind: Bool}
	t.run = func(b *batch, need bitmap) (*vec, error) {
		v, err := t.args[0].eval(b, need)
		if err != nil {
			return nil, err
		}
		if isPrefix {
			return boolVec(b.n, prefixedTexts(v, prefix, b.n), v.rows(b.n)), nil
		}
		return boolVec(b.n, matchTexts(v, b.n, match), v.rows(b.n)), nil
	}
	return nil
}

// pattern is a compiled LIKE pattern: runs of characters with % between them.
type pattern struct {
	parts [][]rune // each to be found after the one before; anyRune stands for _
}

const anyRune = rune(-1)

func compilePattern(like string) pattern {
	p := pattern{parts: [][]rune{{}}}
	escaped := false
	for _, r := range like {
		last := len(p.parts) - 1
		switch {
		case escaped:
			p.parts[last] = append(p.parts[last], r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == '%':
			p.parts = append(p.parts, []rune{})
		case r == '_':
			p.parts[last] = append(p.parts[last], anyRune)
		default:
			p.parts[last] = append(p.parts[last], r)
		}
	}
	if escaped { // a \ at the end stands for itself
		last := len(p.parts) - 1
		p.parts[last] = append(p.parts[last], '\\')
	}
	return p
}

// literalPart is the text of a part; ok is false if it has a _.
func literalPart(part []rune) (string, bool) {
	for _, r := range part {
		if r == anyRune {
			return "", false
		}
	}
	return string(part), true
}

// prefix is the text that every match starts with.
func (p pattern) prefix() string {
	for i, r := range p.parts[0] {
		if r == anyRune {
			return string(p.parts[0][:i])
		}
	}
	return string(p.parts[0])
}

// isPrefix reports whether the pattern is a plain text with a single % at its end.
func (p pattern) isPrefix() (string, bool) {
	if len(p.parts) != 2 || len(p.parts[1]) > 0 {
		return "", false
	}
	return literalPart(p.parts[0])
}

// matcher is the fastest function for the pattern's form.
func (p pattern) matcher() func(string) bool {
	texts := make([]string, len(p.parts))
	for i, part := range p.parts {
		text, ok := literalPart(part)
		if !ok {
			return p.match
		}
		texts[i] = text
	}
	first, last := texts[0], texts[len(texts)-1]
	switch {
	case len(texts) == 1:
		return func(s string) bool { return s == first }
	case len(texts) == 2 && last == "":
		return func(s string) bool { return strings.HasPrefix(s, first) }
	case len(texts) == 2 && first == "":
		return func(s string) bool { return strings.HasSuffix(s, last) }
	}
	middle := texts[1 : len(texts)-1]
	return func(s string) bool {
		if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
			return false
		}
		s = s[len(first) : len(s)-len(last)]
		for _, m := range middle {
			i := strings.Index(s, m)
			if i < 0 {
				return false
			}
			s = s[i+len(m):]
		}
		return true
	}
}

// match takes the parts from left to right, each at its first place, and the last at the end.
// A byte that is not UTF-8 counts as one character and matches only _ and %.
func (p pattern) match(s string) bool {
	n, ok := prefixLen(s, p.parts[0])
	if !ok {
		return false
	}
	s = s[n:]
	rest := p.parts[1:]
	if len(rest) == 0 {
		return s == ""
	}
	for len(rest) > 1 {
		for {
			if n, ok := prefixLen(s, rest[0]); ok {
				s = s[n:]
				break
			}
			if s == "" {
				return false
			}
			_, size := utf8.DecodeRuneInString(s)
			s = s[size:]
		}
		rest = rest[1:]
	}
	count := utf8.RuneCountInString(s) - len(rest[0])
	if count < 0 {
		return false
	}
	for range count {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	n, ok = prefixLen(s, rest[0])
	return ok && n == len(s)
}

// prefixLen is the number of bytes of s that part matches.
func prefixLen(s string, part []rune) (int, bool) {
	at := 0
	for _, want := range part {
		if at == len(s) {
			return 0, false
		}
		r, size := utf8.DecodeRuneInString(s[at:])
		if want != anyRune && (r != want || r == utf8.RuneError && size == 1) {
			return 0, false
		}
		at += size
	}
	return at, true
}
