package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
)

// errUnexplained marks a comparison whose totals do not tie out: a defect, never a finding.
var errUnexplained = errors.New("the totals do not tie out")

// statementCheck is the comparison with a statement while it runs.
type statementCheck struct {
	run   *run
	spec  *Statement
	file  *statementFile
	files []File
	left  columnar.Columns
	right columnar.Columns
	scale int32
	sink  *outcomeSink
}

// newStatement settles columns and types of both sides, and reads the statement's checksum.
func (r *run) newStatement(ctx context.Context) (*statementCheck, error) {
	st := r.opts.Statement
	c := &statementCheck{run: r, spec: st, left: st.Left, right: st.Right, sink: &outcomeSink{store: r.work, base: "statement", matches: r.opts.Out != ""}}
	schema, key, err := r.table(st.Table)
	if err != nil {
		return nil, err
	}
	if st.Lookup != nil {
		if schema, err = r.looked(schema, st); err != nil {
			return nil, err
		}
	}
	if len(c.left.Ref) == 0 {
		c.left.Ref = key
	}
	if len(c.left.Ref) == 0 {
		return nil, fault.Usagef("statement: table %s has no key; say which columns tell its rows apart", st.Table)
	}
	f, ok := schema.FieldsByName(c.left.Amount)
	if !ok {
		return nil, fault.Usagef("statement: table %s: there is no column %q for the amount", st.Table, c.left.Amount)
	}
	if d, ok := f[0].Type.(*arrow.Decimal128Type); ok {
		c.scale = d.Scale
	}
	c.left.Scale, c.right.Scale = c.scale, c.scale
	c.left.Zone, c.right.Zone = r.opts.Zone.String(), r.opts.Zone.String()
	r.scale = c.scale
	if err := c.left.Check(schema); err != nil {
		return nil, fmt.Errorf("statement: table %s: %w", st.Table, err)
	}
	if (c.left.Date == "") != (c.right.Date == "") {
		return nil, fault.Usagef("statement: only one side has a date; name a date column on both sides or on neither")
	}
	if c.file, err = openStatement(ctx, &r.opts, r.work, c.scale); err != nil {
		return nil, err
	}
	c.right.Ref = []string{colPlace}
	if err := c.right.Check(c.file.out); err != nil {
		return nil, fmt.Errorf("statement %s: %w", st.File, err)
	}
	c.files, err = c.file.describe(ctx)
	return c, err
}

// table is a table's schema at the run's cut, and its key.
func (r *run) table(name string) (*arrow.Schema, []string, error) {
	t, err := r.cut.Table(name)
	if err != nil {
		return nil, nil, fault.Mark(fault.Usage, fmt.Errorf("table %s at cut %d: %w", name, r.cut.Number(), err))
	}
	spec, err := t.Spec()
	return spec.Schema, spec.Key, err
}

// looked is a table's schema with what the lookup brings.
func (r *run) looked(schema *arrow.Schema, st *Statement) (*arrow.Schema, error) {
	other, _, err := r.table(st.Lookup.Table)
	if err != nil {
		return nil, err
	}
	fields := slices.Clone(schema.Fields())
	for _, n := range st.Lookup.Columns {
		f, ok := other.FieldsByName(n)
		if !ok {
			return nil, fault.Usagef("statement: lookup: table %s has no column %q", st.Lookup.Table, n)
		}
		if schema.HasField(n) {
			return nil, fault.Usagef("statement: lookup: table %s has a column %q of its own", st.Table, n)
		}
		f[0].Nullable = true
		fields = append(fields, f[0])
	}
	return arrow.NewSchema(fields, nil), nil
}

func (c *statementCheck) pipes() bool { return true }

// build adds the comparison to a pipeline.
func (c *statementCheck) build(ctx context.Context, s beam.Scope) error {
	s = s.Scope("statement")
	left := c.ledger(ctx, s)
	right := dataset.Read(s, c.file)
	both := columnar.Both(s, columnar.Items(s, left, c.left), columnar.Items(s, right, c.right), c.scale, c.run.partitions()...)
	rule := c.spec.Rule
	rule.HasDate = c.left.Date != ""
	opts := []columnar.CompareOption{columnar.WithPopulation()}
	if !c.sink.matches {
		opts = append(opts, columnar.AddUpMatches())
	}
	dataset.WriteTo(s, c.sink, columnar.Compare(s, both, rule, opts...))
	return nil
}

// ledger are the rows of the lake's side, with the columns that are used.
func (c *statementCheck) ledger(ctx context.Context, s beam.Scope) dataset.Rows {
	st := c.spec
	var rows dataset.Rows = c.run.scan(ctx, s, st.Table)
	if l := st.Lookup; l != nil {
		other := dataset.Select(s, c.run.scan(ctx, s, l.Table), slices.Concat(l.On, l.Columns)...)
		rows = dataset.Join(s, dataset.LeftJoin, rows, other, dataset.On(l.On...), dataset.Keep(l.Columns...))
	}
	if st.Where != nil {
		rows = dataset.Filter(s, rows, st.Where)
	}
	return dataset.Select(s, rows, columnsOf(c.left)...)
}

