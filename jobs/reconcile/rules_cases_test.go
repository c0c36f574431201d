package reconcile

import (
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

// ruleCase is one case of sdk/reconciliation/testdata/rules; the README there says how they are written.
type ruleCase struct {
	title, at string // at is file and line
	asOf      string
	files     map[string]string // rules.yaml and the sides' files
	expect    []string
	movements []string // those over three sides that are not matched on all
}

const casesOfRules = "../../sdk/reconciliation/testdata/rules"

// TestRuleCases runs the cases that were written by hand, each also with its rows in other orders and with its sides swapped.
func TestRuleCases(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(casesOfRules + "/[0-9]*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		for _, c := range readRuleCases(t, name) {
			n++
			t.Run(strings.TrimSuffix(filepath.Base(name), ".md")+"/"+c.title, func(t *testing.T) {
				t.Parallel()
				c.run(t)
			})
		}
	}
	if n < leastRuleCases {
		t.Errorf("%d cases, there were %d once", n, leastRuleCases)
	}
}

// leastRuleCases is how many cases there were when this was last counted.
const leastRuleCases = 221

func readRuleCases(t *testing.T, file string) (out []*ruleCase) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	shared, fence, body := map[string]string{}, "", []string(nil)
	for i, line := range strings.Split(string(data), "\n") {
		title, isTitle := strings.CutPrefix(line, "## ")
		name, isFence := strings.CutPrefix(line, "```")
		var c *ruleCase
		if len(out) > 0 {
			c = out[len(out)-1]
		}
		switch {
		case fence == "" && isTitle:
			files := map[string]string{}
			for k, v := range shared {
				files[k] = v
			}
			out = append(out, &ruleCase{title: title, at: fmt.Sprintf("%s:%d", filepath.Base(file), i+1), files: files})
		case fence == "" && strings.HasPrefix(line, "# ") && len(out) > 0:
			shared = map[string]string{} // a new topic
		case fence == "" && isFence:
			fence, body = name, nil
		case fence != "" && line == "```":
			text := strings.Join(body, "\n") + "\n"
			switch {
			case fence == "expect":
				c.expect = body
			case fence == "movements":
				c.movements = body
			case strings.HasPrefix(fence, "shared "):
				shared[strings.TrimPrefix(fence, "shared ")] = text
			default:
				c.files[fence] = text
			}
			fence = ""
		case fence != "":
			body = append(body, line)
		case strings.HasPrefix(line, "As of ") && c != nil:
			c.asOf = strings.TrimSuffix(strings.TrimPrefix(line, "As of "), ".")
		}
	}
	return out
}

