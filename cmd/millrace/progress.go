package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/millrace/millrace/jobs/ingest"
)

// progress tells how far an ingest is: on a terminal by one line that is written over, elsewhere by a line of JSON an epoch.
type progress struct {
	out   io.Writer
	clock func() time.Time
	tty   bool
	last  time.Time
	rate  float64 // events a second, recent ones counting most
}

func newProgress(out io.Writer, clock func() time.Time) *progress {
	return &progress{out: out, clock: clock, tty: onTerminal(out), last: clock()}
}

// rateTime is over about how long the rate is averaged.
const rateTime = 10 * time.Second

// observe takes an epoch of so many events into the rate.
func (p *progress) observe(events int64) {
	now := p.clock()
	took := max(now.Sub(p.last), time.Millisecond)
	p.last = now
	weight := min(1, max(float64(took)/float64(rateTime), .05))
	if p.rate == 0 {
		weight = 1
	}
	p.rate += weight * (float64(events)/took.Seconds() - p.rate)
}

// eta is how long it takes to catch up at the present rate; negative where that is not known.
func (p *progress) eta(lagEvents int64) time.Duration {
	if lagEvents < 0 || p.rate <= 0 {
		return -1
	}
	return time.Duration(float64(lagEvents) / p.rate * float64(time.Second)).Round(time.Second)
}

// epochLine is the JSON line of an epoch. Its fields are a contract: docs/operations.md lists them.
type epochLine struct {
	Event        string `json:"event"` // "epoch"
	Time         string `json:"time"`
	Epoch        string `json:"epoch"`
	Cut          int64  `json:"cut"`
	BusinessDate string `json:"business_date,omitempty"`
	Events       int64  `json:"events"`
	Rejected     int64  `json:"rejected"`
	Duplicates   int64  `json:"duplicates"`
	Transactions int64  `json:"transactions"`
	Bytes        int64  `json:"bytes"`
	TookMs       int64  `json:"took_ms"`
	EventsTotal  int64  `json:"events_total"`
	Rate         int64  `json:"events_per_second"`
	LagEvents    int64  `json:"lag_events"`
	LagBytes     int64  `json:"lag_bytes"`
	LagMs        int64  `json:"lag_ms"`
	EtaSeconds   *int64 `json:"eta_seconds,omitempty"`
}

func (p *progress) epoch(e ingest.Progress) {
	p.observe(e.Epoch.Counts.Events)
	eta := p.eta(e.Lag.Events)
	if p.tty {
		p.line(e, eta)
		return
	}
	c := e.Epoch.Counts
	l := epochLine{Event: "epoch", Time: p.clock().UTC().Format("2006-01-02T15:04:05.000Z"), Epoch: e.Epoch.ID, Cut: e.Cut, Events: c.Events, Rejected: c.Rejected,
		Duplicates: c.Duplicates, Transactions: c.Transactions, Bytes: c.Bytes, TookMs: e.Took.Milliseconds(), EventsTotal: e.Report.Counts.Events,
		Rate: int64(p.rate), LagEvents: e.Lag.Events, LagBytes: e.Lag.Bytes, LagMs: e.Lag.Age.Milliseconds()}
	if !e.Epoch.BusinessDate.IsZero() {
		l.BusinessDate = e.Epoch.BusinessDate.Format(time.DateOnly)
	}
	if eta >= 0 {
		s := int64(eta.Seconds())
		l.EtaSeconds = &s
	}
	// The writer is the process's own output; where that is gone, so is whoever would read an error.
	_ = json.NewEncoder(p.out).Encode(l)
}

// line writes over the terminal's line.
func (p *progress) line(e ingest.Progress, eta time.Duration) {
	behind := "at the stream's end"
	switch {
	case e.Lag.Events > 0 && eta >= 0:
		behind = fmt.Sprintf("behind %d events, %s; caught up in %s", e.Lag.Events, e.Lag.Age.Round(time.Millisecond), eta)
	case e.Lag.Events > 0:
		behind = fmt.Sprintf("behind %d events, %s", e.Lag.Events, e.Lag.Age.Round(time.Millisecond))
	case e.Lag.Events < 0 && e.Lag.Bytes > 0:
		behind = fmt.Sprintf("behind %s, %s", size(e.Lag.Bytes), e.Lag.Age.Round(time.Millisecond))
	}
	fmt.Fprintf(p.out, "\rcut %d  %d events  %d/s  %s\x1b[K", e.Cut, e.Report.Counts.Events, int64(p.rate), behind)
}

// done tells the end.
func (p *progress) done(rep ingest.Report) error {
	if p.tty {
		_, err := fmt.Fprintf(p.out, "\ndone: %d epochs, %d events, %d quarantined, %d duplicates dropped, cut %d\n",
			rep.Epochs, rep.Counts.Events, rep.Counts.Rejected, rep.Counts.Duplicates, rep.Cut)
		return err
	}
	return json.NewEncoder(p.out).Encode(map[string]any{"event": "done", "report": rep})
}
