package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/fileio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/debezium"
)

// engines of the table of files, ours first.
var engines = []string{"millrace", "duckdb", "pyiceberg"}

// filesTable compares the engines on the same files, and prints a row an engine.
func filesTable(ctx context.Context, f flags) error {
	python, err := environment(ctx)
	if err != nil {
		return err
	}
	for _, kind := range []struct {
		inline bool
		events int64
	}{{false, f.events}, {true, f.inline}} {
		if kind.events == 0 {
			continue
		}
		if err := compareFiles(ctx, f, python, kind.events, kind.inline); err != nil {
			return err
		}
	}
	return nil
}

func compareFiles(ctx context.Context, f flags, python string, events int64, inline bool) error {
	folder, size, want, err := ensureFiles(f.dir, events, inline)
	if err != nil {
		return fmt.Errorf("make the events: %w", err)
	}
	name := "plain"
	if inline {
		name = "with inline schema"
	}
	fmt.Printf("\nfiles, %s: %d events of %d bytes, 2 threads, best of %d\n", name, events, size/events, f.rounds)
	best := map[string]result{}
	for round := range f.rounds {
		for _, e := range engines {
			if f.only != "" && f.only != e {
				continue
			}
			w := work{Do: "files", Dir: folder, Out: filepath.Join(f.dir, "out-"+e), Inline: inline, Events: events}
			r, err := runEngine(ctx, f, python, e, w, round)
			if err != nil {
				return fmt.Errorf("%s: %w", e, err)
			}
			if round == 0 {
				if err := check(ctx, python, e, w, want); err != nil {
					return err
				}
			}
			best[e] = better(best[e], r)
		}
	}
	printEngines(events, best)
	return nil
}

func runEngine(ctx context.Context, f flags, python, engine string, w work, round int) (r result, err error) {
	if err := os.RemoveAll(w.Out); err != nil {
		return r, err
	}
	if err := os.MkdirAll(w.Out, 0o755); err != nil {
		return r, err
	}
	if engine == "millrace" {
		if f.profile != "" {
			w.Profile = fmt.Sprintf("%s.%t.%d", f.profile, w.Inline, round)
		}
		return runGo(ctx, w)
	}
	w.Do = engine
	return r, runPython(ctx, python, w, &r)
}

// better takes the least of each figure, and the greatest peak.
func better(a, b result) result {
	if a.Seconds == 0 {
		return b
	}
	return result{Seconds: min(a.Seconds, b.Seconds), CPU: min(a.CPU, b.CPU), PeakKB: max(a.PeakKB, b.PeakKB), Events: b.Events, Note: b.Note}
}

func printEngines(events int64, best map[string]result) {
	ours := best[engines[0]]
	for _, e := range engines {
		r, ok := best[e]
		if !ok {
			continue
		}
		m := float64(events) / 1e6
		fmt.Printf("  %-10s %6.2f M events/s  %6.2f s  %6.2f CPU s  %5.2f CPU s a million  %5.2fx CPU  %5.2fx time  %5d MB peak\n",
			e, m/r.Seconds, r.Seconds, r.CPU, r.CPU/m, ratio(r.CPU, ours.CPU), ratio(r.Seconds, ours.Seconds), r.PeakKB>>10)
	}
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

// check reads what an engine wrote with DuckDB, and holds it against the generator's sums.
func check(ctx context.Context, python, engine string, w work, want truth) error {
	w.Do = "sums " + engine
	var got truth
	if err := runPython(ctx, python, w, &got); err != nil {
		return fmt.Errorf("read what %s wrote: %w", engine, err)
	}
	want.Bytes = 0
	if got != want {
		return fmt.Errorf("%s wrote %+v, the events hold %+v", engine, got, want)
	}
	return nil
}

// ingestFiles brings the files' events into the change log of a lake: the product's path.
func ingestFiles(ctx context.Context, w work) (result, error) {
	lake, err := openLake(ctx, w.Out)
	if err != nil {
		return result{}, err
	}
	defer lake.Close()
	store, err := localio.Open("file://"+w.Dir, localio.Options{})
	if err != nil {
		return result{}, err
	}
	src, err := fileio.Open(ctx, store, fileio.Options{Stream: "bench", Heartbeats: "heartbeats/", Logger: quiet,
		Tables: []fileio.Table{{Name: "entries", Prefix: "entries/", Config: debezium.Config{Schema: entrySchema, Key: []string{"entry_id"}}}}})
	if err != nil {
		return result{}, err
	}
	defer src.Close()
	rep, err := ingest.Run(ctx, ingest.Options{Lake: lake, Source: src, Run: inProcess, UntilCaughtUp: true, Logger: quiet, Limits: projectLimits,
		Tables: []ingest.Table{{Name: "entries", Schema: entrySchema, Key: []string{"entry_id"}, History: true}}})
	return result{Events: rep.Counts.Events, Note: fmt.Sprintf("%d epochs", rep.Epochs)}, err
}

// projectLimits are the defaults of a project file.
var projectLimits = source.Limits{MaxEvents: 500_000, MaxBytes: 128 << 20, MaxWait: time.Second}

var quiet = slog.New(slog.DiscardHandler)

func openLake(ctx context.Context, dir string) (*catalog.Lake, error) {
	return catalog.Open(ctx, catalog.Config{
		Catalog: "sqlite://" + filepath.Join(dir, "catalog.db"), Warehouse: "file://" + filepath.Join(dir, "warehouse"),
		Storage: localio.Opener(localio.Options{}), Logger: quiet,
	})
}

// inProcess runs an epoch's pipeline as cmd/millrace does.
func inProcess(ctx context.Context, build func(beam.Scope) error) error {
	_, err := embedded.Run(ctx, build, embedded.Options{Name: "ingest", Log: quiet})
	return err
}
