package nightly

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// arrive waits for the files of a step that belong to its date, those whose names have one in them: until each is there and has not changed
// from one look to the next. One that does not come within Step.Files is a fault.Usage: trying again would wait once more for nothing.
func (j *Jobs) arrive(ctx context.Context, t Task, names *strings.Replacer) error {
	if t.Step.Files <= 0 {
		return nil
	}
	var wanted []string
	for _, name := range slices.Sorted(maps.Keys(t.Step.Sides)) {
		wanted = append(wanted, t.Step.Sides[name])
	}
	wanted = append(wanted, t.Step.Statement)
	poll, clock, log := j.defaults()
	until := clock().Add(t.Step.Files)
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for _, location := range wanted {
		dated := names.Replace(location)
		if dated == location {
			continue
		}
		for before := ""; ; {
			now, err := j.look(ctx, dated)
			if err != nil {
				return err
			}
			if now != "" && now == before {
				break
			}
			if before == "" && now == "" {
				log.Debug("waiting for a file", "file", storage.Redact(dated))
			}
			if now == "" && !clock().Before(until) {
				return fault.Usagef("%s has not come within %s", storage.Redact(dated), t.Step.Files)
			}
			before = now
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting for %s: %w", storage.Redact(dated), context.Cause(ctx))
			case <-tick.C:
			}
		}
	}
	return nil
}

// look says which files are at a location, and how long and old they are; "": none is.
func (j *Jobs) look(ctx context.Context, location string) (string, error) {
	if !strings.Contains(location, "://") {
		location = "file://" + location
	}
	store, name, err := j.Stores.OpenObject(ctx, location)
	if err != nil {
		return "", err
	}
	found, err := storage.Glob(ctx, store, name)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, f := range found {
		fmt.Fprintln(&out, f.Name, f.Size, f.Modified.UnixNano())
	}
	return out.String(), nil
}
