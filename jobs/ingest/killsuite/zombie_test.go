package killsuite

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/millrace/millrace/internal/testservers"
)

// wokenUp is what an ingest says when it finds that another one has overtaken it.
const wokenUp = "epoch was in the lake already"

// zombiePoints are where a process is stopped, for the so-manieth time that it comes there.
var zombiePoints = []act{
	{Point: "staged:0", Count: 2}, {Point: "cas:0", Count: 2}, {Point: "precommit", Count: 2}, {Point: "committed", Count: 2}, // the steps of the commit
	{Point: "planned", Count: 2}, {Point: "put data", Count: 9}, {Point: "put meta", Count: 50}, {Point: "pipeline done", Count: 1}, {Point: "confirm", Count: 2},
	{Point: "read", Count: 8}, {Point: "staged:3", Count: 2}, {Point: "cas:4", Count: 1}, {Point: "pipeline", Count: 2}, {Point: "put data done", Count: 15},
}

// commitPoints is how many of them, the first, are steps of the commit.
const commitPoints = 4

// TestZombies stops a process as SIGSTOP does, starts a successor, and lets the process wake up when the successor is ahead.
func TestZombies(t *testing.T) {
	t.Parallel()
	pg := testservers.StartPostgreSQL(t)
	for _, s := range []setup{{}, {postgres: pg, s3: true}} {
		if *onlyFlag != "" && *onlyFlag != s.String() {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, *seedFlag, s)
			defer w.end("TestZombies", *killsFlag)
			for _, a := range someZombies(w) {
				w.zombie(a)
			}
			w.finish()
		})
	}
}

// someZombies are the points of one world: all of them in the long form; in the short one two steps of the
// commit, others for PostgreSQL than for SQLite, and one that the seed chooses.
func someZombies(w *world) []act {
	if *killsFlag > 0 {
		return zombiePoints
	}
	first := 0
	if w.pg != nil {
		first = 1
	}
	out := []act{zombiePoints[first], zombiePoints[first+2]}
	if !testing.Short() {
		out = append(out, zombiePoints[commitPoints+int(w.seed%uint64(len(zombiePoints)-commitPoints))])
	}
	return out
}

// locks reports whether a process that stands at a point holds the catalog's lock.
func (a act) locks() bool { return strings.HasPrefix(a.Point, "cas:") || a.Point == "precommit" }

// zombie stops a process at a point, and wakes it up when its successor is ahead, or, where that
// cannot get ahead of a process that holds the lock of the whole catalog, waits for the lock.
func (w *world) zombie(a act) {
	w.t.Helper()
	w.produce(300)
	w.job.MaxEvents = 60
	j := w.job
	a.Stop = true
	j.Acts = []act{a}
	first := w.start(j)
	first.until("stopped at "+a.Point, func(s said) bool {
		if s.Idle {
			w.produce(100) // the point is further on
		}
		return s.At == a.Point
	})
	first.awaitStopped()
	j = w.job
	j.Report = []string{"staged:0"}
	second := w.start(j)
	w.stats.started += 2
	ahead := !a.locks() || w.pg != nil // PostgreSQL ends the session of a process that does nothing
	if ahead {
		for range 2 {
			w.awaitEpoch(second)
		}
	} else {
		second.until("has staged an epoch", func(s said) bool { return s.At == "staged:0" })
	}
	w.produce(100)
	first.signal(syscall.SIGCONT)
	late := first
	if !ahead {
		late = second // the first had gone too far to be stopped: its epoch is in, and the second notices
	}
	late.until(fmt.Sprintf("has noticed what happened while it was stopped at %s", a.Point), func(s said) bool {
		if s.Idle {
			w.produce(50)
		}
		return strings.Contains(late.errs.String(), wokenUp)
	})
	var dropped int64
	for _, c := range []*child{first, second} {
		c.signal(syscall.SIGTERM)
	}
	for _, c := range []*child{first, second} {
		f, rest := c.wait()
		if f != ended || len(rest) == 0 || !rest[len(rest)-1].Done {
			w.t.Fatalf("a process that was stopped at %s, or its successor, did not end well on SIGTERM: %v\n%s", a.Point, c.err, c.errs.String())
		}
		dropped += rest[len(rest)-1].Dropped
	}
	if dropped == 0 {
		w.t.Errorf("no epoch was dropped, though two processes had the one at which the first was stopped at %s", a.Point)
	}
	w.stats.dropped += dropped
	w.stats.stopped++
	if err := w.audit.follow(w.t.Context()); err != nil {
		w.t.Fatalf("after a process that was stopped at %s: %v\n%s\n-- successor\n%s", a.Point, err, first.errs.String(), second.errs.String())
	}
}

// awaitEpoch waits until a life has ingested one more epoch, and sends it more if it is idle.
func (w *world) awaitEpoch(c *child) {
	w.t.Helper()
	c.until("has ingested an epoch", func(s said) bool {
		if s.Idle {
			w.produce(100)
		}
		return s.Epoch != ""
	})
}
