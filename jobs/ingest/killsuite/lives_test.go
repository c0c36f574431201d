package killsuite

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/internal/faults"
	"github.com/millrace/millrace/internal/testservers"
)

// life is what the seed has in store for one process.
type life struct {
	act   act
	after float64 // kill after a random delay: this part of the time that a life takes for a few epochs
	send  int     // messages sent before it starts, and again whenever it has read them all
	// spoilt says that requests to S3 and commits to PostgreSQL are spoilt meanwhile, as the number decides.
	spoilt uint64
}

func (l life) String() string {
	if l.act.Point == "" {
		return "random moment"
	}
	return fmt.Sprintf("%s ×%d", l.act.Point, l.act.Count)
}

// mainPoints are tried first: the steps around the moment at which an epoch becomes visible.
var mainPoints = []struct {
	point string
	most  int // the count is between 1 and this
}{
	{"committed", 3}, {"precommit", 3}, {"cas:3", 2}, {"staged:2", 2}, {"put data done", 25}, {"put meta", 70}, {"planned", 3}, {"pipeline done", 2}, {"", 0}, {"confirm", 3},
}

// morePoints follow, in an order that the seed chooses.
var morePoints = []struct {
	point string
	most  int
}{
	{"open", 1}, {"opened", 1}, {"plan", 4}, {"read", 12}, {"batch", 12}, {"read done", 12}, {"pipeline", 3}, {"put data", 25}, {"put meta done", 70}, {"put data", 50}, {"delete meta", 10}, {"delete meta done", 5},
	{"staged:0", 3}, {"staged:1", 2}, {"staged:4", 2}, {"staged:6", 2}, {"cas:0", 3}, {"cas:1", 2}, {"cas:2", 2}, {"cas:5", 2}, {"cas:7", 2},
	{"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0},
}

// lives draws n of them. Every point comes about as often as every other, the more n is.
func lives(seed uint64, n int) []life {
	rnd := rand.New(rand.NewPCG(seed, 0x6c69766573))
	var out []life
	draw := func(point string, most int) {
		l := life{send: 100 + rnd.IntN(300), after: rnd.Float64() * 1.2}
		if point != "" {
			l.act = act{Point: point, Count: 1 + rnd.IntN(most)}
		}
		if len(out)%2 == 1 {
			l.spoilt = 3*(rnd.Uint64()>>2) + 3 + uint64(len(out)/2%3) // so that the ways to lose a commit take turns
		}
		out = append(out, l)
	}
	for len(out) < n {
		for _, i := range rnd.Perm(len(mainPoints)) {
			draw(mainPoints[i].point, mainPoints[i].most)
		}
		for _, i := range rnd.Perm(len(morePoints)) {
			draw(morePoints[i].point, morePoints[i].most)
		}
	}
	return out[:n]
}

// stats are the figures of a world.
type stats struct {
	start    time.Time
	kills    map[string]int // by point, without its count
	started  int
	failures int   // lives that ended with an error, as they may under faults
	epochs   int64 // told by lives
	dropped  int64
	stopped  int           // lives that were stopped and went on
	orphans  int           // files that the lives left behind
	rebuilt  int           // epochs that were rebuilt after a conflict
	pace     time.Duration // how long a life takes for its first epochs
	faults   map[string]int
}

func (s *stats) killedAt(point string) {
	if s.kills == nil {
		s.kills = map[string]int{}
	}
	s.kills[point]++
}

func (s *stats) total() (n int) {
	for _, k := range s.kills {
		n += k
	}
	return n
}

// report logs the figures.
func (w *world) report() {
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(w.stats.kills)) {
		fmt.Fprintf(&b, "  %-14s %d\n", p, w.stats.kills[p])
	}
	var rows int64
	for _, t := range w.audit.want {
		rows += t.rows
	}
	fmt.Fprintf(&b, "%d kills, %d stops, %d processes, %d ended with an error; %d messages, %d transactions, %d cuts audited (%d of them maintenance), %d rows at the last, %d epochs dropped, %d rebuilt, %d files left behind, %s",
		w.stats.total(), w.stats.stopped, w.stats.started, w.stats.failures, w.sent, len(w.book.txs), w.audit.cut, w.audit.runs, rows, w.stats.dropped, w.stats.rebuilt, w.stats.orphans, time.Since(w.stats.start).Round(time.Second/10))
	if len(w.stats.faults) > 0 {
		fmt.Fprintf(&b, "\nfaults: %v", w.stats.faults)
	}
	w.t.Logf("\n%s", b.String())
}

