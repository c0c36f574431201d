package expr

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/sdk/fault"
)

type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokWord             // identifier or keyword
	tokQuoted           // "identifier"
	tokNumber           // 12, 1.50 or, with an exponent, a float
	tokString           // 'text'
	tokBytes            // x'0aff'
	tokSign             // operator or punctuation
)

type token struct {
	kind tokenKind
	text string // as written; for quoted identifiers and strings, what they say
	at   int    // byte offset
}

func (t token) String() string {
	if t.kind == tokEnd {
		return "the end"
	}
	return fmt.Sprintf("%q", t.text)
}

// is reports whether t is the keyword or sign; keywords match in any case.
func (t token) is(text string) bool {
	return t.kind == tokSign && t.text == text || t.kind == tokWord && strings.EqualFold(t.text, text)
}

type lexer struct {
	text string
	pos  int
}

func syntaxError(text string, at int, format string, args ...any) error {
	before := text[:min(at, len(text))]
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return fault.Mark(fault.Usage, &SyntaxError{Text: text, Offset: at, Line: line, Column: column, Message: fmt.Sprintf(format, args...)})
}

func (l *lexer) next() (token, error) {
	for l.pos < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.pos]) >= 0 {
		l.pos++
	}
	at := l.pos
	if at == len(l.text) {
		return token{tokEnd, "", at}, nil
	}
	switch c := l.text[at]; {
	case (c == 'x' || c == 'X') && at+1 < len(l.text) && l.text[at+1] == '\'':
		l.pos++
		s, err := l.quoted('\'', "bytes")
		return token{tokBytes, s, at}, err
	case isLetter(c):
		for l.pos < len(l.text) && (isLetter(l.text[l.pos]) || isDigit(l.text[l.pos]) || l.text[l.pos] == '.') {
			l.pos++
		}
		return token{tokWord, l.text[at:l.pos], at}, nil
	case isDigit(c):
		return l.number()
	case c == '\'':
		s, err := l.quoted('\'', "text")
		return token{tokString, s, at}, err
	case c == '"':
		s, err := l.quoted('"', "column name")
		return token{tokQuoted, s, at}, err
	}
	for _, sign := range [...]string{"<=", ">=", "<>", "!=", "=", "<", ">", "(", ")", ",", "+", "-", "*", "/"} {
		if strings.HasPrefix(l.text[at:], sign) {
			l.pos += len(sign)
			return token{tokSign, sign, at}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.text[at:])
	return token{}, syntaxError(l.text, at, "unexpected character %q", r)
}

func (l *lexer) number() (token, error) {
	at := l.pos
	l.digits()
	if l.pos < len(l.text) && l.text[l.pos] == '.' {
		l.pos++
		if l.digits() == 0 {
			return token{}, syntaxError(l.text, l.pos, "a number needs a digit after its point")
		}
	}
	if l.pos < len(l.text) && l.text[l.pos]|0x20 == 'e' {
		l.pos++
		if l.pos < len(l.text) && (l.text[l.pos] == '+' || l.text[l.pos] == '-') {
			l.pos++
		}
		if l.digits() == 0 {
			return token{}, syntaxError(l.text, l.pos, "a number needs a digit in its exponent")
		}
	}
	if l.pos < len(l.text) && (isLetter(l.text[l.pos]) || l.text[l.pos] == '.') {
		return token{}, syntaxError(l.text, l.pos, "unexpected %q in a number", l.text[l.pos])
	}
	return token{tokNumber, l.text[at:l.pos], at}, nil
}

func (l *lexer) digits() int {
	start := l.pos
	for l.pos < len(l.text) && isDigit(l.text[l.pos]) {
		l.pos++
	}
	return l.pos - start
}

// quoted reads up to the closing quote; two quotes stand for one.
func (l *lexer) quoted(quote byte, what string) (string, error) {
	at := l.pos
	l.pos++
	var b strings.Builder
	for {
		i := strings.IndexByte(l.text[l.pos:], quote)
		if i < 0 {
			return "", syntaxError(l.text, at, "the %s that starts here has no closing %c", what, quote)
		}
		b.WriteString(l.text[l.pos : l.pos+i])
		l.pos += i + 1
		if l.pos == len(l.text) || l.text[l.pos] != quote {
			break
		}
		b.WriteByte(quote)
		l.pos++
	}
	if s := b.String(); utf8.ValidString(s) {
		return s, nil
	}
	return "", syntaxError(l.text, at, "the %s that starts here is not UTF-8", what)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= utf8.RuneSelf }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
