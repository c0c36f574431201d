package reconcile

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

const treeRules = `name: cards
%ssides:
  - name: ledger
    file: ledger.csv
    columns: {reference: {}, amount: {}, currency: {}, date: {}}
  - name: bank
    file: bank.csv
    columns: {reference: {}, amount: {}, currency: {}, date: {}}
passes:
  - name: exact
    keys: [reference]
    dates: {date: {after: 2}}
  - name: near
    keys: [reference, currency]
    tolerance: 0.05
    dates: {date: {after: 3}}
`

// treeSides are rows of two sides, the same in another order.
func treeSides(n int) (ledger, bank []string) {
	for i := range n {
		line := fmt.Sprintf("R%05d,%d.%02d,EUR,2026-01-%02d", i, i%900, i%100, 1+i%28)
		ledger, bank = append(ledger, line), append(bank, line)
	}
	for i := range n / 2 {
		bank[i], bank[n-1-i] = bank[n-1-i], bank[i]
	}
	return ledger, bank
}

// runTrees writes sides and rules into a folder and runs them; stores may watch what is opened.
func runTrees(t *testing.T, compare string, ledger, bank []string, stores storage.Resolver) (RulesReport, string, error) {
	t.Helper()
	dir := t.TempDir()
	header := "reference,amount,currency,date\n"
	for name, text := range map[string]string{"ledger.csv": header + strings.Join(ledger, "\n") + "\n", "bank.csv": header + strings.Join(bank, "\n") + "\n", "rules.yaml": fmt.Sprintf(treeRules, compare)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, text, err := rulefile.Load(filepath.Join(dir, "rules.yaml"), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	if stores == nil {
		stores = storage.Resolver{"file": localio.Opener(localio.Options{})}
	}
	rep, err := RunRules(t.Context(), RulesOptions{Rules: f, Text: text, Stores: stores, Out: filepath.Join(dir, "out"), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	return rep, filepath.Join(dir, "out"), err
}

// Trees find what comparing all rows finds, whether they find nothing, a few buckets or more than is worth looking at bucket by bucket.
func TestTreesSayWhatRowsSay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change   func(ledger, bank []string) ([]string, []string)
		compared string
		breaks   int64
	}{
		"equal sides": {func(l, b []string) ([]string, []string) { return l, b }, "none", 0},
		"a few": {func(l, b []string) ([]string, []string) {
			l[7] = strings.Replace(l[7], "R00007,7.07", "R00007,70.70", 1)                        // another amount
			l[8] = strings.Replace(l[8], ",8.08", ",8.10", 1)                                     // within the second pass's tolerance
			return append(l[:len(l)-1:len(l)-1], ",1.00,EUR,2026-01-03"), append(b, l[20], l[21]) // missing, no key, duplicates
		}, "differing", 5},
		"many": {func(l, b []string) ([]string, []string) { return l[100:], b }, "all", 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledger, bank := c.change(treeSides(5000))
			byRows, rowsOut, err := runTrees(t, "", ledger, bank, nil)
			if err != nil {
				t.Fatal(err)
			}
			byTrees, treesOut, err := runTrees(t, "compare: tree\n", ledger, bank, nil)
			if err != nil {
				t.Fatal(err)
			}
			l := byTrees.Legs[0]
			if l.Trees == nil || l.Trees.Compared != c.compared || byTrees.Total != c.breaks {
				t.Errorf("trees %+v, %d breaks; want %s and %d", l.Trees, byTrees.Total, c.compared, c.breaks)
			}
			l.Trees = nil
			if want := byRows.Legs[0]; !reflect.DeepEqual(l, want) {
				t.Errorf("by trees\n%+v\nby rows\n%+v", l, want)
			}
			got, err := os.ReadFile(filepath.Join(treesOut, "breaks.csv"))
			if err != nil {
				t.Fatal(err)
			}
			if want, err := os.ReadFile(filepath.Join(rowsOut, "breaks.csv")); err != nil || string(got) != string(want) {
				t.Errorf("breaks by trees\n%s\nby rows, %v\n%s", got, err, want)
			}
			if _, err := os.Stat(filepath.Join(treesOut, "matches.parquet")); !os.IsNotExist(err) {
				t.Errorf("matches.parquet: %v", err)
			}
		})
	}
}

// A side that grows between its two readings is found out, and no verdict is given.
func TestTreesOfASideThatChanges(t *testing.T) {
	t.Parallel()
	ledger, bank := treeSides(5000)
	ledger[0] = strings.Replace(ledger[0], "0.00", "1.00", 1)
	open, opened := localio.Opener(localio.Options{}), 0
	var lock sync.Mutex
	stores := storage.Resolver{"file": func(ctx context.Context, location string) (storage.Store, error) {
		lock.Lock()
		defer lock.Unlock()
		if opened++; opened == 3 { // both sides once, and now the second time
			f, err := os.OpenFile(filepath.Join(strings.TrimPrefix(location, "file://"), "bank.csv"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return nil, err
			}
			defer f.Close()
			if _, err := f.WriteString("R99999,1.00,EUR,2026-01-05\n"); err != nil {
				t.Error(err)
			}
		}
		return open(ctx, location)
	}}
	_, _, err := runTrees(t, "compare: tree\n", ledger, bank, stores)
	if err == nil || fault.Of(err) != fault.Retryable || !strings.Contains(err.Error(), "side bank has changed") {
		t.Errorf("a side that changed: %v", err)
	}
}

// What trees cannot compare is a mistake of the rules, said with its line.
func TestTreeMistakes(t *testing.T) {
	t.Parallel()
	rules := fmt.Sprintf(treeRules, "compare: tree\n")
	for want, text := range map[string]string{
		"side ledger has no such column":     strings.Replace(rules, "date: {}}\npasses", "date: {}, note: {}}\npasses", 1),
		"keys that every other pass has too": strings.Replace(rules, "[reference, currency]", "[currency]", 1),
		"two sides, not 3":                   strings.Replace(rules, "passes:", "  - name: third\n    columns: {reference: {}, amount: {}, currency: {}, date: {}}\npasses:", 1),
		`"trees"`:                            strings.Replace(rules, "compare: tree", "compare: trees", 1),
	} {
		name := filepath.Join(t.TempDir(), "rules.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := rulefile.Load(name, func(string) (string, bool) { return "", false })
		if err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s in it", err, want)
		}
	}
}

const keptRules = `
name: cards
compare: tree
sides:
  - {name: ledger, table: ledger.entries, columns: {reference: {from: id}, amount: {}, currency: {is: EUR}}}
  - {name: bank, file: bank.csv, columns: {reference: {}, amount: {}, currency: {is: EUR}}}
passes:
  - {name: exact, keys: [reference]}
`

// keptNight is a lake's table against a file, night after night.
type keptNight struct {
	t    *testing.T
	dir  string
	lake *catalog.Lake
	bank []string
	log  io.Writer // of warnings; nil drops them
}

func (n *keptNight) run(asOf string) (RulesReport, error) {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, "bank.csv"), []byte("reference,amount\n"+strings.Join(n.bank, "\n")+"\n"), 0o600); err != nil {
		n.t.Fatal(err)
	}
	f, err := rulefile.Parse(filepath.Join(n.dir, "rules.yaml"), []byte(keptRules), os.LookupEnv)
	if err != nil {
		n.t.Fatal(err)
	}
	day, err := reconciliation.ParseDay(asOf)
	if err != nil {
		n.t.Fatal(err)
	}
	log := cmp.Or[io.Writer](n.log, io.Discard)
	return RunRules(n.t.Context(), RulesOptions{Rules: f, Text: []byte(keptRules), AsOf: day, Lake: n.lake, Stores: storage.Resolver{"file": localio.Opener(localio.Options{})},
		Out: filepath.Join(n.dir, asOf), Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
}

// post commits entries from..to and books them at the bank.
func (n *keptNight) post(number, from, to int, replace bool) {
	var ids []string
	var cents []int64
	for i := from; i < to; i++ {
		ids, cents = append(ids, fmt.Sprintf("E%05d", i)), append(cents, int64(i))
		n.bank = append(n.bank, fmt.Sprintf("E%05d,%d.%02d", i, i/100, i%100))
	}
	commitEntries(n.t, n.lake, number, replace, ids, cents)
}

// files are those of the table on disk, the newest last.
func (n *keptNight) files() []string {
	n.t.Helper()
	tb, err := n.lake.Table(n.t.Context(), "ledger.entries")
	if err != nil {
		n.t.Fatal(err)
	}
	files, err := tb.Files(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		out = append(out, strings.TrimPrefix(f.Path, "file://"))
	}
	return out
}

func (n *keptNight) kept() (rows int64) {
	n.t.Helper()
	tb, err := n.lake.Table(n.t.Context(), KeptTrees)
	if err != nil {
		n.t.Fatal(err)
	}
	return tb.Rows()
}

// A night reads only the files that the table has got since the last one: its other files may even be gone.
func TestKeptTrees(t *testing.T) {
	t.Parallel()
	n := &keptNight{t: t, dir: t.TempDir(), lake: lifeLake(t, t.TempDir(), nil)}
	passes := func(asOf string, rows int64) {
		t.Helper()
		rep, err := n.run(asOf)
		if err != nil {
			t.Fatal(err)
		}
		if rep.Verdict != Pass || rep.Matched != rows || rep.Legs[0].MatchedLeft != rows || rep.Sides[0].Rows != rows || rep.Sides[0].Totals["EUR"].Cmp(rep.Sides[1].Totals["EUR"]) != 0 ||
			rep.Legs[0].Controls[0].Unexplained.Sign() != 0 {
			t.Fatalf("%s: %+v", asOf, rep)
		}
		if n.kept() != 1 {
			t.Errorf("%s: %d trees are kept", asOf, n.kept())
		}
	}
	n.post(0, 0, 3000, false)
	passes("2026-01-05", 3000)
	first := n.files()[0]
	if err := os.Rename(first, first+".away"); err != nil {
		t.Fatal(err)
	}
	passes("2026-01-06", 3000)
	n.post(1, 3000, 4000, false)
	passes("2026-01-07", 4000)
	passes("2026-01-08", 4000)

	// With or without a kept tree a run says the same, byte for byte.
	if err := os.Rename(first+".away", first); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(n.dir, "2026-01-08", "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.lake.Commit(t.Context(), catalog.Commit{Epoch: "forget", Tables: []catalog.TableChange{{Table: KeptTrees, ReplaceAll: true}}}); err != nil {
		t.Fatal(err)
	}
	passes("2026-01-08", 4000)
	if anew, err := os.ReadFile(filepath.Join(n.dir, "2026-01-08", "summary.json")); err != nil || string(anew) != string(kept) {
		t.Errorf("from a kept tree\n%s\nanew, %v\n%s", kept, err, anew)
	}

	// A difference has its rows looked at, those that were added up before too.
	n.bank[17] = "E00017,99.00"
	rep, err := n.run("2026-01-09")
	if err != nil {
		t.Fatal(err)
	}
	if rep.Total != 1 || rep.Legs[0].Trees.Compared != "differing" || rep.Matched != 3999 {
		t.Errorf("one changed amount: %+v", rep)
	}

	// Rows that were updated are in other files: all are read again.
	n.bank = nil
	n.post(2, 100, 2100, true)
	passes("2026-01-10", 2000)
	passes("2026-01-11", 2000)

	// A kept tree that was damaged is made anew.
	tb, err := n.lake.Table(t.Context(), KeptTrees)
	if err != nil {
		t.Fatal(err)
	}
	files, err := tb.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(files[0].Path, "file://")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(data) / 3; i < len(data)/3+2000; i++ {
		data[i] ^= 0x55
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	n.log = &log
	passes("2026-01-12", 2000)
	if !strings.Contains(log.String(), "a kept tree cannot be read") {
		t.Errorf("a damaged tree: %s", log.String())
	}
	log.Reset()
	passes("2026-01-13", 2000)
	if log.Len() > 0 {
		t.Errorf("the night after a damaged tree: %s", log.String())
	}
}
