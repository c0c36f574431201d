package life_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation/life"
)

// TestAnySequenceKeepsInvariants draws nights and what people do between them, allowed or not, and holds what the package promises after each.
func TestAnySequenceKeepsInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				w.night(t)
			} else {
				w.act(t)
			}
			w.holds(t)
		}
		again, err := life.Replay(w.records)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again, w.state) {
			t.Fatal("replaying gives another state")
		}
	})
}

// world is a state and what is known of it beside the machine: who proposed what, and what was written off, from the events alone.
type world struct {
	state   *life.State
	records []life.Record
	day     calendar.Day
	now     time.Time
	firsts  map[string]calendar.Day
}

const (
	mostItem    = 50
	mostTotal   = 90
	mostAccount = 60
)

func newWorld(*rapid.T) *world {
	return &world{state: life.New(), day: 20_000, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), firsts: map[string]calendar.Day{}}
}

var (
	users = []string{"ann", " Ann", "ANN ", "bob", "cyd"}
	ids   = []string{"P1", "P2", "P3", "P4", "P5", "P6"}
)

func (w *world) night(t *rapid.T) {
	w.day += calendar.Day(rapid.IntRange(0, 20).Draw(t, "days"))
	w.now = w.now.Add(time.Hour)
	r := life.Run{Rules: ofCase, Version: sha("v1"), Text: "v1", ID: fmt.Sprintf("run-%d", len(w.records)), Night: w.day, At: w.now, Found: map[string]life.Break{},
		Policy: life.Policy{Limits: []life.Limit{{Currency: "EUR", Item: fmt.Sprint(mostItem), Total: fmt.Sprint(mostTotal), Period: life.Month, Account: fmt.Sprint(mostAccount)}}}}
	for i, id := range ids {
		if rapid.Bool().Draw(t, id) {
			amount := []string{"40", "-40", "50", "-50", "10", "60"}[i]
			r.Found[id] = life.Break{Class: rapid.SampledFrom([]string{"amount", "timing"}).Draw(t, "class"), Leg: "a-b", Key: fmt.Sprint("K", i/2), Difference: amount, Currency: "EUR",
				Account: rapid.SampledFrom([]string{"A1", "A2", ""}).Draw(t, "account")}
		}
	}
	events, err := w.state.Events(r)
	if err != nil {
		t.Fatal(err)
	}
	if !w.add(t, events...) {
		t.Fatal("what the machine makes of a run is not allowed by it")
	}
	for id := range r.Found {
		c := w.state.Case(id)
		if c == nil || c.Status == life.Resolved || c.Status == life.Replaced {
			t.Fatalf("%s was found, and is %+v", id, c)
		}
	}
	for _, c := range w.state.Cases() {
		if _, found := r.Found[c.ID]; !found && c.IsOpen() {
			t.Fatalf("%s is open, and was not found", c.ID)
		}
	}
}

// act does something with one case or two, with or without the proposal that waits.
func (w *world) act(t *rapid.T) {
	w.now = w.now.Add(time.Minute)
	kind := rapid.SampledFrom([]life.Kind{life.Assigned, life.Commented, life.MatchProposed, life.WriteOffProposed, life.WriteOffProposed, life.Approved, life.Approved, life.Approved,
		life.Rejected, life.Unmatched, life.WriteOffReversed, life.Reopened, life.Escalated, life.Opened}).Draw(t, "kind")
	e := life.Event{Kind: kind, At: w.now, Rules: ofCase, By: rapid.SampledFrom(users).Draw(t, "user"), Cases: []string{rapid.SampledFrom(ids).Draw(t, "case")}, Reason: "why", Owner: "bob"}
	c := w.state.Case(e.Cases[0])
	switch kind {
	case life.MatchProposed:
		if other := rapid.SampledFrom(ids).Draw(t, "other"); other != e.Cases[0] {
			e.Cases = append(e.Cases, other)
		}
	case life.Approved, life.Rejected:
		if c != nil && c.Pending != nil {
			e.Cases, e.Proposal = c.Pending.Cases, c.Pending.Seq
		}
	case life.Unmatched, life.WriteOffReversed:
		if c != nil && c.Settled != nil {
			e.Cases, e.Proposal = c.Settled.Cases, c.Settled.Seq
		}
	}
	proposer := ""
	if c != nil && c.Pending != nil {
		proposer = c.Pending.By
	}
	done := w.add(t, e)
	if done && kind == life.Approved && strings.EqualFold(strings.TrimSpace(proposer), strings.TrimSpace(e.By)) {
		t.Fatalf("%q approved what %q had proposed", e.By, proposer)
	}
	if done && kind == life.Opened {
		t.Fatal("a user opened a case")
	}
}

