package reconcile

import (
	"cmp"
	"context"
	"encoding/csv"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

// movementsName is the file of movements over all sides.
const movementsName = "movements.csv"

// What becomes of a side in a movement, besides the classes of breaks.
const (
	statusMatched     = "matched"      // in every leg that compares it with a side that has the movement
	statusUnmatched   = "unmatched"    // it has the movement, and no side that it is compared with has it
	statusMissing     = "missing"      // a leg expected it
	statusNotCompared = "not_compared" // no leg asks it
)

// AllSides are the verdicts over all sides of a rule file with more than two. A movement is the rows that legs have brought together,
// matched or not; rows that lack a side between them are one where their keys say so and no side has two.
type AllSides struct {
	Total   int64 `json:"total"`
	Matched int64 `json:"matched"` // on all sides, in all legs
	// Patterns count the others by what their sides say, the most frequent first.
	Patterns []Pattern `json:"patterns"`
}

// Pattern is what sides say of a movement.
type Pattern struct {
	Sides     map[string]string `json:"sides"` // status by side
	Movements int64             `json:"movements"`
}

// movement is one that is not matched on all sides.
type movement struct {
	key    string
	rows   map[string][]int32 // by side
	says   map[string][]string
	breaks []string // their ids
}

// nWay puts the legs' outcomes together. It is nil for two sides.
type nWay struct {
	names []string
	sides map[string]*reconciliation.Side
	first map[string]int32 // the number of a side's first row
	up    []int32          // union-find over all rows
	legs  []settledLeg
	open  []*movement // those that are not matched on all sides
}

// overSides settles what all sides say together, where there are more than two.
func (rep *RulesReport) overSides(legs []settledLeg) {
	if rep.nway = newNWay(legs); rep.nway == nil {
		return
	}
	m := rep.nway.movements()
	rep.Movements = &m
}

func newNWay(legs []settledLeg) *nWay {
	n := &nWay{sides: map[string]*reconciliation.Side{}, first: map[string]int32{}, legs: legs}
	for _, l := range legs {
		for name, s := range map[string]*reconciliation.Side{l.plan.Left.Name: l.result.Left, l.plan.Right.Name: l.result.Right} {
			n.sides[name] = s
		}
	}
	if len(n.sides) < 3 {
		return nil
	}
	n.names = slices.Sorted(maps.Keys(n.sides))
	for _, name := range n.names {
		n.first[name] = int32(len(n.up))
		for range n.sides[name].Len() {
			n.up = append(n.up, int32(len(n.up)))
		}
	}
	return n
}

func (n *nWay) root(i int32) int32 {
	for n.up[i] != i {
		n.up[i] = n.up[n.up[i]]
		i = n.up[i]
	}
	return i
}

// of are an outcome's rows as numbers, left first.
func (n *nWay) of(l *settledLeg, o *reconciliation.Outcome) []int32 {
	out := make([]int32, 0, len(o.Left)+len(o.Right))
	for _, r := range o.Left {
		out = append(out, n.first[l.plan.Left.Name]+r)
	}
	for _, r := range o.Right {
		out = append(out, n.first[l.plan.Right.Name]+r)
	}
	return out
}

// movements settles what the sides say of each movement; those that are matched everywhere are only counted.
func (n *nWay) movements() (rep AllSides) {
	for i := range n.legs {
		for k := range n.legs[i].result.Outcomes {
			rows := n.of(&n.legs[i], &n.legs[i].result.Outcomes[k])
			for _, r := range rows[1:] {
				n.up[n.root(r)] = n.root(rows[0])
			}
		}
	}
	by := map[int32]*movement{}
	for i := range n.legs {
		l := &n.legs[i]
		for k := range l.result.Outcomes {
			if o := &l.result.Outcomes[k]; o.Class != reconciliation.Matched {
				n.note(by, l, o)
			}
		}
	}
	for i := range n.up {
		if n.root(int32(i)) == int32(i) && by[int32(i)] == nil {
			rep.Matched++
		}
	}
	n.fill(by)
	n.open = n.joined(by)
	rep.Total = rep.Matched + int64(len(n.open))
	rep.Patterns = n.patterns()
	return rep
}

// note takes a break into its movement: what it says of its sides.
func (n *nWay) note(by map[int32]*movement, l *settledLeg, o *reconciliation.Outcome) {
	at := n.root(n.of(l, o)[0])
	m := by[at]
	if m == nil {
		m = &movement{key: o.Key, rows: map[string][]int32{}, says: map[string][]string{}}
		by[at] = m
	}
	m.key = min(m.key, o.Key)
	m.breaks = append(m.breaks, l.result.ID(o))
	own, other := l.plan.Left.Name, l.plan.Right.Name
	if len(o.Left) == 0 {
		own, other = other, own
	}
	class := string(o.Class)
	switch {
	case len(o.Left) > 0 && len(o.Right) > 0:
		m.say(own, class)
		m.say(other, class)
	case o.Base == reconciliation.MissingLeft || o.Base == reconciliation.MissingRight:
		m.say(other, statusMissing)
	case o.Base == reconciliation.TimingDifference:
		m.say(other, class)
	default: // a duplicate, which is one too many on its own side
		m.say(own, class)
	}
}

func (m *movement) say(side, what string) {
	if !slices.Contains(m.says[side], what) {
		m.says[side] = append(m.says[side], what)
	}
}

// fill gives the open movements all their rows.
func (n *nWay) fill(by map[int32]*movement) {
	for _, name := range n.names {
		for r := range int32(n.sides[name].Len()) {
			if m := by[n.root(n.first[name]+r)]; m != nil {
				m.rows[name] = append(m.rows[name], r)
			}
		}
	}
}

// joined makes one of movements that have one key and no side in common, and puts all in order.
func (n *nWay) joined(by map[int32]*movement) []*movement {
	keys := map[string][]*movement{}
	for _, at := range slices.Sorted(maps.Keys(by)) {
		keys[by[at].key] = append(keys[by[at].key], by[at])
	}
	var out []*movement
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		all := keys[key]
		slices.SortFunc(all, n.compare)
		if key != "" && len(all) > 1 && disjoint(all) {
			for _, m := range all[1:] {
				all[0].take(m)
			}
			all = all[:1]
		}
		out = append(out, all...)
	}
	for _, m := range out {
		slices.Sort(m.breaks)
	}
	return out
}

