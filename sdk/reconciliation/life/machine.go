package life

import (
	"slices"
	"strings"
	"unicode"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// apply changes the state by an event, or refuses it and changes nothing.
func (s *State) apply(e *Event) error {
	if err := e.check(); err != nil {
		return err
	}
	switch e.Kind {
	case PolicySet:
		return s.setPolicy(e)
	case SeenAgain:
		return s.seenAgain(e)
	case RulesProposed, RulesApproved, RulesRejected, RulesKept:
		return s.ruleVersion(e)
	case Opened:
		return s.opened(e)
	case Signed:
		return s.sign(e)
	}
	cases := make([]*Case, len(e.Cases))
	for i, id := range e.Cases {
		c := s.cases[id]
		if c == nil {
			return fault.Usagef("there is no case %s", id)
		}
		if c.Rules != e.Rules {
			return fault.Usagef("case %s is of the reconciliation %s, not of %s", id, c.Rules, e.Rules)
		}
		cases[i] = c
	}
	var err error
	switch e.Kind {
	case MatchProposed, WriteOffProposed:
		err = s.propose(e, cases)
	case Approved, Rejected:
		err = s.decide(e, cases)
	case Unmatched, WriteOffReversed:
		err = s.undo(e, cases)
	default:
		err = s.single(e, cases[0])
	}
	if err != nil {
		return err
	}
	for _, c := range cases {
		c.Events++
	}
	return nil
}

// check refuses an event that is not well formed, whatever the state.
func (e *Event) check() error {
	if e.At.IsZero() || e.Rules == "" {
		return fault.Usagef("event %s: its time and its reconciliation's name are required", e.Kind)
	}
	user := strings.TrimSpace(e.By) != ""
	if strings.ContainsFunc(e.By, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fault.Usagef("the user's name %q has characters that nobody sees", e.By)
	}
	switch {
	case user && !ofUser[e.Kind]:
		return fault.Usagef("%q is nothing that a user does", e.Kind)
	case !user && (!ofRun[e.Kind] || e.By != ""):
		return fault.Usagef("who does this? %s needs a user's name", e.Kind)
	case !user && (e.Run == "" || e.Night == ""):
		return fault.Usagef("event %s: a run's identity and night are required", e.Kind)
	}
	ids := map[string]bool{}
	for _, id := range e.Cases {
		if id == "" || ids[id] {
			return fault.Usagef("case %q is empty or named twice", id)
		}
		ids[id] = true
	}
	few, many := 1, 1
	switch e.Kind {
	case PolicySet, SeenAgain, Signed, RulesProposed, RulesApproved, RulesRejected, RulesKept:
		few, many = 0, 0
	case MatchProposed, Approved, Rejected, Unmatched:
		many = len(e.Cases)
	}
	if len(e.Cases) < few || len(e.Cases) > many {
		return fault.Usagef("%s does not take %d cases", e.Kind, len(e.Cases))
	}
	switch e.Kind {
	case MatchProposed, WriteOffProposed, Unmatched, WriteOffReversed, Commented, Rejected, RulesRejected:
		if strings.TrimSpace(e.Reason) == "" {
			return fault.Usagef("why? %s needs a reason", e.Kind)
		}
	case Reopened, Escalated:
		if user && strings.TrimSpace(e.Reason) == "" {
			return fault.Usagef("why? %s needs a reason", e.Kind)
		}
	}
	return nil
}

// same tells whether two names are one user's.
func same(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) }

func (s *State) setPolicy(e *Event) error {
	if e.Policy == nil {
		return fault.Usagef("event %s states no policy", e.Kind)
	}
	if err := e.Policy.Check(); err != nil {
		return err
	}
	night, err := calendar.ParseDay(e.Night)
	if err != nil {
		return err
	}
	if err := s.MayRun(e.Rules, e.Version, night, *e.Policy); err != nil {
		return err
	}
	s.book(e.Rules).policy = *e.Policy
	return nil
}

// MayRun refuses a version of the rules on a night for which a run needs it approved and nobody has: where they say so, or those of the last recorded
// run do, so that leaving the word out needs approval too. An error is a fault.Usage.
func (s *State) MayRun(rules, sha256 string, night calendar.Day, p Policy) error {
	if !p.Approval && !s.Policy(rules).Approval {
		return nil
	}
	if s.Approver(rules, sha256) == "" {
		return fault.Usagef("the version %s of the rules %s is not approved: propose it with millrace rules propose, and let somebody else approve it", sha256, rules)
	}
	if from := s.books[rules].versions[sha256].effective; night < from {
		return fault.Usagef("the version %s of the rules %s is for nights from %s on, not for %s", sha256, rules, calendar.FormatDay(from), calendar.FormatDay(night))
	}
	return nil
}

