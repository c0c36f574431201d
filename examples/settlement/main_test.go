package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/laketest"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/runners"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// TestSettlement finds each difference that was planted in a statement, and no other.
func TestSettlement(t *testing.T) {
	t.Parallel()
	dir, truth := laketest.Bank(t, ledgergen.Config{Seed: 12, Accounts: 80, Days: 15})
	var text bytes.Buffer
	planted, err := ledgergen.WriteStatement(&text, truth, 4)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cards.csv")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	pipeline := func(s beam.Scope, lk *catalog.Lake) error { return against(s, lk, "file://"+path) }
	if code := runners.Execute(t.Context(), pipeline, []string{"--lake", dir}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	matched := planted.Lines - planted.MissingInLedger - planted.Duplicate - planted.Amount - planted.Timing
	var want []string
	breaks := 0
	for class, n := range map[reconciliation.Class]int{reconciliation.MissingLeft: planted.MissingInLedger, reconciliation.MissingRight: planted.MissingOnPaper,
		reconciliation.Amount: planted.Amount, reconciliation.Duplicate: planted.Duplicate, reconciliation.Date: planted.Timing, reconciliation.Matched: matched} {
		if n > 0 {
			want = append(want, fmt.Sprintf("%s | %d", class, n))
		}
		if class.IsBreak() {
			breaks += n
		}
	}
	slices.Sort(want)
	if got := laketest.Rows(t, dir, "marts.settlement_summary", "class", "n"); !slices.Equal(got, want) {
		t.Errorf("got %v, planted %v", got, want)
	}
	if got := laketest.Rows(t, dir, "marts.settlement_breaks", "break_id"); len(got) != breaks || breaks == 0 || len(slices.Compact(got)) != breaks {
		t.Errorf("%d breaks in the table, %d planted", len(got), breaks)
	}
}

func TestNoStatement(t *testing.T) {
	t.Parallel()
	dir, _ := laketest.Bank(t, ledgergen.Config{Seed: 12, Accounts: 5, Days: 1})
	var out, errs bytes.Buffer
	pipeline := func(s beam.Scope, lk *catalog.Lake) error { return against(s, lk, "") }
	if code := runners.Execute(t.Context(), pipeline, []string{"--lake", dir}, &out, &errs); code != 2 || !strings.Contains(errs.String(), "STATEMENT is not set") {
		t.Errorf("exit code %d, want 2: %s", code, errs.String())
	}
}
