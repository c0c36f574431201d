package stream

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/reconciliation"
)

// Step settles what has changed since the step before, and forgets what was settled long enough ago.
func (s *Stream) Step(now time.Time) ([]Event, error) {
	whole := s.whole()
	if s.settled.valid && !equalWhole(whole, s.settled.whole) {
		s.touchAll(whole)
	}
	s.settled.whole, s.settled.valid = whole, true
	s.sift()
	groups := s.groups()
	made, err := s.settle(groups, whole, now)
	if err != nil {
		s.settled.valid = false
		return nil, err
	}
	events := s.replace(groups, made, now)
	s.dirty, s.gone = map[*row]bool{}, nil
	s.forget(now)
	return events, nil
}

// whole is what a group has to know of all rows.
func (s *Stream) whole() reconciliation.Whole {
	w := s.scales.whole()
	w.AsOf = s.o.Rules.AsOf
	if w.AsOf == 0 {
		if s.days[s.asOf] == 0 { // the last day's rows are gone
			s.asOf = reconciliation.NoDate
			for d := range s.days {
				s.asOf = max(s.asOf, d)
			}
		}
		w.AsOf = s.asOf
	}
	return w
}

func equalWhole(a, b reconciliation.Whole) bool {
	return a.Scale == b.Scale && a.AsOf == b.AsOf && slices.Equal(a.Numbers, b.Numbers)
}

// touchAll marks the rows whose outcome may depend on what has changed for all: on the day only breaks do, and only by rules that await.
func (s *Stream) touchAll(whole reconciliation.Whole) {
	onlyDay := whole.Scale == s.settled.whole.Scale && slices.Equal(whole.Numbers, s.settled.whole.Numbers)
	if onlyDay && s.o.Rules.Timing == nil {
		return
	}
	for side := range s.rows {
		for _, r := range s.rows[side] {
			if !onlyDay || r.out != nil && r.out.Class != reconciliation.Matched {
				s.dirty[r] = true
			}
		}
	}
}

// sift finds the keys that have one row on each side, which match by the first pass: groups for themselves, whatever else there is.
func (s *Stream) sift() {
	if !s.sifts {
		return
	}
	seen := map[string]bool{}
	for _, r := range sorted(s.dirty) {
		k := r.keys[0]
		if k == "" || seen[k] {
			continue
		}
		seen[k] = true
		rows := s.index[0][k]
		clean := len(rows) == 2 && rows[0].side != rows[1].side && s.pairs(rows)
		for _, o := range rows {
			s.dirty[o] = true
			if o.clean == clean {
				continue
			}
			if clean { // it leaves the group that it was in
				s.touchNeighbours(o)
			}
			o.clean = clean
			s.place(o)
		}
	}
}

// place puts a row where it is found: by all of its keys, or, if it is clean, by its first only.
func (s *Stream) place(r *row) {
	for i := 1; i < len(r.keys); i++ {
		if r.clean {
			s.unindex(i, r.keys[i], r)
		} else if r.keys[i] != "" {
			s.index[i][r.keys[i]] = append(s.index[i][r.keys[i]], r)
		}
	}
	switch {
	case r.clean:
		delete(s.loose, r)
	case s.single:
		s.loose[r] = true
	}
}

// pairs reports whether two rows of a key match by the first pass.
func (s *Stream) pairs(rows []*row) bool {
	rules := s.o.Rules
	rules.Passes = rules.Passes[:1]
	out, err := s.settleRows(rows, rules, s.settled.whole)
	return err == nil && len(out.Outcomes) == 1 && out.Outcomes[0].Class == reconciliation.Matched
}

