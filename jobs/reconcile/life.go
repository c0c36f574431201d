package reconcile

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/life"
)

// LifeReport is what a night did to cases, and how they stand at its end.
type LifeReport struct {
	Night string `json:"night"`
	// Recorded is false where nothing was written: on a dry run, and where a later night is recorded and this run is not.
	Recorded bool `json:"recorded"`
	// Opened to Escalated count the events of the run.
	Opened       int64 `json:"opened"`
	Reopened     int64 `json:"reopened"`
	ClassChanged int64 `json:"class_changed"`
	AutoResolved int64 `json:"auto_resolved"`
	Superseded   int64 `json:"superseded"`
	Escalated    int64 `json:"escalated"`
	// Open are the breaks that count, Carried those of them that are older than the night; Proposed wait for approval. Matched and WrittenOff
	// were settled by hand, and do not count.
	Open       int64 `json:"open"`
	Carried    int64 `json:"carried_over"`
	Proposed   int64 `json:"proposed"`
	Overdue    int64 `json:"overdue"`
	Matched    int64 `json:"matched_by_hand"`
	WrittenOff int64 `json:"written_off"`
	// Ages counts the open breaks by age, in the order of the buckets.
	Ages []AgeCount `json:"ages"`

	night  calendar.Day
	state  *life.State
	ageing *life.Ageing
}

// AgeCount is how many open breaks are in a bucket of age.
type AgeCount struct {
	Days   string `json:"days"` // such as 2-5 and >90
	Breaks int64  `json:"breaks"`
}

// live records what the run found in the lives of its breaks, and takes those that were settled by hand from the verdict.
func (rep *RulesReport) live(ctx context.Context, o *RulesOptions, legs []settledLeg) error {
	if o.Rules.Life == nil {
		return nil
	}
	if o.Lake == nil {
		return fault.Usagef("the rules keep breaks over nights (life), which needs a lake: name its project file or folder")
	}
	run, err := rep.lifeRun(o, legs)
	if err != nil {
		return err
	}
	l := &LifeReport{Night: calendar.FormatDay(run.Night), night: run.Night}
	if l.ageing, err = o.Rules.Ageing(); err != nil {
		return err
	}
	h, err := l.record(ctx, NewJournal(o.Lake), run, o.Dry)
	if err != nil {
		return fmt.Errorf("life of breaks: %w", err)
	}
	o.SignOffs = append(o.SignOffs, signOffs(h, rep.Run)...)
	l.count(run)
	rep.Life = l
	return rep.settledByHand(legs)
}

// lifeRun is what the run tells of its night.
func (rep *RulesReport) lifeRun(o *RulesOptions, legs []settledLeg) (life.Run, error) {
	now := time.Now
	if o.Clock != nil {
		now = o.Clock
	}
	run := life.Run{Rules: rep.Rules, Version: rep.SHA256, ID: rep.Run, Night: o.AsOf, Policy: o.Rules.Life.Policy(), At: now(), Found: map[string]life.Break{}}
	for i := range legs {
		l := &legs[i]
		if o.AsOf == 0 {
			run.Night = max(run.Night, l.result.AsOf)
		}
		if err := l.each(func(b *ruleBreak) error {
			if _, twice := run.Found[b.ID]; twice {
				return fmt.Errorf("break %s is in two outcomes", b.ID)
			}
			run.Found[b.ID] = b.lifeBreak()
			return nil
		}); err != nil {
			return run, err
		}
	}
	if run.Night <= 0 {
		return run, fault.Usagef("which night is this? no side has a date: give --as-of")
	}
	return run, nil
}

// lifeBreak is what a case keeps of a break.
func (b *ruleBreak) lifeBreak() life.Break {
	out := life.Break{Class: b.Class, Leg: b.Leg, Side: b.Side, Key: b.Key, Account: b.account}
	if b.Difference != "" {
		out.Difference, out.Currency = b.Difference, b.CurrencyLeft
		if b.Side == "right" {
			out.Currency = b.CurrencyRight
		}
	}
	return out
}

// record adds the run's events to the log, unless they are there, and takes the state at their end. A run before a night that is recorded gets the state
// that it would have made then, and nothing is recorded.
func (l *LifeReport) record(ctx context.Context, j *Journal, run life.Run, dry bool) (h *History, err error) {
	var made []life.Event
	plan := func(now *History) ([]life.Event, error) {
		made, h, l.Recorded = nil, now, false
		if n, found, newer := now.State.Recorded(run); found {
			return nil, l.asRecorded(now, n)
		} else if newer {
			return nil, l.between(now, run)
		}
		l.Recorded = true
		made, err = now.State.Events(run)
		return made, err
	}
	if dry {
		if h, err = j.Read(ctx); err != nil {
			return nil, err
		}
		if made, err = plan(h); err != nil || len(made) == 0 {
			return h, err
		}
		l.Recorded = false
		_, err = h.State.Append(made...)
	} else {
		h, err = j.Append(ctx, plan)
	}
	if err != nil || len(made) == 0 {
		return h, err
	}
	l.state = h.State
	l.events(made)
	return h, nil
}

