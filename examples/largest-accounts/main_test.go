package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/laketest"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/runners"
)

func TestLargestAccounts(t *testing.T) {
	t.Parallel()
	dir, truth := laketest.Bank(t, ledgergen.Config{Seed: 8, Accounts: 80, Days: 5})
	var all []*ledgergen.Account
	for _, r := range truth.Tables[ledgergen.Accounts] {
		if a := r.(*ledgergen.Account); a.CustomerID != 0 {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b *ledgergen.Account) int {
		return cmp.Or(cmp.Compare(b.Balance, a.Balance), cmp.Compare(a.AccountID, b.AccountID))
	})
	var want []string
	for _, a := range all[:10] {
		want = append(want, fmt.Sprintf("%d | %d", a.AccountID, a.CustomerID))
	}
	slices.Sort(want)
	var out, errs bytes.Buffer
	if code := runners.Execute(t.Context(), build, []string{"--lake", dir}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if got := laketest.Rows(t, dir, "marts.largest_accounts", "account_id", "customer_id"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