func (c *ruleCase) run(t *testing.T) {
	dir := t.TempDir()
	for name, text := range c.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, text, err := rulefile.Load(filepath.Join(dir, "rules.yaml"), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatalf("%s: %v", c.at, err)
	}
	o := RulesOptions{Rules: f, Text: text, Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if c.asOf != "" {
		if o.AsOf, err = reconciliation.ParseDay(c.asOf); err != nil {
			t.Fatalf("%s: %v", c.at, err)
		}
	}
	ids := c.ids(t)
	taken := &takenRows{ids: ids}
	rep, legs, _, err := settleRules(t.Context(), &o, taken)
	if err != nil {
		t.Fatalf("%s: %v", c.at, err)
	}
	c.compare(t, "", append(taken.lines, legLines(legs, ids)...))
	whole := c.whole(t, &o)
	c.compare(t, "all rows in memory: ", legLines(whole, ids))
	for i := range whole {
		c.otherwise(t, whole[i].result, ids)
	}
	c.overSides(t, &rep, ids)
}

// takenRows are the lines of what a sieve gives away.
type takenRows struct {
	ids   map[string]string
	lines []string
}

func (r *takenRows) pairs(p rulefile.Plan) func(*reconciliation.PairRows) error {
	return func(rows *reconciliation.PairRows) error {
		for i := 0; i < rows.Len(); i += 2 {
			r.lines = append(r.lines, fmt.Sprintf("%s = %s by %s", r.ids[rows.Refs.At(i)], r.ids[rows.Refs.At(i+1)], p.Rules.Passes[rows.Passes[i]].Name))
		}
		return nil
	}
}

func (r *takenRows) settled(_ rulefile.Plan, _ int, s *reconciliation.Settlement) error {
	r.lines = append(r.lines, outcomeLines(s, r.ids, "", false)...)
	return nil
}

// whole settles the legs with all rows in memory, whatever the rules.
func (c *ruleCase) whole(t *testing.T, o *RulesOptions) []settledLeg {
	t.Helper()
	plans, err := o.Rules.Plans(o.AsOf)
	if err != nil {
		t.Fatalf("%s: %v", c.at, err)
	}
	schema, err := o.Rules.Schema()
	if err != nil {
		t.Fatalf("%s: %v", c.at, err)
	}
	legs, err := settleWhole(t.Context(), plans, o.loaders(schema))
	if err != nil {
		t.Fatalf("%s: %v", c.at, err)
	}
	return legs
}

func legLines(legs []settledLeg, ids map[string]string) (out []string) {
	for i := range legs {
		prefix := ""
		if len(legs) > 1 {
			prefix = legs[i].plan.Name + " "
		}
		out = append(out, outcomeLines(legs[i].result, ids, prefix, false)...)
	}
	return out
}

func (c *ruleCase) compare(t *testing.T, how string, got []string) {
	t.Helper()
	want := slices.Clone(c.expect)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %sgot\n%s\nwant\n%s", c.at, how, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// overSides compares the movements of more than two sides.
func (c *ruleCase) overSides(t *testing.T, rep *RulesReport, ids map[string]string) {
	t.Helper()
	if rep.nway == nil {
		return
	}
	var got []string
	for _, m := range rep.nway.open {
		got = append(got, rep.nway.describe(m, ids))
	}
	if !slices.Equal(got, c.movements) {
		t.Fatalf("%s: movements: got\n%s\nwant\n%s", c.at, strings.Join(got, "\n"), strings.Join(c.movements, "\n"))
	}
}

// describe writes a movement as the cases do: each side with its status and rows.
func (n *nWay) describe(m *movement, ids map[string]string) string {
	var parts []string
	for _, name := range n.names {
		var rows []string
		for _, ref := range n.refs(m, name) {
			rows = append(rows, ids[ref])
		}
		text := name + " " + n.status(m, name)
		if slices.Sort(rows); len(rows) > 0 {
			text += " (" + strings.Join(rows, " + ") + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// otherwise settles a leg again: rows in other orders, and sides swapped.
func (c *ruleCase) otherwise(t *testing.T, s *reconciliation.Settlement, ids map[string]string) {
	t.Helper()
	settle := func(l, r *reconciliation.Side, rules reconciliation.Rules) *reconciliation.Settlement {
		out, err := reconciliation.Settle(l, r, rules)
		if err != nil {
			t.Fatalf("%s: %v", c.at, err)
		}
		return out
	}
	want := outcomeLines(settle(s.Left, s.Right, s.Rules), ids, "", false)
	for seed := range uint64(3) {
		l, r := shuffled(t, s.Left, seed), shuffled(t, s.Right, seed+7)
		if got := outcomeLines(settle(l, r, s.Rules), ids, "", false); !slices.Equal(got, want) {
			t.Fatalf("%s: in another order: got\n%s\nwant\n%s", c.at, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got := outcomeLines(settle(r, l, s.Rules.Mirrored()), ids, "", true); !slices.Equal(got, want) {
			t.Fatalf("%s: sides swapped: got\n%s\nwant\n%s", c.at, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func shuffled(t *testing.T, s *reconciliation.Side, seed uint64) *reconciliation.Side {
	t.Helper()
	out := reconciliation.NewSide(s.Name(), s.Schema())
	for _, i := range rand.New(rand.NewPCG(seed, 3)).Perm(s.Len()) {
		if err := out.Append(s.Row(i)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// ids are the names of rows, their first field, by where they stand.
func (c *ruleCase) ids(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, text := range c.files {
		if !strings.HasSuffix(name, ".csv") {
			continue
		}
		r := csv.NewReader(strings.NewReader(text))
		r.FieldsPerRecord, r.LazyQuotes = -1, true
		if strings.Contains(strings.SplitN(text, "\n", 2)[0], ";") {
			r.Comma = ';'
		}
		for {
			row, err := r.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %s: %v", c.at, name, err)
			}
			line, _ := r.FieldPos(0)
			out[fmt.Sprintf("%s:%d", name, line)] = row[0]
		}
	}
	return out
}

// outcomeLines writes outcomes as the cases do, sorted: a match as "l1 + l2 = r1 by pass", a break as "class: l1 | r1".
func outcomeLines(s *reconciliation.Settlement, ids map[string]string, prefix string, mirrored bool) (out []string) {
	names := func(side *reconciliation.Side, rows []int32) string {
		var list []string
		for _, r := range rows {
			list = append(list, ids[side.Ref(int(r))])
		}
		if list == nil {
			return "-"
		}
		slices.Sort(list)
		return strings.Join(list, " + ")
	}
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		l, r, class := names(s.Left, o.Left), names(s.Right, o.Right), o.Class
		suggested := ""
		if len(o.Suggested) > 0 {
			other := s.Right
			if len(o.Left) == 0 {
				other = s.Left
			}
			suggested = " perhaps " + ids[other.Ref(int(o.Suggested[0].Row))]
		}
		if mirrored {
			l, r, class = r, l, class.Mirrored()
		}
		if class == reconciliation.Matched {
			out = append(out, fmt.Sprintf("%s%s = %s by %s", prefix, l, r, o.Pass))
			continue
		}
		out = append(out, fmt.Sprintf("%s%s: %s | %s%s", prefix, class, l, r, suggested))
	}
	slices.Sort(out)
	return out
}
