package project

import (
	"context"
	"log/slog"
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
)

// OpenSourceFrom opens the project's change stream once more, under another name, from a time on.
func (f *File) OpenSourceFrom(ctx context.Context, stream string, from time.Time, log *slog.Logger) (source.Source, error) {
	if f.Source == nil || f.Source.Kafka == nil {
		return nil, fault.Usagef("%s: source: only a stream in Kafka can be read from a time on; for files, start a project of another name and namespace over the new snapshot's folder", f.path)
	}
	kafka := *f.Source.Kafka
	kafka.Group = "" // its progress is that of the stream itself
	again := *f
	again.Name, again.start, again.Source = stream, from, &Source{Kafka: &kafka}
	return again.OpenSource(ctx, log)
}
