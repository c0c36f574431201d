package datasettest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

// Posting is the row type of the suite: a column of every kind that ledgers use.
type Posting struct {
	ID       int64         `lake:"posting_id,key"`
	Account  string        `lake:"account_id"`
	Amount   money.Decimal `lake:",decimal(18,2)"`
	Rate     money.Decimal `lake:",decimal(38,10)"`
	BookedAt time.Time
	ValueDay time.Time `lake:",date"`
	Memo     *string
	Reversed bool
	Raw      []byte
	Small    int32
}

// Postings makes n rows, the same each time.
func Postings(n int) []Posting {
	rows := make([]Posting, n)
	x := uint32(99)
	for i := range rows {
		x = x*1664525 + 1013904223
		amount, _ := money.New(int64(x)-1<<31, 2)
		rate, _ := money.New(int64(x), 10)
		at := time.Date(2026, 11, 1, 0, 0, 0, int(x%1_000_000)*1000, time.UTC).Add(time.Duration(i) * time.Minute)
		rows[i] = Posting{
			ID: int64(i), Account: fmt.Sprintf("acc-%03d", (x>>10)%150), Amount: amount, Rate: rate, BookedAt: at, ValueDay: at.Truncate(24 * time.Hour),
			Reversed: x&1 == 1, Raw: []byte{byte(x), 0, byte(i)}, Small: int32(x) >> 4,
		}
		if x%3 == 0 {
			memo := fmt.Sprint("memo ", x%7)
			rows[i].Memo = &memo
		}
	}
	return rows
}

// Harness makes the lakes that TestTables tests.
type Harness struct {
	// New makes an empty lake. It is cleaned up by the test.
	New func(t *testing.T) dataset.Lake
	// Options are for every run.
	Options dataset.RunOptions
}

// TestTables certifies a driver of tables: whatever is written by pipelines is read back by pipelines, in every layout.
func TestTables(t *testing.T, h Harness) {
	t.Helper()
	for name, f := range map[string]func(*testing.T, *lakeTest){
		"round trip":        testRoundTrip,
		"layouts":           testLayouts,
		"append once":       testAppendOnce,
		"states":            testStates,
		"empty":             testEmpty,
		"filter":            testFilter,
		"tables not there":  testNoTable,
		"failure is unseen": testFailureUnseen,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, &lakeTest{t: t, h: h, lk: h.New(t)})
		})
	}
}

type lakeTest struct {
	t  *testing.T
	h  Harness
	lk dataset.Lake
}

// run runs a pipeline.
func (l *lakeTest) run(build func(beam.Scope)) dataset.Stats {
	l.t.Helper()
	opts := l.h.Options
	if opts.Staging == "" {
		opts.Staging = l.t.TempDir()
	}
	stats, err := Run(l.t.Context(), build, opts)
	if err != nil {
		l.t.Fatal(err)
	}
	return stats
}

// write writes rows to a table.
func (l *lakeTest) write(table string, rows []Posting, opts ...dataset.WriteOption) {
	l.t.Helper()
	l.run(func(s beam.Scope) { dataset.Write(s, l.lk, table, l.from(s, rows), opts...) })
}

func (l *lakeTest) from(s beam.Scope, rows []Posting) dataset.Dataset {
	d, err := From(s, fmt.Sprint(l.t.Name(), " ", len(rows)), rows)
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// collect runs a chain into memory and returns its rows as sorted texts.
func (l *lakeTest) collect(chain func(beam.Scope) dataset.Rows) ([]string, dataset.Stats) {
	l.t.Helper()
	out := NewTables(l.t.Name() + " out")
	stats := l.run(func(s beam.Scope) { dataset.Write(s, out, "out", chain(s)) })
	b, err := out.Rows("out")
	if err != nil {
		l.t.Fatal(err)
	}
	return Texts(b), stats
}

func (l *lakeTest) read(table string, opts ...dataset.ScanOption) []string {
	l.t.Helper()
	rows, _ := l.collect(func(s beam.Scope) dataset.Rows { return dataset.Scan[Posting](s, l.lk, table, opts...) })
	return rows
}

// Texts are the rows of a batch as texts, sorted.
func Texts(b arrow.RecordBatch) []string {
	rows := make([]string, b.NumRows())
	for r := range rows {
		cols := make([]string, b.NumCols())
		for c := range cols {
			cols[c] = b.Column(c).ValueStr(r)
		}
		rows[r] = strings.Join(cols, " | ")
	}
	slices.Sort(rows)
	return rows
}

// want is how rows are read back.
func (l *lakeTest) want(rows []Posting) []string {
	l.t.Helper()
	out, _ := l.collect(func(s beam.Scope) dataset.Rows { return l.from(s, rows) })
	return out
}

func (l *lakeTest) same(got, want []string) {
	l.t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			l.t.Fatalf("%d rows, want %d; the first difference is in row %d:\n%v\nwant\n%v", len(got), len(want), i, at(got, i), at(want, i))
		}
	}
}