// end reports, and says how a failure is seen again.
func (w *world) end(test string, kills int) {
	w.t.Helper()
	if w.t.Failed() {
		w.t.Logf("replay: go test ./jobs/ingest/killsuite -run '^%s$' -seed %d -kills %d -world %s", test, w.seed, kills, w.setup)
	}
	w.report()
}

// paceEpochs is how many epochs a life's pace is measured over.
const paceEpochs = 4

// A life whose act does not come is sent more once it has planned so many times in vain, and killed once it has ingested so many epochs.
const idlePlans, maxEpochs = 3, 12

// live runs one life to its death.
func (w *world) live(l life) {
	w.t.Helper()
	w.produce(l.send)
	w.spoil(l.spoilt)
	j := w.job
	var timer <-chan time.Time
	begin := time.Now()
	if l.act.Point != "" {
		j.Acts = []act{l.act}
	} else {
		pace := w.stats.pace
		if pace == 0 {
			pace = time.Second
		}
		t := time.NewTimer(time.Duration(l.after * float64(pace)))
		defer t.Stop()
		timer = t.C
	}
	c := w.start(j)
	w.stats.started++
	epochs, idle, at := 0, 0, l.act.Point
	for {
		s, more, interrupted := c.next(timer)
		switch {
		case interrupted:
			timer = nil
			at = "random moment"
			_ = c.cmd.Process.Kill()
		case !more:
			w.buried(c, l)
			w.stats.killedAt(at)
			return
		case s.Epoch != "":
			w.stats.epochs++
			idle = 0
			if epochs++; epochs == paceEpochs {
				w.stats.pace = time.Since(begin)
			}
		case s.Idle && timer == nil:
			if idle++; idle%idlePlans != 0 {
				break
			}
			if epochs < maxEpochs {
				w.produce(l.send)
				break
			}
			at = "out of reach" // the point does not come in this state of the lake
			_ = c.cmd.Process.Kill()
		}
	}
}

// buried checks how a life ended, and what it left.
func (w *world) buried(c *child, l life) {
	w.t.Helper()
	switch c.fate() {
	case failed:
		if l.spoilt == 0 || !w.mayFail(c) {
			w.t.Fatalf("a life that was to be killed (%s) ended with an error: %v\n%s", l, c.err, c.errs.String())
		}
		w.stats.failures++
	case ended:
		w.t.Fatalf("a life that was to be killed (%s) ended by itself\n%s", l, c.errs.String())
	}
	if err := w.audit.follow(w.t.Context()); err != nil {
		w.t.Fatalf("after a life that was killed (%s): %v\n%s", l, err, c.errs.String())
	}
}

// spoil sets the faults of the next life; 0 is none. It takes down what was done before.
func (w *world) spoil(seed uint64) {
	if w.stats.faults == nil {
		w.stats.faults = map[string]int{}
	}
	if w.proxy != nil {
		for k, n := range w.proxy.Counts() {
			w.stats.faults["S3: "+k] += n
		}
		w.proxy.Reseed(seed)
		w.proxy.SetRules(httpRules(seed)...)
	}
	if w.pg != nil {
		for k, n := range w.pg.Counts() {
			w.stats.faults["PostgreSQL: "+k] += n
		}
		w.pg.SetRules(commitRules(seed)...)
	}
}

// httpRules spoil about one request in eight, in all ways. Those that take the client's whole patience come once.
func httpRules(seed uint64) []faults.HTTPRule {
	if seed == 0 {
		return nil
	}
	percent := func(n int) faults.When { return faults.When{Percent: n} }
	once := func(skip uint64) faults.When { return faults.When{Skip: int(skip), Times: 1} }
	rules := []faults.HTTPRule{
		{Fault: faults.InternalError, When: percent(2)},
		{Fault: faults.SlowDown, When: percent(2)},
		{Fault: faults.Refused, When: percent(2)},
		{Fault: faults.LostReply, Method: http.MethodPut, When: percent(4)},
		{Fault: faults.LostReply, Method: http.MethodDelete, When: percent(10)},
		{Fault: faults.CutBody, Method: http.MethodGet, When: percent(4)},
		{Fault: faults.Slow, When: percent(3), Delay: 50 * time.Millisecond},
	}
	switch seed >> 32 % 4 {
	case 0:
		rules = append(rules, faults.HTTPRule{Fault: faults.Silent, When: once(10 + seed%100)})
	case 1:
		rules = append(rules, faults.HTTPRule{Fault: faults.LateSilent, Method: http.MethodPut, When: once(5 + seed%50)})
	}
	return rules
}

