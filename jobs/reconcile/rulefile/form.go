package rulefile

import (
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/statement"
)

// Form says how a column's values are made of its source's.
type Form struct {
	From, Is  string // one of them, or Debit and Credit
	Text      reconciliation.TextForm
	Date      reconciliation.DateForm
	Style     statement.AmountStyle
	Negate    bool
	Debit     string
	Credit    string
	Indicator string
	DebitWhen []string
}

// Form of a column by its name.
func (col Column) Form(name string) (Form, error) {
	f := Form{From: name, Is: col.Is, Text: col.textForm(), Style: col.style(), Negate: col.Sign == "negated", Debit: col.Debit, Credit: col.Credit,
		Indicator: col.Indicator, DebitWhen: col.DebitWhen}
	if col.From != "" {
		f.From = col.From
	}
	if f.Indicator != "" && len(f.DebitWhen) == 0 {
		f.DebitWhen = []string{"D", "DR", "DBIT"}
	}
	zone, err := time.LoadLocation(col.TimeZone)
	if err != nil {
		return f, fault.Usagef("time zone %q: %w", col.TimeZone, err)
	}
	f.Date = reconciliation.DateForm{Layouts: col.Layouts, Zone: zone}
	return f, nil
}

// Sources are the source's columns that a column is made of.
func (col Column) Sources(name string) []string {
	switch {
	case col.Is != "":
		return nil
	case col.Debit != "":
		return []string{col.Debit, col.Credit}
	case col.From != "":
		name = col.From
	}
	if col.Indicator != "" {
		return []string{name, col.Indicator}
	}
	return []string{name}
}
