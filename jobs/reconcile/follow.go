package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/stream"
)

// FollowOptions describe a reconciliation of sides that grow. RulesOptions.Out, MetricsFile, Lineage and Dry have no effect.
type FollowOptions struct {
	RulesOptions
	// State is a local folder that holds what is known of the sides: a run that was killed goes on from it, and a second one beside it is refused. Required.
	State string
	// Events takes events as lines of JSON; where EventsFile is set they are written to that file instead, each exactly once over all runs of the state.
	// Of a run that was killed, Events may get the last ones again: they have the same seq.
	Events     io.Writer
	EventsFile string
	// UntilCaughtUp ends the run once the sides have nothing new.
	UntilCaughtUp bool
	// Pause waits so long, or until ctx ends; nil: by the clock of the machine.
	Pause func(ctx context.Context, d time.Duration)
	Meter metric.Meter // nil: none
	Alive func()       // is called at each look at the sides; may be nil
}

// FollowEvent is a line of JSON.
type FollowEvent struct {
	Line  string `json:"event"` // what the line is: the kind, so that all lines of a run have the field
	Leg   string `json:"leg"`
	Rules string `json:"rules"`
	stream.Event
}

// FollowReport is how things stand when a run ends.
type FollowReport struct {
	Rules   string           `json:"rules"`
	SHA256  string           `json:"rules_sha256"`
	Verdict Verdict          `json:"verdict"`
	Seq     int64            `json:"seq"`     // events, over all runs of the state
	Rows    map[string]int64 `json:"rows"`    // of each side, over all runs
	Matched int64            `json:"matched"` // matches whose rows are kept

	Breaks    ByClass `json:"breaks"`
	Total     int64   `json:"breaks_total"`
	Forgotten int64   `json:"rows_forgotten"`
	// Quarantined counts the records of each side that could not be read, and Rejects are these records.
	Quarantined map[string]int64             `json:"quarantined,omitempty"`
	Rejects     map[string][]json.RawMessage `json:"rejects,omitempty"`
	// Outcomes of each leg, in the order of keys; not written.
	Outcomes map[string][]stream.Outcome `json:"-"`
}

// follower is a run.
type follower struct {
	o     *FollowOptions
	clock func() time.Time
	sha   string
	plans []rulefile.Plan
	legs  []*stream.Stream
	sides []*followedSide
	state *followState
	out   *followOut
	seq   int64 // of the last event
	meter followMeter
}

// Follow reconciles sides while they grow, until ctx ends, which is no error, or until there is nothing new. Each step is on disk before its events are
// told: a run that was killed at any moment goes on where it was, and tells what it had not. Sides are as a nightly run reads them: files that are added or grow
// (CSV and fixed-width by whole lines, others whole), tables by their snapshots, databases by their rows.
func Follow(ctx context.Context, o FollowOptions) (rep FollowReport, err error) {
	f, err := newFollower(ctx, &o)
	if err != nil {
		return rep, fmt.Errorf("reconcile: follow: %w", err)
	}
	err = f.run(ctx)
	if err == nil || stopped(ctx, err) {
		err = f.checkpoint()
	}
	if err = errors.Join(err, f.out.close(), f.state.close()); err != nil {
		return rep, fmt.Errorf("reconcile: follow: %w", err)
	}
	return f.report(), nil
}

func stopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, context.Canceled))
}

