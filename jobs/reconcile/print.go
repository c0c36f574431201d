package reconcile

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/millrace/millrace/sdk/reconciliation"
)

// Print writes a report for people: what was compared, what was found, and the verdict.
func Print(w io.Writer, rep Report) error {
	var b bytes.Buffer
	if s := rep.Checked; s != nil {
		s.print(&b)
	}
	if x := rep.Balances; x != nil {
		fmt.Fprintf(&b, "\n%s: %d account-days, %d hold", x.Rule, x.Days, x.Holds)
		if x.Unproved > 0 {
			fmt.Fprintf(&b, ", %d lie before the first balance stated", x.Unproved)
		}
		b.WriteString("\n")
		printBreaks(&b, x.Breaks)
	}
	if x := rep.Source; x != nil {
		x.print(&b)
	}
	again := ""
	if rep.Again {
		again = "; this run was in the lake already"
	}
	asOf := ""
	if rep.AsOf != "" {
		asOf = " as of " + rep.AsOf
	}
	fmt.Fprintf(&b, "\n%s: %d breaks at cut %d%s (run %s%s)\n", strings.ToUpper(string(rep.Verdict)), rep.Breaks, rep.Cut, asOf, rep.Run, again)
	_, err := w.Write(bytes.TrimLeft(b.Bytes(), "\n"))
	return err
}

func (s *StatementReport) print(b *bytes.Buffer) {
	var names []string
	for _, f := range s.Files {
		names = append(names, f.Name)
	}
	fmt.Fprintf(b, "%s: %d rows of %s against %d of %s, %d pairs match\n", s.Rule, s.Left, s.Table, s.Right, strings.Join(names, ", "), s.Matched)
	if s.Quarantined > 0 {
		fmt.Fprintf(b, "  %d records cannot be read; the first: %s\n", s.Quarantined, s.FirstReject)
	}
	printBreaks(b, s.Breaks)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "  currency\tledger\tstatement\twithin tolerance\tin breaks\tunexplained\t")
	for _, x := range s.Totals {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t\n", x.Currency, x.Left, x.Right, x.MatchedDifference, x.BreakDifference, x.Unexplained)
	}
	_ = t.Flush() // into memory
}

func (s *SourceReport) print(b *bytes.Buffer) {
	if s.Gap != "" {
		fmt.Fprintf(b, "\nsource: not proved: %s\n", s.Gap)
	}
	if s.Gap != "" && s.Expired == 0 {
		return
	}
	fmt.Fprintf(b, "\nsource: the stream %s against the lake, up to the lake's position\n", s.Stream)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, c := range s.Tables {
		fmt.Fprintf(t, "  %s\t%d events\t%d in the lake\t%d control totals", c.Table, sumOf(c.Source), sumOf(c.Lake), len(c.Control))
		if c.Rows != nil {
			fmt.Fprintf(t, "\t%d rows, %d equal", c.Rows.Lake, c.Rows.Matched)
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // into memory
	for _, f := range s.Failed {
		fmt.Fprintf(b, "  differs: %s\n", f)
	}
	printBreaks(b, s.Breaks)
}

func sumOf(counts map[string]int64) (n int64) {
	for _, k := range counts {
		n += k
	}
	return n
}

// explained says in words what a class means.
var explained = map[reconciliation.Class]string{
	reconciliation.MissingLeft:  "on the right only",
	reconciliation.MissingRight: "on the left only",
	reconciliation.Duplicate:    "once more than on the other side",
	reconciliation.Amount:       "amounts differ by more than the tolerance",
	reconciliation.Currency:     "currencies differ",
	reconciliation.Date:         "dates are further apart than allowed",
	reconciliation.Balance:      "opening + movements is not the closing",
	reconciliation.Opening:      "the opening is not the prior closing",
	reconciliation.Order:        "no order of the day's movements explains its balances",
	reconciliation.Row:          "a column differs",

	reconciliation.TimingDifference: "not due on the other side yet",
	reconciliation.Ambiguous:        "matches in more than one way",
	reconciliation.Status:           "a status differs",
	reconciliation.FeeFX:            "amounts differ by a fee or by exchange rates",
	reconciliation.SignFlip:         "one amount is the other's negative",
	reconciliation.Transposition:    "two digits are exchanged",
	reconciliation.DecimalShift:     "the point is in another place",
}

func printBreaks(b *bytes.Buffer, breaks ByClass) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, c := range reconciliation.Classes() {
		if breaks[c] > 0 {
			fmt.Fprintf(t, "  %s\t%d\t%s\n", c, breaks[c], explained[c])
		}
	}
	_ = t.Flush() // into memory
}

// Only keeps the checks named (statement, balances, source) and drops the others.
func (o *Options) Only(names ...string) bool {
	keep := func(name string) bool { return slices.Contains(names, name) }
	if !keep("statement") {
		o.Statement = nil
	}
	if !keep("balances") {
		o.Balances = nil
	}
	if !keep("source") {
		o.Source = nil
	}
	return o.Statement != nil || o.Balances != nil || o.Source != nil
}

// PrintRules writes the outcome of a rule file for people.
func PrintRules(w io.Writer, rep RulesReport) error {
	var b bytes.Buffer
	for _, l := range rep.Legs {
		fmt.Fprintf(&b, "%s: %d matches; %d of %s and %d of %s in breaks\n", l.Name, l.Matched, l.BreakLeft, l.Left, l.BreakRight, l.Right)
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, c := range slices.Sorted(maps.Keys(l.Breaks)) {
			fmt.Fprintf(t, "  %s\t%d\t%s\n", c, l.Breaks[c], meaningOf(c))
		}
		_ = t.Flush() // into memory
		t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(t, "  currency\t%s\t%s\twithin tolerance\tin breaks\tunexplained\t\n", l.Left, l.Right)
		for _, x := range l.Controls {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t\n", x.Currency, x.Left, x.Right, x.Matched, x.Breaks, x.Unexplained)
		}
		_ = t.Flush() // into memory
	}
	for _, s := range rep.Sides {
		if s.Quarantined > 0 {
			fmt.Fprintf(&b, "%s: %d records cannot be read; the first: %s\n", s.Name, s.Quarantined, s.FirstReject)
		}
	}
	for _, p := range rep.Proofs {
		fmt.Fprintf(&b, "proof %s: %s, %d checked, %s\n", p.Name, p.Verdict, p.Checked, counted(p.Findings, "finding"))
	}
	fmt.Fprintf(&b, "\n%s: %d breaks (run %s)\n", strings.ToUpper(string(rep.Verdict)), rep.Total, rep.Run)
	_, err := w.Write(b.Bytes())
	return err
}
