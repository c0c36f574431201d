package reconcile

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// mostNights is how many nights the trend shows.
const mostNights = 60

// TrendPoint is one night of the trend.
type TrendPoint struct {
	AsOf    string  `json:"as_of"`
	Run     string  `json:"run"`
	Verdict Verdict `json:"verdict"`
	Matched int64   `json:"matched"`
	Breaks  int64   `json:"breaks"`
}

// trend reads earlier nights of the same rules from the summaries in the folders beside out, as in nights/2026-01-06 beside nights/2026-01-07, and ends with
// this run. Only runs with an earlier as-of count, so that a run that is repeated has the same page. Of two runs of a day the folder whose name sorts last
// counts. A run without an as-of has no trend. What is no summary, or can't be read, is passed over: it is no part of this night's proof.
func trend(out string, rep *RulesReport) []TrendPoint {
	whole, err := filepath.Abs(out)
	if rep.AsOf == "" || err != nil {
		return nil
	}
	folders, _ := os.ReadDir(filepath.Dir(whole)) // a folder that can't be read has no earlier nights
	byDay := map[string]TrendPoint{}
	for _, f := range folders { // in the order of their names
		if !f.IsDir() || f.Name() == filepath.Base(whole) {
			continue
		}
		if p, ok := nightOf(filepath.Join(filepath.Dir(whole), f.Name(), summaryName), rep.Rules); ok && p.AsOf < rep.AsOf {
			byDay[p.AsOf] = p
		}
	}
	var points []TrendPoint
	for _, p := range byDay {
		points = append(points, p)
	}
	slices.SortFunc(points, func(a, b TrendPoint) int { return cmp.Compare(a.AsOf, b.AsOf) })
	points = append(points, TrendPoint{rep.AsOf, rep.Run, rep.Verdict, rep.Matched, rep.Total})
	return points[max(0, len(points)-mostNights):]
}

// nightOf reads a summary. ok is false where there is none, or one of other rules.
func nightOf(name, rules string) (p TrendPoint, ok bool) {
	data, err := os.ReadFile(name)
	if err != nil {
		return p, false
	}
	if rules == lakeName {
		var rep Report
		if json.Unmarshal(data, &rep) != nil || rep.AsOf == "" || rep.Cut == 0 {
			return p, false
		}
		p = TrendPoint{rep.AsOf, rep.Run, rep.Verdict, 0, rep.Breaks}
		if rep.Checked != nil {
			p.Matched = rep.Checked.Matched
		}
		return p, true
	}
	var rep struct {
		Run     string  `json:"run"`
		Rules   string  `json:"rules"`
		SHA256  string  `json:"rules_sha256"`
		AsOf    string  `json:"as_of"`
		Verdict Verdict `json:"verdict"`
		Matched int64   `json:"matched"`
		Total   int64   `json:"breaks_total"`
	}
	if json.Unmarshal(data, &rep) != nil || rep.Rules != rules || rep.AsOf == "" || rep.SHA256 == "" {
		return p, false
	}
	return TrendPoint{rep.AsOf, rep.Run, rep.Verdict, rep.Matched, rep.Total}, true
}
