package reconcile

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
)

// followed is a run over two files, of which a test says what they hold.
type followed struct {
	*growing
	t             *testing.T
	text          string // of the rules
	state, events string
}

func newFollowed(t *testing.T, bank string) *followed {
	t.Helper()
	text := `
name: cards
sides:
  - {name: ledger, file: ledger.csv, columns: {reference: {}, amount: {}, currency: {is: EUR}}}
  - {name: bank, ` + bank + `, columns: {reference: {}, amount: {}, currency: {is: EUR}}}
passes:
  - {name: exact, keys: [reference]}
`
	f := &followed{growing: newGrowing(t, 1), t: t, text: text, state: filepath.Join(t.TempDir(), "state"), events: filepath.Join(t.TempDir(), "events.ndjson")}
	var err error
	if f.rules, err = rulefile.Parse(filepath.Join(f.dir, "rules.yaml"), []byte(text), os.LookupEnv); err != nil {
		t.Fatal(err)
	}
	f.write("ledger.csv", "reference,amount\nA1,1.00\nA2,2.00\n\"A\n3\",3.00\n")
	return f
}

func (f *followed) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// run follows until there is nothing new.
func (f *followed) run() (FollowReport, error) {
	o := f.options(f.state, f.events)
	o.Text, o.UntilCaughtUp = []byte(f.text), true
	return Follow(context.Background(), o)
}

// asTheNight follows until there is nothing new, and holds the end against a nightly run.
func (f *followed) asTheNight() FollowReport {
	f.t.Helper()
	rep, err := f.run()
	if err != nil {
		f.t.Fatal(err)
	}
	f.isTheNight(f.t, rep)
	return rep
}

// TestFollowRewritten: what was read of a file and is now other text is refused, whatever the file's size; that its time is another is nothing.
func TestFollowRewritten(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"of one size": "reference,amount\nA1,1.00\nA2,9.00\n", "longer": "reference,amount\nA1,9.00\nA2,2.00\nA3,3.00\n",
		"shorter": "reference,amount\nA1,1.00\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFollowed(t, "file: bank.csv")
			f.write("bank.csv", "reference,amount\nA1,1.00\nA2,2.00\n")
			f.asTheNight()
			again := filepath.Join(f.dir, "bank.csv")
			if err := os.Chtimes(again, f.now, f.now); err != nil {
				t.Fatal(err)
			}
			f.asTheNight()
			f.write("bank.csv", text)
			if _, err := f.run(); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "changed where it was read") {
				t.Errorf("a changed file: %v", err)
			}
		})
	}
}

// TestFollowCutsBetweenRecords: a line break within quotes ends no record, wherever the file ends when it is looked at.
func TestFollowCutsBetweenRecords(t *testing.T) {
	t.Parallel()
	text := "reference,amount\nA1,1.00\n\"A\n3\",3.00\n\"A\"\"\n4\",4.00\nA5,5.00\n"
	f := newFollowed(t, "file: bank.csv")
	for i := 20; i < len(text); i++ {
		f.write("bank.csv", text[:i])
		if _, err := f.run(); err != nil {
			t.Fatalf("at %q: %v", text[:i], err)
		}
	}
	f.write("bank.csv", text)
	if rep := f.asTheNight(); rep.Rows["bank"] != 4 || rep.Matched != 2 {
		t.Errorf("%+v", rep)
	}
}

// TestFollowSetsAside: records that cannot be read are counted, kept over a restart, and have the verdict that the night has.
func TestFollowSetsAside(t *testing.T) {
	t.Parallel()
	f := newFollowed(t, "file: bank-*.csv, quarantine: 2")
	f.write("bank-1.csv", "reference,amount\nA1,1.00\nA2,zwei\n")
	f.asTheNight()
	f.write("bank-1.csv", "reference,amount\nA1,1.00\nA2,zwei\nA2,2.00\n")
	f.write("bank-2.csv", "reference,amount\n\"A\n3\",3.00\nA4,vier\n")
	rep := f.asTheNight()
	if rep.Verdict != Fail || rep.Total != 0 || rep.Quarantined["bank"] != 2 || !strings.Contains(string(rep.Rejects["bank"][0]), "bank-1.csv:3") {
		t.Errorf("%+v", rep)
	}
	f.write("bank-3.csv", "reference,amount\nA5,five\n")
	if _, err := f.run(); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "3 records") {
		t.Errorf("more records than may be set aside: %v", err)
	}
}

// TestFollowWholeFiles: files that no line ends within are taken whole, or, while they are not whole yet, refused.
func TestFollowWholeFiles(t *testing.T) {
	t.Parallel()
	layout := `{columns: {reference: {start: 1, length: 2}, amount: {start: 3, length: 5, type: number, decimals: 2}}`
	for name, c := range map[string]struct{ layout, text string }{
		"records of a length": {layout + `, record_length: 7}`, "A100100A200200"},
		"a trailer":           {layout + `, type: {start: 1, length: 1}, rows: [A], checks: [{record: Z, start: 2, length: 6, type: number, count: rows}]}`, "A100100\nA200200\nZ000002\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFollowed(t, "file: bank.txt, format: fixed, fixed: "+c.layout)
			f.write("bank.txt", c.text)
			if rep := f.asTheNight(); rep.Matched != 2 || rep.Rows["bank"] != 2 {
				t.Errorf("%+v", rep)
			}
		})
	}
}

// TestRecordEnds: what is cut where a writer of CSV has not come to a record's end.
func TestRecordEnds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"": 0, "a,b": 0, "a,b\nc": 4, "a,b\n": 4, "a,\"b\n": 0, "a,\"b\n\"\nc": 7, "\"\"\"\n": 0, "\"\"\n": 3, "a\"\nb": 3, "\"a\"b\n": 5} {
		e := recordEnds{delimiter: ',', quotes: true}
		_, _ = e.Write([]byte(text)) // never fails
		if e.last != want {
			t.Errorf("%q is cut at %d, want %d", text, e.last, want)
		}
	}
	e := recordEnds{delimiter: ',', quotes: true, skip: 1}
	_, _ = e.Write([]byte("\"Statement\na,b\n"))
	if e.last != 15 {
		t.Errorf("after a line that is skipped: cut at %d", e.last)
	}
	long := recordEnds{delimiter: ',', quotes: true}
	_, _ = long.Write([]byte("\"" + strings.Repeat("x\n", mostRecord)))
	if long.end() == 0 {
		t.Error("a quote that is never closed holds a file up for ever")
	}
}
