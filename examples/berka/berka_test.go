package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/laketest"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// realData is where the data set lies, if it is there.
const realData = "../../../shared/data/berka"

// independent is what testdata/berka.py computes. Amounts are in hundredths.
type independent struct {
	Movements      int        `json:"movements"`
	Sum            int64      `json:"sum"`
	AccountDays    int64      `json:"account_days"`
	UnorderedDays  int64      `json:"unordered_days"`
	BrokenLinks    int        `json:"broken_links"`
	BrokenSum      int64      `json:"broken_sum"`
	BrokenAccounts int        `json:"broken_accounts"`
	Orders         int        `json:"orders"`
	Unopened       int        `json:"unopened"`
	Paid           int        `json:"paid"`
	Payments       int64      `json:"payments"`
	Transfers      int64      `json:"transfers"`
	OtherSymbol    int        `json:"other_symbol"`
	Months         int64      `json:"months_without_payment"`
	Features       [][]string `json:"features"`
}

func compute(t *testing.T, data string) independent {
	t.Helper()
	python, err := exec.Command("bash", "../../internal/scripts/python.sh").Output()
	if err != nil {
		t.Fatalf("install DuckDB: %v", err)
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), strings.TrimSpace(string(python)), "testdata/berka.py", data)
	cmd.Stderr = &errs
	said, err := cmd.Output()
	if err != nil {
		t.Fatalf("berka.py: %v\n%s", err, errs.String())
	}
	var want independent
	if err := json.Unmarshal(said, &want); err != nil {
		t.Fatal(err)
	}
	return want
}

