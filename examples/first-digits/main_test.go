package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/millrace/millrace/internal/laketest"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/runners"
)

func TestFirstDigits(t *testing.T) {
	t.Parallel()
	dir, truth := laketest.Bank(t, ledgergen.Config{Seed: 6, Accounts: 40, Days: 6})
	counts := map[string]int{}
	for _, e := range truth.Entries() {
		counts[e.Channel+" | "+strconv.FormatInt(max(e.Amount, -e.Amount), 10)[:1]]++
	}
	var want []string
	for k, n := range counts {
		want = append(want, fmt.Sprintf("%s | %d", k, n))
	}
	slices.Sort(want)
	var out, errs bytes.Buffer
	if code := runners.Execute(t.Context(), build, []string{"--lake", dir}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if got := laketest.Rows(t, dir, "marts.first_digits"); !slices.Equal(got, want) || len(want) < 10 {
		t.Errorf("got %v, want %v", got, want)
	}
}
