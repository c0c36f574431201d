package reconcile

import (
	"context"
	"fmt"
	"reflect"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/tree"
)

// TreesReport says what the trees of a leg's two sides say.
type TreesReport struct {
	Buckets int `json:"buckets"`
	Differ  int `json:"buckets_that_differ"`
	// Compared is which rows were compared one by one: none where the trees are equal, those of buckets that differ, or all, where more than a hundredth differ.
	Compared string `json:"rows_compared"`

	kept []*keptSide
}

// byTrees adds both sides up, and gives the sieve only the rows of buckets that differ. They are read once more for that.
func byTrees(ctx context.Context, s *reconciliation.Sieve, p rulefile.Plan, loaders []*loader, o *RulesOptions) (*TreesReport, error) {
	rep := &TreesReport{Buckets: tree.Leaves, Compared: "differing"}
	if err := s.StartScreen(); err != nil {
		return nil, fmt.Errorf("leg %s: %w", p.Name, err)
	}
	if err := o.keeps(ctx, s, loaders); err != nil {
		return nil, err
	}
	if err := readBoth(ctx, loaders, s.Screen); err != nil {
		return nil, err
	}
	for _, l := range loaders {
		if l.kept != nil {
			if err := l.kept.take(); err != nil {
				return nil, err
			}
			rep.kept = append(rep.kept, l.kept)
		}
	}
	found, err := s.Screened()
	if err != nil {
		return nil, fmt.Errorf("leg %s: %w", p.Name, err)
	}
	rep.Differ = len(found.Differ)
	switch {
	case found.Equal():
		rep.Compared = "none"
		return rep, nil
	case found.Full():
		rep.Compared = "all"
	}
	again := o.loaders(loaders[0].schema)
	for i := range again {
		again[i].number = loaders[i].number
	}
	if err := readBoth(ctx, again, s.Append); err != nil {
		return nil, err
	}
	for i, l := range again {
		if !reflect.DeepEqual(l.report, loaders[i].report) {
			return nil, fault.Retryablef("side %s has changed since it was added up: run it again once it stays as it is, or compare: rows, which reads it once", l.spec.Name)
		}
	}
	return rep, nil
}
