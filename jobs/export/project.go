package export

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/millrace/millrace/internal/project"
)

// FromProject puts the options of a project's exports together, with its lake open, which the caller
// closes. The caller sets Table and Run.
func FromProject(ctx context.Context, f *project.File, log *slog.Logger) (Options, error) {
	lake, err := f.ReadLake(ctx, log) // first: where there is none, no folder is made for exports either
	if err != nil {
		return Options{}, err
	}
	to, err := f.OutputStores().Open(ctx, f.ExportTo())
	if err != nil {
		_ = lake.Close() // nothing was written
		return Options{}, fmt.Errorf("open export.to: %w", err)
	}
	return Options{Lake: lake, To: to, Format: f.Export.Format, MaxFileBytes: int64(f.Export.MaxFileSize), Logger: log}, nil
}
