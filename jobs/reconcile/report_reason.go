package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/reconciliation"
)

// reason says in words why a run has its verdict.
func (rep *RulesReport) reason() string {
	var said []string
	if rep.Total > 0 {
		said = append(said, fmt.Sprintf("%s: %s.", counted(rep.Total, "break"), rep.Breaks.words()))
	}
	if l := rep.Life; l != nil && l.Matched+l.WrittenOff > 0 {
		said = append(said, fmt.Sprintf("%s settled by hand, and do not count.", map[bool]string{true: "1 was", false: grouped(fmt.Sprint(l.Matched+l.WrittenOff)) + " were"}[l.Matched+l.WrittenOff == 1]))
	}
	for _, s := range rep.Sides {
		if s.Quarantined > 0 {
			said = append(said, fmt.Sprintf("%s of side %s cannot be read and are set aside.", counted(s.Quarantined, "record"), s.Name))
		}
	}
	for _, p := range rep.Proofs {
		if p.Verdict != Pass {
			said = append(said, fmt.Sprintf("Proof %s does not hold: %s%s.", p.Name, counted(p.Findings, "finding"), map[bool]string{true: ", which are immaterial"}[p.Verdict == Warn]))
		}
	}
	explained := false
	for _, l := range rep.Legs {
		explained = explained || l.Verdict == rep.Verdict
	}
	for _, s := range rep.Sides {
		explained = explained || s.Quarantined > 0
	}
	for _, p := range rep.Proofs {
		explained = explained || p.Verdict != Pass
	}
	switch {
	case rep.Verdict == Pass && rep.Total == 0:
		said = append(said, fmt.Sprintf("%s, nothing is left over on any side, and no difference of amounts is unexplained.", counted(rep.Matched, "match")))
	case rep.Verdict == Warn && rep.onlyTiming():
		said = append(said, "All of them are rows that are not due on the other side yet.")
	case rep.Verdict != Pass && !explained:
		said = append(said, "A proof or a limit that is stated below does not hold.")
	}
	return strings.Join(said, " ")
}

func (rep *RulesReport) onlyTiming() bool {
	for class := range rep.Breaks {
		if class != reconciliation.TimingDifference {
			return false
		}
	}
	return true
}

// counted is a number with its noun.
func counted(n int64, noun string) string {
	text := grouped(fmt.Sprint(n)) + " " + noun
	switch {
	case n == 1:
		return text
	case strings.HasSuffix(noun, "ch"):
		return text + "es"
	}
	return text + "s"
}

// words are the classes with their counts, the most frequent first.
func (b ByClass) words() string {
	classes := slices.Collect(maps.Keys(b))
	slices.SortFunc(classes, func(x, y reconciliation.Class) int { return cmp.Or(cmp.Compare(b[y], b[x]), cmp.Compare(x, y)) })
	var out []string
	for _, c := range classes {
		out = append(out, fmt.Sprintf("%s %s", grouped(fmt.Sprint(b[c])), strings.ReplaceAll(string(c), "_", " ")))
	}
	return strings.Join(out, ", ")
}