// commitRules spoil the first or second commit and some of those that follow.
func commitRules(seed uint64) []faults.CommitRule {
	if seed == 0 {
		return nil
	}
	kinds := []faults.CommitFault{faults.CommitReplyLost, faults.CommitLost, faults.CommitLate}
	k := kinds[seed%3]
	return []faults.CommitRule{
		{Fault: k, When: faults.When{Skip: int(seed >> 4 % 2), Times: 1}, Delay: 400 * time.Millisecond},
		{Fault: kinds[(seed>>8)%3], When: faults.When{Skip: 2, Percent: 20}, Delay: time.Millisecond},
	}
}

// mayFail reports whether an error of a life is one that faults may cause: an outage, as the
// product says itself, and no mistake of the user's.
func (w *world) mayFail(c *child) bool {
	return c.err != nil && strings.Contains(c.errs.String(), "the life ended with an error that may pass")
}

// finish lets a last life catch up, and demands that nothing is left.
func (w *world) finish() {
	w.t.Helper()
	w.produceRest()
	w.spoil(0)
	j := w.job
	j.UntilCaughtUp = true
	c := w.start(j)
	w.stats.started++
	f, rest := c.wait()
	if f != ended || len(rest) == 0 || !rest[len(rest)-1].Done {
		w.t.Fatalf("the last life did not catch up: %v\n%s", c.err, c.errs.String())
	}
	w.check(w.audit.follow(w.t.Context()))
	if n := w.audit.behind(); n != 0 {
		w.t.Fatalf("%d events are not in the lake, though the last life says that it has caught up", n)
	}
	w.sweep()
}

// sweep deletes what the lives left behind, and demands that no cut misses any of it.
func (w *world) sweep() {
	w.t.Helper()
	ctx := w.t.Context()
	names, err := w.audit.lake.Tables(ctx)
	w.check(err)
	now := time.Now().Add(time.Hour)
	opts := maintenance.CollectOptions{MinAge: time.Nanosecond, Grace: time.Nanosecond, Logger: slog.New(slog.DiscardHandler), Clock: func() time.Time {
		now = now.Add(time.Minute)
		return now
	}}
	for _, name := range names {
		_, err := maintenance.Collect(ctx, w.audit.lake, name, opts) // sees them
		w.check(err)
		res, err := maintenance.Collect(ctx, w.audit.lake, name, opts) // deletes them
		w.check(err)
		w.stats.orphans += len(res.Deleted)
	}
	for _, n := range []int64{w.audit.cut, 1 + int64(w.seed%uint64(w.audit.cut))} {
		w.check(w.audit.again(ctx, n))
	}
}

func testKills(t *testing.T, s setup, kills int) {
	w := newWorld(t, *seedFlag, s)
	defer w.end("TestKills", kills)
	for _, l := range lives(w.seed, kills) {
		w.live(l)
	}
	w.finish()
}

// TestKills kills the ingest again and again, in worlds that differ in their parts.
func TestKills(t *testing.T) {
	t.Parallel()
	pg := testservers.StartPostgreSQL(t)
	worlds := []struct {
		setup
		short int // kills in the short form
	}{
		{setup{s3: true}, 9},
		{setup{files: true, postgres: pg}, 4},
	}
	if *killsFlag > 0 {
		worlds = append(worlds, []struct {
			setup
			short int
		}{{setup{postgres: pg, s3: true}, 0}, {setup{files: true, s3: true}, 0}}...)
	}
	for _, s := range worlds {
		if *onlyFlag != "" && *onlyFlag != s.String() {
			continue
		}
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			kills := *killsFlag
			if kills == 0 {
				kills = s.short
				if testing.Short() {
					kills /= 2
				}
			}
			testKills(t, s.setup, kills)
		})
	}
}
