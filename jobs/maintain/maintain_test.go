package maintain_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/jobs/ingest/ingesttest"
	"github.com/millrace/millrace/jobs/maintain"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
)

func run(ctx context.Context, build func(beam.Scope) error) error {
	oneAtATime.Lock() // prism shares state between the pipelines of a process
	defer oneAtATime.Unlock()
	_, err := embedded.Run(ctx, build, embedded.Options{Name: "test", Log: slog.New(slog.DiscardHandler)})
	return err
}

// eager are options by which every pass finds something to do.
func eager(lake *catalog.Lake, ahead *atomic.Int64) maintain.Options {
	return maintain.Options{
		Lake: lake, Logger: slog.New(slog.DiscardHandler), Tables: []string{"ledger.accounts", "ledger.entries*"},
		Clock:   func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		Compact: maintenance.CompactOptions{MinFiles: 2, DeletedRatio: 0.01},
		Expire:  maintenance.ExpireOptions{Keep: 3},
		Collect: maintenance.CollectOptions{MinAge: time.Hour, Grace: time.Minute},
	}
}

// TestBesideIngest lets passes race epochs: every table must be the source, row by row, at the end, and
// at every cut that is kept debits must equal credits.
func TestBesideIngest(t *testing.T) {
	t.Parallel()
	b := ingesttest.New(t, ledgergen.Config{Seed: 7, Accounts: 15, Days: 2, PerAccountDay: 1500})
	b.Send(-1)
	keeper := b.Lake()
	o := b.Options(run)
	o.Limits.MaxEvents = 40 // many small epochs
	due := make(chan struct{}, 1)
	o.Progress = func(ingest.Progress) {
		select {
		case due <- struct{}{}:
		default:
		}
	}
	kept := make(chan error, 1)
	var compacted, expired, passes int
	go func() {
		var ahead atomic.Int64
		var failed error
		for range due { // ingest does not wait for it
			rep, err := maintain.Run(context.Background(), eager(keeper, &ahead))
			failed = errors.Join(failed, err)
			passes++
			for _, t := range rep.Tables {
				compacted += t.FilesIn
				expired += t.Snapshots
			}
		}
		kept <- failed
	}()
	rep, err := ingest.Run(t.Context(), o)
	close(due)
	if err := <-kept; err != nil {
		t.Error("maintenance:", err)
	}
	if err != nil {
		t.Fatal("ingest:", err)
	}
	t.Logf("%d epochs, %d passes, %d files compacted, %d snapshots expired", rep.Epochs, passes, compacted, expired)
	if compacted == 0 || expired == 0 {
		t.Error("maintenance found nothing to do")
	}
	b.Check(b.Lake())
}

// TestAPass does each of the three steps once, and says so; a dry run foretells them and changes nothing.
func TestAPass(t *testing.T) {
	t.Parallel()
	b := inEpochs(t, ledgergen.Config{Seed: 3, Accounts: 6, Days: 2})
	lake := b.Lake()
	before, err := lake.StreamPosition(t.Context(), "bank")
	if err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64
	dry := eager(lake, &ahead)
	dry.DryRun = true
	foretold, err := maintain.Run(t.Context(), dry)
	if err != nil {
		t.Fatal(err)
	}
	cut := latest(t, lake)
	var files, snapshots int
	for _, t := range foretold.Tables {
		files += t.FilesIn
		snapshots += t.Snapshots
	}
	if files == 0 || snapshots == 0 || !foretold.DryRun {
		t.Errorf("foretold: %+v", foretold)
	}
	steps := map[string]int{}
	o := eager(lake, &ahead)
	o.Progress = func(step string, _ maintain.Table) { steps[step]++ }
	done, err := maintain.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range done.Tables {
		if f := foretold.Tables[i]; d.Table != f.Table || d.FilesIn != f.FilesIn || d.DeletedRows != f.DeletedRows {
			t.Errorf("foretold %+v, done %+v", f, d)
		}
	}
	if n := len(done.Tables); steps["compact"] != n || steps["expire"] != n || steps["collect"] != n {
		t.Errorf("%d tables, steps %v", n, steps)
	}
	if now := latest(t, lake); now <= cut {
		t.Errorf("cut %d before and %d after: nothing was committed", cut, now)
	}
	ahead.Store(int64(2 * time.Hour)) // now files are old; they are seen once, then deleted
	garbage := 0
	for range 2 {
		rep, err := maintain.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range rep.Tables {
			garbage += d.Garbage
		}
		ahead.Add(int64(time.Hour))
	}
	if garbage == 0 {
		t.Error("no garbage was deleted")
	}
	if pos, err := lake.StreamPosition(t.Context(), "bank"); err != nil || pos.Compare(before) != change.Equal {
		t.Errorf("the stream stands at %v, %v; it stood at %v", pos, err, before)
	}
	b.Check(b.Lake())
}

