package reconcile

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

// lifeLake opens a lake in a folder.
func lifeLake(t testing.TB, dir string, hook func(string)) *catalog.Lake {
	t.Helper()
	lake, err := catalog.Open(context.Background(), catalog.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse",
		Storage: localio.Opener(localio.Options{}), Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Hook: hook})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lake.Close() })
	return lake
}

// lifeRules is a rule file over ledger.csv and bank.csv; more is added at its end.
const lifeRules = `name: cards
sides:
  - {name: ledger, file: ledger.csv, columns: {reference: {}, amount: {}, currency: {}, date: {}}}
  - {name: bank, file: bank.csv, columns: {reference: {}, amount: {}, currency: {}, date: {}}}
passes:
  - {name: exact, keys: [reference], dates: {date: {after: 3}}}
life:
  write_off: [{currency: EUR, item: 50.00, total: 60.00}]
`

// nightOptions are those of a night whose sides are lines such as "A1 10.00 2026-01-05", in EUR.
func nightOptions(t testing.TB, dir string, lake *catalog.Lake, rules, asOf, ledger, bank string) RulesOptions {
	t.Helper()
	in := filepath.Join(dir, "in-"+asOf)
	if err := os.MkdirAll(in, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, lines := range map[string]string{"ledger.csv": ledger, "bank.csv": bank} {
		text := "reference,amount,currency,date\n"
		for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
			if f := strings.Fields(line); len(f) == 3 {
				text += fmt.Sprintf("%s,%s,EUR,%s\n", f[0], f[1], f[2])
			}
		}
		if err := os.WriteFile(filepath.Join(in, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := rulefile.Parse(filepath.Join(in, "rules.yaml"), []byte(rules), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	day, err := reconciliation.ParseDay(asOf)
	if err != nil {
		t.Fatal(err)
	}
	return RulesOptions{Rules: f, Text: []byte(rules), Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}, Lake: lake, AsOf: day,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Out: filepath.Join(dir, asOf), Clock: func() time.Time { return time.Date(2026, 1, 20, 6, 0, 0, 0, time.UTC) }}
}

func TestLifeOverNights(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lake := lifeLake(t, dir, nil)
	ledger := "A1 10.00 2026-01-05\nA2 20.00 2026-01-05\nA3 30.00 2026-01-05"
	night := func(asOf, bank string) (RulesReport, string) {
		t.Helper()
		o := nightOptions(t, dir, lake, lifeRules, asOf, ledger, bank)
		rep, err := RunRules(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		breaks, err := os.ReadFile(filepath.Join(o.Out, breaksName))
		if err != nil {
			t.Fatal(err)
		}
		return rep, string(breaks)
	}
	first, firstBreaks := night("2026-01-05", "A1 10.00 2026-01-05")
	if l := first.Life; l == nil || l.Opened != 2 || l.Open != 2 || l.Carried != 0 || !l.Recorded {
		t.Fatalf("first night: %+v", l)
	}
	// A2 arrives; A3 arrives with another amount, which is the same trouble, of which age goes on.
	second, breaks := night("2026-01-08", "A1 10.00 2026-01-05\nA2 20.00 2026-01-06\nA3 31.00 2026-01-06")
	if l := second.Life; l.Opened != 1 || l.AutoResolved != 1 || l.Superseded != 1 || l.Open != 1 || l.Carried != 1 {
		t.Fatalf("second night: %+v", l)
	}
	if want := ",open,2026-01-05,3,2-5,,\n"; !strings.HasSuffix(breaks, want) {
		t.Errorf("breaks.csv does not end with %q:\n%s", want, breaks)
	}
	// The first night again, from what the log held then: the same bytes, and no event more.
	before, err := NewJournal(lake).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, again := night("2026-01-05", "A1 10.00 2026-01-05"); again != firstBreaks {
		t.Errorf("the first night again:\n%s\nwas\n%s", again, firstBreaks)
	}
	// An older night with other inputs: what it would have been, and nothing is recorded.
	late, _ := night("2026-01-05", "A2 20.00 2026-01-05")
	if late.Life.Recorded {
		t.Error("a night before one that is recorded was recorded")
	}
	after, err := NewJournal(lake).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if before.State.Anchor != after.State.Anchor {
		t.Errorf("older nights changed the log: %v, then %v", before.State.Anchor, after.State.Anchor)
	}
}
