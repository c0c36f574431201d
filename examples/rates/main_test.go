package main

import (
	"bytes"
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
	"github.com/millrace/millrace/sdk/parquetfile"
)

func TestRates(t *testing.T) {
	t.Parallel()
	dir, _ := laketest.Bank(t, ledgergen.Config{Seed: 9, Accounts: 5, Days: 1})
	landing := t.TempDir()
	for name, text := range map[string]string{
		"2026-11-23.csv": "day;currency;rate\n23.11.2026;USD;1,0812\n23.11.2026;CZK;25,31\n",
		"2026-11-24.csv": "day;currency;rate\n24.11.2026;USD;1,083\n24.11.2026;JPY;n/a\n24.11.2026;\"CHF\";0,937\n",
	} {
		path := filepath.Join(landing, "in", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	pipeline := func(s beam.Scope, lk *catalog.Lake) error { return from(s, lk, "file://"+landing) }
	if code := runners.Execute(t.Context(), pipeline, []string{"--lake", dir}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	want := []string{"2026-11-23 | CZK | 25.31", "2026-11-23 | USD | 1.0812", "2026-11-24 | CHF | 0.937", "2026-11-24 | USD | 1.083"}
	if got := laketest.Rows(t, dir, "ref.rates"); !slices.Equal(got, want) {
		t.Errorf("the table holds %v, want %v", got, want)
	}
	rejected := glob(t, landing, "rejected/in/*")
	if len(rejected) != 1 || !strings.Contains(read(t, rejected[0]), "n/a") {
		t.Errorf("the bad record was not put aside: %v", rejected)
	}
	var rows int64
	for _, path := range glob(t, landing, "latest/rates-*.parquet") {
		data := []byte(read(t, path))
		f, err := parquetfile.OpenFile(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		rows += f.NumRows()
	}
	if rows != 3 || len(glob(t, landing, "latest/rates.manifest.json")) != 1 {
		t.Errorf("the Parquet files hold %d rows, want 3 and a manifest: %v", rows, glob(t, landing, "latest/*"))
	}
}

func TestRatesAreNowhere(t *testing.T) {
	t.Parallel()
	dir, _ := laketest.Bank(t, ledgergen.Config{Seed: 9, Accounts: 5, Days: 1})
	for location, want := range map[string]string{"": "RATES is not set", "file://" + t.TempDir(): "*.csv"} {
		var out, errs bytes.Buffer
		pipeline := func(s beam.Scope, lk *catalog.Lake) error { return from(s, lk, location) }
		if code := runners.Execute(t.Context(), pipeline, []string{"--lake", dir}, &out, &errs); code != 2 || !strings.Contains(errs.String(), want) {
			t.Errorf("%q: exit code %d, want 2: %s", location, code, errs.String())
		}
	}
}

func glob(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
