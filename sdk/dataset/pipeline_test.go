package dataset_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// layouts are the ways in which a table of entries may lie, from the worst to the best.
var layouts = map[string]dataset.Layout{
	"plain":               {},
	"sorted":              {SortBy: []string{"account_id", "entry_id"}},
	"bucketed":            {BucketBy: "account_id", Buckets: 4},
	"bucketed and sorted": {BucketBy: "account_id", Buckets: 4, SortBy: []string{"account_id", "entry_id"}},
	"bucketed otherwise":  {BucketBy: "entry_id", Buckets: 4},
}

// lay puts rows in a layout's order.
func lay(rows []Entry, l dataset.Layout) []Entry {
	rows = slices.Clone(rows)
	if l.SortBy != nil {
		slices.SortFunc(rows, func(a, b Entry) int {
			if a.Account != b.Account {
				return int(a.Account - b.Account)
			}
			return int(a.EntryID - b.EntryID)
		})
	}
	return rows
}

// cardSpend is the pipeline of the package's documentation.
func cardSpend(lk dataset.Lake) func(beam.Scope) {
	return func(s beam.Scope) {
		entries := dataset.Scan[Entry](s, lk, "ledger.entries", dataset.Columns("account_id", "amount", "channel"))
		card := dataset.Filter(s, entries, expr.Col("channel").Eq("card"))
		spend := dataset.GroupBy(s, card, "account_id").Sum("amount", "spent").Count("n")
		dataset.Write(s, lk, "marts.card_spend", spend, dataset.Key("account_id"))
	}
}

func TestCardSpend(t *testing.T) {
	t.Parallel()
	rows := bank(5000)
	want := spendOf(rows, isCard)
	for name, l := range layouts {
		for _, opts := range []dataset.RunOptions{{}, {Workers: 1, BatchRows: 7}, {Memory: 2000, BatchRows: 100}} {
			t.Run(fmt.Sprint(name, " ", opts.Memory, " ", opts.BatchRows), func(t *testing.T) {
				t.Parallel()
				lk := datasettest.NewTables(t.Name())
				put(t, lk, "ledger.entries", l, lay(rows, l), 900)
				stats := run(t, opts, cardSpend(lk))
				equal(t, rowsOf(t, lk, "marts.card_spend"), want)
				if l.BucketBy == "account_id" && stats.BytesStaged > 0 {
					t.Errorf("rows were moved although the table is bucketed by the key: %+v", stats)
				}
				if stats.Tasks != stats.TasksDone || stats.RowsWritten != int64(len(want)) {
					t.Errorf("stats are %+v", stats)
				}
			})
		}
	}
}

func TestStagingIsRemoved(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, bank(100), 50)
	dir := t.TempDir()
	if s := run(t, dataset.RunOptions{Staging: dir}, cardSpend(lk)); s.BytesStaged == 0 {
		t.Fatal("nothing was staged")
	}
	left := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if path != dir {
			left++
		}
		return err
	})
	if err != nil || left > 0 {
		t.Errorf("%d files and folders are left in the staging folder, error %v", left, err)
	}
}

func TestAggregates(t *testing.T) {
	t.Parallel()
	rows := bank(3000)
	accounts, channels, last := map[int64]bool{}, map[string]bool{}, int64(-1)
	for _, e := range rows {
		accounts[e.Account] = true
		if e.Channel != nil {
			channels[*e.Channel] = true
		}
		last = max(last, e.EntryID)
	}
	for name, l := range layouts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lk := datasettest.NewTables(t.Name())
			put(t, lk, "ledger.entries", l, lay(rows, l), 500)
			run(t, dataset.RunOptions{Memory: 20_000}, func(s beam.Scope) {
				e := dataset.Scan[Entry](s, lk, "ledger.entries")
				all := dataset.GroupBy(s, e).Count("n").CountOf("channel", "known").CountDistinct("account_id", "accounts").
					CountDistinct("channel", "channels").Max("entry_id", "last").Avg("amount", "mean", 4, money.HalfEven)
				dataset.Write(s, lk, "totals", all)
				per := dataset.GroupBy(s, e, "account_id").First("entry_id", "first", "entry_id").Last("channel", "channel", "entry_id").
					Min("amount", "least").CountDistinct("channel", "channels").With(dataset.Partitions(3))
				dataset.Write(s, lk, "per_account", per)
			})
			got := rowsOf(t, lk, "totals")
			prefix := fmt.Sprintf("%d %d %d %d %d ", len(rows), known(rows), len(accounts), len(channels), last)
			if len(got) != 1 || !strings.HasPrefix(got[0], prefix) {
				t.Errorf("totals are %v, want one row that starts with %q", got, prefix)
			}
			equal(t, rowsOf(t, lk, "per_account"), perAccount(rows))
		})
	}
}

