package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// takePairs gives a function that takes the pairs of a leg's sieve; nil where nobody wants them.
type takePairs func(p rulefile.Plan) func(*reconciliation.PairRows) error

// settleRules reads the sides and settles the legs. rejects are the records that were set aside, as lines of JSON.
func settleRules(ctx context.Context, o *RulesOptions, pairs takePairs) (rep RulesReport, legs []settledLeg, rejects []byte, err error) {
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
	loaders := o.loaders(schema)
	proofs, err := newProofs(o, schema, loaders)
	if err != nil {
		return rep, nil, nil, err
	}
	if len(plans) == 1 && len(loaders) == 2 && plans[0].Rules.Sifts() {
		legs, err = sift(ctx, plans[0], loaders, pairs)
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
		return rep, nil, nil, err
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

// settleWhole settles legs with all rows of all sides in memory.
func settleWhole(ctx context.Context, plans []rulefile.Plan, loaders []*loader) (legs []settledLeg, err error) {
	sides := map[string]*reconciliation.Side{}
	for _, l := range loaders {
		side := reconciliation.NewSide(l.spec.Name, l.schema)
		l.to = func(m *reconciliation.Movement) error { return side.Append(m.Clone()) }
		if err := l.load(ctx); err != nil {
			return nil, fmt.Errorf("side %s: %w", l.spec.Name, err)
		}
		sides[l.spec.Name] = side
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
		legs = append(legs, settledLeg{plan: p, result: res})
	}
	return legs, nil
}

// sift settles the one leg of two sides, of which only the rows that do not match for certain are held in memory. Both are read at once.
func sift(ctx context.Context, p rulefile.Plan, loaders []*loader, pairs takePairs) (_ []settledLeg, err error) {
	s, err := reconciliation.NewSieve(p.Left.Name, p.Right.Name, loaders[0].schema, p.Rules, reconciliation.SieveOptions{})
	if err != nil {
		return nil, fmt.Errorf("leg %s: %w", p.Name, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	failed := make([]error, len(loaders))
	var reading sync.WaitGroup
	for i, l := range loaders {
		number := 0
		if l.spec.Name == p.Right.Name {
			number = 1
		}
		l.to = func(m *reconciliation.Movement) error { return s.Append(number, m) }
		reading.Go(func() {
			if err := l.load(ctx); err != nil {
				failed[i] = fmt.Errorf("side %s: %w", l.spec.Name, err)
			}
		})
	}
	reading.Wait()
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	out, err := s.Settle(pairs(p))
	if err == nil {
		err = out.Classify(p.Classes)
	}
	if err != nil {
		return nil, fmt.Errorf("leg %s: %w", p.Name, err)
	}
	return []settledLeg{{plan: p, result: out.Settlement, sifted: out}}, nil
}