// add tries events; where they are refused the world is as it was.
func (w *world) add(t *rapid.T, events ...life.Event) bool {
	next, err := life.Replay(w.records)
	if err != nil {
		t.Fatal(err)
	}
	added, err := next.Append(events...)
	if err != nil {
		if fault.Of(err) != fault.Usage {
			t.Fatalf("%v is no usage mistake", err)
		}
		return false
	}
	w.state, w.records = next, append(w.records, added...)
	return true
}

// holds checks what is promised after every event.
func (w *world) holds(t *rapid.T) {
	spent := map[[2]string]money.Decimal{} // by the period of the proposal, and account
	count := func(p *life.Proposal, c *life.Case) {
		d, _ := money.Parse(c.Difference)
		for _, account := range []string{"", c.Account} {
			key := [2]string{p.Period, account}
			spent[key], _ = spent[key].Add(d.Abs())
			if c.Account == "" {
				break
			}
		}
	}
	for _, c := range w.state.Cases() {
		if first, known := w.firsts[c.ID]; known && c.First > first {
			t.Fatalf("%s: its first night became later", c.ID)
		}
		w.firsts[c.ID] = c.First
		if c.First > c.Last || (c.Status == life.Proposed) != (c.Pending != nil) || (c.Status == life.MatchedBy || c.Status == life.WrittenOff) != (c.Settled != nil) {
			t.Fatalf("%+v does not fit together", c)
		}
		for _, p := range []*life.Proposal{c.Pending, c.Settled} {
			if p == nil {
				continue
			}
			if !slices.Contains(p.Cases, c.ID) {
				t.Fatalf("%s: a proposal of other cases", c.ID)
			}
			if p.Kind == life.WriteOffProposed {
				count(p, c)
			}
		}
	}
	for key, sum := range spent {
		most := money.FromInt64(mostTotal)
		if key[1] != "" {
			most = money.FromInt64(mostAccount)
		}
		if sum.Cmp(most) > 0 {
			t.Fatalf("%v: %s is written off", key, sum)
		}
		if got := w.state.Spent(ofCase, "EUR", key[0], key[1]); !got.Equal(sum) {
			t.Fatalf("%v: the machine counts %s, the cases %s", key, got, sum)
		}
	}
}

// TestNobodyApprovesAlone tries to have one user settle a break, by any sequence of what a user can do.
func TestNobodyApprovesAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.night(t)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			w.now = w.now.Add(time.Minute)
			e := life.Event{Kind: rapid.SampledFrom([]life.Kind{life.MatchProposed, life.WriteOffProposed, life.Approved, life.Rejected, life.Reopened, life.Unmatched}).Draw(t, "kind"),
				At: w.now, Rules: ofCase, By: rapid.SampledFrom(users[:3]).Draw(t, "spelled"), Cases: []string{rapid.SampledFrom(ids).Draw(t, "case")}, Reason: "why"}
			if c := w.state.Case(e.Cases[0]); c != nil && c.Pending != nil {
				e.Proposal = c.Pending.Seq
			}
			w.add(t, e)
			for _, c := range w.state.Cases() {
				if c.Settled != nil {
					t.Fatalf("%s was settled by one user", c.ID)
				}
			}
		}
	})
}

// TestAppendIsWhole holds that a state is of no more use, and nothing is returned, where one of several events is refused.
func TestAppendIsWhole(t *testing.T) {
	t.Parallel()
	s := life.New()
	records, err := s.Append(life.Event{Kind: life.RulesProposed, At: time.Now(), Rules: ofCase, By: "ann", Version: sha("a"), Text: "a"},
		life.Event{Kind: life.RulesApproved, At: time.Now(), Rules: ofCase, By: "ann", Version: sha("a"), Proposal: 1})
	if err == nil || records != nil {
		t.Errorf("got %d records, %v", len(records), err)
	}
}
