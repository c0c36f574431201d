package reconcile

import (
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/proof"
	"github.com/millrace/millrace/sdk/storage"
)

// ProofReport is how a proof of the rules ended.
type ProofReport struct {
	Name    string  `json:"name"`
	Kind    string  `json:"kind"` // such as agree
	Verdict Verdict `json:"verdict"`
	Checked int64   `json:"checked"` // groups, days, rows, totals or files
	// Findings counts what is not as it should be; proofs.csv has all.
	Findings int64 `json:"findings"`
	// Gross is by how much, without signs, by currency; Allowed what counts as immaterial.
	Gross   map[string]money.Decimal `json:"gross,omitempty"`
	Allowed map[string]money.Decimal `json:"allowed,omitempty"`
	// ApprovedBy has approved what is allowed.
	ApprovedBy string `json:"approved_by,omitempty"`

	items []proof.Item
}

// proofRun is a proof while rows come. Rows of several sides may come at once.
type proofRun struct {
	spec   *rulefile.Proof
	schema reconciliation.Schema
	lock   sync.Mutex
	gross  map[string]*money.Decimal // of the amounts that it has looked at, by currency
	taken  taker
}

// taker is a kind of proof.
type taker interface {
	// take takes a row of a side that the proof names.
	take(side string, m *reconciliation.Movement) error
	// prove judges what was taken.
	prove(ctx context.Context, o *RulesOptions, sides []*loader, m proof.Materiality) (proof.Result, error)
}

// newProofs starts the proofs of the rules, and lets the sides' loaders tell them their rows.
func newProofs(o *RulesOptions, schema reconciliation.Schema, sides []*loader) (out []*proofRun, err error) {
	for i := range o.Rules.Proofs {
		p := &proofRun{spec: &o.Rules.Proofs[i], schema: schema, gross: map[string]*money.Decimal{}}
		names, err := p.start(o)
		if err != nil {
			return nil, fmt.Errorf("proof %s: %w", p.spec.Name, err)
		}
		for _, l := range sides {
			if slices.Contains(names, l.spec.Name) {
				l.proofs = append(l.proofs, p)
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// take takes a row.
func (p *proofRun) take(side string, m *reconciliation.Movement) error {
	p.lock.Lock()
	defer p.lock.Unlock()
	g := p.gross[m.Currency]
	if g == nil {
		g = &money.Decimal{}
		p.gross[strings.Clone(m.Currency)] = g
	}
	var err error
	if *g, err = g.Add(m.Amount.Abs()); err == nil {
		err = p.taken.take(side, m)
	}
	if err != nil {
		return fmt.Errorf("proof %s: %w", p.spec.Name, err)
	}
	return nil
}

// prove ends all proofs.
func (rep *RulesReport) prove(ctx context.Context, o *RulesOptions, proofs []*proofRun, sides []*loader) error {
	for _, p := range proofs {
		m, err := p.materiality(o.AsOf)
		if err != nil {
			return fmt.Errorf("proof %s: %w", p.spec.Name, err)
		}
		res, err := p.taken.prove(ctx, o, sides, m)
		if err != nil {
			return fmt.Errorf("proof %s: %w", p.spec.Name, err)
		}
		r := ProofReport{Name: p.spec.Name, Kind: p.spec.Kind(), Verdict: Verdict(res.Verdict), Checked: res.Checked, Findings: int64(len(res.Items)), Gross: res.Gross,
			Allowed: m.Amount, items: res.Items}
		if len(m.Amount) > 0 || m.Count > 0 || len(m.Accounts) > 0 {
			r.ApprovedBy = p.spec.Materiality.ApprovedBy
		}
		rep.Proofs = append(rep.Proofs, r)
		rep.Verdict = worse(rep.Verdict, r.Verdict)
	}
	return nil
}

// materiality is what the rules allow on a business date; nothing before the date from which they do.
func (p *proofRun) materiality(asOf int32) (out proof.Materiality, err error) {
	spec := &p.spec.Materiality
	if spec.From != "" {
		from, err := reconciliation.ParseDay(spec.From)
		if err != nil {
			return out, fault.Mark(fault.Usage, err)
		}
		if asOf == 0 {
			return out, fault.Usagef("its materiality counts from %s on: give --as-of", spec.From)
		}
		if asOf < from {
			return out, nil
		}
	}
	out.Count = spec.Count
	if out.Amount, err = amounts(spec.Amounts); err != nil {
		return out, err
	}
	percent, err := money.Parse(spec.Percent)
	if err != nil {
		return out, fault.Mark(fault.Usage, err)
	}
	for currency, gross := range p.gross {
		if percent.IsZero() {
			break
		}
		part, err := gross.MulRound(percent, gross.Scale()+2, money.Down)
		if err == nil {
			part, err = part.Div(money.FromInt64(100), gross.Scale(), money.Down)
		}
		if err != nil {
			return out, fmt.Errorf("%s percent of %s %s: %w", percent, gross, currency, err)
		}
		if part.Cmp(out.Amount[currency]) > 0 {
			out.Amount[currency] = part
		}
	}
	out.Accounts = map[string]proof.Materiality{}
	for account, a := range spec.Accounts {
		of := proof.Materiality{Count: a.Count}
		if of.Amount, err = amounts(a.Amounts); err != nil {
			return out, err
		}
		out.Accounts[account] = of
	}
	return out, nil
}

func amounts(texts map[string]string) (map[string]money.Decimal, error) {
	out := map[string]money.Decimal{}
	for currency, text := range texts {
		d, err := money.Parse(text)
		if err != nil {
			return nil, fault.Mark(fault.Usage, err)
		}
		out[currency] = d
	}
	return out, nil
}

// writeProofs leaves proofs.csv, where the rules have proofs.
func (rep *RulesReport) writeProofs(ctx context.Context, out storage.Store) error {
	if len(rep.Proofs) == 0 {
		return out.Delete(ctx, proofsName)
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	rows := [][]string{{"proof", "kind", "finding", "group", "currency", "day", "expected", "found", "difference"}}
	for _, p := range rep.Proofs {
		for _, it := range p.items {
			rows = append(rows, append([]string{p.Name, p.Kind}, itemTexts(it)...))
		}
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	return out.Put(ctx, proofsName, []byte(b.String()), storage.PutOptions{})
}

const proofsName = "proofs.csv"

// itemTexts are finding, group, currency, day, expected, found and difference.
func itemTexts(it proof.Item) []string {
	day := ""
	if it.Day != 0 {
		day = reconciliation.FormatDay(it.Day)
	}
	return []string{it.What, strings.Join(it.Group, "|"), it.Currency, day, it.Expected.String(), it.Found.String(), it.Difference.String()}
}

// Shown are the first findings, as the page shows them.
func (p *ProofReport) Shown() (out [][]string) {
	for _, it := range p.items[:min(len(p.items), mostShown)] {
		out = append(out, itemTexts(it))
	}
	return out
}

// More is how many findings the page does not show.
func (p *ProofReport) More() int64 { return p.Findings - int64(min(len(p.items), mostShown)) }

// WhyFailed says in one line what a run that fails has found.
func (rep *RulesReport) WhyFailed() string {
	var said []string
	if n := rep.Counted(); n > 0 {
		said = append(said, strconv.FormatInt(n, 10)+" breaks")
	}
	for _, p := range rep.Proofs {
		if p.Verdict == Fail {
			said = append(said, fmt.Sprintf("proof %s fails with %s", p.Name, counted(p.Findings, "finding")))
		}
	}
	if len(said) == 0 {
		said = append(said, "records of a side cannot be read; see rejects.ndjson")
	}
	return strings.Join(said, "; ")
}