func known(rows []Entry) (n int) {
	for _, e := range rows {
		if e.Channel != nil {
			n++
		}
	}
	return n
}

func perAccount(rows []Entry) []string {
	by := map[int64][]Entry{}
	for _, e := range rows {
		by[e.Account] = append(by[e.Account], e)
	}
	var out []string
	for a, es := range by {
		channel, least, channels := "(null)", es[0].Amount, map[string]bool{}
		for _, e := range es {
			if e.Channel != nil {
				channel = *e.Channel
				channels[channel] = true
			}
			if e.Amount.Cmp(least) < 0 {
				least = e.Amount
			}
		}
		out = append(out, fmt.Sprint(a, " ", es[0].EntryID, " ", channel, " ", least.Normalize(), " ", len(channels)))
	}
	slices.Sort(out)
	return out
}

func TestChains(t *testing.T) {
	t.Parallel()
	rows := bank(400)
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, rows, 150)
	var doubled, ids, late, all []string
	for _, s := range spendOf(rows, isCard) {
		f := strings.Fields(s)
		d, _ := money.Parse(f[1])
		d, _ = d.Add(d)
		doubled = append(doubled, f[0]+" "+d.Normalize().String()+" "+f[2], f[0]+" "+d.Normalize().String()+" -"+f[2])
	}
	for _, e := range rows {
		ids = append(ids, fmt.Sprint(e.EntryID))
		if isCard(e) || e.EntryID < 10 {
			late = append(late, fmt.Sprint(e.EntryID+1))
		}
	}
	all = slices.Concat(ids, ids)
	for _, l := range [][]string{doubled, ids, late, all} {
		slices.Sort(l)
	}
	run(t, dataset.RunOptions{Workers: 3, BatchRows: 50}, func(s beam.Scope) {
		entries := dataset.Scan[Entry](s, lk, "ledger.entries")
		spend := dataset.GroupBy(s, dataset.Filter(s, entries, expr.Col("channel").Eq("card")), "account_id").Sum("amount", "spent").Count("n")
		dataset.Write(s, lk, "doubled", dataset.FlatMap(s, dataset.Map(s, spend, double), twice))
		id := dataset.Select(s, dataset.MapBatches(s, entries, same), "entry_id")
		dataset.Write(s, lk, "ids", dataset.Repartition(s, id, 5, "entry_id"))
		some := dataset.Filter(s, dataset.Repartition(s, entries, 3, "account_id"), expr.Col("channel").Eq("card").Or(expr.Col("entry_id").Lt(10)))
		dataset.Write(s, lk, "late", dataset.Project(s, some, dataset.As("next", expr.Col("entry_id").Add(1))))
		dataset.Write(s, lk, "all", dataset.Union(s, id, dataset.Select(s, entries, "entry_id")))
		dataset.Write(s, lk, "none", dataset.MapBatches(s, entries, swapped))
	})
	equal(t, rowsOf(t, lk, "doubled"), doubled)
	equal(t, rowsOf(t, lk, "ids"), ids)
	equal(t, rowsOf(t, lk, "late"), late)
	equal(t, rowsOf(t, lk, "all"), all)
	equal(t, rowsOf(t, lk, "none"), nil)
}

func TestSortWithinOnePartition(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	rows := bank(500)
	put(t, lk, "ledger.entries", dataset.Layout{}, rows, 60)
	stats := run(t, dataset.RunOptions{Memory: 1000, BatchRows: 30}, func(s beam.Scope) {
		e := dataset.Repartition(s, dataset.Scan[Entry](s, lk, "ledger.entries"), 1)
		dataset.Write(s, lk, "sorted", dataset.Sort(s, dataset.MapBatches(s, e, same), "amount", "entry_id"))
		dataset.Write(s, lk, "sorted by the exchange", dataset.Sort(s, e, "amount", "entry_id"))
	})
	if stats.BytesSpilled == 0 {
		t.Error("nothing was spilled")
	}
	slices.SortFunc(rows, func(a, b Entry) int {
		if c := a.Amount.Cmp(b.Amount); c != 0 {
			return c
		}
		return int(a.EntryID - b.EntryID)
	})
	for _, table := range []string{"sorted", "sorted by the exchange"} {
		b, err := lk.Rows(table)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range texts(b) {
			if !strings.HasPrefix(text, fmt.Sprint(rows[i].EntryID, " ")) {
				t.Fatalf("%s: row %d is %s, want entry %d", table, i, text, rows[i].EntryID)
			}
		}
	}
}

