package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
)

// balanceCheck is the proof of balances while it runs.
type balanceCheck struct {
	run   *run
	spec  *Balances
	scale int
	sink  *outcomeSink
}

func (r *run) newBalances() (*balanceCheck, error) {
	b := &balanceCheck{run: r, spec: r.opts.Balances, sink: &outcomeSink{store: r.work, base: "balances"}}
	m := b.spec.Movements
	amounts := []string{m.Amount}
	if b.spec.Stated == nil {
		if m.Balance == "" {
			return nil, fault.Usagef("balances: say where balances are stated: a table, or the column of the movements that has the balance after each")
		}
		amounts = append(amounts, m.Balance)
	} else if m.Balance != "" {
		return nil, fault.Usagef("balances: balances are stated either by a table or by the movements' column %q, not by both", m.Balance)
	}
	if err := b.check(m.Table, m.Account, m.Date, amounts); err != nil {
		return nil, err
	}
	if s := b.spec.Stated; s != nil {
		amounts := []string{s.Balance}
		if s.Before != "" {
			amounts = append(amounts, s.Before)
		}
		if err := b.check(s.Table, s.Account, s.Date, amounts); err != nil {
			return nil, err
		}
		if len(s.Order) == 0 {
			return nil, fault.Usagef("balances: say by which columns of %s its rows follow one another within a day", s.Table)
		}
	}
	return b, nil
}

// check looks at the columns of one table, and widens the proof's scale to hold its amounts.
func (b *balanceCheck) check(table, account, date string, amounts []string) error {
	schema, _, err := b.run.table(table)
	if err != nil {
		return err
	}
	need := func(role, name string, fits func(arrow.DataType) bool) error {
		f, ok := schema.FieldsByName(name)
		if !ok {
			return fault.Usagef("balances: table %s has no column %q for the %s", table, name, role)
		}
		if !fits(f[0].Type) {
			return fault.Usagef("balances: column %q of table %s is %s, which cannot be the %s", name, table, f[0].Type, role)
		}
		if d, ok := f[0].Type.(*arrow.Decimal128Type); ok {
			b.scale = max(b.scale, int(d.Scale))
		}
		return nil
	}
	if err := need("account", account, func(t arrow.DataType) bool { return t.ID() != arrow.DECIMAL128 }); err != nil {
		return err
	}
	if err := need("date", date, func(t arrow.DataType) bool { return t.ID() == arrow.DATE32 || t.ID() == arrow.TIMESTAMP }); err != nil {
		return err
	}
	for _, a := range amounts {
		if err := need("amount", a, func(t arrow.DataType) bool { return t.ID() == arrow.DECIMAL128 }); err != nil {
			return err
		}
	}
	return nil
}

func (b *balanceCheck) amount(column string) expr.Expr {
	return expr.Col(column).Cast(expr.DecimalType(38, b.scale))
}

// dated gives rows a business day: by an expression, which leaves a table's layout to be used, or by the clocks of a time zone.
func (b *balanceCheck) dated(s beam.Scope, rows dataset.Dataset, column string) (dataset.Dataset, expr.Expr) {
	if b.run.opts.Zone == time.UTC {
		return rows, expr.Col(column).Cast(expr.Type{Kind: expr.Date})
	}
	return columnar.WithDay(s, rows, column, b.run.opts.Zone), expr.Col(columnar.ColDay)
}

func (b *balanceCheck) pipes() bool { return true }

