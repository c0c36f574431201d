package main

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/millrace/millrace/internal/laketest"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/runners"
)

func TestLatePostings(t *testing.T) {
	t.Parallel()
	dir, truth := laketest.Bank(t, ledgergen.Config{Seed: 7, Accounts: 60, Days: 12})
	var want []string
	for _, e := range truth.Entries() {
		if days := e.BookedAt/86_400_000_000 - int64(e.ValueDate); days > 0 {
			want = append(want, fmt.Sprintf("%d | %d", e.EntryID, days))
		}
	}
	slices.Sort(want)
	var out, errs bytes.Buffer
	if code := runners.Execute(t.Context(), build, []string{"--lake", dir}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if got := laketest.Rows(t, dir, "marts.late_postings", "entry_id", "days"); !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("got %v, want %v", got, want)
	}
}
