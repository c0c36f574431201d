package life_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation/life"
)

// TestNights plays the cases that were written by hand.
func TestNights(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/nights/[0-9]*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p *player
		for i, line := range strings.Split(string(text), "\n") {
			at := fmt.Sprintf("%s:%d", file, i+1)
			switch {
			case strings.HasPrefix(line, "## "):
				p.end(t)
				p, n = newPlayer(), n+1
			case strings.HasPrefix(line, "      "):
				p.finds(t, at, line)
			case strings.HasPrefix(line, "    "):
				p.line(t, at, strings.TrimSpace(line))
			}
		}
		p.end(t)
	}
	if n < 26 {
		t.Errorf("%d cases, there were 26 once", n)
	}
}

// player plays one case.
type player struct {
	state   *life.State
	records []life.Record
	now     time.Time
	policy  life.Policy
	version string
	// pending is a night whose breaks are being read.
	pending *life.Run
	refused string // words of the pending night's refusal
	at      string
	last    calendar.Day
	ageing  *life.Ageing
}

const ofCase = "cards"

func newPlayer() *player {
	ageing, _ := life.NewAgeing(nil, nil)
	return &player{state: life.New(), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), version: "v1", ageing: ageing}
}

func sha(version string) string { return life.HashOf([]byte(version)) }

// finds reads a break of the pending night.
func (p *player) finds(t *testing.T, at, line string) {
	t.Helper()
	f := strings.Fields(line)
	if p.pending == nil || len(f) < 4 {
		t.Fatalf("%s: a break belongs to a night: %s", at, line)
	}
	b := life.Break{Class: f[1], Leg: "a-b", Side: "both", Difference: f[2], Currency: f[3]}
	if b.Difference == "-" {
		b.Difference = ""
	}
	if len(f) > 4 {
		b.Key = f[4]
	}
	if len(f) > 6 {
		b.Account = f[6]
	}
	p.pending.Found[f[0]] = b
}

var (
	standsLine = regexp.MustCompile(`^(\w+) is (\w+) since (\S+), (-?\d+) days, (\S+?)(?:, (\w+)(?: until (\S+?))?)?(, escalated)?$`)
	limitLine  = regexp.MustCompile(`^limits (\w+) item (\S+) total (\S+) (\w+)(?: account (\S+))?$`)
	rulesLine  = regexp.MustCompile(`^(\w+) (proposes|approves|rejects) rules (\w+)(?: from (\S+))?$`)
	assignLine = regexp.MustCompile(`^(\w+) assigns (\w+) to (\w+) until (\S+)$`)
	actLine    = regexp.MustCompile(`^(\w+) (comments|writes off|matches|approves|rejects|undoes|reopens) ([\w ]+)$`)
)

func (p *player) line(t *testing.T, at, line string) {
	t.Helper()
	line, refused, _ := strings.Cut(line, " refused: ")
	if day, ok := strings.CutPrefix(line, "night "); ok {
		p.night(t)
		night, err := calendar.ParseDay(day)
		if err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		p.pending, p.refused, p.at = &life.Run{Rules: ofCase, Version: sha(p.version), Text: p.version, ID: "run-" + day, Night: night, Policy: p.policy,
			Found: map[string]life.Break{}}, refused, at
		return
	}
	p.night(t)
	if m := standsLine.FindStringSubmatch(line); m != nil {
		if got := p.stands(m[1]); got != line {
			t.Errorf("%s:\n got %s\nwant %s", at, got, line)
		}
		return
	}
	if m := limitLine.FindStringSubmatch(line); m != nil {
		p.policy.Limits = []life.Limit{{Currency: m[1], Item: m[2], Total: m[3], Period: m[4], Account: m[5]}}
		return
	}
	if word, ok := strings.CutPrefix(line, "approval "); ok {
		p.policy.Approval = word == "required"
		return
	}
	if version, ok := strings.CutPrefix(line, "rules "); ok {
		p.version = version
		return
	}
	p.add(t, at, refused, p.event(t, at, line))
}

