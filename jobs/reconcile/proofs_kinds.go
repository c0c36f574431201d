package reconcile

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/proof"
)

// start makes the proof's kind, and names the sides whose rows it takes.
func (p *proofRun) start(o *RulesOptions) (sides []string, err error) {
	s := p.spec
	switch {
	case s.Agree != nil:
		p.taken = &agreeTaker{spec: s.Agree, by: groupBy{schema: p.schema, columns: s.Agree.By}}
		return []string{s.Agree.Left, s.Agree.Right}, nil
	case s.Balanced != nil:
		p.taken = &agreeTaker{spec: &rulefile.AgreeProof{Right: s.Balanced.Side}, by: groupBy{schema: p.schema, columns: s.Balanced.By}}
		return []string{s.Balanced.Side}, nil
	case s.RollForward != nil:
		p.taken = &rollTaker{spec: s.RollForward, schema: p.schema}
		return []string{s.RollForward.Balances, s.RollForward.Movements}, nil
	case s.Sequence != nil:
		p.taken = &sequenceTaker{spec: s.Sequence, by: groupBy{schema: p.schema, columns: s.Sequence.By}, schema: p.schema, seen: map[string]bool{}}
		return []string{s.Sequence.Side}, nil
	case s.CutOff != nil:
		t := &cutOffTaker{spec: s.CutOff, schema: p.schema}
		t.of.Day = o.AsOf
		if s.CutOff.Day != "" {
			if t.of.Day, err = reconciliation.ParseDay(s.CutOff.Day); err != nil {
				return nil, fault.Mark(fault.Usage, err)
			}
		}
		if t.of.Day == 0 {
			return nil, fault.Usagef("which day is the cut-off? give --as-of, or day in the rules")
		}
		p.taken = t
		return []string{s.CutOff.Side}, nil
	case s.Control != nil:
		t := &controlTaker{spec: s.Control, schema: p.schema}
		t.of.HashDigits = s.Control.HashDigits
		p.taken = t
		return []string{s.Control.Side}, nil
	case s.Files != nil:
		p.taken = filesTaker{s.Files}
		return nil, nil
	case s.Invariant.Side != "":
		p.taken, err = newRowInvariant(s.Invariant, p.schema)
		return []string{s.Invariant.Side}, err
	}
	p.taken, err = newTotalsInvariant(s.Invariant, o.Rules)
	for _, side := range o.Rules.Sides {
		sides = append(sides, side.Name)
	}
	return sides, err
}

// groupBy takes a row's values of some columns as texts.
type groupBy struct {
	schema  reconciliation.Schema
	columns []string
	texts   []string
}

func (g *groupBy) of(m *reconciliation.Movement) []string {
	g.texts = g.texts[:0]
	for _, c := range g.columns {
		g.texts = append(g.texts, columnText(&g.schema, m, c))
	}
	return g.texts
}

// columnText is a row's value of a column as text; "" where it has none.
func columnText(s *reconciliation.Schema, m *reconciliation.Movement, name string) string {
	switch name {
	case reconciliation.ColumnAmount:
		return m.Amount.Normalize().String()
	case reconciliation.ColumnCurrency:
		return m.Currency
	case reconciliation.ColumnDate:
		return reconciliation.FormatDay(m.Date)
	}
	if i := slices.Index(s.Texts, name); i >= 0 {
		return m.Texts[i]
	}
	if i := slices.Index(s.Numbers, name); i >= 0 {
		return m.Numbers[i].Normalize().String()
	}
	if i := slices.Index(s.Days, name); i >= 0 {
		return reconciliation.FormatDay(m.Days[i])
	}
	return ""
}

func columnNumber(s *reconciliation.Schema, m *reconciliation.Movement, name string) money.Decimal {
	if i := slices.Index(s.Numbers, name); i >= 0 {
		return m.Numbers[i]
	}
	return m.Amount
}

func columnDay(s *reconciliation.Schema, m *reconciliation.Movement, name string) int32 {
	if i := slices.Index(s.Days, name); i >= 0 {
		return m.Days[i]
	}
	return m.Date
}

// judged is the proof of a taker that needs no more than the rows it took.
type judged[T any, P interface {
	*T
	Prove(m proof.Materiality) (proof.Result, error)
}] struct{ of T }

func (j *judged[T, P]) prove(_ context.Context, _ *RulesOptions, _ []*loader, m proof.Materiality) (proof.Result, error) {
	return P(&j.of).Prove(m)
}

// agreeTaker proves that totals agree, or, without a left side, that they are zero.
type agreeTaker struct {
	judged[proof.Agreement, *proof.Agreement]
	spec *rulefile.AgreeProof
	by   groupBy
}

func (t *agreeTaker) take(side string, m *reconciliation.Movement) error {
	if side == t.spec.Left {
		return t.of.Expect(t.by.of(m), m.Currency, m.Amount)
	}
	return t.of.Find(t.by.of(m), m.Currency, m.Amount)
}

type rollTaker struct {
	judged[proof.RollForward, *proof.RollForward]
	spec   *rulefile.RollForwardProof
	schema reconciliation.Schema
}

func (t *rollTaker) take(side string, m *reconciliation.Movement) error {
	account := columnText(&t.schema, m, t.spec.Account)
	if m.Date == reconciliation.NoDate {
		return fault.Usagef("row %s of side %s has no date", m.FullRef(), side)
	}
	if side == t.spec.Movements {
		return t.of.Move(account, m.Currency, m.Date, m.Amount)
	}
	err := t.of.State(account, m.Currency, m.Date, columnNumber(&t.schema, m, t.spec.Opening), columnNumber(&t.schema, m, t.spec.Closing))
	return fault.Mark(fault.Usage, err) // balances that are stated twice
}