// inEpochs is a bank whose stream is in the lake, in several epochs.
func inEpochs(t *testing.T, cfg ledgergen.Config) *ingesttest.Bank {
	t.Helper()
	b := ingesttest.New(t, cfg)
	b.Send(-1)
	o := b.Options(run)
	o.Limits.MaxEvents = 20
	if rep, err := ingest.Run(t.Context(), o); err != nil || rep.Epochs < 4 {
		t.Fatalf("%d epochs, %v", rep.Epochs, err)
	}
	return b
}

func latest(t *testing.T, lake *catalog.Lake) int64 {
	t.Helper()
	cut, err := lake.At(t.Context(), catalog.At{})
	if err != nil {
		t.Fatal(err)
	}
	return cut.Number()
}

// TestKilledAnywhere ends a pass at each step of its commits, as a kill would, and starts another: nothing is lost.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	b := inEpochs(t, ledgergen.Config{Seed: 5, Accounts: 4, Days: 2})
	steps := 0
	every := 1
	if testing.Short() {
		every = 6
	}
	for at := 1; ; at += every {
		n := 0
		ctx, kill := context.WithCancel(t.Context())
		b.Hook = func(string) {
			if n++; n == at {
				kill()
			}
		}
		var ahead atomic.Int64
		o := eager(b.Lake(), &ahead)
		o.Tables = o.Tables[:1]
		_, err := maintain.Run(ctx, o)
		kill()
		b.Check(b.Lake())
		if err == nil {
			break
		}
		if steps++; steps > 400 {
			t.Fatal("it never comes to an end")
		}
	}
	if steps == 0 {
		t.Error("no step was interrupted")
	}
}

func TestTablesAreChosen(t *testing.T) {
	t.Parallel()
	b := ingesttest.New(t, ledgergen.Config{Seed: 3, Accounts: 3, Days: 1})
	b.Send(3)
	if _, err := ingest.Run(t.Context(), b.Options(run)); err != nil {
		t.Fatal(err)
	}
	lake := b.Lake()
	for pattern, want := range map[string]string{
		"ledger.accounts": "[ledger.accounts]", "*.entries*": "[ledger.entries ledger.entries_changes]",
		"ledger.nosuch": "has no table ledger.nosuch", "[": "no pattern",
	} {
		rep, err := maintain.Run(t.Context(), maintain.Options{Lake: lake, Tables: []string{pattern}, DryRun: true})
		var names []string
		for _, t := range rep.Tables {
			names = append(names, t.Table)
		}
		if got := fmt.Sprint(names, err); !strings.Contains(got, want) || err != nil && fault.Of(err) != fault.Usage {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}

// TestFollow makes passes until it is told to stop; one that fails does not end it.
func TestFollow(t *testing.T) {
	t.Parallel()
	b := ingesttest.New(t, ledgergen.Config{Seed: 3, Accounts: 3, Days: 1})
	ctx, stop := context.WithCancel(t.Context())
	n := 0
	o := maintain.Options{Lake: b.Lake(), Tables: []string{"not.there"}, Logger: slog.New(slog.DiscardHandler)}
	err := maintain.Follow(ctx, o, time.Millisecond, func(_ maintain.Report, err error) error {
		if n++; err == nil {
			t.Error("a table that is not there was found")
		}
		if n == 3 {
			stop()
		}
		return nil
	})
	stop()
	if err != nil || n != 3 {
		t.Errorf("%d passes, %v", n, err)
	}
	if err := maintain.Follow(t.Context(), o, 0, nil); fault.Of(err) != fault.Usage {
		t.Errorf("no distance: %v", err)
	}
}

func TestFromProject(t *testing.T) {
	t.Parallel()
	text := "name: x\nlake: {catalog: 'sqlite://c.db', warehouse: 'file://w'}\nmaintain: {tables: ['ledger.*'], keep_business_dates_for: 48h, deleted_percent: 25, min_files: 1}\n"
	none := func(string) (string, bool) { return "", false }
	if _, err := project.Parse("m.yaml", []byte(text), none); err == nil || !strings.Contains(err.Error(), "m.yaml:3:") || !strings.Contains(err.Error(), "min_files: is too small") {
		t.Errorf("min_files 1: %v", err)
	}
	f, err := project.Parse("m.yaml", []byte(strings.Replace(text, "min_files: 1", "min_files: 2", 1)), none)
	if err != nil {
		t.Fatal(err)
	}
	o := maintain.FromSettings(f.Maintain)
	if o.Compact.DeletedRatio != 0.25 || o.Compact.MinFiles != 2 || o.Expire.BusinessDates != 48*time.Hour || o.Expire.Keep != 100 || o.Collect.MinAge != 24*time.Hour || len(o.Tables) != 1 {
		t.Errorf("%+v", o)
	}
}

// oneAtATime lets one pipeline run at a time.
var oneAtATime sync.Mutex
