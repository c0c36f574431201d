package killsuite

import (
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/testservers"
)

// shortRaceKills is how often the short form kills one of the racers.
const shortRaceKills = 3

// TestRaces lets two ingests of the same stream race each other and a compaction of every table, and kills one of the three again and again.
func TestRaces(t *testing.T) {
	t.Parallel()
	worlds := []setup{{}}
	if *killsFlag > 0 {
		worlds = append(worlds, setup{postgres: testservers.StartPostgreSQL(t), s3: true})
	}
	for _, s := range worlds {
		if *onlyFlag != "" && *onlyFlag != s.String() {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			kills := shortRaceKills // each of the racers once
			if *killsFlag > 0 {
				kills = max(*killsFlag/4, 1)
			}
			w := newWorld(t, *seedFlag, s)
			defer w.end("TestRaces", *killsFlag)
			w.race(kills)
			w.finish()
		})
	}
}

// racers are who races: two ingests and a compaction.
var racers = []string{"one ingest", "the other ingest", "the compaction"}

func (w *world) race(kills int) {
	w.t.Helper()
	rnd := rand.New(rand.NewPCG(w.seed, 0x72616365))
	all := make([]*child, len(racers))
	enter := func(i int) {
		j := w.job
		j.Compact = i == 2
		all[i] = w.start(j)
		w.stats.started++
	}
	w.produce(400)
	for i := range all {
		enter(i)
	}
	for kill := range kills {
		w.watchRace(all, 1+rnd.IntN(2))
		i := rnd.IntN(len(all))
		if kill < len(all) {
			i = kill // each at least once
		}
		_ = all[i].cmd.Process.Kill()
		if f, _ := all[i].wait(); f != killed {
			w.t.Fatalf("%s was to be killed, but ended before: %v\n%s", racers[i], all[i].err, all[i].errs.String())
		}
		w.stats.killedAt(racers[i])
		if err := w.audit.followLive(w.t.Context()); err != nil {
			w.t.Fatalf("after the kill of %s: %v", racers[i], err)
		}
		enter(i)
	}
	w.watchRace(all, 1)
	for i, c := range all {
		c.signal(syscall.SIGTERM)
		f, rest := c.wait()
		if f != ended {
			w.t.Fatalf("%s did not end well on SIGTERM: %v\n%s", racers[i], c.err, c.errs.String())
		}
		if len(rest) > 0 {
			w.stats.dropped += rest[len(rest)-1].Dropped
		}
		w.stats.rebuilt += strings.Count(c.errs.String(), "epoch is rebuilt")
	}
	w.follow("after the race")
}

// watchRace waits until so many epochs and one table's compaction are in, and sends more whenever an ingest is idle.
func (w *world) watchRace(all []*child, epochs int) {
	w.t.Helper()
	compactions := 0
	for epochs > 0 || compactions == 0 {
		var s said
		var i int
		var ok bool
		select {
		case s, ok = <-all[0].lines:
		case s, ok = <-all[1].lines:
			i = 1
		case s, ok = <-all[2].lines:
			i = 2
		case <-time.After(patience):
			w.t.Fatalf("nobody in the race has said anything for %s", patience)
		}
		switch {
		case !ok:
			w.t.Fatalf("%s ended by itself: %v\n%s", racers[i], all[i].err, all[i].errs.String())
		case s.Epoch != "":
			epochs--
		case s.Compacted:
			compactions++
		case s.Idle:
			w.produce(60)
		}
	}
}

// follow audits what is new, and fails the test with where that was.
func (w *world) follow(where string) {
	w.t.Helper()
	if err := w.audit.follow(w.t.Context()); err != nil {
		w.t.Fatalf("%s: %v", where, err)
	}
}
