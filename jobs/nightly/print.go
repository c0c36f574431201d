package nightly

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/calendar"
)

// Upcoming is a night that has not begun.
type Upcoming struct {
	Date     string    `json:"date"`
	CutOff   time.Time `json:"cut_off"`
	Start    time.Time `json:"start"`
	Deadline time.Time `json:"deadline,omitzero"`
}

// Upcoming lists the next nights after a time.
func (s Settings) Upcoming(now time.Time, most int) []Upcoming {
	var out []Upcoming
	for day, _ := s.next(now); len(out) < most; day = s.Calendar.Add(day, 1) {
		start, ok := s.Start(day)
		if !ok {
			break
		}
		u := Upcoming{Date: calendar.FormatDay(day), CutOff: s.cutOff(day), Start: start}
		u.Deadline, _ = deadline(s.Plan.Deadline, start, s.Zone)
		out = append(out, u)
	}
	return out
}

// LastDue is the latest business date whose night has begun by a time.
func (s Settings) LastDue(now time.Time) (calendar.Day, bool) {
	next, _ := s.next(now)
	day := s.Calendar.Add(next, -1)
	start, ok := s.Start(day)
	return day, ok && !start.After(now)
}

// Standing is who runs nights, how the last one stands, and what comes next.
type Standing struct {
	Holder   string        `json:"holder,omitempty"` // "": nobody runs a night
	Left     time.Duration `json:"-"`
	LeftMS   int64         `json:"lease_left_ms,omitempty"`
	Night    *Night        `json:"night,omitempty"` // the latest; nil: there was none
	Attempts []Attempt     `json:"attempts,omitempty"`
	Next     []Upcoming    `json:"next"`
}

// Status tells who runs nights, how the last one stands, and what comes next.
func (h *History) Status(ctx context.Context, s Settings, now time.Time) (st Standing, err error) {
	var l catalog.LeaseState
	if l, err = h.leases.Look(ctx, leaseName); err != nil {
		return st, err
	}
	if l.Held {
		st.Holder, st.Left, st.LeftMS = l.Holder, l.Left, l.Left.Milliseconds()
	}
	nights, err := h.Nights(ctx, 1)
	if err != nil {
		return st, err
	}
	if len(nights) > 0 {
		st.Night = &nights[0]
		if st.Attempts, err = h.Attempts(ctx, nights[0].Date); err != nil {
			return st, err
		}
	}
	st.Next = s.Upcoming(now, 1)
	return st, nil
}

// Line is a moment of a night for people.
func Line(p Progress) string {
	at := p.At.Format(time.TimeOnly)
	switch p.Event {
	case "night":
		return fmt.Sprintf("%s  night of %s (%s)", at, p.Date, p.Status)
	case "step":
		if p.Attempt > 1 {
			return fmt.Sprintf("%s    %s, attempt %d …", at, p.Step, p.Attempt)
		}
		return fmt.Sprintf("%s    %s …", at, p.Step)
	}
	out := fmt.Sprintf("%s    %s: %s in %s", at, p.Step, p.Status, p.Took.Round(100*time.Millisecond))
	if p.Event == "night.done" {
		out = fmt.Sprintf("%s  night of %s: %s in %s", at, p.Date, p.Status, p.Took.Round(100*time.Millisecond))
	}
	if p.Message != "" {
		out += ": " + p.Message
	}
	return out
}

// PrintStatus prints how nights stand.
func PrintStatus(w io.Writer, st Standing) error {
	var b strings.Builder
	if st.Holder == "" {
		b.WriteString("nobody runs a night\n")
	} else {
		fmt.Fprintf(&b, "%s runs a night (its lease ends in %s unless it is renewed)\n", st.Holder, st.Left.Round(time.Second))
	}
	if st.Night != nil {
		fmt.Fprintf(&b, "the night of %s: %s %s\n", st.Night.Date, st.Night.Status, st.Night.Message)
	}
	for _, n := range st.Next {
		fmt.Fprintf(&b, "next: %s at %s\n", n.Date, n.Start.Format(time.RFC3339))
	}
	if _, err := io.WriteString(w, b.String()); err != nil || len(st.Attempts) == 0 {
		return err
	}
	return PrintAttempts(w, st.Attempts)
}

// PrintNights prints nights as a table.
func PrintNights(w io.Writer, nights []Night) error {
	return table(w, "DATE\tSTATUS\tWHY\tBEGAN\tTOOK\tCUT\tRESUMED\t", len(nights), func(i int) string {
		n := nights[i]
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s", n.Date, n.Status, n.Reason, stamp(n.Started), took(n.Started, n.Ended), n.Position.Cut, n.Resumed, n.Message)
	})
}

// PrintAttempts prints attempts as a table.
func PrintAttempts(w io.Writer, attempts []Attempt) error {
	return table(w, "STEP\tATTEMPT\tOUTCOME\tBEGAN\tTOOK\tCUT\tRUN\t", len(attempts), func(i int) string {
		a := attempts[i]
		return fmt.Sprintf("%s\t%d\t%s\t%s\t%s\t%d\t%s\t%s", a.Step, a.Attempt, a.Outcome, stamp(a.Started), took(a.Started, a.Ended), a.Cut, a.Run, a.Error)
	})
}

// PrintEvents prints the audit trail as a table.
func PrintEvents(w io.Writer, events []Event) error {
	return table(w, "AT\tWHAT\tWHO\tDATE\tDETAIL", len(events), func(i int) string {
		e := events[i]
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s", stamp(e.At), e.Kind, e.Who, e.Date, e.Detail)
	})
}

// PrintAlerts prints alerts as a table.
func PrintAlerts(w io.Writer, alerts []Alert) error {
	return table(w, "AT\tSTATUS\tALERT", len(alerts), func(i int) string {
		return fmt.Sprintf("%s\t%s\t%s", stamp(alerts[i].At), alerts[i].Status, alerts[i].Text)
	})
}

// PrintUpcoming prints nights that have not begun as a table.
func PrintUpcoming(w io.Writer, nights []Upcoming) error {
	return table(w, "DATE\tCUT-OFF\tSTART\tDEADLINE", len(nights), func(i int) string {
		u := nights[i]
		return fmt.Sprintf("%s\t%s\t%s\t%s", u.Date, stamp(u.CutOff), stamp(u.Start), stamp(u.Deadline))
	})
}

func table(w io.Writer, head string, n int, row func(int) string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, head)
	for i := range n {
		fmt.Fprintln(tw, row(i))
	}
	return tw.Flush()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("2006-01-02 15:04:05Z07:00")
}

func took(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return "-"
	}
	return to.Sub(from).Round(100 * time.Millisecond).String()
}
