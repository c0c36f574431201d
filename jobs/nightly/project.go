package nightly

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/calendar"
	changes "github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
)

// FromProject makes the settings that a project file says, with its rule files and holidays read and checked. path names the file and text is what
// it says; f was made of them, and of overrides, which steps are given too. command runs verbs.
func FromProject(f *project.File, path, text string, command func(context.Context, Command) (Output, error), log *slog.Logger, overrides ...string) (s Settings, err error) {
	n := f.Nightly
	if n == nil {
		return s, fault.Usagef("%s: there is no section nightly; millrace init writes one to start from", path)
	}
	if s.Schedule, err = calendar.ParseSchedule(n.Schedule); err != nil {
		return s, err
	}
	if s.Zone, err = n.Zone(f); err != nil {
		return s, err
	}
	if s.Calendar, err = n.Calendar.Business(f); err != nil {
		return s, err
	}
	if s.Channels, err = notifyio.Open(n.Notify, notifyio.Options{}); err != nil {
		return s, err
	}
	if s.Text, err = f.Effective(); err != nil {
		return s, err
	}
	s.CatchUp, s.MostBack = CatchUp(n.CatchUp), n.MostBack
	s.Fixed = strings.Join([]string{f.Lake.Catalog, f.Lake.Name, f.Lake.Warehouse, f.Name, f.NightlyDatabase(), n.Lease.String()}, "\x00")
	s.Plan = Plan{Zone: s.Zone.String(), CutOff: n.CutOff, Deadline: n.Deadline, Parallel: n.Parallel, Out: f.Path(n.Out), Pins: map[string]string{}, Digest: Digest(strings.Join(append([]string{text}, overrides...), "\x00"))}
	s.Texts = map[string]string{}
	for _, step := range n.Steps {
		made, err := s.step(f, step)
		if err != nil {
			return s, err
		}
		s.Plan.Steps = append(s.Plan.Steps, made)
	}
	zone, undated := f.Ingest.Zone()
	if undated {
		zone = nil
	}
	s.Run = &Jobs{
		Project: path, Text: text, Set: overrides, Command: command, Stores: f.Stores(), Zone: zone, Logger: log,
		Open:   func(ctx context.Context) (LedgerCloser, error) { return openLedger(ctx, f, log) },
		Latest: func(ctx context.Context) (int64, error) { return latest(ctx, f, log) },
	}
	return s, s.Plan.Check()
}

// step makes a step, and pins its rule file.
func (s *Settings) step(f *project.File, n project.NightlyStep) (Step, error) {
	out := Step{Name: n.Name, Job: n.Job, After: n.After, Retries: n.Retries, Backoff: n.Backoff, Timeout: n.Timeout, Deadline: n.Deadline, GoOn: n.Findings == "go_on",
		RunIngest: n.Ingest == "run", Settle: n.Settle, Table: n.Table, Where: n.Where, Tables: n.Tables, Statement: n.Input, Files: n.Files}
	if n.Job != "ingest" {
		out.RunIngest = false
	}
	if n.Job == "export" {
		out.Ledger = strings.HasPrefix(n.Table, f.Ingest.Namespace+".")
	}
	if n.Input != "" {
		out.Statement = f.Path(n.Input)
	}
	if n.Rules == "" {
		return out, nil
	}
	out.Rules = f.Path(n.Rules)
	rules, text, err := rulefile.Load(out.Rules, os.LookupEnv)
	if err != nil {
		return out, err
	}
	s.Texts[out.Rules], s.Plan.Pins[out.Rules] = string(text), Digest(string(text))
	for _, name := range slices.Sorted(maps.Keys(n.Sides)) {
		if rules.Side(name) == nil {
			return out, fault.Usagef("nightly: step %s: the rules %s have no side %q", n.Name, n.Rules, name)
		}
		if out.Sides == nil {
			out.Sides = map[string]string{}
		}
		out.Sides[name] = f.Path(n.Sides[name])
	}
	return out, nil
}

// Files are those that a project's settings are made of, beside the project file: what a change of settings may change.
func Files(f *project.File) []string {
	if f.Nightly == nil {
		return nil
	}
	var out []string
	for _, s := range f.Nightly.Steps {
		if s.Rules != "" {
			out = append(out, f.Path(s.Rules))
		}
	}
	for _, name := range f.Nightly.Calendar.Files {
		out = append(out, f.Path(name))
	}
	return out
}

// ledger is a project's lake, as far as there is one, with its stream. It is read only, by one goroutine at a time.
type ledger struct {
	lake   *catalog.Lake // nil: there is none yet
	open   func(ctx context.Context) (*catalog.Lake, error)
	stream source.Source
}

func openLedger(ctx context.Context, f *project.File, log *slog.Logger) (LedgerCloser, error) {
	l := &ledger{open: func(ctx context.Context) (*catalog.Lake, error) { return f.ReadLake(ctx, log) }}
	if _, err := l.look(ctx); err != nil {
		return nil, err
	}
	var err error
	if l.stream, err = f.OpenSource(ctx, log); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// look opens the lake once it is there; the first ingest makes it. nil: it is not.
func (l *ledger) look(ctx context.Context) (*catalog.Lake, error) {
	if l.lake != nil {
		return l.lake, nil
	}
	lake, err := l.open(ctx)
	if errors.Is(err, catalog.ErrNoLake) {
		return nil, nil
	}
	l.lake = lake
	return lake, err
}

// BusinessDates are the lake's.
func (l *ledger) BusinessDates(ctx context.Context) ([]catalog.BusinessDate, error) {
	lake, err := l.look(ctx)
	if lake == nil {
		return nil, err
	}
	return lake.BusinessDates(ctx)
}

// Cuts are the lake's.
func (l *ledger) Cuts(ctx context.Context) ([]catalog.CutInfo, error) {
	lake, err := l.look(ctx)
	if lake == nil {
		return nil, err
	}
	return lake.Cuts(ctx)
}

// AtEnd reports whether the lake has all that is in the stream.
func (l *ledger) AtEnd(ctx context.Context) (bool, error) {
	lake, err := l.look(ctx)
	if err != nil {
		return false, err
	}
	var at changes.Position
	if lake != nil {
		if at, err = lake.StreamPosition(ctx, l.stream.Stream()); err != nil {
			return false, err
		}
	}
	lag, err := l.stream.Lag(ctx, at)
	return lag.Events == 0 || lag.Events < 0 && lag.Bytes <= 0, err // a source that cannot count events may count bytes
}

// Close closes both.
func (l *ledger) Close() (err error) {
	if l.stream != nil {
		err = l.stream.Close()
	}
	if l.lake != nil {
		err = errors.Join(err, l.lake.Close())
	}
	return err
}

// latest is the number of the lake's latest cut; 0 where there is no lake.
func latest(ctx context.Context, f *project.File, log *slog.Logger) (n int64, err error) {
	l, err := f.ReadLake(ctx, log)
	if fault.Of(err) == fault.Usage && err != nil {
		log.Debug("there is no lake", "reason", err)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	cut, err := l.At(ctx, catalog.At{})
	if err != nil {
		return 0, err
	}
	return cut.Number(), nil
}
