package reconcile

import (
	"fmt"

	"github.com/millrace/millrace/sdk/reconciliation"
)

// ages are the bands in which the page counts breaks: by the days from the earlier of the rows' dates to the leg's as-of.
var ages = []struct {
	label string
	most  int64
}{{"0–1 day", 1}, {"2–5 days", 5}, {"6–30 days", 30}, {"31–60 days", 60}, {"61–90 days", 90}, {"over 90 days", 1 << 40}, {"no date", 0}}

// ageOf is the band of a break, an index of ages.
func ageOf(b *ruleBreak, asOf string) int {
	undated := len(ages) - 1
	end, err := reconciliation.ParseDay(asOf)
	if err != nil {
		return undated
	}
	first, dated := int32(0), false
	for _, text := range []string{b.DateLeft, b.DateRight} {
		if day, err := reconciliation.ParseDay(text); err == nil && (!dated || day < first) {
			first, dated = day, true
		}
	}
	if !dated {
		return undated
	}
	days := int64(end) - int64(first)
	for i, band := range ages[:undated] {
		if days <= band.most {
			return i
		}
	}
	return undated
}

// agePlot are the bands that the breaks of a leg are in.
func agePlot(id string, counts []int64) *barPlot {
	var bars []bar
	for i, band := range ages {
		if i == len(ages)-1 && counts[i] == 0 {
			continue
		}
		bars = append(bars, bar{Label: band.label, Count: counts[i], Kind: fmt.Sprintf("age%d", i)})
	}
	return newBarPlot(id, "breaks by age", bars)
}

// lifePlot are the buckets of age that the rules keep, the older the louder.
func lifePlot(id string, buckets []AgeCount, count func(AgeCount) int64) *barPlot {
	var bars []bar
	for i, a := range buckets {
		shade := max(0, len(ages)-1-len(buckets)+i) // the last bucket has the colour of the last age
		bars = append(bars, bar{Label: a.Days + " days", Count: count(a), Kind: fmt.Sprintf("age%d", shade)})
	}
	return newBarPlot(id, "breaks by age", bars)
}
