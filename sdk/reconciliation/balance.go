package reconciliation

import (
	"fmt"
	"slices"

	"github.com/millrace/millrace/sdk/money"
)

// Day is one account's business day as stated and as moved.
type Day struct {
	Account  string
	Date     int32         // days since 1970-01-01
	Opening  money.Decimal // as stated
	Movement money.Decimal // Σ of the day's entries
	Closing  money.Decimal // as stated
	// Unstated says that nothing states a balance on this day: opening and closing are
	// then the closing of the day before, and the movement must be zero.
	Unstated bool
}

// Proof is a day that does not hold.
type Proof struct {
	Day
	// Difference is opening + movement − closing.
	Difference money.Decimal
	// Gap is opening − the prior day's closing; zero on an account's first day.
	Gap money.Decimal
}

// Prover proves the days of accounts one after the other. The zero value is ready.
type Prover struct {
	last  Day
	any   bool
	Days  int64 // proved so far, failed ones included
	Count int64 // accounts so far
}

// Prove checks the next day: opening + movement = closing, and opening = the
// closing of the account's day before. Days must come by account, then date. holds is
// false where the proof says how the day fails. An account's first day may open with any balance.
func (p *Prover) Prove(d Day) (proof Proof, holds bool, err error) {
	fail := func(err error) (Proof, bool, error) {
		return Proof{}, false, fmt.Errorf("balance proof of account %s, day %d: %w", d.Account, d.Date, err)
	}
	same := p.any && p.last.Account == d.Account
	if same && p.last.Date >= d.Date {
		return Proof{}, false, fmt.Errorf("balance proof: the days of account %s are not in order", d.Account)
	}
	if d.Unstated {
		d.Opening = money.Decimal{}
		if same {
			d.Opening = p.last.Closing
		}
		d.Closing = d.Opening
	}
	end, err := d.Opening.Add(d.Movement)
	if err != nil {
		return fail(err)
	}
	diff, err := end.Sub(d.Closing)
	if err != nil {
		return fail(err)
	}
	proof = Proof{Day: d, Difference: diff}
	if same {
		if proof.Gap, err = d.Opening.Sub(p.last.Closing); err != nil {
			return fail(err)
		}
	} else {
		p.Count++
	}
	p.last, p.any = d, true
	p.Days++
	return proof, diff.IsZero() && proof.Gap.IsZero(), nil
}

// ProveDays checks days as [Prover] does and returns those that fail; none means that the proof holds.
func ProveDays(days []Day) ([]Proof, error) {
	var failed []Proof
	var p Prover
	for _, d := range days {
		proof, holds, err := p.Prove(d)
		if err != nil {
			return nil, err
		}
		if !holds {
			failed = append(failed, proof)
		}
	}
	return failed, nil
}

// Stated is a movement with the balance that the books state after it.
type Stated struct{ Amount, Balance money.Decimal }

// Link is one account's day of stated movements, whatever their order.
type Link struct {
	Opening, Closing, Movement money.Decimal
	// Chains says that some order of the movements leads from Opening to Closing, each starting where the one before ended.
	Chains bool
}

// Chain finds the balances between which an account's movements of a day lead,
// whatever the order in which they are given: a movement leads from balance − amount to balance, and
// the day chains where all of them make one path (an Eulerian trail). prior, the closing before, is where the path must begin
// if it can begin in several places; nil if it is not known. rows must not be empty.
//
// Where no order chains, the opening is the prior closing (or else the least balance that is left and not
// reached), and the closing the balance that is reached and not left, if there is exactly one; else opening + Σ movements.
func Chain(prior *money.Decimal, rows []Stated) (Link, error) {
	t := trail{degree: map[string]int{}, root: map[string]string{}, value: map[string]money.Decimal{}}
	var sum money.Decimal
	var err error
	for _, r := range rows {
		from, err := r.Balance.Sub(r.Amount)
		if err != nil {
			return Link{}, fmt.Errorf("the balance before a movement of %s to %s: %w", r.Amount, r.Balance, err)
		}
		t.edge(from, r.Balance)
		if sum, err = sum.Add(r.Amount); err != nil {
			return Link{}, fmt.Errorf("sum of a day's movements: %w", err)
		}
	}
	link := Link{Movement: sum}
	starts, ends := t.loose()
	link.Chains = len(starts) <= 1 && len(ends) <= 1 && t.connected()
	switch {
	case link.Chains && len(starts) == 1: // the path can begin in one place only
		link.Opening, link.Closing = starts[0], ends[0]
	case link.Chains: // it ends where it begins, which may be any of its balances
		link.Opening = t.cycleStart(prior)
		link.Closing = link.Opening
	default:
		link.Opening = openingOf(prior, starts, t)
		if len(ends) == 1 {
			link.Closing = ends[0]
		} else if link.Closing, err = link.Opening.Add(sum); err != nil {
			return Link{}, fmt.Errorf("closing of a day: %w", err)
		}
	}
	return link, nil
}

func openingOf(prior *money.Decimal, starts []money.Decimal, t trail) money.Decimal {
	switch {
	case prior != nil:
		return *prior
	case len(starts) > 0:
		return starts[0]
	}
	return t.cycleStart(nil)
}

// trail is a graph whose nodes are balances and whose edges are movements.
type trail struct {
	degree map[string]int // edges out − edges in
	root   map[string]string
	value  map[string]money.Decimal
}

func (t trail) node(d money.Decimal) string {
	name := d.Normalize().String()
	if _, known := t.value[name]; !known {
		t.value[name], t.root[name] = d, name
	}
	return name
}

func (t trail) edge(from, to money.Decimal) {
	a, b := t.node(from), t.node(to)
	t.degree[a]++
	t.degree[b]--
	if ra, rb := t.find(a), t.find(b); ra != rb {
		t.root[ra] = rb
	}
}

func (t trail) find(n string) string {
	for t.root[n] != n {
		t.root[n] = t.root[t.root[n]]
		n = t.root[n]
	}
	return n
}

// loose lists the balances that are left more often than reached, and those that are reached more often, as often as they are so, ascending.
func (t trail) loose() (starts, ends []money.Decimal) {
	for n, d := range t.degree {
		for range max(d, 0) {
			starts = append(starts, t.value[n])
		}
		for range max(-d, 0) {
			ends = append(ends, t.value[n])
		}
	}
	slices.SortFunc(starts, money.Decimal.Cmp)
	slices.SortFunc(ends, money.Decimal.Cmp)
	return starts, ends
}

func (t trail) connected() bool {
	one := ""
	for n := range t.root {
		r := t.find(n)
		if one != "" && r != one {
			return false
		}
		one = r
	}
	return true
}

// cycleStart is the prior closing if the cycle comes through it, else its least balance.
func (t trail) cycleStart(prior *money.Decimal) money.Decimal {
	if prior != nil {
		if d, there := t.value[prior.Normalize().String()]; there {
			return d
		}
	}
	var least money.Decimal
	first := true
	for _, d := range t.value {
		if first || d.Cmp(least) < 0 {
			least, first = d, false
		}
	}
	return least
}

// Closing is the closing of the day that was proved last; zero before the first.
func (p *Prover) Closing() money.Decimal { return p.last.Closing }
