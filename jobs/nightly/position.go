package nightly

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

// Position is the cut of the lake that stands for a business date's cut-off.
type Position struct {
	Cut    int64     `json:"cut,omitempty"`         // 0: not known yet
	Source time.Time `json:"source_time,omitzero"`  // the last commit of the source that it holds, where that is known
	Tag    bool      `json:"tag,omitempty"`         // the date's tag is this cut, and moves no more
	How    string    `json:"established,omitempty"` // by what it is known that nothing of the date is missing
}

// Ledger is what is asked of the lake and its stream to find a position. A [*catalog.Lake] has the first two.
type Ledger interface {
	BusinessDates(ctx context.Context) ([]catalog.BusinessDate, error)
	Cuts(ctx context.Context) ([]catalog.CutInfo, error)
	// AtEnd reports whether the lake has all that is in the stream.
	AtEnd(ctx context.Context) (bool, error)
}

// CutOff says where a date's cut-off is.
type CutOff struct {
	Day    calendar.Day
	At     time.Time     // the instant
	ByTag  bool          // it is midnight where the ledger's dates end: the date's tag is the cut, exactly
	Settle time.Duration // after At, before the stream's end counts
	Clock  func() time.Time
}

// Locate finds the position of a cut-off. false: the lake has not all of the date yet, and why says what is missing.
//
// It has all once the stream has brought something later; or once the stream is read to its end, looked at after the cut-off and Settle.
// With ByTag the cut is the date's tag, exactly. Else it is the last cut before the first one that holds a later commit of the source: what the
// source committed in the same step as something later, which is at most a step's length before the cut-off, belongs to the next date.
func Locate(ctx context.Context, l Ledger, c CutOff) (p Position, found bool, why string, err error) {
	ended := false
	if !c.Clock().Before(c.At.Add(c.Settle)) { // asked before the cuts are: what they hold is then no less than the end was
		if ended, err = l.AtEnd(ctx); err != nil {
			return p, false, "", fmt.Errorf("how far the lake is: %w", err)
		}
	}
	if c.ByTag {
		return locateTag(ctx, l, c, ended)
	}
	return locateTime(ctx, l, c, ended)
}

func locateTag(ctx context.Context, l Ledger, c CutOff, ended bool) (p Position, found bool, why string, err error) {
	dates, err := l.BusinessDates(ctx)
	if err != nil {
		return p, false, "", err
	}
	own, later := false, ""
	for _, d := range dates {
		day := calendar.DayOf(d.Date, time.UTC)
		switch {
		case day <= c.Day:
			p.Cut, own = d.Cut, day == c.Day
		case later == "":
			later = calendar.FormatDay(day)
		}
	}
	switch {
	case later != "" && p.Cut == 0:
		return p, false, "", fault.Usagef("the lake has nothing of %s or before: its first business date is %s", calendar.FormatDay(c.Day), later)
	case later != "":
		p.Tag, p.How = own, "the stream has brought transactions of "+later
	case ended && p.Cut > 0:
		p.How = "the stream was read to its end after the cut-off"
	default:
		return p, false, missing(c, ended), nil
	}
	return p, true, "", nil
}

func locateTime(ctx context.Context, l Ledger, c CutOff, ended bool) (p Position, found bool, why string, err error) {
	cuts, err := l.Cuts(ctx)
	if err != nil {
		return p, false, "", err
	}
	later := false
	for _, cut := range cuts {
		if cut.SourceTime.After(c.At) {
			later = true
			break
		}
		p.Cut = cut.Cut
		if !cut.SourceTime.IsZero() {
			p.Source = cut.SourceTime
		}
	}
	switch {
	case later && p.Source.IsZero():
		return p, false, "", fault.Usagef("the lake's cut at %s is expired: keep more snapshots (maintain.keep_snapshots), or cut off at 24:00, whose tags stay", c.At.Format(time.RFC3339))
	case later:
		p.How = "the stream has brought transactions of a later time"
	case ended && !p.Source.IsZero():
		p.How = "the stream was read to its end after the cut-off"
	default:
		return p, false, missing(c, ended), nil
	}
	return p, true, "", nil
}

func missing(c CutOff, ended bool) string {
	if ended {
		return "the stream is read to its end, but the lake holds nothing yet"
	}
	return "the lake has not all that the stream holds up to " + c.At.Format(time.RFC3339)
}
