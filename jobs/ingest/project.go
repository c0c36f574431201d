package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
)

// FromProject puts the options of a project's ingest together, with its lake and
// source open; the caller sets Run and what else it wants, and closes both.
func FromProject(ctx context.Context, f *project.File, log *slog.Logger) (o Options, err error) {
	if o.Tables, err = projectTables(f); err != nil {
		return o, err
	}
	if o.Lake, err = f.OpenLake(ctx, false, log); err != nil {
		return o, err
	}
	if o.Source, err = f.OpenSource(ctx, log); err != nil {
		_ = o.Lake.Close() // the source's error matters more
		return o, fmt.Errorf("open source: %w", err)
	}
	e := f.Ingest.Epoch
	o.Limits = source.Limits{MaxEvents: e.MaxEvents, MaxBytes: int64(e.MaxBytes), MaxWait: e.MaxWait}
	o.Limits.Zone, o.Undated = f.Ingest.Zone()
	o.Namespace, o.DeadLetterLimit, o.Logger = f.Ingest.Namespace, f.Ingest.DeadLetters, log
	if o.DeadLetterLimit == 0 {
		o.DeadLetterLimit = -1 // in the file 0 is a limit like any other, and the default is written out
	}
	return o, nil
}

// ResnapshotFromProject puts the options of a resnapshot together, with lake and source open, which the caller closes. from is
// when the new snapshot began.
func ResnapshotFromProject(ctx context.Context, f *project.File, from time.Time, log *slog.Logger) (o Options, r ResnapshotOptions, err error) {
	if o.Tables, err = projectTables(f); err != nil {
		return o, r, err
	}
	if o.Lake, err = f.OpenLake(ctx, true, log); err != nil {
		return o, r, fmt.Errorf("open lake: %w", err)
	}
	at, err := o.Lake.StreamPosition(ctx, f.Name)
	if err == nil {
		o.Source, err = f.OpenSourceFrom(ctx, StagingStream(f.Name, at), from, log)
	}
	if err != nil {
		_ = o.Lake.Close() // the other error matters more
		return o, r, fmt.Errorf("open source: %w", err)
	}
	e := f.Ingest.Epoch
	o.Limits = source.Limits{MaxEvents: e.MaxEvents, MaxBytes: int64(e.MaxBytes), MaxWait: e.MaxWait}
	o.Namespace, o.DeadLetterLimit, o.Logger = f.Ingest.Namespace, f.Ingest.DeadLetters, log
	if o.DeadLetterLimit == 0 {
		o.DeadLetterLimit = -1 // as in FromProject
	}
	return o, ResnapshotOptions{Stream: f.Name}, nil
}

// projectTables are the project's tables, by name.
func projectTables(f *project.File) ([]Table, error) {
	var out []Table
	for _, name := range slices.Sorted(maps.Keys(f.Ingest.Tables)) {
		t := f.Ingest.Tables[name]
		schema, err := t.Schema()
		if err != nil {
			return nil, fault.Usagef("ingest.tables.%s: %w", name, err)
		}
		bucketBy := t.BucketBy
		if t.Buckets > 0 && bucketBy == "" {
			bucketBy = t.Key[0]
		}
		out = append(out, Table{Name: name, Schema: schema, Key: t.Key, Mirror: t.Mirror, History: t.History, AppendOnly: t.AppendOnly,
			BucketBy: bucketBy, Buckets: t.Buckets, SortBy: t.SortBy, Control: strings.Join(t.Control, ", ")})
	}
	return out, nil
}
