package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// sieveTaker takes what a leg's sieve gives away.
type sieveTaker interface {
	// pairs gives a function that takes pairs; nil where nobody wants them.
	pairs(p rulefile.Plan) func(*reconciliation.PairRows) error
	// settled takes the settlement of a part. precision is how many digits amounts of the leg have at most.
	settled(p rulefile.Plan, precision int, s *reconciliation.Settlement) error
}

// settleRules reads the sides and settles the legs. rejects are the records that were set aside, as lines of JSON.
func settleRules(ctx context.Context, o *RulesOptions, taker sieveTaker) (rep RulesReport, legs []settledLeg, rejects []byte, err error) {
	if o.Rules == nil || o.Stores == nil {
		return rep, nil, nil, fault.Usagef("rules and stores are required")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	for _, name := range slices.Sorted(maps.Keys(o.Sides)) {
		if o.Rules.Side(name) == nil {
			return rep, nil, nil, fault.Usagef("the rules have no side %q", name)
		}
	}
	plans, err := o.Rules.Plans(o.AsOf)
	if err != nil {
		return rep, nil, nil, err
	}
	schema, err := o.Rules.Schema()
	if err != nil {
		return rep, nil, nil, err
	}
	if err := o.pin(ctx); err != nil {
		return rep, nil, nil, err
	}
	loaders := o.loaders(schema)
	proofs, err := newProofs(o, schema, loaders)
	if err != nil {
		return rep, nil, nil, err
	}
	if len(plans) == 1 && len(loaders) == 2 && plans[0].Rules.Sifts() {
		legs, err = sift(ctx, plans[0], loaders, taker, o)
	} else {
		legs, err = settleWhole(ctx, plans, loaders)
	}
	if err != nil {
		return rep, nil, nil, err
	}
	for _, l := range loaders {
		rep.Sides = append(rep.Sides, l.report)
		rejects = append(rejects, l.rejects...)
	}
	if err := rep.fill(o, legs); err != nil {
		return rep, legs, nil, err
	}
	return rep, legs, rejects, rep.prove(ctx, o, proofs, loaders)
}

// loaders are those of all sides.
func (o *RulesOptions) loaders(schema reconciliation.Schema) []*loader {
	out := make([]*loader, len(o.Rules.Sides))
	for i := range out {
		out[i] = &loader{opts: o, spec: &o.Rules.Sides[i], schema: schema}
	}
	return out
}

// pin settles on one cut of the lake for all sides, and for as often as they are read.
func (o *RulesOptions) pin(ctx context.Context) error {
	if o.Lake == nil || !slices.ContainsFunc(o.Rules.Sides, func(s rulefile.Side) bool { return s.Table != "" && o.Sides[s.Name] == "" }) {
		return nil
	}
	cut, err := o.Lake.At(ctx, o.At)
	if err != nil {
		return fault.Mark(fault.Usage, err)
	}
	o.At = catalog.At{Cut: cut.Number()}
	return nil
}

// settleWhole settles legs with all rows of all sides in memory.
func settleWhole(ctx context.Context, plans []rulefile.Plan, loaders []*loader) (legs []settledLeg, err error) {
	sides, account := map[string]*reconciliation.Side{}, ""
	for _, l := range loaders {
		side := reconciliation.NewSide(l.spec.Name, l.schema)
		l.to = func(m *reconciliation.Movement) error { return side.Append(m.Clone()) }
		if err := l.load(ctx); err != nil {
			return nil, fmt.Errorf("side %s: %w", l.spec.Name, err)
		}
		sides[l.spec.Name], account = side, l.opts.account()
	}
	for _, p := range plans {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		res, err := reconciliation.Settle(sides[p.Left.Name], sides[p.Right.Name], p.Rules)
		if err == nil {
			err = res.Classify(p.Classes)
		}
		if err != nil {
			return nil, fmt.Errorf("leg %s: %w", p.Name, err)
		}
		legs = append(legs, settledLeg{plan: p, result: res, account: account})
	}
	return legs, nil
}

// sift settles the one leg of two sides, of which only the rows that do not match for certain are held in memory.
func sift(ctx context.Context, p rulefile.Plan, loaders []*loader, taker sieveTaker, o *RulesOptions) (_ []settledLeg, err error) {
	s, err := reconciliation.NewSieve(p.Left.Name, p.Right.Name, loaders[0].schema, p.Rules, reconciliation.SieveOptions{})
	if err != nil {
		return nil, fmt.Errorf("leg %s: %w", p.Name, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, l := range loaders {
		if l.spec.Name == p.Right.Name {
			l.number = 1
		}
	}
	var trees *TreesReport
	if o.Rules.Compare == "tree" {
		trees, err = byTrees(ctx, s, p, loaders, o)
	} else {
		err = readBoth(ctx, loaders, s.Append)
	}
	if err != nil {
		return nil, err
	}
	leg := settledLeg{plan: p, trees: trees, account: loaders[0].opts.account(), found: &foundBreaks{}, classes: map[[2]reconciliation.Class]int64{}, parted: map[string]int64{}}
	precision := s.Precision()
	out, err := s.Settle(reconciliation.Takers{Pairs: taker.pairs(p), Part: func(s *reconciliation.Settlement) (any, error) { return leg.describePart(s) },
		Take: func(made any) error { return leg.take(made.(*settledPart), precision, taker) }})
	if err == nil {
		err = out.Classify(p.Classes)
	}
	if err != nil {
		leg.found.close()
		return nil, fmt.Errorf("leg %s: %w", p.Name, err)
	}
	leg.result, leg.sifted = out.Settlement, out
	return []settledLeg{leg}, nil
}

// readBoth reads both sides of a leg at once, and gives their rows to take, by the number of their side.
func readBoth(ctx context.Context, loaders []*loader, take func(side int, m *reconciliation.Movement) error) error {
	failed := make([]error, len(loaders))
	var reading sync.WaitGroup
	for i, l := range loaders {
		l.to = func(m *reconciliation.Movement) error { return take(l.number, m) }
		reading.Go(func() {
			if err := l.load(ctx); err != nil {
				failed[i] = fmt.Errorf("side %s: %w", l.spec.Name, err)
			}
		})
	}
	reading.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// take counts a part and keeps its breaks.
func (l *settledLeg) take(p *settledPart, precision int, taker sieveTaker) error {
	for c, n := range p.classes {
		l.classes[c] += n
	}
	for _, o := range p.settlement.Matches() {
		l.parted[o.Pass]++
	}
	if err := taker.settled(l.plan, precision, p.settlement); err != nil {
		return err
	}
	return l.found.add(p.breaks)
}

// account is the column that names a break's account; "" for none.
func (o *RulesOptions) account() string {
	if o.Rules.Life == nil {
		return ""
	}
	return o.Rules.Life.Account
}
