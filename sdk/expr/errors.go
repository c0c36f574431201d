package expr

import (
	"errors"
	"fmt"
)

var (
	// ErrSyntax is wrapped where a text or JSON document is not an expression.
	ErrSyntax = errors.New("not an expression")
	// ErrColumn is wrapped where an expression names a column that the schema does not have.
	ErrColumn = errors.New("unknown column")
	// ErrType is wrapped where an operation does not take the types of its operands.
	ErrType = errors.New("types do not fit")
)

// SyntaxError says where a text stops being an expression. It wraps ErrSyntax.
type SyntaxError struct {
	Text         string // the whole text
	Offset       int    // in bytes from 0
	Line, Column int    // from 1; the column counts characters
	Message      string
}

// Error names the place, what was found there and what was expected.
func (e *SyntaxError) Error() string {
	if e.Line > 1 {
		return fmt.Sprintf("parse expression: line %d, column %d: %s", e.Line, e.Column, e.Message)
	}
	return fmt.Sprintf("parse expression %q: column %d: %s", shorten(e.Text), e.Column, e.Message)
}

// Unwrap is ErrSyntax.
func (e *SyntaxError) Unwrap() error { return ErrSyntax }

// EvalError says which operation failed on which row. It wraps the cause, such as money.ErrOverflow.
type EvalError struct {
	Expr string // the failing part, in text form
	Row  int    // in the batch, from 0
	Err  error
}

// Error names expression, row and cause.
func (e *EvalError) Error() string {
	return fmt.Sprintf("evaluate %s: row %d of the batch: %v", e.Expr, e.Row, e.Err)
}

// Unwrap is the cause.
func (e *EvalError) Unwrap() error { return e.Err }

// shorten keeps messages readable.
func shorten(text string) string {
	const most = 120
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}

// nearest is the candidate with the smallest edit distance to name, or "" where none is near.
func nearest(name string, candidates []string) string {
	best, limit := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if d := editDistance(name, c); d < limit {
			best, limit = c, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
