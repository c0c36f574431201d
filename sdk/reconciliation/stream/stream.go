package stream

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// Sides by number.
const (
	Left  = 0
	Right = 1
)

// Options describe a stream. Rules are required.
type Options struct {
	Left, Right string // the sides' names
	Schema      reconciliation.Schema
	Rules       reconciliation.Rules
	Classes     []reconciliation.UserClass
	// Wait is how long after a row came its other side is awaited; 0: until the rules' dates have passed.
	Wait time.Duration
	// Zone is where a day ends; nil: UTC.
	Zone *time.Location
	// Retain is how long settled groups are kept, so that a row that comes late still finds them; 0: for ever.
	Retain time.Duration
}

// Stream settles rows as they come. It is not safe for concurrent use.
type Stream struct {
	o        Options
	calendar *reconciliation.Calendar
	keys     []keyOf // one a pass with keys, and the lone rows'
	sifts    bool    // one row with one of a key are a group for themselves
	single   bool    // a pass has no keys: all other rows are one group
	asOf     int32
	rows     [2]map[string]*row
	index    []map[string][]*row // by key; the first has all rows, the others not those that are clean
	loose    map[*row]bool       // rows that are not clean, where single
	dirty    map[*row]bool
	gone     []*outcome // outcomes of rows that were removed
	scales   scaleCounts
	days     map[int32]int
	settled  struct { // with what the outcomes were made
		whole reconciliation.Whole
		valid bool
	}
	seq       int64
	due       dueHeap
	old       []*outcome // matches in the order in which they were made
	forgotten int64
}

// row is a row while it is kept.
type row struct {
	side  int
	m     reconciliation.Movement
	at    time.Time
	keys  []string // by index; "" where the row has none
	clean bool
	out   *outcome
}

// outcome is a match or a break while it stands.
type outcome struct {
	Outcome
	rows     []*row // left ones first
	deadline time.Time
	since    time.Time
	overdue  bool // was told
	dead     bool
}