func newFollower(ctx context.Context, o *FollowOptions) (f *follower, err error) {
	if o.Rules == nil || o.Stores == nil || o.State == "" || o.Events == nil && o.EventsFile == "" {
		return nil, fault.Usagef("rules, stores, a folder for the state and a place for events are required")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	for name := range o.Sides {
		if o.Rules.Side(name) == nil {
			return nil, fault.Usagef("the rules have no side %q", name)
		}
	}
	f = &follower{o: o, clock: o.Clock}
	if f.clock == nil {
		f.clock = time.Now
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	sum := sha256.Sum256(o.Text)
	f.sha = hex.EncodeToString(sum[:])
	if f.plans, err = o.Rules.Plans(o.AsOf); err != nil {
		return nil, err
	}
	schema, err := o.Rules.Schema()
	if err != nil {
		return nil, err
	}
	if f.meter, err = newFollowMeter(o.Meter, f); err != nil {
		return nil, err
	}
	for i := range o.Rules.Sides {
		f.sides = append(f.sides, &followedSide{o: o, spec: &o.Rules.Sides[i], schema: schema, at: sidePosition{}})
	}
	if f.state, err = openFollowState(o.State); err != nil {
		return nil, err
	}
	if f.out, err = newFollowOut(ctx, o); err != nil {
		return nil, errors.Join(err, f.state.close())
	}
	if err = f.resume(schema); err != nil {
		return nil, errors.Join(err, f.out.close(), f.state.close())
	}
	return f, nil
}

// pause waits by the clock of the machine.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// streamOptions of a leg.
func (f *follower) streamOptions(p *rulefile.Plan, schema reconciliation.Schema) stream.Options {
	out := stream.Options{Left: p.Left.Name, Right: p.Right.Name, Schema: schema, Rules: p.Rules, Classes: p.Classes, Zone: time.UTC, Retain: 72 * time.Hour}
	if s := f.o.Rules.Follow; s != nil {
		out.Wait, out.Zone, out.Retain = s.Wait, s.Zone(), s.Retain
	}
	for _, side := range f.sides {
		if !side.grows() { // rows that are read again must be found
			out.Retain = 0
		}
	}
	return out
}

func (f *follower) poll() time.Duration {
	if s := f.o.Rules.Follow; s != nil {
		return s.Poll
	}
	return 250 * time.Millisecond
}

// run looks at the sides and at the clock, in turn.
func (f *follower) run(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return nil
		}
		if f.o.Alive != nil {
			f.o.Alive()
		}
		step, err := f.look(ctx)
		if err != nil {
			return err
		}
		now := f.clock()
		changed := len(step.Sides) > 0
		if changed {
			step.Now = now
			if err := f.take(step); err != nil {
				return err
			}
		}
		if next := f.next(); !next.IsZero() && !next.After(now) {
			if err := f.take(&followStep{Now: now, Alert: true}); err != nil {
				return err
			}
		}
		if f.o.UntilCaughtUp && !changed {
			return nil
		}
		wait := f.poll()
		if next := f.next(); !next.IsZero() {
			wait = min(wait, max(0, next.Sub(f.clock())))
		}
		if !changed {
			f.o.Pause(ctx, wait)
		}
	}
}

// look reads what is new of all sides.
func (f *follower) look(ctx context.Context) (*followStep, error) {
	step := &followStep{}
	for i, side := range f.sides {
		news, err := side.look(ctx)
		if err != nil {
			return nil, fmt.Errorf("side %s: %w", side.spec.Name, err)
		}
		if news != nil {
			news.Side = i
			step.Sides = append(step.Sides, news)
		}
	}
	return step, nil
}

// next is the earliest deadline.
func (f *follower) next() (next time.Time) {
	for _, l := range f.legs {
		if n := l.Next(); !n.IsZero() && (next.IsZero() || n.Before(next)) {
			next = n
		}
	}
	return next
}

// take writes a step down, makes it, and tells of it.
func (f *follower) take(step *followStep) error {
	step.Told = f.out.toldUpTo()
	if err := f.state.append(step); err != nil {
		return err
	}
	events, err := f.apply(step)
	if err != nil {
		return err
	}
	if err := f.out.tell(events); err != nil {
		return err
	}
	f.meter.saw(events)
	if f.state.long() {
		return f.checkpoint()
	}
	return nil
}

// apply makes a step: the same events whenever it is made.
func (f *follower) apply(step *followStep) (events []FollowEvent, err error) {
	for _, news := range step.Sides {
		if news.Side < 0 || news.Side >= len(f.sides) {
			return nil, fmt.Errorf("the journal has a side %d", news.Side)
		}
		side := f.sides[news.Side]
		for i := range f.plans {
			number := -1
			switch side.spec.Name {
			case f.plans[i].Left.Name:
				number = stream.Left
			case f.plans[i].Right.Name:
				number = stream.Right
			default:
				continue
			}
			for k := range news.Rows {
				if err := f.legs[i].Put(number, &news.Rows[k], step.Now); err != nil {
					return nil, err
				}
			}
			for _, ref := range news.Gone {
				f.legs[i].Remove(number, ref)
			}
		}
		side.moved(news)
	}
	for i, l := range f.legs {
		var more []stream.Event
		if step.Alert {
			more = l.Alert(step.Now)
		} else if more, err = l.Step(step.Now); err != nil {
			return nil, fmt.Errorf("leg %s: %w", f.plans[i].Name, err)
		}
		for _, e := range more {
			f.seq++
			e.Seq = f.seq
			events = append(events, FollowEvent{Line: string(e.Kind), Leg: f.plans[i].Name, Rules: f.o.Rules.Name, Event: e})
		}
	}
	return events, nil
}

