package dataset_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
)

// owners are accounts 50 to 149, of which 50 to 96 have entries.
func owners() []Account {
	var rows []Account
	for a := range int64(100) {
		rows = append(rows, Account{a + 50, fmt.Sprint("owner-", a+50)})
	}
	return rows
}

// joined is a join of entries with owners, written naively.
func joined(kind dataset.JoinKind, entries []Entry, accounts []Account) []string {
	owner := map[int64]string{}
	for _, a := range accounts {
		owner[a.Account] = a.Owner
	}
	var out []string
	used := map[int64]bool{}
	for _, e := range entries {
		o, ok := owner[e.Account]
		used[e.Account] = true
		row := fmt.Sprint(e.Account, " ", e.EntryID)
		switch {
		case kind == dataset.SemiJoin && ok, kind == dataset.AntiJoin && !ok:
			out = append(out, row)
		case kind == dataset.SemiJoin, kind == dataset.AntiJoin:
		case ok:
			out = append(out, row+" "+o)
		case kind == dataset.LeftJoin || kind == dataset.FullJoin:
			out = append(out, row+" (null)")
		}
	}
	if kind == dataset.RightJoin || kind == dataset.FullJoin {
		for _, a := range accounts {
			if !used[a.Account] {
				out = append(out, fmt.Sprint(a.Account, " (null) ", a.Owner))
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestJoins(t *testing.T) {
	t.Parallel()
	entries, accounts := bank(700), owners()
	right := map[string]dataset.Layout{
		"plain":               {},
		"bucketed":            {BucketBy: "account_id", Buckets: 4},
		"bucketed and sorted": {BucketBy: "account_id", Buckets: 4, SortBy: []string{"account_id"}},
		"more buckets":        {BucketBy: "account_id", Buckets: 8, SortBy: []string{"account_id"}},
	}
	kinds := []dataset.JoinKind{dataset.InnerJoin, dataset.LeftJoin, dataset.RightJoin, dataset.FullJoin, dataset.SemiJoin, dataset.AntiJoin}
	for ln, ll := range layouts {
		for rn, rl := range right {
			t.Run(ln+" with "+rn, func(t *testing.T) {
				t.Parallel()
				lk := datasettest.NewTables(t.Name())
				put(t, lk, "ledger.entries", ll, lay(entries, ll), 200)
				put(t, lk, "ledger.accounts", rl, accounts, 30)
				stats := run(t, dataset.RunOptions{Memory: 100_000, BatchRows: 64}, func(s beam.Scope) {
					for _, kind := range kinds {
						e := dataset.Scan[Entry](s, lk, "ledger.entries", dataset.Columns("account_id", "entry_id"))
						a := dataset.Scan[Account](s, lk, "ledger.accounts")
						dataset.Write(s, lk, string(kind), dataset.Join(s, kind, e, a, dataset.On("account_id")))
					}
				})
				for _, kind := range kinds {
					equal(t, rowsOf(t, lk, string(kind)), joined(kind, entries, accounts))
				}
				aligned := ll.BucketBy == "account_id" && ll.Buckets == rl.Buckets
				if aligned != (stats.BytesStaged == 0) {
					t.Errorf("%d bytes were staged for tables that are bucketed alike: %v", stats.BytesStaged, aligned)
				}
			})
		}
	}
}

func TestJoinOfGroups(t *testing.T) {
	t.Parallel()
	entries, accounts := bank(700), owners()
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, entries, 200)
	put(t, lk, "ledger.accounts", dataset.Layout{BucketBy: "account_id", Buckets: 4, SortBy: []string{"account_id"}}, accounts, 200)
	run(t, dataset.RunOptions{}, func(s beam.Scope) {
		e := dataset.Scan[Entry](s, lk, "ledger.entries")
		n := dataset.GroupBy(s, e, "account_id").Count("n").Dataset()
		a := dataset.Scan[Account](s, lk, "ledger.accounts")
		both := dataset.Join(s, dataset.LeftJoin, a, n, dataset.On("account_id"), dataset.Keep("n"), dataset.Prefix("entries_"))
		dataset.Write(s, lk, "out", dataset.Select(s, both, "entries_n", "account_id"))
		// The same group twice, by different names: a self join.
		m := dataset.Project(s, n, dataset.Column("n"), dataset.Column("account_id"))
		dataset.Write(s, lk, "self", dataset.Join(s, dataset.InnerJoin, n, m, dataset.OnPair("account_id", "account_id"), dataset.Prefix("same_")))
	})
	count := map[int64]int{}
	for _, e := range entries {
		count[e.Account]++
	}
	var want, self []string
	for _, a := range accounts {
		n := "(null)"
		if count[a.Account] > 0 {
			n = fmt.Sprint(count[a.Account])
		}
		want = append(want, fmt.Sprint(n, " ", a.Account))
	}
	for a, n := range count {
		self = append(self, fmt.Sprint(a, " ", n, " ", n))
	}
	slices.Sort(want)
	slices.Sort(self)
	equal(t, rowsOf(t, lk, "out"), want)
	equal(t, rowsOf(t, lk, "self"), self)
}
