package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/laketest"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/runners"
	"github.com/millrace/millrace/sdk/money"
)

// TestFirstPipeline runs the program on a small lake and adds up the truth beside it.
func TestFirstPipeline(t *testing.T) {
	t.Parallel()
	dir, truth := laketest.Bank(t, ledgergen.Config{Seed: 5, Accounts: 60, Days: 10})
	spent, n := map[int64]int64{}, map[int64]int64{}
	for _, e := range truth.Entries() {
		if e.Channel == "card" && e.Amount < 0 {
			spent[e.AccountID] += e.Amount
			n[e.AccountID]++
		}
	}
	var want []string
	for id, cents := range spent {
		d, err := money.New(cents, 2)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf("%d | %s | %d", id, strings.TrimRight(strings.TrimRight(d.String(), "0"), "."), n[id]))
	}
	slices.Sort(want)
	for range 2 { // the second run replaces what the first wrote
		var out, errs bytes.Buffer
		if code := runners.Execute(t.Context(), build, []string{"--lake", dir}, &out, &errs); code != 0 {
			t.Fatalf("exit code %d: %s", code, errs.String())
		}
		if got := laketest.Rows(t, dir, "marts.card_spend"); !slices.Equal(got, want) || len(want) == 0 {
			t.Fatalf("got %d rows, want %d:\n%v\n%v", len(got), len(want), got, want)
		}
	}
}

// TestFirstPipelineInReadme holds the README to this program: whole, and at most 40 lines.
func TestFirstPipelineInReadme(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(code, []byte("\n")); n > 40 {
		t.Errorf("the program has %d lines; a first one has at most 40", n)
	}
	if !strings.Contains(string(readme), "```go\n"+string(code)+"```\n") {
		t.Error("the README does not show examples/first-pipeline/main.go as it is")
	}
}