// build adds the proof to a pipeline.
func (b *balanceCheck) build(ctx context.Context, s beam.Scope) error {
	s = s.Scope("balances")
	m := b.spec.Movements
	moves, day := b.dated(s, filtered(s, b.run.scan(ctx, s, m.Table), m.Where), m.Date)
	if b.spec.Stated == nil {
		rows := dataset.Project(s, moves, dataset.As(columnar.ColAccount, text(m.Account)), dataset.As(columnar.ColDay, day),
			dataset.As(columnar.ColAmount, b.amount(m.Amount)), dataset.As(columnar.ColBalance, b.amount(m.Balance)))
		dataset.WriteTo(s, b.sink, columnar.ProveChains(s, rows, b.spec.Name, int32(b.scale), b.run.partitions()...))
		return nil
	}
	moved := dataset.GroupBy(s, dataset.Project(s, moves, dataset.As(columnar.ColAccount, expr.Col(m.Account)), dataset.As(columnar.ColDay, day),
		dataset.As(columnar.ColAmount, b.amount(m.Amount))), columnar.ColAccount, columnar.ColDay).Sum(columnar.ColAmount, columnar.ColMovement)
	days := dataset.Join(s, dataset.FullJoin, b.stated(ctx, s), moved, dataset.On(columnar.ColAccount, columnar.ColDay))
	rows := dataset.Project(s, days, dataset.As(columnar.ColAccount, text(columnar.ColAccount)), dataset.Column(columnar.ColDay), dataset.Column(columnar.ColOpening),
		dataset.As(columnar.ColMovement, b.amount(columnar.ColMovement)), dataset.Column(columnar.ColClosing), dataset.Column(columnar.ColKnown))
	dataset.WriteTo(s, b.sink, columnar.ProveDays(s, rows, b.spec.Name, int32(b.scale), b.run.partitions()...))
	return nil
}

func text(column string) expr.Expr { return expr.Col(column).Cast(expr.Type{Kind: expr.String}) }

func filtered(s beam.Scope, in dataset.Dataset, where expr.Expr) dataset.Dataset {
	if where == nil {
		return in
	}
	return dataset.Filter(s, in, where)
}

// stated are the openings and closings by account and day: the balance before the
// first statement of the day, and the balance after the last.
func (b *balanceCheck) stated(ctx context.Context, s beam.Scope) dataset.Dataset {
	st := b.spec.Stated
	rows, day := b.dated(s, filtered(s, b.run.scan(ctx, s, st.Table), st.Where), st.Date)
	items := []dataset.Item{dataset.As(columnar.ColAccount, expr.Col(st.Account)), dataset.As(columnar.ColDay, day),
		dataset.As(columnar.ColBalance, b.amount(st.Balance)), dataset.As("before", b.before()), dataset.As("op", b.op())}
	var order []string
	for i, o := range st.Order {
		order = append(order, fmt.Sprintf("order%d", i))
		items = append(items, dataset.As(order[i], expr.Col(o)))
	}
	if st.Op != "" { // a row that left states no balance
		rows = dataset.Filter(s, rows, expr.Col(st.Op).In("c", "r", "u"))
	}
	days := dataset.GroupBy(s, dataset.Project(s, rows, items...), columnar.ColAccount, columnar.ColDay).
		First("before", columnar.ColOpening, order...).Last(columnar.ColBalance, columnar.ColClosing, order...).First("op", "op", order...)
	return dataset.Project(s, days, slices.Concat([]dataset.Item{dataset.Column(columnar.ColAccount), dataset.Column(columnar.ColDay),
		dataset.Column(columnar.ColOpening), dataset.Column(columnar.ColClosing), dataset.As(columnar.ColKnown, expr.Col("op").Ne("r"))})...)
}

// before is the balance before a statement: as stated, or zero where the account's row begins.
func (b *balanceCheck) before() expr.Expr {
	st := b.spec.Stated
	unknown := expr.Lit(nil).Cast(expr.DecimalType(38, b.scale))
	before := unknown
	if st.Before != "" {
		before = b.amount(st.Before)
	}
	if st.Op == "" {
		return before
	}
	zero := expr.Lit(0).Cast(expr.DecimalType(38, b.scale))
	return expr.Case().When(expr.Col(st.Op).Eq("c"), zero).Else(before)
}

func (b *balanceCheck) op() expr.Expr {
	if b.spec.Stated.Op == "" {
		return expr.Lit("u")
	}
	return expr.Col(b.spec.Stated.Op)
}

// report adds up what the pipeline left.
func (b *balanceCheck) report(ctx context.Context, to *Report) ([]found, error) {
	parts, err := b.sink.parts(ctx)
	if err != nil {
		return nil, err
	}
	rep := &BalanceReport{Rule: b.spec.Name, Breaks: ByClass{}}
	for _, p := range parts {
		for class, n := range p.Classes {
			rep.Days += n
			switch class {
			case reconciliation.Holds:
				rep.Holds += n
			case reconciliation.Unproved:
				rep.Unproved += n
			default:
				rep.Breaks[class] += n
			}
		}
	}
	to.Balances = rep
	return []found{{rule: rep.Rule, parts: parts}}, nil
}
