package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// bookkeeping writes a project whose stream is files, with accounts 1 and 2 and a transaction a day between them, and ingests it.
func bookkeeping(t *testing.T) (file, dir string) {
	t.Helper()
	dir = t.TempDir()
	file = filepath.Join(dir, "millrace.yaml")
	line(t, 0, "wrote", "init", "-p", file, "--source", "files")
	decimal := func(cents int64) string {
		b := big.NewInt(cents).Bytes()
		if cents >= 0 {
			b = append([]byte{0}, b...)
		} else {
			b = []byte{byte(cents >> 24), byte(cents >> 16), byte(cents >> 8), byte(cents)}
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	balances := map[int64]int64{}
	for n, cents := range []int64{100_00, 25_50, -7} {
		at := time.Date(2026, 1, 1+n, 12, 0, 0, 0, time.UTC)
		source := fmt.Sprintf(`"source":{"ts_ms":%d,"txId":%d,"lsn":%[2]d}`, at.UnixMilli(), n+1)
		var entries, accounts strings.Builder
		for i, sign := range []int64{1, -1} {
			id := int64(i + 1)
			tx := fmt.Sprintf(`"ts_ms":%d,"transaction":{"id":"%d:%[2]d","total_order":%d,"data_collection_order":%d}`, at.UnixMilli(), n+1, 2*i+1, i+1)
			fmt.Fprintf(&entries, `{"before":null,"after":{"entry_id":%d,"transaction_id":%d,"account_id":%d,"amount":"%s","currency":"EUR","booked_at":%d,"memo":"žlutý\u001b[31m"},%s,"op":"c",%s}`+"\n",
				2*n+i, n, id, decimal(sign*cents), at.UnixMicro(), source, tx)
			account := func(balance int64, day int) string {
				return fmt.Sprintf(`{"account_id":%d,"currency":"EUR","balance":"%s","updated_at":%d}`, id, decimal(balance), at.AddDate(0, 0, day).UnixMicro())
			}
			before, op := "null", "c"
			if n > 0 {
				before, op = account(balances[id], -1), "u"
			}
			balances[id] += sign * cents
			fmt.Fprintf(&accounts, `{"before":%s,"after":%s,%s,"op":"%s",%s}`+"\n", before, account(balances[id], 0), source, op, strings.Replace(tx, fmt.Sprintf(`"total_order":%d`, 2*i+1), fmt.Sprintf(`"total_order":%d`, 2*i+2), 1))
		}
		arrive(t, dir, fmt.Sprintf("entries/%06d.ndjson", n), entries.String())
		arrive(t, dir, fmt.Sprintf("accounts/%06d.ndjson", n), accounts.String())
		arrive(t, dir, fmt.Sprintf("transactions/%06d.ndjson", n), fmt.Sprintf(`{"status":"BEGIN","id":"%d:%[1]d","ts_ms":%d}
{"status":"END","id":"%[1]d:%[1]d","ts_ms":%[2]d,"event_count":4,"data_collections":[{"data_collection":"core.entries","event_count":2},{"data_collection":"core.accounts","event_count":2}]}
`, n+1, at.UnixMilli()))
	}
	line(t, 0, `"events_total":12`, "ingest", "-p", file, "--until-caught-up", "--in-process")
	return file, dir
}

// said is the output of a command that must succeed.
func said(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), args, &out, &errs); code != 0 {
		t.Fatalf("millrace %s: exit code %d\n%s%s", strings.Join(args, " "), code, out.String(), errs.String())
	}
	return out.String()
}

