package features

import (
	"context"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
)

// failing is a sink whose run ends before its commit.
type failing struct {
	sink
	err error
}

func (f failing) Commit(context.Context, string, [][]byte) error { return f.err }

// KillBeforeCommit runs a plan up to its commit, which fails.
func KillBeforeCommit(ctx context.Context, p *Plan, err error) error {
	return p.o.Run(ctx, func(s beam.Scope) error {
		dataset.WriteTo(s, failing{sink{p}, err}, dataset.Read(s, reader{p}))
		return nil
	})
}
