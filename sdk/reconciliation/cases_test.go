package reconciliation_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// writtenCase is one case of testdata/cases; testdata/README.md says how they are written.
type writtenCase struct {
	title string
	at    string // file and line
	parts map[string][][]string
}

// TestCases runs the cases that were written by hand.
func TestCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/cases/*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		for _, c := range readCases(t, f) {
			n++
			t.Run(strings.TrimSuffix(filepath.Base(f), ".md")+"/"+c.title, func(t *testing.T) {
				t.Parallel()
				switch {
				case c.parts["rule"] != nil:
					c.twoSides(t)
				case c.parts["days"] != nil:
					c.days(t)
				case c.parts["movements"] != nil:
					c.chain(t)
				default:
					t.Fatalf("%s: neither rule, days nor movements", c.at)
				}
			})
		}
	}
	if n < 60 {
		t.Errorf("%d cases, there were 60 once", n)
	}
}

func readCases(t *testing.T, file string) (out []*writtenCase) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var part string
	for i, line := range strings.Split(string(data), "\n") {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			out = append(out, &writtenCase{title, fmt.Sprintf("%s:%d", file, i+1), map[string][][]string{}})
			part = ""
			continue
		}
		name, rest, ok := strings.Cut(line, ":")
		switch {
		case len(out) == 0:
		case ok && slices.Contains([]string{"rule", "ledger", "statement", "expect", "days", "prior", "movements"}, name):
			part = name
			c := out[len(out)-1]
			c.parts[part] = [][]string{}
			if f := strings.Fields(rest); len(f) > 0 {
				c.parts[part] = append(c.parts[part], f)
			}
		case strings.HasPrefix(line, "  ") && part != "":
			c := out[len(out)-1]
			c.parts[part] = append(c.parts[part], strings.Fields(line))
		}
	}
	return out
}

func blank(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

func dayNumber(t *testing.T, s string) int32 {
	t.Helper()
	if s == "-" {
		return reconciliation.NoDate
	}
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return int32(d.Unix() / 86400)
}

func (c *writtenCase) rule(t *testing.T) reconciliation.Rule {
	t.Helper()
	words := strings.Fields(strings.ReplaceAll(strings.Join(c.parts["rule"][0], " "), ",", " "))
	r := reconciliation.Rule{Name: "case", HasDate: true}
	if words[0] == "exact" {
		return r
	}
	r.HasDate = slices.Contains(words, "days")
	for i := 0; i+1 < len(words); i += 2 {
		switch words[i] {
		case "tolerance":
			r.Tolerance = dec(t, words[i+1])
		case "days":
			n, err := strconv.Atoi(words[i+1])
			if err != nil {
				t.Fatal(err)
			}
			r.Days = int32(n)
		default:
			t.Fatalf("%s: rule %q", c.at, words[i])
		}
	}
	return r
}

func (c *writtenCase) side(t *testing.T, name string) (out []reconciliation.Item) {
	t.Helper()
	for _, f := range c.parts[name] {
		if len(f) != 5 {
			t.Fatalf("%s: %s: want name, key, amount, currency, date: %v", c.at, name, f)
		}
		out = append(out, reconciliation.Item{Ref: f[0], Key: blank(f[1]), Amount: dec(t, f[2]), Currency: blank(f[3]), Date: dayNumber(t, f[4])})
	}
	return out
}

// outcomesOf writes a result as the cases do.
func outcomesOf(res reconciliation.Result) (out []string) {
	add := func(b reconciliation.Break) {
		ref := func(i *reconciliation.Item) string {
			if i == nil {
				return "-"
			}
			return i.Ref
		}
		line := fmt.Sprintf("%s %s %s", b.Class, ref(b.Left), ref(b.Right))
		if d, ok := b.Difference(); ok {
			line += " " + d.Normalize().String()
		}
		out = append(out, line)
	}
	for _, m := range res.Matches {
		add(reconciliation.Break{Class: reconciliation.Matched, Left: &m.Left, Right: &m.Right})
	}
	for _, b := range res.Breaks {
		add(b)
	}
	slices.Sort(out)
	return out
}

func (c *writtenCase) expected(t *testing.T, mirrored bool) (out []string) {
	t.Helper()
	for _, f := range c.parts["expect"] {
		line := slices.Clone(f)
		if mirrored {
			line[0] = string(reconciliation.Class(f[0]).Mirrored())
			line[1], line[2] = f[2], f[1]
		}
		if len(line) == 4 {
			d := dec(t, line[3]).Normalize()
			if mirrored {
				d = d.Neg()
			}
			line[3] = d.String()
		}
		out = append(out, strings.Join(line, " "))
	}
	slices.Sort(out)
	return out
}

func (c *writtenCase) twoSides(t *testing.T) {
	t.Helper()
	left, right, rule := c.side(t, "ledger"), c.side(t, "statement"), c.rule(t)
	for seed := range uint64(6) {
		if got, want := outcomesOf(reconciliation.Compare(left, right, rule)), c.expected(t, false); !slices.Equal(got, want) {
			t.Fatalf("%s: got\n%s\nwant\n%s", c.at, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got, want := outcomesOf(reconciliation.Compare(right, left, rule)), c.expected(t, true); !slices.Equal(got, want) {
			t.Fatalf("%s: sides swapped: got\n%s\nwant\n%s", c.at, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		rnd := rand.New(rand.NewPCG(seed, 1))
		rnd.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		rnd.Shuffle(len(right), func(i, j int) { right[i], right[j] = right[j], right[i] })
	}
}

func (c *writtenCase) days(t *testing.T) {
	t.Helper()
	var days []reconciliation.Day
	for _, f := range c.parts["days"] {
		d := reconciliation.Day{Account: f[0], Date: dayNumber(t, f[1]), Movement: dec(t, f[3]), Unstated: f[2] == "-"}
		if !d.Unstated {
			d.Opening, d.Closing = dec(t, f[2]), dec(t, f[4])
		}
		days = append(days, d)
	}
	failed, err := reconciliation.ProveDays(days)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, p := range failed {
		line := fmt.Sprintf("%s %s ", p.Account, time.Unix(int64(p.Date)*86400, 0).UTC().Format(time.DateOnly))
		if !p.Difference.IsZero() {
			line += "balance " + p.Difference.Normalize().String()
		} else {
			line += "opening " + p.Gap.Normalize().String()
		}
		got = append(got, line)
	}
	for _, f := range c.parts["expect"] {
		f[3] = dec(t, f[3]).Normalize().String()
		want = append(want, strings.Join(f, " "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", c.at, got, want)
	}
}

func (c *writtenCase) chain(t *testing.T) {
	t.Helper()
	var prior *money.Decimal
	if p := c.parts["prior"][0][0]; p != "-" {
		d := dec(t, p)
		prior = &d
	}
	var rows []reconciliation.Stated
	for _, f := range c.parts["movements"] {
		rows = append(rows, reconciliation.Stated{Amount: dec(t, f[0]), Balance: dec(t, f[1])})
	}
	want := c.parts["expect"][0]
	for seed := range uint64(6) {
		link, err := reconciliation.Chain(prior, rows)
		if err != nil {
			t.Fatal(err)
		}
		if link.Chains != (want[0] == "chains") || !link.Opening.Equal(dec(t, want[1])) || !link.Closing.Equal(dec(t, want[2])) {
			t.Fatalf("%s: got %+v, want %v", c.at, link, want)
		}
		rnd := rand.New(rand.NewPCG(seed, 2))
		rnd.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	}
}
