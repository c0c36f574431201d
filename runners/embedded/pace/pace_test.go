package pace

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/fault"
)

// machine is a stream and what processes it: a fixed cost an epoch, a cost a row, rows that arrive all the time.
type machine struct {
	fixed  time.Duration
	perRow time.Duration
	arrive float64 // rows a second
	lag    float64
	now    time.Duration
	worst  time.Duration // age of the oldest row that the last epoch made visible
}

// step runs one epoch: it waits until the epoch is full or the wait is over, then works.
func (m *machine) step(s Size) Epoch {
	wait := time.Duration(0)
	if m.lag < float64(s.Rows) {
		wait = min(time.Duration((float64(s.Rows)-m.lag)/m.arrive*float64(time.Second)), s.Wait)
	}
	backlog := m.lag
	m.lag += m.arrive * wait.Seconds()
	rows := min(int64(m.lag), s.Rows, max(s.Bytes/100, 1))
	took := m.fixed + time.Duration(rows)*m.perRow
	m.lag += m.arrive*took.Seconds() - float64(rows)
	m.now += wait + took
	m.worst = time.Duration(backlog/m.arrive*float64(time.Second)) + wait + took
	return Epoch{Rows: rows, Bytes: rows * 100, Took: took, Lag: int64(m.lag)}
}

func newController(t interface{ Fatal(...any) }, l Limits) *Controller {
	c, err := New(l)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestKeepsLatencyAndCatchesUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fixed, perRow time.Duration
		arrive, lag   float64
	}{
		{30 * time.Millisecond, time.Microsecond, 10_000, 0},
		{30 * time.Millisecond, time.Microsecond, 10_000, 20_000_000},
		{100 * time.Millisecond, time.Microsecond, 500_000, 0},
		{100 * time.Millisecond, time.Microsecond, 500_000, 5_000_000},
		{200 * time.Millisecond, 20 * time.Microsecond, 20_000, 100_000},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			ctl := newController(t, Limits{})
			m := &machine{fixed: c.fixed, perRow: c.perRow, arrive: c.arrive, lag: c.lag}
			var largest int64
			for m.now < 5*time.Minute {
				e := m.step(ctl.Next())
				largest = max(largest, e.Rows)
				ctl.Observe(e)
			}
			if m.worst > 2*time.Second {
				t.Errorf("after five minutes the oldest row of an epoch is %s old", m.worst)
			}
			if c.lag > 1_000_000 && largest < 1_000_000 {
				t.Errorf("a lag of %.0f rows made no epoch larger than %d", c.lag, largest)
			}
		})
	}
}

func TestOverloadUsesLargeEpochs(t *testing.T) {
	t.Parallel()
	// More arrives than can be done with small epochs; large ones can.
	m := &machine{fixed: 300 * time.Millisecond, perRow: time.Microsecond, arrive: 600_000}
	ctl := newController(t, Limits{})
	for m.now < 5*time.Minute {
		ctl.Observe(m.step(ctl.Next()))
	}
	if m.lag > 3*600_000 {
		t.Errorf("after five minutes %.0f rows wait", m.lag)
	}
}

func genLimits(t *rapid.T) Limits {
	return Limits{
		Latency:      time.Duration(rapid.Int64Range(int64(100*time.Millisecond), int64(10*time.Second)).Draw(t, "latency")),
		LongestEpoch: time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Minute)).Draw(t, "longest")),
		MinRows:      rapid.Int64Range(1, 1000).Draw(t, "min rows"),
		MaxRows:      rapid.Int64Range(1000, 10_000_000).Draw(t, "max rows"),
		MaxBytes:     rapid.Int64Range(1, 1<<30).Draw(t, "max bytes"),
		MinWait:      time.Duration(rapid.Int64Range(1, int64(100*time.Millisecond)).Draw(t, "min wait")),
	}
}

func genEpoch(t *rapid.T) Epoch {
	return Epoch{
		Rows:  rapid.Int64Range(0, 1<<40).Draw(t, "rows"),
		Bytes: rapid.Int64Range(0, 1<<50).Draw(t, "bytes"),
		Took:  time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "took")),
		Lag:   rapid.Int64Range(-1, 1<<40).Draw(t, "lag"),
	}
}

func TestStaysWithinLimitsAndGrowsWithLag(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := genLimits(t)
		a, b := newController(t, l), newController(t, l)
		for range rapid.IntRange(0, 20).Draw(t, "epochs") {
			e := genEpoch(t)
			a.Observe(e)
			b.Observe(e)
		}
		more := rapid.Int64Range(0, 1<<41).Draw(t, "more lag")
		a.Observe(Epoch{Lag: a.lag})
		b.Observe(Epoch{Lag: b.lag + more})
		small, large := a.Next(), b.Next()
		for _, s := range []Size{small, large} {
			if s.Rows < l.MinRows || s.Rows > l.MaxRows || s.Bytes < 1 || s.Bytes > l.MaxBytes || s.Wait < l.MinWait || s.Wait > l.Latency {
				t.Fatalf("%+v is outside %+v", s, l)
			}
		}
		if large.Rows < small.Rows || large.Wait > small.Wait {
			t.Fatalf("with a lag of %d rows the size is %+v, with %d it is %+v", a.lag, small, b.lag, large)
		}
	})
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, l := range []Limits{{Latency: -1}, {MinRows: 10, MaxRows: 5}, {MinWait: 2 * time.Second}, {MaxBytes: -1}} {
		if _, err := New(l); fault.Of(err) != fault.Usage || err == nil {
			t.Errorf("%+v: error is %v", l, err)
		}
	}
	if err := (Limits{}).Validate(); err != nil {
		t.Error(err)
	}
}