func TestWriteBucketedTable(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, bank(600), 100)
	var want []string
	for range 2 { // the second time the table exists and keeps its layout
		run(t, dataset.RunOptions{}, func(s beam.Scope) {
			e := dataset.Scan[Entry](s, lk, "ledger.entries")
			dataset.Write(s, lk, "copy", e, dataset.Key("account_id", "entry_id"), dataset.Buckets(8))
		})
		info, err := lk.Describe(t.Context(), "copy")
		if err != nil || info.Layout.BucketBy != "account_id" || info.Layout.Buckets != 8 {
			t.Fatalf("the table is %+v, error %v", info, err)
		}
		if n := lk.Files("copy"); n != 8 {
			t.Errorf("%d files, want one a bucket", n)
		}
		want = rowsOf(t, lk, "ledger.entries")
		equal(t, rowsOf(t, lk, "copy"), want)
	}
	// What was written so can be aggregated without moving rows, in order.
	stats := run(t, dataset.RunOptions{}, func(s beam.Scope) {
		dataset.Write(s, lk, "n", dataset.GroupBy(s, dataset.Scan[Entry](s, lk, "copy"), "account_id").Count("n"))
	})
	if stats.BytesStaged+stats.BytesSpilled > 0 {
		t.Errorf("rows were moved: %+v", stats)
	}
}

func TestAppendOnce(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, bank(50), 50)
	write := func(opts ...dataset.WriteOption) int {
		run(t, dataset.RunOptions{}, func(s beam.Scope) {
			dataset.Write(s, lk, "out", dataset.Scan[Entry](s, lk, "ledger.entries"), opts...)
		})
		return len(rowsOf(t, lk, "out"))
	}
	for i, c := range []struct {
		opts []dataset.WriteOption
		want int
	}{
		{[]dataset.WriteOption{dataset.Append("2026-11-23")}, 50},
		{[]dataset.WriteOption{dataset.Append("2026-11-23")}, 50},
		{[]dataset.WriteOption{dataset.Append("2026-11-24")}, 100},
		{nil, 50}, // replaced
		{nil, 50},
	} {
		if got := write(c.opts...); got != c.want {
			t.Errorf("after write %d the table has %d rows, want %d", i, got, c.want)
		}
	}
}

func TestScansReadOneState(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "a", dataset.Layout{}, bank(10), 10)
	old := lk.Commits()
	run(t, dataset.RunOptions{}, func(s beam.Scope) {
		dataset.Write(s, lk, "a", dataset.Scan[Entry](s, lk, "a"), dataset.Append("more"))
	})
	// The pipeline writes the table that it reads, twice in a chain: each scan must still see the state at the start.
	run(t, dataset.RunOptions{}, func(s beam.Scope) {
		dataset.Write(s, lk, "now", dataset.Scan[Entry](s, lk, "a"))
		dataset.Write(s, lk, "then", dataset.Scan[Entry](s, lk, "a", dataset.AtCut(old)))
	})
	if now, then := len(rowsOf(t, lk, "now")), len(rowsOf(t, lk, "then")); now != 20 || then != 10 {
		t.Errorf("read %d rows now and %d then, want 20 and 10", now, then)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, bank(50), 10)
	scan := func(s beam.Scope) dataset.Dataset { return dataset.Scan[Entry](s, lk, "ledger.entries") }
	for name, c := range map[string]struct {
		build func(s beam.Scope)
		kind  fault.Kind
		text  string
	}{
		"a function's error keeps its kind": {
			func(s beam.Scope) { dataset.Write(s, lk, "x", dataset.MapBatches(s, scan(s), broken)) },
			fault.Findings, "broken: the rate of 2026-11-23 is missing",
		},
		"a panic": {
			func(s beam.Scope) { dataset.Write(s, lk, "x", dataset.MapBatches(s, scan(s), careless)) },
			fault.Fault, "index out of range [3]",
		},
		"an expression's error": {
			func(s beam.Scope) {
				dataset.Write(s, lk, "x", dataset.Project(s, dataset.Repartition(s, scan(s), 2, "entry_id"),
					dataset.As("q", expr.Col("amount").Div(expr.Col("entry_id")))))
			},
			fault.Fault, "division by zero",
		},
		"a column that the table lacks": {
			func(s beam.Scope) {
				dataset.Write(s, lk, "x", dataset.Scan[Account](s, lk, "ledger.entries"))
			},
			fault.Usage, "owner",
		},
		"a table that is not there": {
			func(s beam.Scope) { dataset.Write(s, lk, "x", dataset.Scan[Account](s, lk, "nowhere")) },
			fault.Usage, "nowhere",
		},
		"an overflow names the group": {
			func(s beam.Scope) {
				big := dataset.Project(s, scan(s), dataset.Column("account_id"), dataset.As("v", expr.Lit(int64(1)<<62)))
				dataset.Write(s, lk, "x", dataset.GroupBy(s, big, "account_id").Sum("v", "v"))
			},
			fault.Fault, "account_id=",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := datasettest.Run(t.Context(), c.build, dataset.RunOptions{Staging: t.TempDir()})
			if err == nil || fault.Of(err) != c.kind || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error is %v (%s), want %q (%s)", err, fault.Of(err), c.text, c.kind)
			}
			if name == "a function's error keeps its kind" && !errors.Is(err, errBroken) {
				t.Errorf("errors.Is does not find the function's error in %v", err)
			}
		})
	}
	if _, err := lk.Rows("x"); !errors.Is(err, dataset.ErrNoTable) {
		t.Errorf("a failed run wrote the table: %v", err)
	}
}

