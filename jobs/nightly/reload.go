package nightly

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/sdk/fault"
)

// waitGroup is sync.WaitGroup, whose Go starts what Wait waits for.
type waitGroup = sync.WaitGroup

// reloading looks for changes of the settings until ctx ends. changed is told when they took effect.
func (e *engine) reloading(ctx context.Context, changed chan<- struct{}) {
	if e.o.Changed == nil {
		return
	}
	tick := time.NewTicker(e.o.Poll)
	defer tick.Stop()
	seen, err := e.o.Changed()
	if err != nil {
		e.o.Logger.Warn("the settings cannot be looked at", "reason", err)
	}
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case _, asked = <-e.o.Reload:
		case <-tick.C:
		}
		now, err := e.o.Changed()
		switch {
		case err != nil: // the file may be about to be replaced
			e.o.Logger.Warn("the settings cannot be looked at; those in force stay", "reason", err)
			continue
		case now == seen && !asked:
			continue
		}
		took, err := e.reload(ctx)
		if err != nil { // it is tried again
			e.o.Logger.Error("a change of settings cannot be recorded, so those in force stay", "reason", err)
			continue
		}
		if seen = now; took {
			select {
			case changed <- struct{}{}:
			default: // it is told already
			}
		}
	}
}

// change is the record of a change of settings, or of its refusal.
type change struct {
	Before  string   `json:"before"`            // digest of the file in force
	After   string   `json:"after,omitempty"`   // digest of the new one, where it could be read
	Reason  string   `json:"reason,omitempty"`  // why it was refused
	Changes []string `json:"changes,omitempty"` // lines of the settings, secrets masked: "- old", "+ new"
}

// reload reads the settings again. They take effect if all of the file is right and nothing has changed that cannot while a process
// runs; a night under way keeps those that it began with. Either is recorded. It reports whether they took effect.
func (e *engine) reload(ctx context.Context) (took bool, err error) {
	old := e.settings.Load()
	s, err := e.o.Load(ctx)
	if err == nil {
		err = s.Plan.Check()
	}
	if err == nil && s.Fixed != old.Fixed {
		err = fault.Usagef("lake, source, nightly.database or nightly.lease differ: they change only when the process is started again")
	}
	c := change{Before: old.Plan.Digest}
	if err == nil {
		if s.Plan.Digest == old.Plan.Digest && samePins(s.Plan.Pins, old.Plan.Pins) {
			return false, nil
		}
		c.After, c.Changes = s.Plan.Digest, differences(old.Text, s.Text)
		if err := e.o.History.record(ctx, "settings.changed", e.o.Holder, "", c); err != nil {
			return false, err
		}
		e.settings.Store(&s)
		e.o.Logger.Info("the settings have changed", "before", short(c.Before), "after", short(c.After), "changes", len(c.Changes))
		e.meters.reload(ctx, "changed")
		return true, nil
	}
	c.Reason = err.Error()
	if err := e.o.History.record(ctx, "settings.refused", e.o.Holder, "", c); err != nil {
		return false, err
	}
	e.meters.reload(ctx, "refused")
	line, _, _ := strings.Cut(c.Reason, "\n")
	e.raise(ctx, Alert{ID: Digest("settings.refused\x00" + c.Before + "\x00" + c.Reason), Kind: "settings.refused", Status: notifyio.Warn,
		Text: "the project file was changed, but has mistakes; the settings in force stay: " + line})
	return false, nil
}

func samePins(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for path, digest := range a {
		if b[path] != digest {
			return false
		}
	}
	return true
}

func short(digest string) string { return digest[:min(12, len(digest))] }

// mostChanges is how many lines of a change are recorded; the digests say the rest.
const mostChanges = 100

// differences are the lines that only one of two texts has, in their order.
func differences(before, after string) []string {
	var out []string
	old, now := counts(before), counts(after)
	for _, side := range []struct {
		sign, text string
		other      map[string]int
	}{{"- ", before, now}, {"+ ", after, old}} {
		for line := range strings.SplitSeq(side.text, "\n") {
			if side.other[line]--; side.other[line] < 0 && len(out) < mostChanges {
				out = append(out, side.sign+line)
			}
		}
	}
	return out
}

func counts(text string) map[string]int {
	out := map[string]int{}
	for line := range strings.SplitSeq(text, "\n") {
		out[line]++
	}
	return out
}
