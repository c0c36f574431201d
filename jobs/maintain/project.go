package maintain

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/internal/project"
)

// FromProject puts the options of a project's maintenance together, with its lake open, which the caller closes.
func FromProject(ctx context.Context, f *project.File, log *slog.Logger) (Options, error) {
	lake, err := f.OpenLake(ctx, true, log)
	if err != nil {
		return Options{}, fmt.Errorf("open lake: %w", err)
	}
	o := fromSettings(f.Maintain)
	o.Lake, o.Logger = lake, log
	return o, nil
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
