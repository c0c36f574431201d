package statement

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// Verdict is how a check went.
type Verdict string

// The verdicts.
const (
	Pass     Verdict = "pass"
	Fail     Verdict = "fail"
	Unproved Verdict = "unproved" // it cannot be made; Check.Note says why
)

// Names of the checks that several formats share.
const (
	ClosingBalance = "closing balance" // opening + booked entries = closing
	PageChain      = "page chain"      // an interim opening is the interim closing before it
	EntryCount     = "entry count"
	CreditCount    = "credit count"
	DebitCount     = "debit count"
	CreditTotal    = "credit total"
	DebitTotal     = "debit total"
	RecordCount    = "record count"
	ControlTotal   = "control total"
	EntryHash      = "entry hash"
	FileTrailer    = "file trailer" // that there is one
)

// Check compares what a file states with what its records add up to.
type Check struct {
	Name     string        `json:"name"`
	Scope    string        `json:"scope"` // what is checked: the file, statement 2, batch 7 …
	Currency string        `json:"currency,omitempty"`
	Line     int64         `json:"line"`     // of the record that states it
	Stated   money.Decimal `json:"stated"`   // by the file
	Computed money.Decimal `json:"computed"` // from its records
	Verdict  Verdict       `json:"verdict"`
	Note     string        `json:"note,omitempty"` // why it is unproved, or what may explain a failure
}

// Compare is the check that a stated number equals a computed one.
func Compare(name, scope string, line int64, stated, computed money.Decimal) Check {
	c := Check{Name: name, Scope: scope, Line: line, Stated: stated, Computed: computed, Verdict: Pass}
	if !stated.Equal(computed) {
		c.Verdict = Fail
	}
	return c
}

// CompareCount is Compare of two counts.
func CompareCount(name, scope string, line, stated, computed int64) Check {
	return Compare(name, scope, line, money.FromInt64(stated), money.FromInt64(computed))
}

// String is the check as one line.
func (c Check) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s: ", c.Name, c.Scope)
	switch c.Verdict {
	case Pass:
		fmt.Fprintf(&b, "%s", c.Stated)
	case Fail:
		fmt.Fprintf(&b, "the file states %s, its records give %s", c.Stated, c.Computed)
	default:
		b.WriteString("not proved")
	}
	if c.Currency != "" && c.Verdict != Unproved {
		b.WriteString(" " + c.Currency)
	}
	if c.Note != "" {
		b.WriteString(" (" + c.Note + ")")
	}
	return b.String()
}