// groups are the rows that changed, each with all that it is connected with.
func (s *Stream) groups() (out [][]*row) {
	seen := map[*row]bool{}
	for _, r := range sorted(s.dirty) {
		if seen[r] {
			continue
		}
		var group []*row
		queue := []*row{r}
		take := func(rows []*row) {
			for _, o := range rows {
				if !seen[o] {
					seen[o] = true
					queue = append(queue, o)
				}
			}
		}
		seen[r] = true
		if s.single && !r.clean {
			for o := range s.loose {
				take([]*row{o})
			}
			out = append(out, queue)
			continue
		}
		reached := map[string]bool{} // keys that were followed
		for len(queue) > 0 {
			r, queue = queue[0], queue[1:]
			group = append(group, r)
			for i, k := range r.keys {
				if k == "" || i > 0 && r.clean {
					continue
				}
				if at := fmt.Sprint(i, "\x00", k); !reached[at] {
					reached[at] = true
					take(s.index[i][k])
				}
			}
		}
		out = append(out, group)
	}
	return out
}

// sorted are rows in one order on every run.
func sorted(set map[*row]bool) []*row {
	out := make([]*row, 0, len(set))
	for r := range set {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *row) int { return cmp.Or(cmp.Compare(a.side, b.side), strings.Compare(a.m.Ref, b.m.Ref)) })
	return out
}

// settleRows settles rows by rules.
func (s *Stream) settleRows(rows []*row, rules reconciliation.Rules, whole reconciliation.Whole) (*reconciliation.Settlement, error) {
	left, right := reconciliation.NewSide(s.o.Left, s.o.Schema), reconciliation.NewSide(s.o.Right, s.o.Schema)
	for _, r := range rows {
		to := left
		if r.side == Right {
			to = right
		}
		if err := to.Append(r.m); err != nil {
			return nil, err
		}
	}
	return reconciliation.SettlePart(left, right, rules, whole)
}

// settle makes the outcomes of groups.
func (s *Stream) settle(groups [][]*row, whole reconciliation.Whole, now time.Time) (made []*outcome, err error) {
	for _, g := range groups {
		st, err := s.settleRows(g, s.o.Rules, whole)
		if err == nil {
			err = st.Classify(s.o.Classes)
		}
		if err != nil {
			return nil, err
		}
		for i := range st.Outcomes {
			made = append(made, s.outcome(st, &st.Outcomes[i], now))
		}
	}
	return made, nil
}

func (s *Stream) outcome(st *reconciliation.Settlement, from *reconciliation.Outcome, now time.Time) *outcome {
	o := &outcome{since: now, Outcome: Outcome{Class: from.Class, Pass: from.Pass, Key: from.Key}}
	if from.Base != from.Class {
		o.Base = from.Base
	}
	add := func(side *reconciliation.Side, number int, rows []int32) (refs []string) {
		for _, r := range rows {
			ref := side.Ref(int(r))
			refs = append(refs, ref)
			o.rows = append(o.rows, s.rows[number][ref])
		}
		return refs
	}
	o.Left, o.Right = add(st.Left, Left, from.Left), add(st.Right, Right, from.Right)
	amount := func(side *reconciliation.Side, rows []int32) string {
		sum, currency, ok := st.Sum(side, rows)
		if o.Currency == "" {
			o.Currency = currency
		}
		if !ok {
			return ""
		}
		return sum.String()
	}
	o.AmountLeft, o.AmountRight = amount(st.Left, from.Left), amount(st.Right, from.Right)
	if from.Class == reconciliation.Matched {
		return o
	}
	o.BreakID = st.ID(from)
	if d, ok := st.Difference(from); ok {
		o.Difference = &d
	}
	for _, r := range o.rows {
		if d := s.deadline(r); o.deadline.IsZero() || d.Before(o.deadline) {
			o.deadline = d
		}
	}
	deadline := o.deadline
	o.Deadline = &deadline
	return o
}

