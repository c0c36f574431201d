package reconcile

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/stream"
	"github.com/millrace/millrace/sdk/storage"
)

const followRules = `
name: cards
sides:
  - {name: ledger, file: ledger-*.csv, columns: {reference: {}, amount: {}, currency: {is: EUR}, date: {}}}
  - {name: bank, file: bank.csv, columns: {reference: {}, amount: {}, currency: {is: EUR}, date: {}}}
passes:
  - {name: exact, keys: [reference], dates: {date: {}}}
  - {name: near, keys: [reference], tolerance: 0.01, dates: {date: {after: 3}}}
  - {name: batch, match: sums, keys: [reference]}
follow: {wait: 20s}
`

// growing are two sides' files, of which the test knows all that will be in them.
type growing struct {
	dir   string
	rules *rulefile.File
	text  map[string]string // what is still to come, by file
	now   time.Time
	step  func() // at each pause; may be nil
	rng   *rand.Rand
}

func newGrowing(t *testing.T, seed uint64) *growing {
	t.Helper()
	g := &growing{dir: t.TempDir(), now: time.Date(2026, 1, 7, 9, 0, 0, 0, time.UTC), rng: rand.New(rand.NewPCG(seed, 1))}
	file := filepath.Join(g.dir, "rules.yaml")
	var err error
	if g.rules, err = rulefile.Parse(file, []byte(followRules), os.LookupEnv); err != nil {
		t.Fatal(err)
	}
	const head = "reference,amount,date\n"
	g.text = map[string]string{"ledger-1.csv": head, "ledger-2.csv": head, "bank.csv": head}
	for i := range 40 {
		ref, cents := fmt.Sprintf("R%02d", g.rng.IntN(30)), 1000+i
		line := func(file string, cents int) {
			g.text[file] += fmt.Sprintf("%s,%d.%02d,2026-01-%02d\n", ref, cents/100, cents%100, 5+g.rng.IntN(3))
		}
		if k := g.rng.IntN(8); k != 0 {
			line(fmt.Sprintf("ledger-%d.csv", 1+g.rng.IntN(2)), cents)
		}
		if k := g.rng.IntN(8); k != 0 {
			line("bank.csv", cents+max(0, k-6))
		}
	}
	g.grow(t, "bank.csv", 0)
	g.grow(t, "ledger-1.csv", 0)
	return g
}

// grow adds so many bytes to a file.
func (g *growing) grow(t *testing.T, name string, n int) {
	t.Helper()
	n = min(n, len(g.text[name]))
	f, err := os.OpenFile(filepath.Join(g.dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(g.text[name][:n])
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	g.text[name] = g.text[name][n:]
}

func (g *growing) options(state, events string) FollowOptions {
	return FollowOptions{State: state, EventsFile: events, RulesOptions: RulesOptions{Rules: g.rules, Text: []byte(followRules),
		Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Clock: func() time.Time { return g.now }},
		Pause: func(_ context.Context, d time.Duration) {
			g.now = g.now.Add(d)
			if g.step != nil {
				g.step()
			}
		}}
}

// isTheNight holds how a run ended against a nightly run over the same files.
func (g *growing) isTheNight(t *testing.T, rep FollowReport) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "night")
	night, err := RunRules(t.Context(), RulesOptions{Rules: g.rules, Text: []byte(followRules), Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}, Out: out,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Matched != night.Matched || rep.Total != night.Total || rep.Verdict != night.Verdict || fmt.Sprint(rep.Breaks) != fmt.Sprint(night.Breaks) {
		t.Errorf("followed: %+v; the night: %+v", rep, night)
	}
	data, err := os.ReadFile(filepath.Join(out, "breaks.csv"))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, l := range lines[1:] {
		want = append(want, l[0]+" "+l[1])
	}
	for _, o := range rep.Outcomes["ledger-bank"] {
		if o.Class != reconciliation.Matched {
			got = append(got, o.BreakID+" "+string(o.Class))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("followed:\n%s\nthe night:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// standing reads a file of events, as somebody who has nothing else, and returns the matches and overdue breaks that stand at its end.
func standing(t *testing.T, file string) (matches, overdue map[string]FollowEvent) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	matches, overdue = map[string]FollowEvent{}, map[string]FollowEvent{}
	changed := map[time.Time]bool{} // when rows changed what was told: a break may come about after its rows' deadline
	for i, line := range bytes.SplitAfter(data, []byte("\n")) {
		if len(line) == 0 {
			break
		}
		var e FollowEvent
		if err := json.Unmarshal(line, &e); err != nil || e.Seq != int64(i+1) {
			t.Fatalf("line %d: %s (%v)", i+1, line, err)
		}
		rows := fmt.Sprint(e.Left, e.Right)
		in := overdue
		if e.Class == reconciliation.Matched {
			in = matches
		}
		_, there := in[rows]
		switch {
		case e.Kind == stream.Matched && !there, e.Kind == stream.Overdue && !there:
			in[rows] = e
		case e.Kind == stream.Revised && there && e.Class != reconciliation.Matched:
		case (e.Kind == stream.Resolved || e.Kind == stream.Revised) && there:
			delete(in, rows)
		default:
			t.Fatalf("line %d: %s", i+1, line)
		}
		if e.Kind != stream.Overdue {
			changed[e.At] = true
		}
		if e.Kind == stream.Overdue && !changed[e.At] && e.At.Sub(*e.Deadline) > time.Second {
			t.Errorf("told %s after the deadline: %s", e.At.Sub(*e.Deadline), line)
		}
	}
	return matches, overdue
}

func (g *growing) left() (n int) {
	for _, text := range g.text {
		n += len(text)
	}
	return n
}

// TestFollowEndsAsTheNight: files grow by pieces that end anywhere; the run is stopped, killed before an event was written, or in the middle of it, again
// and again. In the end every match and break stands as the nightly run has it, each told once, and each break within a second of its deadline.
func TestFollowEndsAsTheNight(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			g := newGrowing(t, seed)
			state, events := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "events.ndjson")
			for runs := 0; ; runs++ {
				ctx, cancel := context.WithCancel(t.Context())
				killed := t.TempDir()
				left := 1 + g.rng.IntN(30)
				g.step = func() {
					for name := range g.text {
						if g.rng.IntN(3) == 0 {
							g.grow(t, name, g.rng.IntN(60))
						}
					}
					if left--; left == 0 || g.left() == 0 {
						copyFolder(t, state, killed) // as it is when the process dies here
						cancel()
					}
				}
				_, err := Follow(ctx, g.options(state, events))
				cancel()
				if err != nil {
					t.Fatal(err)
				}
				if g.left() == 0 {
					ctx, cancel := context.WithCancel(t.Context())
					until := g.now.Add(21 * time.Second) // by then the last deadline has passed
					g.step = func() {
						if g.now.After(until) {
							cancel()
						}
					}
					rep, err := Follow(ctx, g.options(state, events))
					if err != nil {
						t.Fatal(err)
					}
					g.isTheNight(t, rep)
					matches, overdue := standing(t, events)
					if int64(len(matches)) != rep.Matched || int64(len(overdue)) != rep.Total {
						t.Errorf("told are %d matches and %d breaks, there are %d and %d", len(matches), len(overdue), rep.Matched, rep.Total)
					}
					return
				}
				if runs%2 == 1 { // it did not stop, it was killed
					if err := os.RemoveAll(state); err != nil {
						t.Fatal(err)
					}
					copyFolder(t, killed, state)
					tear(t, g.rng, state, events)
				}
			}
		})
	}
}