// New starts a stream.
func New(o Options) (*Stream, error) {
	if err := o.Rules.Check(o.Schema); err != nil {
		return nil, err
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	s := &Stream{o: o, calendar: o.Rules.Calendar, sifts: o.Rules.Sifts(), rows: [2]map[string]*row{{}, {}}, loose: map[*row]bool{}, dirty: map[*row]bool{},
		days: map[int32]int{}, asOf: reconciliation.NoDate}
	if s.calendar == nil {
		var err error
		if s.calendar, err = reconciliation.NewCalendar([]time.Weekday{time.Saturday, time.Sunday}, nil); err != nil {
			return nil, err
		}
	}
	for i := range o.Rules.Passes {
		p := &o.Rules.Passes[i]
		if len(p.Keys) == 0 {
			s.single = true
			continue
		}
		s.keys = append(s.keys, keyOf{columns: p.Keys})
	}
	if len(s.keys) > 0 {
		s.keys = append(s.keys, keyOf{columns: s.keys[0].columns, lone: true})
	}
	for range s.keys {
		s.index = append(s.index, map[string][]*row{})
	}
	s.scales = newScales(len(o.Schema.Numbers))
	return s, nil
}

// Put takes a row that came at a time, and nothing of m is kept. A row of the same Ref is replaced; where it says the same nothing happens.
func (s *Stream) Put(side int, m *reconciliation.Movement, at time.Time) error {
	if side != Left && side != Right {
		return fmt.Errorf("reconciliation stream: there is no side %d", side)
	}
	if len(m.Texts) != len(s.o.Schema.Texts) || len(m.Numbers) != len(s.o.Schema.Numbers) || len(m.Days) != len(s.o.Schema.Days) {
		return fmt.Errorf("reconciliation stream: row %s has not the columns of the schema", m.Ref)
	}
	if known := s.rows[side][m.Ref]; known != nil {
		if same(&known.m, m) {
			return nil
		}
		at = known.at // it has been awaited since
		s.Remove(side, m.Ref)
	}
	r := &row{side: side, m: m.Clone(), at: at}
	if r.m.NoAmount {
		r.m.Amount = money.Decimal{}
	}
	s.rows[side][r.m.Ref] = r
	for i := range s.keys {
		k := s.keys[i].of(s.o.Schema, &r.m)
		r.keys = append(r.keys, k)
		if k != "" {
			s.index[i][k] = append(s.index[i][k], r)
		}
	}
	if s.single {
		s.loose[r] = true
	}
	s.scales.add(&r.m, 1)
	s.days[r.m.Date]++
	s.asOf = max(s.asOf, r.m.Date)
	s.dirty[r] = true
	return nil
}

// Remove takes a row away as if it had never come; one that is not there is nothing to take away.
func (s *Stream) Remove(side int, ref string) {
	r := s.rows[side][ref]
	if r == nil {
		return
	}
	s.touchNeighbours(r)
	s.drop(r)
	s.scales.add(&r.m, -1)
	if s.days[r.m.Date]--; s.days[r.m.Date] == 0 {
		delete(s.days, r.m.Date)
	}
	delete(s.dirty, r)
	if r.out != nil && !r.out.dead {
		s.gone = append(s.gone, r.out)
		for _, o := range r.out.rows {
			if s.rows[o.side][o.m.Ref] == o { // r itself, and others that went before it, are not there
				s.dirty[o] = true
			}
		}
	}
}

// drop takes a row out of everything that finds it. Its date and its digits still count.
func (s *Stream) drop(r *row) {
	delete(s.rows[r.side], r.m.Ref)
	delete(s.loose, r)
	for i, k := range r.keys {
		if i == 0 || !r.clean {
			s.unindex(i, k, r)
		}
	}
}

func (s *Stream) unindex(i int, key string, r *row) {
	if key == "" {
		return
	}
	rest := slices.DeleteFunc(s.index[i][key], func(o *row) bool { return o == r })
	if len(rest) == 0 {
		delete(s.index[i], key)
		return
	}
	s.index[i][key] = rest
}

// touchNeighbours marks the rows that have a key in common with a row.
func (s *Stream) touchNeighbours(r *row) {
	for i, k := range r.keys {
		if k == "" {
			continue
		}
		for _, o := range s.index[i][k] {
			if o != r {
				s.dirty[o] = true
			}
		}
	}
	if s.single && !r.clean {
		for o := range s.loose { // one is enough: they are one group
			if o != r {
				s.dirty[o] = true
				break
			}
		}
	}
}

// Next is the earliest deadline of a break that was not told yet; zero where there is none.
func (s *Stream) Next() time.Time {
	for len(s.due) > 0 {
		if top := s.due[0]; !top.dead && !top.overdue {
			return top.deadline
		}
		heap.Pop(&s.due)
	}
	return time.Time{}
}

// Alert tells which breaks are overdue at a time.
func (s *Stream) Alert(now time.Time) (events []Event) {
	for next := s.Next(); !next.IsZero() && !next.After(now); next = s.Next() {
		o := heap.Pop(&s.due).(*outcome)
		o.overdue = true
		events = append(events, s.event(Overdue, o, now))
	}
	return events
}

func (s *Stream) event(kind Kind, o *outcome, now time.Time) Event {
	s.seq++
	e := Event{Seq: s.seq, Kind: kind, At: now, Outcome: o.Outcome}
	if kind == Revised || kind == Resolved {
		e.Now = "removed"
		for _, r := range o.rows {
			if s.rows[r.side][r.m.Ref] == r && r.out != nil {
				e.Now = string(r.out.Class)
				break
			}
		}
	}
	return e
}

// Outcomes are those that stand, as of the last step, by key.
func (s *Stream) Outcomes() []Outcome {
	var out []Outcome
	for side := range s.rows {
		for _, r := range s.rows[side] {
			if r.out != nil && r.out.rows[0] == r {
				out = append(out, r.out.Outcome)
			}
		}
	}
	slices.SortFunc(out, func(a, b Outcome) int {
		if c := strings.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return strings.Compare(strings.Join(append(a.Left, a.Right...), "\x00"), strings.Join(append(b.Left, b.Right...), "\x00"))
	})
	return out
}

// Rows is how many rows of a side are kept.
func (s *Stream) Rows(side int) int { return len(s.rows[side]) }

// Forgotten counts rows of settled groups that are not kept any more.
func (s *Stream) Forgotten() int64 { return s.forgotten }

// dueHeap orders breaks by their deadlines, then by what they say: the order of alerts is the same on every run.
type dueHeap []*outcome

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if !h[i].deadline.Equal(h[j].deadline) {
		return h[i].deadline.Before(h[j].deadline)
	}
	return h[i].BreakID < h[j].BreakID
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)   { *h = append(*h, x.(*outcome)) }
func (h *dueHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return x
}

func same(a, b *reconciliation.Movement) bool {
	equal := func(x, y money.Decimal) bool { return x.Scale() == y.Scale() && x.Cmp(y) == 0 }
	return a.NoAmount == b.NoAmount && (a.NoAmount || equal(a.Amount, b.Amount)) && a.Currency == b.Currency && a.Date == b.Date &&
		slices.Equal(a.Texts, b.Texts) && slices.Equal(a.Days, b.Days) && slices.EqualFunc(a.Numbers, b.Numbers, equal)
}