// replace puts outcomes in the place of those that the rows had, and tells what that changes.
func (s *Stream) replace(groups [][]*row, made []*outcome, now time.Time) []Event {
	before := map[*outcome]bool{}
	var was []*outcome
	note := func(o *outcome) {
		if o != nil && !o.dead && !before[o] {
			before[o] = true
			was = append(was, o)
		}
	}
	for _, o := range s.gone {
		note(o)
	}
	for _, g := range groups {
		for _, r := range g {
			note(r.out)
		}
	}
	var told []Event // of what was
	stays := map[*outcome]bool{}
	changed := map[*outcome]*outcome{} // overdue breaks of the same rows
	for _, o := range made {
		old := o.rows[0].out
		if old == nil || old.dead || !slices.Equal(old.rows, o.rows) {
			continue
		}
		switch {
		case old.Class == o.Class && old.Pass == o.Pass:
			o.since, o.overdue = old.since, old.overdue
			stays[old] = true
		case old.overdue && o.Class != reconciliation.Matched:
			o.overdue = true
			changed[old] = o
		}
	}
	kept := map[*row]*outcome{}
	for old := range stays {
		kept[old.rows[0]] = old
	}
	for _, old := range was {
		old.dead = true
	}
	for _, o := range made {
		for _, r := range o.rows {
			r.out = o
		}
	}
	for _, old := range was {
		switch {
		case stays[old]:
		case old.Class == reconciliation.Matched || changed[old] != nil:
			told = append(told, s.event(Revised, old, now))
		case old.overdue:
			told = append(told, s.event(Resolved, old, now))
		}
	}
	for _, o := range made {
		match := o.Class == reconciliation.Matched
		old := kept[o.rows[0]]
		if match && old == nil {
			told = append(told, s.event(Matched, o, now))
		}
		switch {
		case match:
			s.old = append(s.old, o)
		case !o.overdue:
			heap.Push(&s.due, o)
		}
	}
	return told
}

// deadline is when the other side should have a row.
func (s *Stream) deadline(r *row) time.Time {
	if s.o.Wait > 0 {
		return r.at.Add(s.o.Wait)
	}
	due, ok := s.dueDay(r)
	if !ok {
		return r.at
	}
	day := time.Unix(int64(due+1)*24*60*60, 0).UTC()
	return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, s.o.Zone)
}

// dueDay is the last day on which the other side may have a row.
func (s *Stream) dueDay(r *row) (due int32, ok bool) {
	after := func(column string, n int, business bool) {
		var day int32
		if i := slices.Index(s.o.Schema.Days, column); i >= 0 {
			day = r.m.Days[i]
		} else {
			day = r.m.Date
		}
		if day == reconciliation.NoDate {
			return
		}
		d := day + int32(n)
		if business {
			d = s.calendar.Add(day, n)
		}
		if !ok || d > due {
			due, ok = d, true
		}
	}
	if t := s.o.Rules.Timing; t != nil {
		after(t.Column, [2]int{t.Left, t.Right}[r.side], t.Business)
		return due, ok
	}
	for _, p := range s.o.Rules.Passes {
		for _, w := range p.Windows {
			after(w.Column, [2]int{w.After, w.Before}[r.side], w.Business)
		}
	}
	return due, ok
}

// forget drops groups all of which was settled long enough ago.
func (s *Stream) forget(now time.Time) {
	if s.o.Retain <= 0 {
		return
	}
	n := 0
	for ; n < len(s.old) && !s.old[n].since.Add(s.o.Retain).After(now); n++ {
		o := s.old[n]
		if o.dead || s.single && !o.rows[0].clean {
			continue
		}
		group := s.connected(o.rows[0])
		if slices.ContainsFunc(group, func(r *row) bool {
			return r.out.Class != reconciliation.Matched || r.out.since.Add(s.o.Retain).After(now)
		}) {
			continue // its last match, or the one that ends its break, takes all of it along
		}
		for _, r := range group {
			r.out.dead = true
			s.drop(r)
			s.forgotten++
		}
	}
	s.old = slices.Delete(s.old, 0, n)
}

// connected are the rows of a row's group.
func (s *Stream) connected(r *row) []*row {
	dirty := s.dirty
	s.dirty = map[*row]bool{r: true}
	defer func() { s.dirty = dirty }()
	return s.groups()[0]
}
