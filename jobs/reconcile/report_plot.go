package reconcile

import (
	"strconv"
	"strings"
)

// barPlot is a plot of counts as lying bars, drawn by the template "bars" as SVG beside the table that says the same.
type barPlot struct {
	ID, Title, Desc string // ID makes the plot's own ids unique on the page
	Height          int
	Bars            []bar
}

// bar is one count. Places and sizes are in units of the plot's view, which is plotWidth wide.
type bar struct {
	Label      string
	Count      int64
	Kind       string // a class of the style sheet: what the colour means
	Y, TextY   int
	Width, End int // of the bar; where the count is written
}

const (
	plotWidth = 640
	plotLeft  = 170 // where bars begin: labels are left of it
	plotRoom  = 380 // the longest bar
	barStep   = 26
)

// newBarPlot lays out bars in the order given. The longest is of the greatest count; a count that is not 0 is always seen.
func newBarPlot(id, title string, bars []bar) *barPlot {
	p := &barPlot{ID: id, Title: title, Bars: bars, Height: len(bars)*barStep + 8}
	var most int64
	for _, b := range bars {
		most = max(most, b.Count)
	}
	var said []string
	for i := range bars {
		b := &bars[i]
		b.Y, b.TextY = i*barStep+6, i*barStep+20
		if b.Count > 0 {
			b.Width = max(int(int64(plotRoom)*b.Count/most), 2)
		}
		b.End = plotLeft + b.Width + 6
		said = append(said, b.Label+": "+strconv.FormatInt(b.Count, 10))
	}
	p.Desc = strings.Join(said, "; ")
	return p
}

// trendPlot is a plot of breaks over nights as standing bars, drawn by the template "trend".
type trendPlot struct {
	Title, Desc string
	Most        int64
	Bars        []column
}

// column is one night.
type column struct {
	Point             TrendPoint
	X, Y, Width, High int
	Label             string // shown below, "" where there is no room
	LabelX            int
}

const (
	trendHigh = 140 // the greatest count
	trendTop  = 16
)

func newTrendPlot(points []TrendPoint) *trendPlot {
	if len(points) < 2 {
		return nil
	}
	p := &trendPlot{Title: "breaks over nights"}
	for _, n := range points {
		p.Most = max(p.Most, n.Breaks)
	}
	step := (plotWidth - 60) / len(points)
	every := 1 + (len(points)*74-1)/(plotWidth-60) // labels that do not touch
	var said []string
	for i, n := range points {
		c := column{Point: n, X: 50 + i*step, Width: max(min(step-4, 36), 2)}
		if n.Breaks > 0 {
			c.High = max(int(int64(trendHigh)*n.Breaks/p.Most), 2)
		}
		c.Y = trendTop + trendHigh - c.High
		if (len(points)-1-i)%every == 0 {
			c.Label, c.LabelX = n.AsOf, c.X+c.Width/2
		}
		p.Bars = append(p.Bars, c)
		said = append(said, n.AsOf+": "+strconv.FormatInt(n.Breaks, 10)+" "+string(n.Verdict))
	}
	p.Desc = strings.Join(said, "; ")
	return p
}

// grouped writes a number with a narrow space between thousands. Its digits are not touched; what is no number is returned as it is.
func grouped(text string) string {
	sign, digits := "", text
	if strings.HasPrefix(text, "-") {
		sign, digits = "−", text[1:]
	}
	whole, rest, point := strings.Cut(digits, ".")
	for _, c := range whole + rest {
		if c < '0' || c > '9' {
			return text
		}
	}
	if whole == "" {
		return text
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString("\u202f")
		}
		b.WriteRune(c)
	}
	if point {
		b.WriteByte('.')
		b.WriteString(rest)
	}
	return b.String()
}