type sequenceTaker struct {
	judged[proof.Sequence, *proof.Sequence]
	spec   *rulefile.SequenceProof
	by     groupBy
	schema reconciliation.Schema
	seen   map[string]bool // the numbers that came, with once
}

func (t *sequenceTaker) take(side string, m *reconciliation.Movement) error {
	text := strings.TrimSpace(columnText(&t.schema, m, t.spec.Number))
	d, err := money.Parse(text)
	if err == nil {
		d, err = d.RescaleExact(0)
	}
	n, ok := d.Coefficient().Int64()
	if err != nil || !ok {
		return fault.Usagef("row %s of side %s: %s %q is no whole number", m.FullRef(), side, t.spec.Number, text)
	}
	group := t.by.of(m)
	if t.spec.Once {
		key := strings.Join(append([]string{text}, group...), "\x00")
		if t.seen[key] {
			return nil
		}
		t.seen[key] = true
	}
	t.of.Take(group, n)
	return nil
}

type cutOffTaker struct {
	judged[proof.CutOff, *proof.CutOff]
	spec   *rulefile.CutOffProof
	schema reconciliation.Schema
}

func (t *cutOffTaker) take(side string, m *reconciliation.Movement) error {
	value, booking := columnDay(&t.schema, m, t.spec.Value), columnDay(&t.schema, m, t.spec.Booking)
	if value == reconciliation.NoDate || booking == reconciliation.NoDate {
		return fault.Usagef("row %s of side %s has no %s or no %s", m.FullRef(), side, t.spec.Value, t.spec.Booking)
	}
	t.of.Take([]string{m.FullRef()}, m.Currency, value, booking, m.Amount)
	return nil
}

type controlTaker struct {
	spec   *rulefile.ControlProof
	schema reconciliation.Schema
	of     proof.Control
}

func (t *controlTaker) take(_ string, m *reconciliation.Movement) error {
	hashed := ""
	if t.spec.Hash != "" {
		hashed = columnText(&t.schema, m, t.spec.Hash)
	}
	return t.of.Take(m.Currency, m.Amount, hashed)
}

func (t *controlTaker) prove(ctx context.Context, o *RulesOptions, _ []*loader, m proof.Materiality) (proof.Result, error) {
	stated := t.spec.Totals
	if t.spec.File != "" {
		var err error
		if stated, err = controlFile(ctx, o, t.spec.File); err != nil {
			return proof.Result{}, err
		}
	}
	totals := map[string]proof.Totals{}
	for _, s := range stated {
		v, err := s.Values()
		if err != nil {
			return proof.Result{}, fault.Mark(fault.Usage, err)
		}
		of := func(key string) *money.Decimal {
			if d, ok := v[key]; ok {
				return &d
			}
			return nil
		}
		if _, twice := totals[s.Currency]; twice {
			return proof.Result{}, fault.Usagef("control file %s: totals in %q stand twice", t.spec.File, s.Currency)
		}
		totals[s.Currency] = proof.Totals{Rows: of("rows"), Debits: of("debits"), Credits: of("credits"), Net: of("net"), Hash: of("hash")}
		if s.Hash != "" && t.spec.Hash == "" {
			return proof.Result{}, fault.Usagef("control file %s has a hash total: say in hash which column it adds up", t.spec.File)
		}
	}
	return t.of.Prove(totals, m)
}

// controlFile reads the totals that a control file states.
func controlFile(ctx context.Context, o *RulesOptions, location string) (out []rulefile.Totals, err error) {
	store, name, err := o.Stores.OpenObject(ctx, o.Rules.Path(location))
	if err != nil {
		return nil, err
	}
	data, err := store.Get(ctx, name)
	if err != nil {
		return nil, fault.Usagef("control file %s: %w", location, err)
	}
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff")))).ReadAll()
	if err != nil {
		return nil, fault.Usagef("control file %s: %w", location, err)
	}
	if len(rows) < 2 {
		return nil, fault.Usagef("control file %s: it needs a header and a line of totals", location)
	}
	known := []string{"currency", "rows", "debits", "credits", "net", "hash"}
	for _, h := range rows[0] {
		if !slices.Contains(known, h) {
			return nil, fault.Usagef("control file %s: there is no total %q%s", location, h, strictyaml.DidYouMean(h, known))
		}
	}
	for i, r := range rows[1:] {
		var t rulefile.Totals
		for k, h := range rows[0] {
			*map[string]*string{"currency": &t.Currency, "rows": &t.Rows, "debits": &t.Debits, "credits": &t.Credits, "net": &t.Net, "hash": &t.Hash}[h] = strings.TrimSpace(r[k])
		}
		if _, err := t.Values(); err != nil {
			return nil, fault.Usagef("control file %s: record %d: %w", location, i+2, err)
		}
		out = append(out, t)
	}
	return out, nil
}

type filesTaker struct{ spec *rulefile.FilesProof }

func (filesTaker) take(string, *reconciliation.Movement) error { return nil }

func (t filesTaker) prove(_ context.Context, _ *RulesOptions, sides []*loader, m proof.Materiality) (proof.Result, error) {
	i := slices.IndexFunc(sides, func(l *loader) bool { return l.spec.Name == t.spec.Side })
	if i < 0 {
		return proof.Result{}, fmt.Errorf("there is no side %q", t.spec.Side)
	}
	var received []proof.File
	for _, f := range sides[i].report.Files {
		received = append(received, proof.File{Name: f.Name, SHA256: f.SHA256})
	}
	return proof.Received(t.spec.Expect, received, m)
}
