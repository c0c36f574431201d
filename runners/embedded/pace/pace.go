// Package pace decides how large the next epoch of a stream should be.
//
// Nouns. An epoch is bounded by rows, by bytes and by time ([Size]). A
// [Controller] is told what the last epoch held and how long it took
// ([Epoch]) and says what the next one may hold.
//
// The idea. Every epoch costs a fixed part (planning, a pipeline, a commit) and
// a part that grows with its rows. The controller estimates both. While the
// stream keeps up, epochs are as small as the latency asked for allows: an event
// waits until its epoch is full and then until it is committed, so wait and work together should be the
// latency. When work falls behind, the epoch grows, because larger epochs spread the fixed part over
// more rows: up to the limits, and up to the time that a stop may take. It shrinks back as the lag goes.
//
// Invariants: a size is never outside the limits; with the same history it is
// the same; with more lag it is never smaller. The package is pure: no clock, no goroutines.
package pace

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// Size bounds an epoch.
type Size struct {
	Rows  int64
	Bytes int64
	Wait  time.Duration // how long to wait for the epoch to fill
}

// Limits are what a controller keeps to. Zero fields take the defaults named.
type Limits struct {
	// Latency is how old an event may be when it becomes visible, in the normal case. Default 1 s.
	Latency time.Duration
	// LongestEpoch bounds the work of one epoch, and with it how long a graceful stop takes. Default 30 s.
	LongestEpoch time.Duration
	// MinRows and MaxRows bound the rows. Defaults 1,000 and 5,000,000.
	MinRows, MaxRows int64
	// MaxBytes bounds the undecoded bytes. Default 256 MiB.
	MaxBytes int64
	// MinWait is the shortest wait, which bounds the epochs in a second. Default 50 ms.
	MinWait time.Duration
}

func (l Limits) withDefaults() Limits {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&l.Latency, time.Second)
	set(&l.LongestEpoch, 30*time.Second)
	set(&l.MinWait, 50*time.Millisecond)
	for _, f := range []struct {
		field *int64
		value int64
	}{{&l.MinRows, 1_000}, {&l.MaxRows, 5_000_000}, {&l.MaxBytes, 256 << 20}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

// Validate reports everything that is wrong with the limits, as one fault.Usage.
func (l Limits) Validate() error {
	d := l.withDefaults()
	var errs []error
	for name, v := range map[string]int64{
		"latency": int64(d.Latency), "longest epoch": int64(d.LongestEpoch), "least rows": d.MinRows, "most rows": d.MaxRows, "most bytes": d.MaxBytes, "least wait": int64(d.MinWait),
	} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("%s is negative", name))
		}
	}
	if d.MinRows > d.MaxRows {
		errs = append(errs, fmt.Errorf("least rows %d are more than most rows %d", d.MinRows, d.MaxRows))
	}
	if d.MinWait > d.Latency {
		errs = append(errs, fmt.Errorf("least wait %s is longer than the latency %s", d.MinWait, d.Latency))
	}
	return fault.Mark(fault.Usage, errors.Join(errs...))
}

// Epoch is what one epoch held and cost.
type Epoch struct {
	Rows, Bytes int64
	Took        time.Duration // work, from planned to committed; waiting excluded
	Lag         int64         // rows that wait behind it; negative if unknown
}

// Controller sizes epochs. It is not safe for concurrent use.
type Controller struct {
	limits Limits
	fixed  float64 // estimated seconds of an epoch of no rows
	perRow float64 // estimated seconds a row
	width  float64 // estimated bytes a row
	lag    int64   // behind the last epoch
	seen   bool
}

// New makes a controller. It fails where Limits.Validate does.
func New(l Limits) (*Controller, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return &Controller{limits: l.withDefaults(), fixed: 0.03, perRow: 1e-6, width: 500}, nil
}

// smoothing is the weight of the newest epoch in the estimates.
const smoothing = 0.3

// Observe takes in an epoch that was committed.
func (c *Controller) Observe(e Epoch) {
	if e.Lag >= 0 {
		c.lag = e.Lag
	}
	if e.Rows <= 0 || e.Took <= 0 {
		return
	}
	took := e.Took.Seconds()
	weight := smoothing
	if !c.seen {
		weight, c.seen = 1, true
	}
	blend := func(old *float64, v float64) { *old += weight * (v - *old) }
	// Small epochs tell about the fixed part, large ones about the rows.
	byRows := c.perRow * float64(e.Rows)
	if byRows < c.fixed {
		blend(&c.fixed, max(took-byRows, 0.001))
	} else {
		blend(&c.perRow, max(took-c.fixed, took/10)/float64(e.Rows))
	}
	if e.Bytes > 0 {
		blend(&c.width, float64(e.Bytes)/float64(e.Rows))
	}
}

// Next is the size of the next epoch.
func (c *Controller) Next() Size {
	l := c.limits
	inTime := func(seconds float64) int64 { return int64(max(seconds-c.fixed, 0) / c.perRow) }
	// Half of the latency for waiting, half for the work.
	rows := max(inTime(l.Latency.Seconds()/2), l.MinRows)
	if c.lag > rows {
		rows = min(c.lag, max(inTime(l.LongestEpoch.Seconds()), rows))
	}
	rows = min(max(rows, l.MinRows), l.MaxRows)
	bytes := min(int64(2*c.width*float64(rows)), l.MaxBytes) // twice, so that rows decide where they can
	work := time.Duration((c.fixed + c.perRow*float64(min(rows, max(c.lag, l.MinRows)))) * float64(time.Second))
	wait := min(max(l.Latency-work, l.MinWait), l.Latency)
	if c.lag >= rows { // what is to be read is there already
		wait = l.MinWait
	}
	return Size{Rows: rows, Bytes: max(bytes, 1), Wait: wait}
}
