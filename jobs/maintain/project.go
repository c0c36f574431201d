package maintain

import (
	"context"
	"log/slog"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/internal/project"
)

// FromProject puts the options of a project's maintenance together, with its lake open, which the caller closes. For a dry
// run the lake is opened read-only.
func FromProject(ctx context.Context, f *project.File, dryRun bool, log *slog.Logger) (Options, error) {
	lake, err := open(ctx, f, dryRun, log)
	if err != nil {
		return Options{}, err
	}
	o := fromSettings(f.Maintain)
	o.DryRun = dryRun
	o.Lake, o.Logger = lake, log
	return o, nil
}

func open(ctx context.Context, f *project.File, dryRun bool, log *slog.Logger) (*catalog.Lake, error) {
	if dryRun {
		return f.ReadLake(ctx, log)
	}
	return f.OpenLake(ctx, true, log)
}

func fromSettings(m project.Maintain) Options {
	return Options{
		Tables: m.Tables,
		Compact: maintenance.CompactOptions{
			TargetBytes: int64(m.TargetFileSize), MinFiles: int(m.MinFiles), DeletedRatio: float64(m.DeletedPercent) / 100,
		},
		Expire:  maintenance.ExpireOptions{Keep: int(m.KeepSnapshots), MinAge: m.KeepSnapshotsFor, BusinessDates: m.KeepBusinessDatesFor},
		Collect: maintenance.CollectOptions{MinAge: m.GarbageAge, Grace: m.GarbageGrace},
	}
}