func at(rows []string, i int) string {
	if i < len(rows) {
		return rows[i]
	}
	return "none"
}

func testRoundTrip(t *testing.T, l *lakeTest) {
	rows := Postings(500)
	l.write("ledger.postings", rows)
	l.same(l.read("ledger.postings"), l.want(rows))
	ids, _ := l.collect(func(s beam.Scope) dataset.Rows {
		return dataset.Scan[Posting](s, l.lk, "ledger.postings", dataset.Columns("small", "posting_id"))
	})
	if len(ids) != 500 || ids[0] == "" {
		t.Errorf("columns: %d rows, the first is %q", len(ids), at(ids, 0))
	}
	untyped, _ := l.collect(func(s beam.Scope) dataset.Rows {
		return dataset.ScanTable(t.Context(), s, l.lk, "ledger.postings")
	})
	l.same(untyped, l.want(rows))
}

func testLayouts(t *testing.T, l *lakeTest) {
	rows := Postings(2000)
	l.write("ledger.plain", rows)
	l.write("ledger.keyed", rows, dataset.Key("account_id", "posting_id"), dataset.Buckets(4))
	l.write("ledger.other", rows[:700], dataset.Key("account_id", "posting_id"), dataset.Buckets(4))
	l.same(l.read("ledger.keyed"), l.want(rows))
	info, err := l.lk.DatasetTables().Describe(t.Context(), "ledger.keyed")
	if err != nil {
		t.Fatal(err)
	}
	if want := (dataset.Layout{BucketBy: "account_id", Buckets: 4, SortBy: []string{"account_id", "posting_id"}}); info.Layout.BucketBy != want.BucketBy ||
		info.Layout.Buckets != want.Buckets || !slices.Equal(info.Layout.SortBy, want.SortBy) || !slices.Equal(info.Key, want.SortBy) {
		t.Errorf("the table is %+v, want the layout %+v", info, want)
	}
	spend := func(table string) ([]string, dataset.Stats) {
		return l.collect(func(s beam.Scope) dataset.Rows {
			return dataset.GroupBy(s, dataset.Scan[Posting](s, l.lk, table), "account_id").Sum("amount", "spent").Count("n").Last("memo", "memo", "booked_at", "posting_id")
		})
	}
	plain, _ := spend("ledger.plain")
	keyed, stats := spend("ledger.keyed")
	l.same(keyed, plain)
	if stats.BytesStaged+stats.BytesSpilled > 0 {
		t.Errorf("a table bucketed and sorted by the key was not aggregated as it lies: %+v", stats)
	}
	pairs := func(left, right string) ([]string, dataset.Stats) {
		return l.collect(func(s beam.Scope) dataset.Rows {
			a := dataset.Scan[Posting](s, l.lk, left, dataset.Columns("account_id", "posting_id", "amount"))
			b := dataset.Scan[Posting](s, l.lk, right, dataset.Columns("account_id", "posting_id", "memo"))
			return dataset.Join(s, dataset.LeftJoin, a, b, dataset.On("account_id", "posting_id"))
		})
	}
	moved, _ := pairs("ledger.plain", "ledger.other")
	merged, stats := pairs("ledger.keyed", "ledger.other")
	l.same(merged, moved)
	if stats.BytesStaged+stats.BytesSpilled > 0 {
		t.Errorf("tables bucketed and sorted alike were not joined as they lie: %+v", stats)
	}
}

func testAppendOnce(t *testing.T, l *lakeTest) {
	rows := Postings(300)
	l.write("ledger.postings", rows[:100], dataset.Append("day 1"))
	l.write("ledger.postings", rows[100:200], dataset.Append("day 2"))
	l.write("ledger.postings", rows[200:], dataset.Append("day 2"))
	l.same(l.read("ledger.postings"), l.want(rows[:200]))
	l.write("ledger.postings", rows[250:])
	l.same(l.read("ledger.postings"), l.want(rows[250:]))
}

