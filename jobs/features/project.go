package features

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/sdk/fault"
)

// FromProject puts the options of a project's features together, with its lake open, which the caller
// closes. The caller sets Spine and Run.
func FromProject(ctx context.Context, f *project.File, log *slog.Logger) (Options, error) {
	x := f.Features
	zone, err := x.Zone()
	if err != nil {
		return Options{}, fault.Usagef("features.time_zone: %w", err)
	}
	lake, err := f.OpenLake(ctx, true, log)
	if err != nil {
		return Options{}, fmt.Errorf("open lake: %w", err)
	}
	return Options{Lake: lake, Table: x.Table, Entries: x.Entries, Accounts: x.Accounts, Account: x.Account, Amount: x.Amount, Booked: x.Booked,
		Currency: x.Currency, KnownAt: x.KnownAt, Zone: zone, Buckets: x.Buckets, Logger: log}, nil
}
