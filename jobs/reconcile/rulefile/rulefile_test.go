package rulefile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
)

const cards = `
name: cards
sides:
  - name: ledger
    file: ledger.csv
    columns:
      reference: {}
      amount: {}
      currency: {}
      date: {from: booked}
  - name: bank
    columns:
      reference: {from: ref, case: upper}
      amount: {}
      currency: {is: EUR}
      date: {from: value_date}
passes:
  - name: exact
    keys: [reference]
    dates: {date: {}}
  - name: near
    keys: [reference]
    tolerance: 0.01
    dates: {date: {after: 3, days: business}}
`

func none(string) (string, bool) { return "", false }

func Example() {
	f, err := rulefile.Parse("rules/cards.yaml", []byte(cards), none)
	if err != nil {
		fmt.Println(err)
		return
	}
	plans, err := f.Plans(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range plans {
		fmt.Printf("%s: %s against %s, %d passes\n", p.Name, p.Left.Name, p.Right.Name, len(p.Rules.Passes))
	}
	fmt.Println(f.Path(f.Side("ledger").File))
	// Output:
	// ledger-bank: ledger against bank, 2 passes
	// rules/ledger.csv
}

// TestMistakes: each is told with its line and what to write instead, all at once.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown key":    {"file: ledger.csv", "fil: ledger.csv", `r.yaml:5:5: sides[0].fil: unknown key; did you mean file?`},
		"unknown column": {"keys: [reference]\n    tolerance", "keys: [referense]\n    tolerance", "did you mean reference?"},
		"side twice":     {"name: bank", "name: ledger", `there is a side "ledger" already`},
		"one side":       {cards[strings.Index(cards, "  - name: bank"):strings.Index(cards, "passes:")], "", "there must be two sides or more"},
		"method":         {"tolerance: 0.01", "match: paris", "did you mean pairs?"},
		"tolerance":      {"tolerance: 0.01", "tolerance: much", "much"},
		"no passes":      {cards[strings.Index(cards, "passes:"):], "", "passes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(cards, c.old, c.new, 1)
			if text == cards {
				t.Fatal("the case changes nothing")
			}
			_, err := rulefile.Parse("r.yaml", []byte(text), none)
			if err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want a usage error with %q", err, c.want)
			}
		})
	}
}

// TestTheSchemaIsWhatSidesShare: columns of all sides, each once.
func TestTheSchemaIsWhatSidesShare(t *testing.T) {
	t.Parallel()
	f, err := rulefile.Parse("r.yaml", []byte(cards), none)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Schema()
	if want := (reconciliation.Schema{Texts: []string{"reference"}}); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v %v, want %v", got, err, want)
	}
}

// FuzzParse: any text is rules that can be planned, or a mistake of the user.
func FuzzParse(f *testing.F) {
	f.Add([]byte(cards))
	f.Add([]byte(strings.Replace(cards, "tolerance: 0.01", "match: sums\n    cardinality: 1:N", 1)))
	f.Add([]byte(strings.Replace(cards, "tolerance: 0.01", "match: subset\n    cardinality: N:1\n    max_rows: 12", 1)))
	f.Add([]byte("name: x\nsides: []\npasses: []\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := rulefile.Parse("r.yaml", data, none)
		if err != nil {
			if fault.Of(err) != fault.Usage {
				t.Errorf("%v is no usage error", err)
			}
			return
		}
		plans, err := file.Plans(0)
		if err != nil {
			return
		}
		schema, err := file.Schema()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range plans {
			if err := p.Rules.Check(schema); err != nil {
				t.Errorf("plan %s was accepted, and its rules are wrong: %v", p.Name, err)
			}
		}
	})
}