// TestFeaturesExportAndShow goes from a ledger to a verified file, and looks at each step.
func TestFeaturesExportAndShow(t *testing.T) {
	t.Parallel()
	file, dir := bookkeeping(t)
	p := []string{"-p", file}
	with := func(args ...string) []string { return append(args, p...) }

	if got := said(t, with("show", "ledger.accounts", "--columns", "balance,account_id")...); !strings.HasPrefix(got, "balance  account_id\n 125.43           1\n-125.43           2\n(2 rows of 2; ") {
		t.Errorf("accounts:\n%s", got)
	}
	if got := said(t, with("show", "ledger.entries", "-k", "account_id=2", "-k", "amount=-25.50")...); strings.Count(got, "-25.50") != 1 || !strings.Contains(got, `žlutý\u001b[31m`) || strings.Contains(got, "\x1b") {
		t.Errorf("one entry:\n%q", got)
	}
	history := said(t, with("show", "ledger.accounts", "-k", "account_id=1", "--history")...)
	for _, want := range []string{"create", "balance=100.00", "balance: 100.00 → 125.50", "balance: 125.50 → 125.43", "(3 changes of account_id=1; "} {
		if !strings.Contains(history, want) {
			t.Errorf("the history lacks %q:\n%s", want, history)
		}
	}
	var changes struct {
		Changes []struct {
			Op     string
			Row    map[string]any
			Before map[string]any
		}
	}
	if err := json.Unmarshal([]byte(said(t, with("show", "ledger.accounts", "-k", "account_id=2", "--history", "-n", "1", "--json")...)), &changes); err != nil {
		t.Fatal(err)
	}
	if len(changes.Changes) != 1 || changes.Changes[0].Row["balance"] != "-125.43" || changes.Changes[0].Before["balance"] != "-125.50" {
		t.Errorf("the last change: %+v", changes)
	}

	line(t, 0, "4 rows as of 2 instants", with("features", "--from", "2026-01-02", "--to", "2026-01-03")...)
	line(t, 0, "in place of 2 rows", with("features", "--as-of", "2026-01-03", "--known-at", "commit")...)
	spine := filepath.Join(dir, "loans.csv")
	if err := os.WriteFile(spine, []byte("loan,account_id,granted\n1,2,2026-01-02\n2,7,2026-01-02\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	line(t, 0, "1 of them without history", with("features", "--spine", spine, "--spine-as-of", "granted", "--table", "features.loans")...)
	row := said(t, with("show", "features.loans", "-k", "account_id=2")...)
	if !regexp.MustCompile(`(?m)^balance +-125\.50$`).MatchString(row) {
		t.Errorf("a wide row:\n%s", row)
	}

	line(t, 0, "1 rows of features.account_daily", with("export", "features.account_daily", "--where", "as_of_date = date '2026-01-03' and balance > 0", "--name", "rich", "--format", "csv")...)
	line(t, 0, "nothing was written", with("export", "features.account_daily", "--where", "as_of_date = date '2026-01-03' and balance > 0", "--name", "rich", "--format", "csv")...)
	rich := filepath.Join(dir, "lake", "warehouse", "exports", "rich")
	line(t, 0, "is what its manifest says", "export", "--verify", rich)
	files, err := filepath.Glob(filepath.Join(rich, "part-*.csv"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("balance\n1000000.00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	line(t, 1, "findings: 1", "export", "--verify", rich)
}

func TestMistakesOfShowExportAndFeatures(t *testing.T) {
	t.Parallel()
	file, _ := bookkeeping(t)
	for want, args := range map[string][]string{
		"did you mean ledger.accounts?":          {"show", "ledger.acounts"},
		"did you mean balance?":                  {"show", "ledger.accounts", "--columns", "balanse"},
		"did you mean account_id?":               {"show", "ledger.accounts", "-k", "acount_id=1"},
		"write column=value":                     {"show", "ledger.accounts", "-k", "1"},
		"is not a whole number":                  {"show", "ledger.accounts", "-k", "account_id=one"},
		"name a table":                           {"show"},
		"takes one table":                        {"show", "a.b", "c.d"},
		"--history needs the row's key":          {"show", "ledger.accounts", "--history"},
		"keeps no history":                       {"show", "ledger.dead_letters", "--history", "-k", "a=1"},
		"exclude each other":                     {"show", "ledger.accounts", "--cut", "1", "--as-of", "2026-01-01"},
		"write a date such as 2026-03-31":        {"show", "ledger.accounts", "--as-of", "yesterday"},
		"bd-2026-02-01: not found":               {"show", "ledger.accounts", "--as-of", "2026-02-01"},
		"nothing":                                {"show", "ledger.accounts", "--where", "nothing = 1"},
		"parquet or csv":                         {"export", "ledger.accounts", "--format", "xlsx"},
		"--verify takes no table":                {"export", "ledger.accounts", "--verify", "x"},
		"there is no export in":                  {"export", "--verify", file},
		"as of when?":                            {"features"},
		"--as-of, --from with --to, and --spine": {"features", "--as-of", "2026-01-01", "--spine", "x.y"},
		"write two dates":                        {"features", "--from", "2026-01-01"},
		"no such file":                           {"features", "--spine", "loans.csv"},
		"there is no table ledger.loans":         {"features", "--spine", "ledger.loans"},
		"as-of \"soon\"":                         {"features", "--as-of", "soon"},
	} {
		errs := line(t, 2, want, append(args, "-p", file)...)
		if strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: not one line: %s", args, errs)
		}
	}
}

func TestGridAlignsByWidth(t *testing.T) {
	t.Parallel()
	g := grid{fields: []arrow.Field{{Name: "jméno", Type: arrow.BinaryTypes.String}, {Name: "n", Type: arrow.PrimitiveTypes.Int64}},
		rows: [][]cell{{{text: "北京"}, {text: "1"}}, {{text: "e\u0301te\u0301"}, {text: "-12"}}, {{null: true}, {null: true}}, {{text: strings.Repeat("x", 90)}, {text: "3"}}}}
	var b bytes.Buffer
	if err := g.print(&b); err != nil {
		t.Fatal(err)
	}
	for i, l := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if width(l) != width(strings.Split(b.String(), "\n")[0]) {
			t.Errorf("line %d is %d wide: %q", i, width(l), l)
		}
	}
	if !strings.Contains(b.String(), "xxx…") {
		t.Errorf("a long text was not cut:\n%s", b.String())
	}
}
