package life

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/money"
)

// Status says how a case stands.
type Status string

// The statuses. Open and Proposed count as open; the others do not.
const (
	Open       Status = "open"
	Proposed   Status = "proposed" // open, and a match or write-off waits for approval
	MatchedBy  Status = "matched"  // by hand, approved
	WrittenOff Status = "written_off"
	Resolved   Status = "resolved" // its break is not found any more
	Replaced   Status = "superseded"
)

// Proposal is a manual match, a write-off or a version of the rules that a second person decides about.
type Proposal struct {
	Seq    int64 // of the event
	Kind   Kind
	By     string
	Cases  []string
	Reason string
	// Period is the one whose limit a write-off counts in.
	Period string
}

// Case is a break over the nights.
type Case struct {
	ID, Rules string
	Break
	Status      Status
	First, Last calendar.Day // nights: of its first occurrence, and the last on which it was found
	Owner       string
	Deadline    calendar.Day // NoDay: none
	Escalated   bool
	// Pending waits for approval; Settled is the match or write-off that was approved. Nil where there is none.
	Pending, Settled *Proposal
	// Continues are cases of the same break before its rows changed.
	Continues []string
	// Events counts the events that name the case.
	Events int64
}

// NoDay is the day of what has none.
const NoDay calendar.Day = -1 << 31

// IsOpen reports whether the case counts as open.
func (c *Case) IsOpen() bool { return c.Status == Open || c.Status == Proposed }

// Night is a run that is recorded.
type Night struct {
	Rules, Run string
	Day        calendar.Day
	Seq        int64  // of the event that ends it
	Version    string // SHA-256 of the rules
}

// book is what is known of one reconciliation.
type book struct {
	policy Policy
	nights []Night // in the order in which they were recorded
	// open are the reconciliation's open cases.
	open map[string]*Case
	// spent are the write-offs by currency, period and account, approved or waiting, added up; with account "" those of all.
	spent    map[spending]amount
	versions map[string]*version
}

// spending is what write-offs are added up by.
type spending struct{ currency, period, account string }

type version struct {
	pending   *Proposal
	by        string       // who approved
	effective calendar.Day // the first night; NoDay: any
	text      string
}

// State is what events make. Make one with New. It is not safe for concurrent use.
type State struct {
	// Anchor is the last event applied.
	Anchor Anchor
	cases  map[string]*Case
	books  map[string]*book
	signed map[string][]Signature // by run
}

// New is the state before the first event.
func New() *State {
	return &State{cases: map[string]*Case{}, books: map[string]*book{}, signed: map[string][]Signature{}}
}

// Case finds a case by its identity; nil if there is none. It must not be changed.
func (s *State) Case(id string) *Case { return s.cases[id] }

// Cases are all cases, by identity.
func (s *State) Cases() []*Case {
	out := make([]*Case, 0, len(s.cases))
	for _, id := range slices.Sorted(maps.Keys(s.cases)) {
		out = append(out, s.cases[id])
	}
	return out
}

// Nights are the recorded runs of a reconciliation, in the order in which they were recorded.
func (s *State) Nights(rules string) []Night {
	if b := s.books[rules]; b != nil {
		return slices.Clone(b.nights)
	}
	return nil
}

// Policy is what the last recorded run of a reconciliation states.
func (s *State) Policy(rules string) Policy {
	if b := s.books[rules]; b != nil {
		return b.policy
	}
	return Policy{}
}

// Approver is who approved a version of the rules; "" if nobody has.
func (s *State) Approver(rules, sha256 string) string {
	if b := s.books[rules]; b != nil && b.versions[sha256] != nil {
		return b.versions[sha256].by
	}
	return ""
}

// RulesVersion is what is known of a version of a reconciliation's rules.
type RulesVersion struct {
	SHA256, Text string
	// Effective is the first night with it; NoDay: any.
	Effective calendar.Day
	// Pending waits for approval; nil where nothing does.
	Pending *Proposal
	// ApprovedBy is "" where nobody has approved it.
	ApprovedBy string
}

// Versions are the versions of a reconciliation's rules, by their SHA-256.
func (s *State) Versions(rules string) (out []RulesVersion) {
	b := s.books[rules]
	if b == nil {
		return nil
	}
	for _, sum := range slices.Sorted(maps.Keys(b.versions)) {
		v := b.versions[sum]
		out = append(out, RulesVersion{sum, v.text, v.effective, v.pending, v.by})
	}
	return out
}

// Spent is what was written off of a currency in a period such as 2026-11, approved or waiting for approval: of an account, or of all with "".
func (s *State) Spent(rules, currency, period, account string) money.Decimal {
	if b := s.books[rules]; b != nil {
		return b.spent[spending{currency, period, account}]
	}
	return money.Decimal{}
}

func (s *State) book(rules string) *book {
	b := s.books[rules]
	if b == nil {
		b = &book{open: map[string]*Case{}, spent: map[spending]amount{}, versions: map[string]*version{}}
		s.books[rules] = b
	}
	return b
}

func (b *book) last() calendar.Day {
	if len(b.nights) == 0 {
		return NoDay
	}
	return b.nights[len(b.nights)-1].Day
}

// seen counts the open cases, and digests their identities.
func (b *book) seen() (int64, string) {
	h := sha256.New()
	for _, id := range slices.Sorted(maps.Keys(b.open)) {
		h.Write([]byte(id))
		h.Write([]byte{'\n'})
	}
	return int64(len(b.open)), hex.EncodeToString(h.Sum(nil))
}

func (s *State) setStatus(c *Case, to Status) {
	c.Status = to
	if c.IsOpen() {
		s.book(c.Rules).open[c.ID] = c
	} else {
		delete(s.book(c.Rules).open, c.ID)
	}
}
