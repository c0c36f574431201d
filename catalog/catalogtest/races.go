package catalogtest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
)

// testRacingCommitters lets committers of several processes' worth of lakes race on overlapping
// tables. Every commit must be there once, under a cut number of its own, in all of its tables.
func testRacingCommitters(t *testing.T, h Harness) {
	const committers, commits = 4, 8
	l := open(t, h, 4)
	var mu sync.Mutex
	cuts := map[int64]string{}
	want := map[string][]string{}
	var g errgroup.Group
	for c := range committers {
		own := reopen(t, l.cfg)
		g.Go(func() error {
			for n := range int64(commits) {
				a, b := tableName(c), tableName((c+1)%4)
				commit := own.add(n, a, b)
				commit.Stream = fmt.Sprintf("stream-%d", c)
				out, err := own.Commit(context.Background(), commit)
				if err != nil {
					return err
				}
				mu.Lock()
				if other, taken := cuts[out.Cut]; taken || out.Dropped {
					t.Errorf("cut %d of %s: %+v; it was given to %s too", out.Cut, commit.Stream, out, other)
				}
				cuts[out.Cut] = commit.Stream
				want[a] = append(want[a], commit.Tables[0].Add[0].Path)
				want[b] = append(want[b], commit.Tables[1].Add[0].Path)
				mu.Unlock()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if last := l.at(catalog.At{}).Number(); last != committers*commits || len(cuts) != committers*commits {
		t.Errorf("%d commits made %d cuts, the last is %d", committers*commits, len(cuts), last)
	}
	for name, files := range want {
		if got := l.paths(catalog.At{}, name); !sameSet(got, files) {
			t.Errorf("table %s has %d files, want %d", name, len(got), len(files))
		}
	}
}

// testRacingOneTable does the same on one table, which every catalog can do.
func testRacingOneTable(t *testing.T, h Harness) {
	const committers, commits = 3, 6
	l := open(t, h, 1)
	var mu sync.Mutex
	cuts := map[int64]bool{}
	var g errgroup.Group
	for c := range committers {
		own := reopen(t, l.cfg)
		g.Go(func() error {
			for n := range int64(commits) {
				commit := own.add(n, tableName(0))
				commit.Stream = fmt.Sprintf("stream-%d", c)
				out, err := own.Commit(context.Background(), commit)
				if err != nil {
					return err
				}
				mu.Lock()
				if cuts[out.Cut] || out.Dropped {
					t.Errorf("cut %d was given twice, or dropped: %+v", out.Cut, out)
				}
				cuts[out.Cut] = true
				mu.Unlock()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := len(l.paths(catalog.At{}, tableName(0))); got != committers*commits {
		t.Errorf("%d files after %d commits", got, committers*commits)
	}
}

// testRacingEpochs lets two owners of one stream race, as a process and its successor would: of
// each epoch's two commits one enters, and the other is dropped.
func testRacingEpochs(t *testing.T, h Harness) {
	const epochs = 12
	l := open(t, h, 2)
	var mu sync.Mutex
	entered := map[int64]string{}
	var g errgroup.Group
	for range 2 {
		own := reopen(t, l.cfg)
		g.Go(func() error {
			for n := int64(0); n < epochs; {
				commit := own.add(n, tableName(0), tableName(1))
				out, err := own.Commit(context.Background(), commit)
				if err != nil {
					return err
				}
				if !out.Dropped {
					mu.Lock()
					if entered[n] != "" {
						t.Errorf("epoch %d entered twice", n)
					}
					entered[n] = commit.Tables[0].Add[0].Path
					mu.Unlock()
				}
				pos, err := own.StreamPosition(context.Background(), "s")
				if err != nil {
					return err
				}
				n = pos.Next["0"]
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, path := range entered {
		want = append(want, path)
	}
	if got := l.paths(catalog.At{}, tableName(0)); len(got) != epochs || !sameSet(got, want) {
		t.Errorf("%d files, want those %d that entered", len(got), len(want))
	}
}

// testCutsNeverTear reads while another lake commits: at any moment two tables that are always
// committed together hold the same epochs.
func testCutsNeverTear(t *testing.T, h Harness) {
	const commits = 25
	l := open(t, h, 2)
	reader := reopen(t, l.cfg)
	done := make(chan struct{})
	var g errgroup.Group
	reads := 0
	g.Go(func() error {
		for {
			select {
			case <-done:
				return nil
			default:
			}
			c, err := reader.At(context.Background(), catalog.At{})
			if err != nil {
				return err
			}
			var epochs []string
			for i := range 2 {
				tab, err := c.Table(tableName(i))
				if err != nil {
					return err
				}
				epochs = append(epochs, tab.Summary()[catalog.KeyEpoch])
			}
			if len(slices.Compact(epochs)) != 1 {
				return fmt.Errorf("a torn cut: %v", epochs)
			}
			reads++
		}
	})
	for n := range int64(commits) {
		l.commit(l.add(n, tableName(0), tableName(1)))
	}
	close(done)
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if reads == 0 {
		t.Error("nothing was read")
	}
}