func (s *State) seenAgain(e *Event) error {
	night, err := calendar.ParseDay(e.Night)
	if err != nil {
		return err
	}
	b := s.book(e.Rules)
	if night < b.last() {
		return fault.Usagef("the night %s is before %s, which is recorded", e.Night, calendar.FormatDay(b.last()))
	}
	if err := s.MayRun(e.Rules, e.Version, night, b.policy); err != nil {
		return err
	}
	for _, n := range b.nights {
		if n.Run == e.Run && n.Day == night {
			return fault.Usagef("run %s of %s is recorded already", e.Run, e.Night)
		}
	}
	if n, digest := b.seen(); n != e.Seen || digest != e.SeenDigest {
		return fault.Usagef("it says that %d cases with the digest %s are open, but %d are, with %s", e.Seen, e.SeenDigest, n, digest)
	}
	for _, c := range b.open {
		c.Last = night
	}
	b.nights = append(b.nights, Night{Rules: e.Rules, Run: e.Run, Day: night, Seq: e.Seq, Version: e.Version})
	return nil
}

func (s *State) opened(e *Event) error {
	night, err := calendar.ParseDay(e.Night)
	if err != nil {
		return err
	}
	first, err := calendar.ParseDay(e.First)
	if err != nil {
		return err
	}
	id := e.Cases[0]
	if s.cases[id] != nil {
		return fault.Usagef("case %s is there already", id)
	}
	if e.Break == nil {
		return fault.Usagef("case %s: its break is not told", id)
	}
	least := night
	for _, other := range e.Others {
		old := s.cases[other]
		if old == nil || old.Rules != e.Rules {
			return fault.Usagef("case %s continues %s, which is no case of these rules", id, other)
		}
		least = min(least, old.First)
	}
	if first != least {
		return fault.Usagef("case %s: its first night is %s, not %s", id, calendar.FormatDay(least), e.First)
	}
	c := &Case{ID: id, Rules: e.Rules, Break: *e.Break, First: first, Last: night, Owner: e.Owner, Deadline: NoDay, Continues: e.Others, Events: 1}
	if e.Deadline != "" {
		if c.Deadline, err = calendar.ParseDay(e.Deadline); err != nil {
			return err
		}
	}
	s.cases[id] = c
	s.setStatus(c, Open)
	return nil
}

// single applies an event of one case.
func (s *State) single(e *Event, c *Case) error {
	switch e.Kind {
	case Commented:
		return nil
	case Reopened:
		if c.Status != Resolved && c.Status != Replaced {
			return fault.Usagef("case %s is %s: only what was resolved or superseded is reopened; a match or write-off is undone by unmatch", c.ID, c.Status)
		}
		s.setStatus(c, Open)
		return nil
	}
	if !c.IsOpen() {
		return fault.Usagef("case %s is %s, not open", c.ID, c.Status)
	}
	switch e.Kind {
	case Assigned:
		deadline := NoDay
		if e.Deadline != "" {
			day, err := calendar.ParseDay(e.Deadline)
			if err != nil {
				return err
			}
			deadline = day
		}
		if strings.TrimSpace(e.Owner) == "" {
			return fault.Usagef("case %s: to whom? name the owner", c.ID)
		}
		c.Owner, c.Deadline, c.Escalated = e.Owner, deadline, false
	case Escalated:
		c.Escalated = true
	case ClassChanged:
		if e.Break == nil || e.Break.Class == c.Class {
			return fault.Usagef("case %s: its class did not change", c.ID)
		}
		c.Class = e.Break.Class
	case AutoResolved, Superseded:
		if err := s.void(c); err != nil {
			return err
		}
		s.setStatus(c, map[Kind]Status{AutoResolved: Resolved, Superseded: Replaced}[e.Kind])
	default:
		return fault.Usagef("there is no event %q", e.Kind)
	}
	return nil
}

// void drops a proposal that waits, because one of its cases is gone.
func (s *State) void(c *Case) error {
	p := c.Pending
	if p == nil {
		return nil
	}
	if p.Kind == WriteOffProposed {
		if err := s.book(c.Rules).spend(c, p.Period, true); err != nil {
			return err
		}
	}
	for _, id := range p.Cases {
		other := s.cases[id]
		other.Pending = nil
		s.setStatus(other, Open)
	}
	return nil
}

func (s *State) propose(e *Event, cases []*Case) error {
	for _, c := range cases {
		if c.Status != Open {
			return fault.Usagef("case %s is %s, so nothing can be proposed", c.ID, c.Status)
		}
	}
	p := &Proposal{Seq: e.Seq, Kind: e.Kind, By: e.By, Cases: slices.Clone(e.Cases), Reason: e.Reason}
	if e.Kind == WriteOffProposed {
		b := s.book(e.Rules)
		p.Period = b.period(cases[0].Currency)
		if _, err := b.limited(cases[0], p.Period, false); err != nil {
			return err
		}
		if err := b.spend(cases[0], p.Period, false); err != nil {
			return err
		}
	} else if err := balanced(cases); err != nil {
		return err
	}
	for _, c := range cases {
		c.Pending = p
		s.setStatus(c, Proposed)
	}
	return nil
}