func disjoint(all []*movement) bool {
	seen := map[string]bool{}
	for _, m := range all {
		for side := range m.rows {
			if seen[side] {
				return false
			}
			seen[side] = true
		}
	}
	return true
}

// take makes another movement part of m.
func (m *movement) take(o *movement) {
	maps.Copy(m.rows, o.rows)
	for side, says := range o.says {
		for _, s := range says {
			m.say(side, s)
		}
	}
	m.breaks = append(m.breaks, o.breaks...)
}

// compare orders movements of one key by where their rows come from, whatever the order in which rows were read.
func (n *nWay) compare(a, b *movement) int {
	for _, name := range n.names {
		if c := cmp.Or(cmp.Compare(len(b.rows[name]), len(a.rows[name])), slices.Compare(n.refs(a, name), n.refs(b, name))); c != 0 {
			return c
		}
	}
	return 0
}

func (n *nWay) refs(m *movement, side string) []string {
	out := make([]string, len(m.rows[side]))
	for i, r := range m.rows[side] {
		out[i] = n.sides[side].Ref(int(r))
	}
	slices.Sort(out)
	return out
}

// status is what a side says of a movement.
func (n *nWay) status(m *movement, side string) string {
	says := slices.Clone(m.says[side])
	here := len(m.rows[side]) > 0
	if here { // missing in one leg, and found by another
		says = slices.DeleteFunc(says, func(s string) bool { return s == statusMissing })
	}
	if len(says) > 0 {
		slices.Sort(says)
		return strings.Join(says, "+")
	}
	if !here {
		return statusNotCompared
	}
	for i := range n.legs {
		l, r := n.legs[i].plan.Left.Name, n.legs[i].plan.Right.Name
		if l == side && len(m.rows[r]) > 0 || r == side && len(m.rows[l]) > 0 {
			return statusMatched
		}
	}
	return statusUnmatched
}

func (n *nWay) patterns() []Pattern {
	count := map[string]*Pattern{}
	for _, m := range n.open {
		sides := map[string]string{}
		key := ""
		for _, name := range n.names {
			sides[name] = n.status(m, name)
			key += sides[name] + "\x00"
		}
		if count[key] == nil {
			count[key] = &Pattern{Sides: sides}
		}
		count[key].Movements++
	}
	keys := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b].Movements, count[a].Movements), cmp.Compare(a, b))
	})
	out := make([]Pattern, len(keys))
	for i, k := range keys {
		out[i] = *count[k]
	}
	return out
}

// write writes the movements that are not matched on all sides; without a third side it removes what an earlier run has left.
func (n *nWay) write(ctx context.Context, out storage.Store) error {
	if n == nil {
		return out.Delete(ctx, movementsName)
	}
	w, err := out.Create(ctx, movementsName)
	if err != nil {
		return err
	}
	defer w.Abort()
	rows := csv.NewWriter(w)
	header := []string{"key"}
	for _, name := range n.names {
		header = append(header, name, "amount_"+name, "ref_"+name)
	}
	if err := rows.Write(append(header, "break_ids")); err != nil {
		return err
	}
	for _, m := range n.open {
		line := []string{m.key}
		for _, name := range n.names {
			line = append(line, n.status(m, name), n.amount(m, name), strings.Join(n.refs(m, name), "; "))
		}
		if err := rows.Write(append(line, strings.Join(m.breaks, "; "))); err != nil {
			return err
		}
	}
	rows.Flush()
	if err := rows.Error(); err != nil {
		return err
	}
	return w.Close()
}

// amount is the sum of a side's rows of a movement, "" where there is none.
func (n *nWay) amount(m *movement, side string) string {
	rows := m.rows[side]
	if len(rows) == 0 {
		return ""
	}
	for i := range n.legs {
		if res := n.legs[i].result; res.Left == n.sides[side] || res.Right == n.sides[side] {
			if d, _, ok := res.Sum(n.sides[side], rows); ok {
				return d.String()
			}
			return ""
		}
	}
	return ""
}
