package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/laketest"
	"github.com/millrace/millrace/internal/ledgergen"
)

// TestReadmeNight runs the README's night on a small lake in the place of the demo's.
func TestReadmeNight(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := laketest.Bank(t, ledgergen.Config{Seed: 21, Accounts: 30, Days: 6})
	_, block, _ := strings.Cut(string(readme), "```sh run-by: TestReadmeNight\n")
	block, _, _ = strings.Cut(block, "```")
	lines := strings.Split(strings.TrimSpace(block), "\n")
	if len(lines) < 4 {
		t.Fatalf("the README's night has %d commands", len(lines))
	}
	out := t.TempDir()
	for _, line := range lines {
		line, _, _ = strings.Cut(line, " #")
		line = strings.NewReplacer("out/demo", dir, "out/exports", filepath.Join(out, "exports")).Replace(line)
		var said, errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(line)[1:], &said, &errs); code != 0 {
			t.Fatalf("%s: exit code %d\n%s%s", line, code, said.String(), errs.String())
		}
	}
	if found, err := filepath.Glob(filepath.Join(out, "exports", "*", "manifest.json")); err != nil || len(found) != 1 {
		t.Errorf("the export is not there: %v, %v", found, err)
	}
}