func testStates(t *testing.T, l *lakeTest) {
	rows := Postings(30)
	l.write("ledger.postings", rows[:10])
	first, err := l.lk.DatasetTables().Pin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.write("ledger.postings", rows[10:])
	l.same(l.read("ledger.postings"), l.want(rows[10:]))
	if !first.IsZero() {
		l.same(l.read("ledger.postings", dataset.AtCut(first.Cut)), l.want(rows[:10]))
	}
	// A pipeline that appends to the table that it reads sees the state at its start, in both scans.
	l.run(func(s beam.Scope) {
		again := dataset.Union(s, dataset.Scan[Posting](s, l.lk, "ledger.postings"), dataset.Scan[Posting](s, l.lk, "ledger.postings"))
		dataset.Write(s, l.lk, "ledger.postings", again, dataset.Append("twice"))
	})
	if got := len(l.read("ledger.postings")); got != 60 {
		t.Errorf("the table has %d rows, want 60", got)
	}
}

func testEmpty(t *testing.T, l *lakeTest) {
	for _, opts := range [][]dataset.WriteOption{nil, {dataset.Key("account_id"), dataset.Buckets(4)}} {
		table := fmt.Sprint("ledger.empty", len(opts))
		l.write(table, nil, opts...)
		if rows := l.read(table); len(rows) != 0 {
			t.Errorf("%s has %d rows", table, len(rows))
		}
		l.write(table, Postings(50), opts...)
		l.write(table, nil, opts...)
		if rows := l.read(table); len(rows) != 0 {
			t.Errorf("%s has %d rows after it was replaced by none", table, len(rows))
		}
	}
}

func testFilter(t *testing.T, l *lakeTest) {
	rows := Postings(400)
	l.write("ledger.postings", rows, dataset.Key("account_id"), dataset.Buckets(3))
	var want []Posting
	for _, r := range rows {
		if r.Reversed && r.Account < "acc-075" {
			want = append(want, r)
		}
	}
	cond := expr.Col("reversed").And(expr.Col("account_id").Lt("acc-075"))
	got, _ := l.collect(func(s beam.Scope) dataset.Rows {
		return dataset.Select(s, dataset.Filter(s, dataset.Scan[Posting](s, l.lk, "ledger.postings"), cond), "posting_id", "amount")
	})
	expected, _ := l.collect(func(s beam.Scope) dataset.Rows { return dataset.Select(s, l.from(s, want), "posting_id", "amount") })
	l.same(got, expected)
}

func testNoTable(t *testing.T, l *lakeTest) {
	if _, err := l.lk.DatasetTables().Describe(t.Context(), "ledger.nowhere"); !errors.Is(err, dataset.ErrNoTable) {
		t.Errorf("Describe: error is %v, want ErrNoTable", err)
	}
	_, err := Run(t.Context(), func(s beam.Scope) {
		dataset.Write(s, l.lk, "ledger.copy", dataset.Scan[Posting](s, l.lk, "ledger.nowhere"))
	}, l.h.Options)
	if err == nil || !strings.Contains(err.Error(), "ledger.nowhere") {
		t.Errorf("scan: error is %v, want one that names the table", err)
	}
}

func testFailureUnseen(t *testing.T, l *lakeTest) {
	rows := Postings(100)
	l.write("ledger.postings", rows)
	_, err := Run(t.Context(), func(s beam.Scope) {
		bad := dataset.Project(s, l.from(s, Postings(101)), dataset.Column("posting_id"), dataset.As("amount", expr.Col("amount").Div(expr.Col("posting_id"))))
		dataset.Write(s, l.lk, "ledger.broken", bad)
	}, l.h.Options)
	if err == nil {
		t.Fatal("a division by zero did not fail the run")
	}
	l.same(l.read("ledger.postings"), l.want(rows))
	if _, err := l.lk.DatasetTables().Describe(context.Background(), "ledger.broken"); err == nil {
		if n := len(l.readColumn("ledger.broken")); n != 0 {
			t.Errorf("%d rows of a failed run are visible", n)
		}
	}
}

func (l *lakeTest) readColumn(table string) []string {
	rows, _ := l.collect(func(s beam.Scope) dataset.Rows {
		return dataset.ScanTable(l.t.Context(), s, l.lk, table)
	})
	return rows
}