// event is what a line tells of a user.
func (p *player) event(t *testing.T, at, line string) life.Event {
	t.Helper()
	p.now = p.now.Add(time.Minute)
	line, reason, _ := strings.Cut(line, ": ")
	e := life.Event{At: p.now, Rules: ofCase, Reason: reason}
	if m := rulesLine.FindStringSubmatch(line); m != nil {
		e.By, e.Version = m[1], sha(m[3])
		e.Kind = map[string]life.Kind{"proposes": life.RulesProposed, "approves": life.RulesApproved, "rejects": life.RulesRejected}[m[2]]
		for _, v := range p.state.Versions(ofCase) {
			if v.SHA256 == e.Version && v.Pending != nil && e.Kind != life.RulesProposed {
				e.Proposal = v.Pending.Seq
			}
		}
		if e.Kind == life.RulesProposed {
			e.Text, e.Effective = m[3], m[4]
		}
		return e
	}
	if m := assignLine.FindStringSubmatch(line); m != nil {
		e.Kind, e.By, e.Cases, e.Owner, e.Deadline = life.Assigned, m[1], []string{m[2]}, m[3], m[4]
		return e
	}
	m := actLine.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("%s: not understood: %s", at, line)
	}
	e.By, e.Cases = m[1], strings.Fields(m[3])
	first := p.state.Case(e.Cases[0])
	var pending, settled *life.Proposal
	if first != nil {
		pending, settled = first.Pending, first.Settled
	}
	switch m[2] {
	case "comments":
		e.Kind = life.Commented
	case "writes off":
		e.Kind = life.WriteOffProposed
	case "matches":
		e.Kind = life.MatchProposed
	case "reopens":
		e.Kind = life.Reopened
	case "approves", "rejects":
		e.Kind = map[string]life.Kind{"approves": life.Approved, "rejects": life.Rejected}[m[2]]
		if pending != nil {
			e.Proposal = pending.Seq
		}
	case "undoes":
		e.Kind = life.Unmatched
		if settled != nil {
			e.Proposal = settled.Seq
			if settled.Kind == life.WriteOffProposed {
				e.Kind = life.WriteOffReversed
			}
		}
	}
	return e
}

// add applies events to a copy of the state, as a writer does, and keeps it if they are allowed.
func (p *player) add(t *testing.T, at, refused string, events ...life.Event) {
	t.Helper()
	next, err := life.Replay(p.records)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	added, err := next.Append(events...)
	switch {
	case err == nil && refused == "":
		p.state, p.records = next, append(p.records, added...)
	case err == nil:
		t.Errorf("%s: allowed, and should be refused: %s", at, refused)
	case refused == "" || !strings.Contains(err.Error(), refused):
		t.Errorf("%s: %v; want: %s", at, err, refused)
	case fault.Of(err) != fault.Usage:
		t.Errorf("%s: %v is no usage mistake", at, err)
	}
}

// night records the pending night.
func (p *player) night(t *testing.T) {
	t.Helper()
	if p.pending == nil {
		return
	}
	r := *p.pending
	p.pending = nil
	p.now = p.now.Add(time.Minute)
	r.At = p.now
	events, err := p.state.Events(r)
	if err != nil {
		if p.refused == "" || !strings.Contains(err.Error(), p.refused) {
			t.Errorf("%s: %v; want: %s", p.at, err, p.refused)
		}
		return
	}
	p.add(t, p.at, p.refused, events...)
	if p.refused == "" {
		p.last = r.Night
		if n, found, newer := p.state.Recorded(r); !found || newer || n.Seq != p.state.Anchor.Count {
			t.Errorf("%s: the night is not found after it was recorded", p.at)
		}
	}
}

// stands is how a case stands, as the cases write it.
func (p *player) stands(id string) string {
	c := p.state.Case(id)
	if c == nil {
		return "there is no " + id
	}
	days := p.ageing.Days(c.First, p.last)
	out := fmt.Sprintf("%s is %s since %s, %d days, %s", id, c.Status, calendar.FormatDay(c.First), days, p.ageing.Buckets()[p.ageing.Bucket(days)])
	if c.Owner != "" {
		out += ", " + c.Owner
		if c.Deadline != life.NoDay {
			out += " until " + calendar.FormatDay(c.Deadline)
		}
	}
	if c.Escalated {
		out += ", escalated"
	}
	return out
}

// end replays the case's events.
func (p *player) end(t *testing.T) {
	t.Helper()
	if p == nil {
		return
	}
	p.night(t)
	again, err := life.Replay(p.records)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, p.state) {
		t.Error("the replayed state is another")
	}
}
