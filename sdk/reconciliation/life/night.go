package life

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

// Run is what a run tells of its night.
type Run struct {
	Rules   string // the reconciliation's name
	Version string // SHA-256 of the rules
	ID      string // the run's identity
	Night   calendar.Day
	Policy  Policy
	At      time.Time
	Found   map[string]Break // the breaks, by identity
	// Text is the rule file, which is kept with its version; "" keeps none.
	Text string
}

// Recorded finds the run among the recorded nights. newer tells whether a later night is recorded: then a run that is not must not be.
func (s *State) Recorded(r Run) (n Night, found, newer bool) {
	for _, n := range s.Nights(r.Rules) {
		if n.Run == r.ID && n.Day == r.Night {
			return n, true, false
		}
		newer = newer || n.Day > r.Night
	}
	return Night{}, false, newer
}

// Events are what a run adds to the state: policy, cases that open, come back, change their class, are gone or past their deadline, and the end of the
// night. They depend on nothing but the state and the run, and are in one order. The state is not changed.
func (s *State) Events(r Run) ([]Event, error) {
	if r.Rules == "" || r.ID == "" || r.At.IsZero() || r.Night <= 0 {
		return nil, fault.Usagef("life: a run needs the reconciliation's name, its identity, its night and a time")
	}
	if err := r.Policy.Check(); err != nil {
		return nil, err
	}
	if err := s.MayRun(r.Rules, r.Version, r.Night, r.Policy); err != nil {
		return nil, err
	}
	w := &nightWork{state: s, run: r, open: map[string]bool{}}
	b := s.books[r.Rules]
	if r.Text != "" && (b == nil || b.versions[r.Version] == nil) {
		w.add(Event{Kind: RulesKept, Version: r.Version, Text: r.Text})
	}
	if b == nil || !samePolicy(b.policy, r.Policy) {
		w.add(Event{Kind: PolicySet, Version: r.Version, Policy: &r.Policy})
	}
	w.continuations()
	w.found()
	w.gone()
	w.late()
	end := &book{open: map[string]*Case{}}
	for id := range w.open {
		end.open[id] = nil
	}
	n, digest := end.seen()
	w.add(Event{Kind: SeenAgain, Version: r.Version, Seen: n, SeenDigest: digest})
	return w.events, nil
}

func samePolicy(a, b Policy) bool {
	return a.Approval == b.Approval && slices.Equal(a.Limits, b.Limits)
}

// nightWork collects the events of a run.
type nightWork struct {
	state  *State
	run    Run
	events []Event
	open   map[string]bool // at the end
	// before are the cases that a new one continues, and after the new ones that continue one that is gone.
	before, after map[string][]string
}

func (w *nightWork) add(e Event) {
	e.At, e.Rules, e.Night, e.Run = w.run.At, w.run.Rules, calendar.FormatDay(w.run.Night), w.run.ID
	w.events = append(w.events, e)
}

// continuations brings new breaks and gone cases of the same leg and key together.
func (w *nightWork) continuations() {
	w.before, w.after = map[string][]string{}, map[string][]string{}
	type place struct{ leg, key string }
	gone := map[place][]string{}
	for _, id := range w.openBefore() {
		c := w.state.cases[id]
		if _, still := w.run.Found[id]; !still && c.Key != "" {
			gone[place{c.Leg, c.Key}] = append(gone[place{c.Leg, c.Key}], id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.run.Found)) {
		b, c := w.run.Found[id], w.state.cases[id]
		if b.Key == "" || c != nil && c.Status != Resolved && c.Status != Replaced {
			continue
		}
		for _, old := range gone[place{b.Leg, b.Key}] {
			w.before[id] = append(w.before[id], old)
			w.after[old] = append(w.after[old], id)
		}
	}
}

func (w *nightWork) openBefore() []string {
	if b := w.state.books[w.run.Rules]; b != nil {
		return slices.Sorted(maps.Keys(b.open))
	}
	return nil
}

// found tells of the breaks that the run has.
func (w *nightWork) found() {
	for _, id := range slices.Sorted(maps.Keys(w.run.Found)) {
		b, c := w.run.Found[id], w.state.cases[id]
		switch {
		case c == nil:
			e := Event{Kind: Opened, Cases: []string{id}, Break: &b, Others: w.before[id]}
			first := w.run.Night
			for _, old := range w.inherited(id) {
				first = min(first, old.First)
				if e.Owner == "" {
					e.Owner = old.Owner
					if old.Deadline != NoDay {
						e.Deadline = calendar.FormatDay(old.Deadline)
					}
				}
			}
			e.First = calendar.FormatDay(first)
			w.add(e)
			w.open[id] = true
			continue
		case c.Status == Resolved || c.Status == Replaced:
			w.add(Event{Kind: Reopened, Cases: []string{id}})
		case !c.IsOpen():
			continue // matched or written off: it stays so
		}
		w.open[id] = true
		if c.Class != b.Class {
			w.add(Event{Kind: ClassChanged, Cases: []string{id}, Break: &b})
		}
	}
}

// inherited are the cases that a new one continues, the oldest first.
func (w *nightWork) inherited(id string) []*Case {
	var out []*Case
	for _, old := range w.before[id] {
		out = append(out, w.state.cases[old])
	}
	slices.SortFunc(out, func(a, b *Case) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.ID, b.ID)) })
	return out
}

// gone tells of the cases whose breaks the run has not.
func (w *nightWork) gone() {
	for _, id := range w.openBefore() {
		if _, still := w.run.Found[id]; still {
			continue
		}
		e := Event{Kind: AutoResolved, Cases: []string{id}}
		if next := w.after[id]; len(next) > 0 {
			e.Kind, e.Others = Superseded, next
		}
		w.add(e)
	}
}

// late escalates the cases whose deadline has passed.
func (w *nightWork) late() {
	for _, id := range w.openBefore() {
		c := w.state.cases[id]
		if w.open[id] && c.Deadline != NoDay && c.Deadline < w.run.Night && !c.Escalated {
			w.add(Event{Kind: Escalated, Cases: []string{id}})
		}
	}
}
