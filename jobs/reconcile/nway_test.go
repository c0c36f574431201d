package reconcile

import (
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/storage"
)

const threeSides = `name: c
sides:
  - {name: core, file: core.csv, columns: {ref: {}, amount: {}}}
  - {name: channel, file: channel.csv, columns: {ref: {}, amount: {}}}
  - {name: bank, file: bank.csv, columns: {ref: {}, amount: {}}}
passes:
  - {name: exact, keys: [ref]}
`

// planted are breaks over three sides: whether each side has the movement, whose amount is wrong, and what the sides then say.
var planted = []struct {
	has   [3]bool // core, channel, bank
	wrong int     // the side; -1: none
	says  [3]string
}{
	{[3]bool{true, true, true}, -1, [3]string{}},
	{[3]bool{false, true, true}, -1, [3]string{"missing", "matched", "matched"}},
	{[3]bool{true, false, true}, -1, [3]string{"unmatched", "missing", "unmatched"}},
	{[3]bool{true, true, false}, -1, [3]string{"matched", "matched", "missing"}},
	{[3]bool{true, false, false}, -1, [3]string{"unmatched", "missing", "not_compared"}},
	{[3]bool{false, false, true}, -1, [3]string{"not_compared", "missing", "unmatched"}},
	{[3]bool{false, true, false}, -1, [3]string{"missing", "unmatched", "missing"}},
	{[3]bool{true, true, true}, 0, [3]string{"amount", "amount", "matched"}},
	{[3]bool{true, true, true}, 1, [3]string{"amount", "amount", "amount"}},
	{[3]bool{true, true, true}, 2, [3]string{"matched", "amount", "amount"}},
	{[3]bool{true, true, false}, 0, [3]string{"amount", "amount", "missing"}},
}

// TestPlantedOverSides plants movements that sides lack or have with another amount, and finds exactly these, in whatever order the rows come.
func TestPlantedOverSides(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 1))
			var rows [3][]string
			var want []string
			matched := int64(0)
			for i := range 60 {
				p := planted[rnd.IntN(len(planted))]
				key := fmt.Sprintf("K%03d", i)
				for side := range rows {
					cents := 1000 + 7*i
					if p.wrong == side {
						cents += 300000
					}
					if p.has[side] {
						rows[side] = append(rows[side], fmt.Sprintf("%s,%d.%02d", key, cents/100, cents%100))
					}
				}
				if p.says == [3]string{} {
					matched++
					continue
				}
				want = append(want, strings.Join([]string{key, p.says[2], p.says[1], p.says[0]}, " "))
			}
			rep, got := runOverSides(t, rnd, rows)
			if !slices.Equal(got, want) {
				t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if m := rep.Movements; m.Matched != matched || m.Total != matched+int64(len(want)) {
				t.Errorf("%+v, want %d matched of %d", m, matched, matched+int64(len(want)))
			}
			var counted int64
			for _, p := range rep.Movements.Patterns {
				counted += p.Movements
			}
			if counted != int64(len(want)) {
				t.Errorf("patterns count %d movements, want %d", counted, len(want))
			}
		})
	}
}

// runOverSides runs the rules over three files, whose rows are shuffled, and reads movements.csv: key, then what bank, channel and core say.
func runOverSides(t *testing.T, rnd *rand.Rand, rows [3][]string) (RulesReport, []string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rules.yaml", threeSides)
	for side, name := range []string{"core.csv", "channel.csv", "bank.csv"} {
		rnd.Shuffle(len(rows[side]), func(i, j int) { rows[side][i], rows[side][j] = rows[side][j], rows[side][i] })
		write(name, "ref,amount\n"+strings.Join(rows[side], "\n")+"\n")
	}
	f, text, err := rulefile.Load(filepath.Join(dir, "rules.yaml"), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	rep, err := RunRules(t.Context(), RulesOptions{Rules: f, Text: text, Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}, Out: filepath.Join(dir, "out")})
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(filepath.Join(dir, "out", movementsName))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	lines, err := csv.NewReader(in).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines[1:] {
		got = append(got, strings.Join([]string{l[0], l[1], l[4], l[7]}, " "))
	}
	return rep, got
}