// balanced refuses a match by hand whose cases' differences do not add up to zero in each currency: what is left is to be written off.
func balanced(cases []*Case) error {
	sums := map[string]money.Decimal{}
	for _, c := range cases {
		if c.Difference == "" {
			if len(cases) > 1 {
				return fault.Usagef("case %s has no difference in one currency, so it can only be matched alone", c.ID)
			}
			return nil
		}
		d, err := money.Parse(c.Difference)
		if err == nil {
			d, err = sums[c.Currency].Add(d)
		}
		if err != nil {
			return fault.Usagef("case %s: %w", c.ID, err)
		}
		sums[c.Currency] = d
	}
	for currency, d := range sums {
		if !d.IsZero() {
			return fault.Usagef("the cases differ by %s %s together, so they do not match: name those that make up for it, or write it off", d, currency)
		}
	}
	return nil
}

func (s *State) decide(e *Event, cases []*Case) error {
	p := cases[0].Pending
	if p == nil || p.Seq != e.Proposal || !slices.Equal(p.Cases, e.Cases) {
		return fault.Usagef("case %s: no such proposal waits for approval", cases[0].ID)
	}
	if e.Kind == Approved && same(p.By, e.By) { // rejecting one's own is withdrawing it
		return fault.Usagef("case %s: %s proposed it, so somebody else must approve it", cases[0].ID, p.By)
	}
	b := s.book(e.Rules)
	if p.Kind == WriteOffProposed {
		if e.Kind == Approved {
			if _, err := b.limited(cases[0], p.Period, true); err != nil {
				return err
			}
		} else if err := b.spend(cases[0], p.Period, true); err != nil {
			return err
		}
	}
	for _, c := range cases {
		c.Pending = nil
		switch {
		case e.Kind == Rejected:
			s.setStatus(c, Open)
			continue
		case p.Kind == MatchProposed:
			s.setStatus(c, MatchedBy)
		default:
			s.setStatus(c, WrittenOff)
		}
		c.Settled = p
	}
	return nil
}

func (s *State) undo(e *Event, cases []*Case) error {
	p, want := cases[0].Settled, map[Kind]Kind{Unmatched: MatchProposed, WriteOffReversed: WriteOffProposed}[e.Kind]
	if p == nil || p.Kind != want || p.Seq != e.Proposal || !slices.Equal(p.Cases, e.Cases) {
		return fault.Usagef("case %s: there is nothing such to undo", cases[0].ID)
	}
	if want == WriteOffProposed {
		if err := s.book(e.Rules).spend(cases[0], p.Period, true); err != nil {
			return err
		}
	}
	for _, c := range cases {
		c.Settled = nil
		s.setStatus(c, Open)
	}
	return nil
}

func (s *State) ruleVersion(e *Event) error {
	if !isHash(e.Version) {
		return fault.Usagef("%q is no SHA-256 of a rule file", e.Version)
	}
	b := s.book(e.Rules)
	v := b.versions[e.Version]
	if v != nil && v.by != "" {
		return fault.Usagef("this version of the rules %s is approved already, by %s", e.Rules, v.by)
	}
	if e.Kind == RulesProposed || e.Kind == RulesKept {
		return b.keepRules(e, v)
	}
	if v == nil || v.pending == nil || v.pending.Seq != e.Proposal {
		return fault.Usagef("this version of the rules %s was not proposed", e.Rules)
	}
	if e.Kind == RulesApproved && same(v.pending.By, e.By) { // rejecting one's own is withdrawing it
		return fault.Usagef("%s proposed this version of the rules %s, so somebody else must approve it", v.pending.By, e.Rules)
	}
	if e.Kind == RulesApproved {
		v.by = e.By
	}
	v.pending = nil
	return nil
}

// keepRules takes the text of a version, which is proposed or was run with.
func (b *book) keepRules(e *Event, v *version) error {
	if HashOf([]byte(e.Text)) != e.Version {
		return fault.Usagef("the text of the rules %s has not the SHA-256 %s", e.Rules, e.Version)
	}
	if v != nil && e.Kind == RulesKept {
		return fault.Usagef("this version of the rules %s is kept already", e.Rules)
	}
	if v != nil && v.pending != nil {
		return fault.Usagef("this version of the rules %s waits for approval already; %s proposed it", e.Rules, v.pending.By)
	}
	next := &version{text: e.Text, effective: NoDay}
	if e.Kind == RulesProposed {
		next.pending = &Proposal{Seq: e.Seq, Kind: e.Kind, By: e.By, Reason: e.Reason}
		if e.Effective != "" {
			day, err := calendar.ParseDay(e.Effective)
			if err != nil {
				return fault.Mark(fault.Usage, err)
			}
			next.effective = day
		}
	}
	b.versions[e.Version] = next
	return nil
}