// tear leaves half a record at the journal's end, and cuts the file of events within what the journal still holds.
func tear(t *testing.T, rng *rand.Rand, state, events string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(state, journalPrefix+"*"))
	if err != nil || len(all) > 1 {
		t.Fatal(all, err)
	}
	for _, name := range all {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.Write([]byte{200, 0, 0, 0, 1, 2, 3, 4, '{'}[:rng.IntN(10)])
		}
		if err != nil || f.Close() != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(events)
	if err != nil {
		t.Fatal(err)
	}
	var kept followKept
	whole, err := os.ReadFile(filepath.Join(state, stateName))
	if err == nil {
		err = json.Unmarshal(whole, &kept)
	}
	if err != nil {
		t.Fatal(err)
	}
	sure := 0 // bytes of the events that the whole state has
	for range kept.Seq {
		sure += bytes.IndexByte(data[sure:], '\n') + 1
	}
	if err := os.Truncate(events, int64(sure+rng.IntN(len(data)-sure+1))); err != nil {
		t.Fatal(err)
	}
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// TestFollowRefuses: a file that changed where it was read, other rules, and a folder that another run has.
func TestFollowRefuses(t *testing.T) {
	t.Parallel()
	g := newGrowing(t, 9)
	for name := range g.text {
		g.grow(t, name, 1<<20)
	}
	state, events := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "events.ndjson")
	follow := func(change func(*FollowOptions)) error {
		o := g.options(state, events)
		o.UntilCaughtUp = true
		if change != nil {
			change(&o)
		}
		_, err := Follow(t.Context(), o)
		return err
	}
	if err := follow(nil); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		change func(*FollowOptions)
		says   string
	}{
		"other rules": {func(o *FollowOptions) { o.Text = []byte("x") }, "is the state of other rules"},
		"two runs": {func(o *FollowOptions) {
			o.Alive = func() {
				if err := follow(nil); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "in use by another process") {
					t.Errorf("two runs: %v", err)
				}
			}
		}, ""},
		"no events": {func(o *FollowOptions) { o.EventsFile = filepath.Join(g.dir, "bank.csv") }, "it is no file of events"},
		"no side":   {func(o *FollowOptions) { o.Sides = map[string]string{"bnak": "x"} }, `no side "bnak"`},
	} {
		if err := follow(c.change); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.WriteFile(filepath.Join(g.dir, "bank.csv"), []byte("reference,amount,date\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := follow(nil); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "changed where it was read") {
		t.Errorf("a changed file: %v", err)
	}
}

// FuzzReadJournal reads journals that may be anything.
func FuzzReadJournal(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2, 0, 0, 0, 0x2d, 0x5f, 0x8f, 0x09, '{', '}'})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		size, _ := readJournal(data, func(*followStep) error { return nil })
		if size < 0 || size > int64(len(data)) {
			t.Errorf("%d of %d bytes", size, len(data))
		}
	})
}