// agree holds what the example finds in the lake of a folder against the independent computation.
func agree(t *testing.T, dir string, want independent) {
	t.Helper()
	lake, err := openLake(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lake.Close()
	b, err := proveBalances(t.Context(), lake, filepath.Join(dir, "balances"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "movements", b.Links, want.Movements)
	same(t, "account-days", b.Job.Days, want.AccountDays)
	same(t, "days without an order", b.Job.Breaks[reconciliation.Order], want.UnorderedDays)
	same(t, "links that do not hold", b.Broken, want.BrokenLinks)
	same(t, "their accounts", b.Accounts, want.BrokenAccounts)
	same(t, "their sum", cents(t, b.Off), want.BrokenSum)

	o, err := compareOrders(t.Context(), lake, filepath.Join(dir, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	never := 0
	for _, os := range o.Never {
		never += len(os)
	}
	same(t, "orders", o.Orders, want.Orders)
	same(t, "orders of accounts to come", o.Unopened, want.Unopened)
	same(t, "orders paid", o.Paid, want.Paid)
	same(t, "orders never paid", never, want.Orders-want.Unopened-want.Paid)
	same(t, "payments matched", o.Job.Matched, want.Payments)
	same(t, "transfers", o.Job.Left, want.Transfers)
	same(t, "orders and months without a payment", o.Job.Breaks[reconciliation.MissingLeft], want.Months+int64(never))
	same(t, "payments with another symbol", o.Symbols, want.OtherSymbol)

	l, err := loanFeatures(t.Context(), lake)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, r := range l.Rows {
		got = append(got, []string{fmt.Sprint(r.Account), r.AsOf.Format(time.DateOnly), units(t, r.Balance), units(t, r.Inflow90), units(t, r.Outflow90),
			units(t, r.LargestDebit), number(r.Credits30), number(r.Debits30), number(r.SinceCredit), number(r.DaysOfHistory)})
	}
	if !slices.EqualFunc(got, want.Features, slices.Equal[[]string]) || len(got) == 0 {
		t.Errorf("features:\n%v\nwant\n%v", got, want.Features)
	}
	same(t, "Σ movements", sumOf(t, lake), want.Sum)
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func cents(t *testing.T, d money.Decimal) int64 {
	t.Helper()
	d, err := d.RescaleExact(2)
	if err != nil {
		t.Fatal(err)
	}
	n, ok := d.Coefficient().Int64()
	if !ok {
		t.Fatalf("%s does not fit", d)
	}
	return n
}

func units(t *testing.T, d *money.Decimal) string {
	t.Helper()
	if d == nil {
		return "None"
	}
	return fmt.Sprint(cents(t, *d))
}

func number(n *int64) string {
	if n == nil {
		return "None"
	}
	return fmt.Sprint(*n)
}

// sumOf adds the movements in the lake.
func sumOf(t *testing.T, lake *catalog.Lake) int64 {
	t.Helper()
	cut, err := lake.At(t.Context(), catalog.At{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := rows[Movement](t.Context(), lake, cut, "berka.movements")
	if err != nil {
		t.Fatal(err)
	}
	var sum money.Decimal
	for _, m := range all {
		if sum, err = sum.Add(m.Amount); err != nil {
			t.Fatal(err)
		}
	}
	return cents(t, sum)
}

// TestSample takes a made-up ledger of twelve movements all the way.
func TestSample(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if code := execute(t.Context(), []string{"stream", "--data", "testdata/sample", "--dir", dir}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	rep := laketest.Ingest(t, filepath.Join(dir, "millrace.yaml"))
	same(t, "events", rep.Counts.Events, 33)
	same(t, "rejected", rep.Counts.Rejected, 0)
	agree(t, dir, compute(t, "testdata/sample"))
	for _, want := range []string{"1 | 1 | A", "2 | 2 | D"} {
		if got := laketest.Rows(t, dir, "berka.loans", "loan_id", "account_id", "status"); !slices.Contains(got, want) {
			t.Errorf("loans: %v, want %s", got, want)
		}
	}
	if got := laketest.Rows(t, dir, "berka.clients"); !slices.Contains(got, "1 | 1960-02-15 | F | 1") {
		t.Errorf("clients: %v", got)
	}
	out.Reset()
	if code := execute(t.Context(), []string{"orders", "--list", "--dir", dir}, &out, &errs); code != 0 || !strings.Contains(out.String(), "order 2, account 1, CD 222, 80.00, LEASING: leasing") {
		t.Errorf("exit code %d: %s%s", code, out.String(), errs.String())
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"stream", "--data", filepath.Join(t.TempDir(), "none")}, {"balances", "--dir", t.TempDir()}, {"orders", "--lst"}} {
		var out, errs bytes.Buffer
		if code := execute(t.Context(), args, &out, &errs); code != 2 || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%v: exit code %d, want 2 and one line: %s", args, code, errs.String())
		}
	}
}

// TestBestOrder has the order of days that chain found again after shuffling, and one planted difference told as one.
func TestBestOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var ms []Movement
		balance := int64(0)
		day := time.Date(1993, 1, 1, 0, 0, 0, 0, time.UTC)
		for range rapid.IntRange(1, 6).Draw(t, "days") {
			for range rapid.IntRange(1, 5).Draw(t, "movements") {
				amount := rapid.Int64Range(-500, 500).Draw(t, "amount")
				balance += amount
				ms = append(ms, Movement{ID: int64(len(ms)), Booked: day, Amount: hundredths(t, amount), Balance: hundredths(t, balance)})
			}
			day = day.AddDate(0, 0, 1)
		}
		off := rapid.Int64Range(-20, 20).Draw(t, "off")
		for i := rapid.IntRange(0, len(ms)-1).Draw(t, "from"); i < len(ms); i++ { // the balance is off from here on
			moved, err := ms[i].Balance.Add(hundredths(t, off))
			if err != nil {
				t.Fatal(err)
			}
			ms[i].Balance = moved
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		r.Shuffle(len(ms), func(i, j int) { ms[i], ms[j] = ms[j], ms[i] })
		links, err := bestOrder(ms)
		if err != nil {
			t.Fatal(err)
		}
		broken, sum := 0, money.Decimal{}
		for _, l := range links {
			if !l.Off.IsZero() {
				broken++
				if sum, err = sum.Add(l.Off.Abs()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if want := hundredths(t, off).Abs(); broken > 1 || sum.Cmp(want) > 0 || len(links) != len(ms) {
			t.Fatalf("%d links do not hold, by %s; planted: at most one, by %s", broken, sum, want)
		}
	})
}

// TestRounding has two differences of a tenth explained by one exact balance, 11665.15, and a third one not.
func TestRounding(t *testing.T) {
	t.Parallel()
	interest := "UROK"
	var ms []Movement
	for i, x := range []struct {
		amount, balance string
		symbol          *string
	}{{"11637", "11637", nil}, {"28.2", "11665.1", &interest}, {"5500", "17165.2", nil}, {"-165.1", "17000.2", nil}} {
		amount, err := money.Parse(x.amount)
		if err != nil {
			t.Fatal(err)
		}
		balance, err := money.Parse(x.balance)
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, Movement{ID: int64(i), Booked: time.Date(1993, 1, 1+i, 0, 0, 0, 0, time.UTC), Amount: amount, Balance: balance, Symbol: x.symbol})
	}
	links, err := bestOrder(ms)
	if err != nil {
		t.Fatal(err)
	}
	beyond, err := beyondRounding(links)
	if err != nil || len(beyond) != 1 || beyond[0].ID != 3 || beyond[0].Off.String() != "0.1" {
		t.Errorf("%v, %v; want the last movement alone", beyond, err)
	}
}

func hundredths(t *rapid.T, n int64) money.Decimal {
	d, err := money.New(n, 2)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestRealLedger runs the README's commands on the whole data set, holds their output against the README, and
// the figures against an independent computation.
func TestRealLedger(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("TestSample goes the same way")
	}
	if _, err := os.Stat(realData); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the data set must be beside the project: %v", err)
		}
		t.Logf("the data set is not there, so that TestSample is all that was run: %v", err)
		return
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	binary := filepath.Join(t.TempDir(), "millrace")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/millrace").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var said strings.Builder
	for _, line := range commands(string(readme)) {
		said.WriteString(runLine(t, line, dir, binary))
	}
	if !strings.Contains(said.String(), `"breaks":2407,`) || !strings.Contains(said.String(), `"breaks":{"opening":2244,"order":163}`) || strings.Contains(said.String(), `"failed"`) {
		t.Errorf("the nightly run shows something else than the balances' breaks:\n%s", said.String())
	}
	rest := strings.Split(strings.ReplaceAll(said.String(), dir, "out/berka"), "\n")
	for _, line := range outputs(string(readme)) {
		at := slices.Index(rest, line)
		if at < 0 {
			t.Fatalf("the README shows %q, which the commands do not say (after what it shows before):\n%s", line, said.String())
		}
		rest = rest[at+1:]
	}
	agree(t, dir, compute(t, realData))
}

// commands are the lines of the README's sh blocks that this test runs.
func commands(readme string) (lines []string) {
	for _, block := range strings.Split(readme, "```sh run-by: TestRealLedger\n")[1:] {
		body, _, _ := strings.Cut(block, "```")
		for _, line := range strings.Split(strings.TrimSpace(body), "\n") {
			line, _, _ = strings.Cut(line, " #")
			lines = append(lines, line)
		}
	}
	return lines
}

// outputs are the lines of its text blocks.
func outputs(readme string) (lines []string) {
	for _, block := range strings.Split(readme, "```text\n")[1:] {
		body, _, _ := strings.Cut(block, "```")
		lines = append(lines, strings.Split(strings.TrimRight(body, "\n"), "\n")...)
	}
	return lines
}

// runLine runs one of the README's commands, in a folder of the test's own.
func runLine(t *testing.T, line, dir, binary string) string {
	t.Helper()
	line = strings.ReplaceAll(strings.ReplaceAll(line, "../shared/data/berka", realData), "out/berka", dir)
	line, findings := strings.CutSuffix(strings.TrimSpace(line), " || test $? -eq 1")
	args := strings.Fields(line)
	var out, errs bytes.Buffer
	code, want := -1, 0
	if findings {
		want = 1
	}
	switch {
	case strings.HasPrefix(line, "go run ./examples/berka "):
		code = execute(t.Context(), args[3:], &out, &errs)
	case strings.HasPrefix(line, "bin/millrace "):
		cmd := exec.CommandContext(t.Context(), binary, args[1:]...)
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatalf("%s: %v", line, err)
		}
		code = cmd.ProcessState.ExitCode()
	}
	if code != want {
		t.Fatalf("%s: exit code %d, want %d\n%s%s", line, code, want, out.String(), errs.String())
	}
	return out.String()
}
