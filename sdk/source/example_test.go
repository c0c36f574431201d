package source_test

import (
	"context"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// A consumer is a loop: plan an epoch, read its splits, commit, confirm, go on from its end. Where it
// dies, the next one goes on from the position that was committed last.
func Example() {
	follow := func(ctx context.Context, s source.Source, at change.Position, commit func(source.Epoch) (source.Handler, func() error)) error {
		for {
			epoch, err := s.Plan(ctx, at, source.Limits{})
			if err != nil {
				return err
			}
			handler, done := commit(epoch)
			for _, split := range epoch.Splits {
				if err := s.Read(ctx, split, handler); err != nil {
					return err
				}
			}
			if err := done(); err != nil {
				return err
			}
			if err := s.Confirm(ctx, epoch.To); err != nil {
				return err
			}
			at = epoch.To
		}
	}
	_ = follow
}