// columnsOf lists what items are made of, each once.
func columnsOf(c columnar.Columns) []string {
	all := slices.Concat(c.Key, c.Ref, c.Show, []string{c.Amount})
	for _, n := range []string{c.Currency, c.Date} {
		if n != "" {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// report adds up what the pipeline left, and checks that it ties out.
func (c *statementCheck) report(ctx context.Context, to *Report) ([]found, error) {
	parts, err := c.sink.parts(ctx)
	if err != nil {
		return nil, err
	}
	rep := &StatementReport{Rule: c.spec.Rule.Name, Table: c.spec.Table, Files: c.files, Breaks: ByClass{}}
	all, byCurrency := map[string]*sums{}, map[string]*population{}
	for _, p := range parts {
		for side, currencies := range p.Held {
			for ccy, h := range currencies {
				populationOf(byCurrency, ccy).add(side, h)
			}
		}
		for class, n := range p.Classes {
			if class == reconciliation.Matched {
				rep.Matched += n
			} else {
				rep.Breaks[class] += n
			}
		}
		for ccy, s := range p.Sums {
			mergeSums(all, ccy, s)
		}
	}
	if err := c.totals(rep, byCurrency, all); err != nil {
		return nil, err
	}
	to.Checked = rep
	rep.Quarantined, rep.FirstReject, err = quarantined(ctx, c.run.work)
	return []found{{rep.Rule, parts, c.file.place}}, err
}

func mergeSums(all map[string]*sums, ccy string, s *sums) {
	have := all[ccy]
	if have == nil {
		all[ccy] = s
		return
	}
	have.LeftMatched += s.LeftMatched
	have.RightMatched += s.RightMatched
	have.LeftBreaks += s.LeftBreaks
	have.RightBreaks += s.RightBreaks
	have.matched.Merge(s.matched)
	have.breaks.Merge(s.breaks)
}

// population is what both sides hold in one currency.
type population struct {
	items [2]int64
	total [2]money.Sum
}

func populationOf(all map[string]*population, ccy string) *population {
	if all[ccy] == nil {
		all[ccy] = new(population)
	}
	return all[ccy]
}

func (p *population) add(side int, h *held) {
	p.items[side] += h.Items
	p.total[side].Merge(h.total)
}

// totals puts the population, added up by itself, beside what outcomes explain.
func (c *statementCheck) totals(rep *StatementReport, all map[string]*population, explained map[string]*sums) error {
	for ccy := range explained {
		populationOf(all, ccy)
	}
	for _, ccy := range slices.Sorted(maps.Keys(all)) {
		p := all[ccy]
		t := Totals{Currency: ccy, LeftItems: p.items[columnar.Left], RightItems: p.items[columnar.Right]}
		var err error
		if t.Left, err = p.total[columnar.Left].Decimal(int(c.scale)); err == nil {
			t.Right, err = p.total[columnar.Right].Decimal(int(c.scale))
		}
		if err == nil {
			err = t.explain(explained[ccy], int(c.scale))
		}
		if err != nil {
			return fmt.Errorf("statement: totals in %q: %w", ccy, err)
		}
		rep.Left += t.LeftItems
		rep.Right += t.RightItems
		rep.Totals = append(rep.Totals, t)
	}
	return nil
}

// explain fills in what outcomes account for, and checks it against the population.
func (t *Totals) explain(s *sums, scale int) (err error) {
	if s == nil {
		s = new(sums)
	}
	t.LeftMatched, t.RightMatched, t.LeftBreaks, t.RightBreaks = s.LeftMatched, s.RightMatched, s.LeftBreaks, s.RightBreaks
	if t.MatchedDifference, err = s.matched.Decimal(scale); err != nil {
		return err
	}
	if t.BreakDifference, err = s.breaks.Decimal(scale); err != nil {
		return err
	}
	t.Unexplained = t.Left
	for _, d := range []money.Decimal{t.Right, t.MatchedDifference, t.BreakDifference} {
		if t.Unexplained, err = t.Unexplained.Sub(d); err != nil {
			return err
		}
	}
	if !t.Unexplained.IsZero() || t.LeftMatched+t.LeftBreaks != t.LeftItems || t.RightMatched+t.RightBreaks != t.RightItems {
		return fmt.Errorf("%w: %s unexplained; left %d items, %d matched and %d in breaks; right %d, %d and %d", errUnexplained, t.Unexplained,
			t.LeftItems, t.LeftMatched, t.LeftBreaks, t.RightItems, t.RightMatched, t.RightBreaks)
	}
	return nil
}