// resume takes over what is on disk.
func (f *follower) resume(schema reconciliation.Schema) error {
	was, err := f.state.read()
	if err != nil {
		return err
	}
	if was != nil && was.SHA256 != f.sha {
		return fault.Usagef("%s is the state of other rules: give a new folder for the state", f.o.State)
	}
	if was != nil && (len(was.Legs) != len(f.plans) || len(was.Sides) != len(f.sides)) {
		return fmt.Errorf("state in %s: it has %d legs and %d sides", f.o.State, len(was.Legs), len(was.Sides))
	}
	for i := range f.plans {
		var leg *stream.Stream
		if was == nil {
			leg, err = stream.New(f.streamOptions(&f.plans[i], schema))
		} else {
			leg, err = stream.Restore(f.streamOptions(&f.plans[i], schema), was.Legs[i])
		}
		if err != nil {
			return fmt.Errorf("leg %s: %w", f.plans[i].Name, err)
		}
		f.legs = append(f.legs, leg)
	}
	if was == nil {
		return f.checkpoint()
	}
	f.seq = was.Seq
	for i := range was.Sides {
		f.sides[i].at = was.Sides[i]
	}
	told := was.Told
	var again []FollowEvent
	if err := f.state.replay(func(step *followStep) error {
		told = max(told, step.Told)
		events, err := f.apply(step)
		again = append(again, events...)
		return err
	}); err != nil {
		return err
	}
	return f.out.retell(again, told)
}

// checkpoint writes the whole state, in the place of what the journal holds.
func (f *follower) checkpoint() error {
	if err := f.out.sync(); err != nil {
		return err
	}
	kept := followKept{SHA256: f.sha, Seq: f.seq, Told: f.out.toldUpTo()}
	for i, l := range f.legs {
		data, err := l.MarshalBinary()
		if err != nil {
			return fmt.Errorf("leg %s: %w", f.plans[i].Name, err)
		}
		kept.Legs = append(kept.Legs, json.RawMessage(data))
	}
	for _, side := range f.sides {
		kept.Sides = append(kept.Sides, side.at)
	}
	return f.state.write(&kept)
}

// report is how things stand.
func (f *follower) report() FollowReport {
	rep := FollowReport{Rules: f.o.Rules.Name, SHA256: f.sha, Verdict: Pass, Seq: f.seq, Rows: map[string]int64{}, Breaks: ByClass{}, Outcomes: map[string][]stream.Outcome{},
		Quarantined: map[string]int64{}, Rejects: map[string][]json.RawMessage{}}
	for _, side := range f.sides {
		rep.Rows[side.spec.Name] = side.at.rows()
	}
	for i, l := range f.legs {
		rep.Forgotten += l.Forgotten()
		all := l.Outcomes()
		rep.Outcomes[f.plans[i].Name] = all
		for j := range all {
			o := &all[j]
			if o.Class == reconciliation.Matched {
				rep.Matched++
				continue
			}
			rep.Breaks[o.Class]++
			rep.Total++
			if o.Class == reconciliation.TimingDifference || o.Base == reconciliation.TimingDifference {
				rep.Verdict = worse(rep.Verdict, Warn)
			} else {
				rep.Verdict = Fail
			}
		}
	}
	for _, side := range f.sides {
		if set := side.at.rejects(); len(set) > 0 {
			rep.Quarantined[side.spec.Name], rep.Rejects[side.spec.Name] = int64(len(set)), set
			rep.Verdict = Fail
		}
	}
	return rep
}
