package ledgergen

import (
	"fmt"
	"maps"
	"slices"

	"github.com/millrace/millrace/sdk/change"
)

// Truth is the state of every table after the transactions applied so far.
type Truth struct {
	Tables map[string]map[int64]Row // by table, by key
	Events map[string]int64         // change events by table
	Txs    int64
	sums   map[int64]int64 // Σ entries by account
}

// NewTruth is the truth before the first transaction.
func NewTruth() *Truth {
	t := &Truth{Tables: map[string]map[int64]Row{}, Events: map[string]int64{}, sums: map[int64]int64{}}
	for _, n := range TableNames() {
		t.Tables[n] = map[int64]Row{}
	}
	return t
}

// Apply adds one transaction.
func (t *Truth) Apply(tx Tx) {
	t.Txs++
	for _, e := range tx.Events {
		t.Events[e.Table]++
		if e.Op == change.Delete {
			delete(t.Tables[e.Table], e.Before.Key())
			continue
		}
		t.Tables[e.Table][e.After.Key()] = e.After
		if n, ok := e.After.(*Entry); ok {
			t.sums[n.AccountID] += n.Amount
		}
	}
}

// Check says whether the books hold: every balance is the sum of its account's entries, and all entries sum to zero.
func (t *Truth) Check() error {
	var all int64
	for id, r := range t.Tables[Accounts] {
		a := r.(*Account)
		if t.sums[id] != a.Balance {
			return fmt.Errorf("account %d: balance %d, entries sum to %d", id, a.Balance, t.sums[id])
		}
		all += a.Balance
	}
	if all != 0 {
		return fmt.Errorf("the books do not close: Σ %d", all)
	}
	return nil
}

// Entries returns all entries in the order of their ids.
func (t *Truth) Entries() []*Entry {
	rows := t.Tables[Entries]
	out := make([]*Entry, 0, len(rows))
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, rows[k].(*Entry))
	}
	return out
}