func TestMistakesAreReportedTogether(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, bank(5), 5)
	unregistered := func(s Spend) (Spend, error) { return s, nil }
	_, err := datasettest.Run(t.Context(), func(s beam.Scope) {
		e := dataset.Scan[Entry](s, lk, "ledger.entries")
		dataset.Write(s, lk, "a", dataset.Filter(s, e, expr.Col("chanel").Eq("card")))
		dataset.Write(s, lk, "b", dataset.Filter(s, e, expr.Col("amount")))
		dataset.Write(s, lk, "c", dataset.GroupBy(s, e, "acct").Count("n"))
		dataset.Write(s, lk, "d", dataset.GroupBy(s, e, "account_id"))
		dataset.Write(s, lk, "e", e, dataset.Key("id"))
		dataset.Write(s, lk, "f", e, dataset.Append(""))
		dataset.Write(s, lk, "g", dataset.Sort(s, e))
		dataset.Write(s, lk, "h", dataset.Union(s, e, dataset.Select(s, e, "entry_id")))
		dataset.Write(s, lk, "i", dataset.Repartition(s, e, 0, "entry_id"))
		dataset.Write(s, lk, "j", dataset.Map(s, dataset.GroupBy(s, e, "account_id").Sum("amount", "spent").Count("n"), unregistered))
		dataset.Write(s, lk, "k", dataset.Map(s, e, double))
		dataset.Write(s, lk, "l", dataset.Scan[Entry](s, lk, "ledger.entries", dataset.Columns("amont")))
		dataset.Write(s, lk, "m", dataset.Join(s, dataset.InnerJoin, e, e, dataset.On("account_id")))
		dataset.Write(s, lk, "n", dataset.Dataset{})
		dataset.Write(s, lk, "o", e, dataset.Buckets(4))
		dataset.Write(s, lk, "p", dataset.GroupBy(s, e, "account_id").Count("n").With(dataset.Partitions(0)))
	}, dataset.RunOptions{})
	if fault.Of(err) != fault.Usage {
		t.Fatalf("error is %v (%s), want a usage error", err, fault.Of(err))
	}
	for i, text := range []string{"channel", "bool", "acct", "aggregate", `"id"`, "identity", "at least one column", "union", "0 partitions",
		"RegisterMap(", "spent", "amont", "rename", "no operator", "key", "0 partitions"} {
		line := "write table " + string(rune('a'+i)) + ":"
		at := strings.Index(err.Error(), line)
		if at < 0 || !strings.Contains(strings.SplitN(err.Error()[at:], "\n", 2)[0], text) {
			t.Errorf("no message starts with %q and holds %q in:\n%v", line, text, err)
		}
	}
}

func TestCancelStopsTasks(t *testing.T) {
	t.Parallel()
	lk := datasettest.NewTables(t.Name())
	put(t, lk, "ledger.entries", dataset.Layout{}, bank(50), 10)
	cause := errors.New("the operator pressed a key")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-stuckStarted
		cancel(cause)
	}()
	_, err := datasettest.Run(ctx, func(s beam.Scope) {
		dataset.Write(s, lk, "x", dataset.MapBatches(s, dataset.Scan[Entry](s, lk, "ledger.entries"), stuck))
	}, dataset.RunOptions{Staging: t.TempDir()})
	if !errors.Is(err, cause) {
		t.Errorf("error is %v, want the cause", err)
	}
	if _, err := datasettest.Run(ctx, func(beam.Scope) {}, dataset.RunOptions{}); !errors.Is(err, cause) {
		t.Errorf("a run whose context has ended: error is %v, want the cause", err)
	}
}
