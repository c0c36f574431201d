package reconcile

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

// WriteReport writes report.html for a run of the project file's checks, beside the files that the run has left in dir: the page of a run by rules, with
// the balances and the source below its totals. It reads breaks.csv again; breaks that are not there are an error.
func WriteReport(ctx context.Context, dir string, rep Report) error {
	p := runPage(&rep)
	out, err := localio.Open(dir, localio.Options{})
	if err == nil {
		err = p.addFile(ctx, out)
	}
	p.Breaks, p.Total = ByClass{}, 0
	for _, l := range p.Pages {
		p.Legs = append(p.Legs, *l.LegReport)
		for _, c := range l.Classes {
			p.Breaks[reconciliation.Class(c.Class)] += c.Count
			p.Total += c.Count
		}
	}
	p.Reason = rep.reason(p.RulesReport)
	p.Trend = trend(dir, p.RulesReport)
	var html bytes.Buffer
	if err == nil {
		err = p.render(&html)
	}
	if err == nil {
		err = out.Put(ctx, reportName, html.Bytes(), storage.PutOptions{})
	}
	if err != nil {
		return fmt.Errorf("write the report to %s: %w", dir, err)
	}
	return nil
}

// lakeName is what the page is called.
const lakeName = "The lake's proof"

// runPage is a run of checks as the page has it: the statement is a leg; other checks are legs where they have breaks.
func runPage(rep *Report) *page {
	r := &RulesReport{Run: rep.Run, Rules: lakeName, AsOf: rep.AsOf, Verdict: rep.Verdict, Total: rep.Breaks, Breaks: ByClass{}}
	p := &page{RulesReport: r, Lake: rep}
	if b := rep.Balances; b != nil {
		p.leg(LegReport{Name: b.Rule, Left: "movements", Right: "balances", Breaks: b.Breaks})
	}
	if s := rep.Checked; s != nil {
		r.Matched = s.Matched
		r.Sides = []SideReport{{Name: "ledger", Table: s.Table, Rows: s.Left, Totals: map[string]money.Decimal{}},
			{Name: "statement", Files: s.Files, Rows: s.Right, Totals: map[string]money.Decimal{}, Quarantined: s.Quarantined, FirstReject: s.FirstReject}}
		leg := LegReport{Name: s.Rule, Left: "ledger", Right: "statement", Matched: s.Matched, ByPass: map[string]int64{s.Rule: s.Matched}, Breaks: s.Breaks}
		for _, t := range s.Totals {
			r.Sides[0].Totals[t.Currency], r.Sides[1].Totals[t.Currency] = t.Left, t.Right
			leg.Controls = append(leg.Controls, ControlReport{Currency: t.Currency, LeftRows: t.LeftItems, RightRows: t.RightItems, LeftMatched: t.LeftMatched,
				RightMatched: t.RightMatched, LeftBreaks: t.LeftBreaks, RightBreaks: t.RightBreaks, Left: t.Left, Right: t.Right, Matched: t.MatchedDifference,
				Breaks: t.BreakDifference, Unexplained: t.Unexplained})
		}
		p.leg(leg)
		slices.Reverse(p.Pages) // the statement first
	}
	return p
}

// leg adds a leg; its breaks come with addFile.
func (p *page) leg(l LegReport) *legPage {
	l.AsOf, l.Verdict = p.AsOf, Pass
	if l.Breaks.total() > 0 {
		l.Verdict = Fail
	}
	q := &legPage{LegReport: &l, ID: fmt.Sprintf("leg%d", len(p.Pages)+1), ages: make([]int64, len(ages))}
	p.Pages = append(p.Pages, q)
	return q
}

// addFile reads breaks.csv. A rule that is no leg yet is a table that was compared with the source row by row.
func (p *page) addFile(ctx context.Context, out storage.Store) error {
	file, err := out.Open(ctx, breaksName)
	if err != nil {
		return err
	}
	defer file.Close() // only read
	rows := csv.NewReader(io.NewSectionReader(file, 0, file.Size()))
	rows.ReuseRecord = true
	if head, err := rows.Read(); err != nil || !slices.Equal(head, breakHeader) {
		return fmt.Errorf("%s: its columns are %q, not a run's: %w", breaksName, head, err)
	}
	for {
		f, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", breaksName, err)
		}
		b := ruleBreak{ID: f[0], Class: f[1], Side: f[2], Leg: f[3], Key: f[4], AmountLeft: f[5], AmountRight: f[6], Difference: f[7], CurrencyLeft: f[8], CurrencyRight: f[9],
			DateLeft: f[10], DateRight: f[11], RefLeft: f[12], RefRight: f[13], RowLeft: f[14], RowRight: f[15]}
		if !slices.ContainsFunc(p.Pages, func(l *legPage) bool { return l.Name == b.Leg }) {
			p.leg(LegReport{Name: b.Leg, Left: "source", Right: "lake"}).Verdict = Fail
		}
		if err := p.add(&b); err != nil {
			return err
		}
	}
}

// reason says in words why the run has its verdict.
func (rep *Report) reason(r *RulesReport) string {
	said := []string{r.reason()}
	if rep.Verdict == Pass {
		said = []string{"Every check that was made holds."}
	}
	if s := rep.Source; s != nil {
		for _, f := range s.Failed {
			said = append(said, "Source and lake differ: "+f+".")
		}
		if s.Gap != "" {
			said = append(said, "Not everything could be proved: "+s.Gap+".")
		}
	}
	return strings.TrimSpace(strings.Join(said, " "))
}
