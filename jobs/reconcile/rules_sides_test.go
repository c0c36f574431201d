package reconcile

import (
	"database/sql"
	"encoding/csv"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/internal/testservers"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// The core's database, the mainframe's file and the channel's database, in one run. A3 is missing in the file, A4's amount differs in the channel.
const sidesRules = `
name: channels
sides:
  - name: core
    database:
      url: ${CORE_URL}
      query: SELECT id, reference, amount, currency, booked FROM entries WHERE booked = DATE '2026-03-31'
      ref: [id]
    columns: {reference: {case: upper}, amount: {}, currency: {}, date: {from: booked, time_zone: Europe/Prague}}
  - name: mainframe
    file: cards.txt
    fixed:
      type: {start: 1, length: 1}
      rows: [D]
      columns:
        booked: {record: H, start: 2, length: 8}
        ref: {start: 2, length: 4}
        amount: {start: 6, length: 8, type: zoned, decimals: 2}
      checks:
        - {record: T, start: 2, length: 4, count: rows}
        - {record: T, start: 6, length: 8, type: zoned, decimals: 2, sum: amount}
    columns: {reference: {from: ref}, amount: {}, currency: {is: EUR}, date: {from: booked, layouts: ["20060102"]}}
  - name: channel
    database: {url: "${CHANNEL_URL}", query: "SELECT no, ref, cents, at FROM payments", ref: [no]}
    columns: {reference: {from: ref}, amount: {from: cents, minor_units: 2}, currency: {is: EUR}, date: {from: at}}
passes:
  - {name: exact, keys: [reference], dates: {date: {}}}
`

const mainframe = "H20260331\nDA1  0001000{\nDA2  0000250}\nDA4  1234567H\nT00031235317H\n"

func TestDatabasesAndFixedWidthFilesAsSides(t *testing.T) {
	t.Parallel()
	pg, my := testservers.StartPostgreSQL(t), testservers.StartMariaDB(t)
	core, channel := pg.NewDatabase(t), my.NewDatabase(t)
	db, err := sql.Open("pgx", core)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE entries (id bigint, reference text, amount numeric(18,2), currency text, booked date);
		INSERT INTO entries VALUES (1, 'a1', 100.00, 'EUR', '2026-03-31'), (2, 'a2', -25.00, 'EUR', '2026-03-31'), (3, 'a3', 7.00, 'EUR', '2026-03-31'),
			(4, 'a4', 123456.78, 'EUR', '2026-03-31'), (5, 'old', 1.00, 'EUR', '2026-03-30')`); err != nil {
		t.Fatal(err)
	}
	my.Exec(t, channel, "CREATE TABLE payments (no INT, ref VARCHAR(10), cents BIGINT UNSIGNED, at DATETIME)")
	my.Exec(t, channel, "INSERT INTO payments VALUES (7, 'A1', 10000, '2026-03-31 08:00:00'), (8, 'A4', 12345679, '2026-03-31 23:59:59')")

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cards.txt"), []byte(mainframe), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"CORE_URL": core, "CHANNEL_URL": channel}
	f, err := rulefile.Parse(filepath.Join(dir, "rules.yaml"), []byte(sidesRules), func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "night")
	rep, err := RunRules(t.Context(), RulesOptions{Rules: f, Text: []byte(sidesRules), Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}, Out: out,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(readFile(t, out, breaksName)))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows[1:] {
		got = append(got, strings.Join([]string{r[17], r[1], r[4], r[5], r[6], r[12], r[13]}, " "))
	}
	want := "core-mainframe missing_right A3 7.00  3 ;mainframe-channel missing_right A2 -25.00  cards.txt:3 ;mainframe-channel amount A4 123456.78 123456.79 cards.txt:4 8"
	if strings.Join(got, ";") != want {
		t.Errorf("breaks\n%s\nwant\n%s", strings.Join(got, "\n"), strings.ReplaceAll(want, ";", "\n"))
	}
	if s := rep.Sides[0]; s.Rows != 4 || !strings.HasPrefix(s.Database, "postgres://127.0.0.1:") || strings.Contains(s.Database, "@") || rep.Sides[2].Rows != 2 {
		t.Errorf("%+v", rep.Sides)
	}
	if rep.Matched != 4 {
		t.Errorf("%d matches", rep.Matched)
	}
	if page := string(readFile(t, out, reportName)); !strings.Contains(page, "query of mariadb://127.0.0.1:") {
		t.Error("the page does not name the database")
	} else if !strings.Contains(page, "1 of 4 movements match on every side, in every leg.") {
		t.Error("the page does not say what all sides say together")
	}

	f.Side("core").Database.Query = "SELECT id FROM nowhere"
	_, err = RunRules(t.Context(), RulesOptions{Rules: f, Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}})
	if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "side core: query of postgres://127.0.0.1:") || !strings.Contains(err.Error(), "(SELECT id FROM nowhere)") {
		t.Errorf("%v", err)
	}
}

// A fixed-width file with a wrong trailer is refused whole, or its trailer is set apart, by option.
func TestAFixedWidthFileWithAWrongTrailer(t *testing.T) {
	t.Parallel()
	const rules = `
name: cards
sides:
  - name: ledger
    columns: {reference: {}, amount: {}, currency: {}}
  - name: bank
    file: cards.txt
    quarantine: 0
    fixed:
      type: {start: 1, length: 1}
      rows: [D]
      columns: {reference: {start: 2, length: 4}, amount: {start: 6, length: 8, type: zoned, decimals: 2}}
      skip: [H]
      checks: [{record: T, start: 2, length: 4, count: rows}]
    columns: {reference: {}, amount: {}, currency: {is: EUR}}
passes:
  - {name: exact, keys: [reference]}
`
	run := func(rules string) (RulesReport, error) {
		dir := t.TempDir()
		for name, text := range map[string]string{"ledger.csv": "reference,amount,currency\nA1,100.00,EUR\nA2,-25.00,EUR\nA4,123456.78,EUR\n", "cards.txt": strings.Replace(mainframe, "T0003", "T0004", 1)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f, err := rulefile.Parse(filepath.Join(dir, "rules.yaml"), []byte(rules), os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		return RunRules(t.Context(), RulesOptions{Rules: f, Text: []byte(rules), Stores: storage.Resolver{"file": localio.Opener(localio.Options{})},
			Sides: map[string]string{"ledger": filepath.Join(dir, "ledger.csv")}})
	}
	if _, err := run(rules); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "side bank: read cards.txt: cards.txt:5: record T states 4 rows, there are 3") {
		t.Errorf("%v", err)
	}
	rep, err := run(strings.Replace(rules, "quarantine: 0", "quarantine: 1", 1))
	if err != nil || rep.Verdict != Fail || rep.Total != 0 || rep.Sides[1].Quarantined != 1 || !strings.Contains(rep.Sides[1].FirstReject, "record T states 4 rows") {
		t.Errorf("%+v, %v", rep, err)
	}
}

// The limit of records that may be set aside is one for all that goes wrong with a side, wherever it shows.
func TestOneLimitForAllRejects(t *testing.T) {
	t.Parallel()
	rules := strings.Replace(reportRules, "  - name: ledger\n", "  - name: ledger\n    quarantine: 1\n", 1)
	const short, noNumber = "A1,1.00\n", "A2,one,EUR,2026-01-05,x\n" // one is the file's mistake, the other the rules'
	for rows, refused := range map[string]bool{short: false, noNumber: false, short + noNumber: true} {
		if _, err := runReport(t, rules, "", "2026-03-31", rows, ""); (err != nil) != refused || refused && fault.Of(err) != fault.Findings {
			t.Errorf("%q: %v", rows, err)
		}
	}
}
