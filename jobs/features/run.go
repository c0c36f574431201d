package features

import (
	"context"
	"fmt"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// Report says what a run did.
type Report struct {
	Table     string                   `json:"table"`
	Cut       int64                    `json:"cut"`       // that was read
	Committed int64                    `json:"committed"` // cut that made the rows visible
	Snapshot  int64                    `json:"snapshot"`  // of the table
	AsOf      string                   `json:"as_of"`
	KnownAt   string                   `json:"known_at"`
	Merged    bool                     `json:"merged"` // by the entries' layout, with no exchange
	Rows      int64                    `json:"rows"`
	Replaced  int64                    `json:"replaced"`   // rows that were there before
	NoHistory int64                    `json:"no_history"` // rows of accounts without an entry at their instant
	Entries   int64                    `json:"entries"`    // seen at the last instant; 0 for pairs
	Balances  map[string]money.Decimal `json:"balances"`   // Σ balance of all rows by currency; "" where there is none
}

// Write puts a plan into a pipeline: it reads the ledger, computes the features and writes them to the plan's table, in one
// atomic commit. A plan is used in one pipeline, by a runner whose workers are this process.
func Write(s beam.Scope, p *Plan) {
	s = s.Scope("features.Write(" + p.o.Table + ")")
	rows := dataset.Read(s, reader{p})
	if !p.merge {
		rows = dataset.Sort(s, dataset.Repartition(s, rows, p.partitions(), "account"), eventOrder...)
	}
	dataset.WriteTo(s, sink{p}, rows)
}

// partitions is into how many tasks an exchange cuts its rows: enough for the processors, not so many that files become small.
func (p *Plan) partitions() int {
	const rowsEach = 1 << 20
	return int(min(max(1, p.entries.rows()/rowsEach), dataset.DefaultPartitions))
}

// Run computes features and writes them to their table.
func Run(ctx context.Context, o Options) (Report, error) {
	if o.Run == nil {
		return Report{}, fault.Usagef("features: no runner is given")
	}
	p, err := Prepare(ctx, o)
	if err != nil {
		return Report{}, err
	}
	p.o.Logger.InfoContext(ctx, "features", "table", p.o.Table, "cut", p.Cut(), "as_of", p.o.Spine.describe(), "merged", p.merge)
	err = o.Run(ctx, func(s beam.Scope) error {
		Write(s, p)
		return nil
	})
	if err != nil {
		return Report{}, fmt.Errorf("features: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.report, nil
}