// asRecorded takes the state that the run has left.
func (l *LifeReport) asRecorded(h *History, n life.Night) (err error) {
	l.Recorded = true
	if l.state, err = life.Replay(h.Records[:n.Seq]); err != nil {
		return err
	}
	var mine []life.Event
	for _, e := range h.Events[:n.Seq] {
		if e.Run == n.Run && e.Night == l.Night {
			mine = append(mine, *e)
		}
	}
	l.events(mine)
	return nil
}

// between makes the state that the run would have left before the first later night.
func (l *LifeReport) between(h *History, run life.Run) (err error) {
	upTo := len(h.Records)
	for i, e := range h.Events {
		if e.By == "" && e.Rules == run.Rules && e.Night > l.Night { // days as text are in their order
			upTo = i
			break
		}
	}
	if l.state, err = life.Replay(h.Records[:upTo]); err != nil {
		return err
	}
	events, err := l.state.Events(run)
	if err != nil {
		return err
	}
	_, err = l.state.Append(events...)
	l.events(events)
	return err
}

func (l *LifeReport) events(of []life.Event) {
	for _, e := range of {
		switch e.Kind {
		case life.Opened:
			l.Opened++
		case life.Reopened:
			l.Reopened++
		case life.ClassChanged:
			l.ClassChanged++
		case life.AutoResolved:
			l.AutoResolved++
		case life.Superseded:
			l.Superseded++
		case life.Escalated:
			l.Escalated++
		}
	}
}

// count tells how the run's breaks stand.
func (l *LifeReport) count(run life.Run) {
	ages := make([]int64, len(l.ageing.Buckets()))
	for id := range run.Found {
		c := l.state.Case(id)
		switch c.Status {
		case life.MatchedBy:
			l.Matched++
			continue
		case life.WrittenOff:
			l.WrittenOff++
			continue
		case life.Proposed:
			l.Proposed++
		}
		l.Open++
		if c.First < l.night {
			l.Carried++
		}
		if c.Deadline != life.NoDay && c.Deadline < l.night {
			l.Overdue++
		}
		ages[l.ageing.Bucket(l.ageing.Days(c.First, l.night))]++
	}
	for i, label := range l.ageing.Buckets() {
		l.Ages = append(l.Ages, AgeCount{label, ages[i]})
	}
}

// settledByHand gives the verdicts anew, without the breaks that were settled by hand.
func (rep *RulesReport) settledByHand(legs []settledLeg) error {
	if rep.Life.Matched+rep.Life.WrittenOff == 0 {
		return nil
	}
	rep.Verdict = Pass
	for _, p := range rep.Proofs {
		rep.Verdict = worse(rep.Verdict, p.Verdict)
	}
	for i := range legs {
		v := Pass
		if err := legs[i].each(func(b *ruleBreak) error {
			switch {
			case !rep.Life.state.Case(b.ID).IsOpen():
			case b.Base == string(reconciliation.TimingDifference):
				v = worse(v, Warn)
			default:
				v = Fail
			}
			return nil
		}); err != nil {
			return err
		}
		rep.Legs[i].Verdict = v
		rep.Verdict = worse(rep.Verdict, v)
	}
	for _, s := range rep.Sides {
		if s.Quarantined > 0 {
			rep.Verdict = Fail
		}
	}
	return nil
}

// lifeColumns are the columns at the end of breaks.csv; they are empty where the rules do not keep breaks over nights.
var lifeColumns = []string{"case_status", "first_seen", "age_days", "age_bucket", "owner", "deadline"}

// lived is what a break's case says in lifeColumns.
type lived struct{ Status, First, Days, Bucket, Owner, Deadline string }

func (l *lived) fields() []string {
	return []string{l.Status, l.First, l.Days, l.Bucket, l.Owner, l.Deadline}
}

// of is the case of a break.
func (l *LifeReport) of(id string) lived {
	if l == nil {
		return lived{}
	}
	c := l.state.Case(id)
	days := l.ageing.Days(c.First, l.night)
	out := lived{Status: string(c.Status), First: calendar.FormatDay(c.First), Days: strconv.FormatInt(days, 10), Bucket: l.ageing.Buckets()[l.ageing.Bucket(days)], Owner: c.Owner}
	if c.Deadline != life.NoDay {
		out.Deadline = calendar.FormatDay(c.Deadline)
	}
	return out
}

// Counted is how many breaks count: all but those that were settled by hand.
func (rep *RulesReport) Counted() int64 {
	if rep.Life == nil {
		return rep.Total
	}
	return rep.Total - rep.Life.Matched - rep.Life.WrittenOff
}
