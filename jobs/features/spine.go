package features

import (
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
)

// Spine says which as-of instants are asked for. Exactly one of Instants, Table
// and Pairs is set. See [AsOf], [Daily], [FromTable] and [FromReader].
type Spine struct {
	// Instants are asked for all accounts, in any order.
	Instants []time.Time
	// Table is a table of the lake, read at the run's cut, with a row for each (account, as-of) pair.
	Table string
	// Pairs are such rows from elsewhere: csvio.NewSource, parquetio.NewSource.
	Pairs dataset.Reader
	// Account and AsOf are the columns of the pairs: an account as the entries have it, and a date (its end is meant) or a timestamp.
	Account, AsOf string
}

// AsOf asks for the features of all accounts at instants.
func AsOf(instants ...time.Time) Spine { return Spine{Instants: instants} }

// EndOf is the last microsecond of a date in a zone: what an as-of date means. The
// windows of that instant are whole days, and an entry booked on the date is 0 days old.
func EndOf(year int, month time.Month, day int, zone *time.Location) time.Time {
	return time.Date(year, month, day+1, 0, 0, 0, 0, zone).Add(-time.Microsecond)
}

// Daily asks for the features of all accounts at the end of each day-th date from first to last (by their
// dates in the zone), both included where they fall due. every is 1 for each day.
func Daily(first, last time.Time, every int, zone *time.Location) (Spine, error) {
	if zone == nil {
		zone = time.UTC
	}
	if every < 1 {
		return Spine{}, fault.Usagef("features: every %d days: write at least 1", every)
	}
	y, m, d := first.In(zone).Date()
	ly, lm, ld := last.In(zone).Date()
	end := EndOf(ly, lm, ld, zone)
	var s Spine
	for t := EndOf(y, m, d, zone); !t.After(end); d += every {
		s.Instants = append(s.Instants, t)
		t = EndOf(y, m, d+every, zone)
	}
	if len(s.Instants) == 0 {
		return Spine{}, fault.Usagef("features: there is no date from %s to %s", first.In(zone).Format(time.DateOnly), last.In(zone).Format(time.DateOnly))
	}
	return s, nil
}

// FromTable asks for the pairs in two columns of a table of the lake.
func FromTable(table, account, asOf string) Spine {
	return Spine{Table: table, Account: account, AsOf: asOf}
}

// FromReader asks for the pairs in two columns of files, or of whatever the reader reads.
func FromReader(r dataset.Reader, account, asOf string) Spine {
	return Spine{Pairs: r, Account: account, AsOf: asOf}
}

// ParseAsOf reads a date (2026-03-31, whose end in the zone is meant) or an instant (RFC 3339).
func ParseAsOf(text string, zone *time.Location) (time.Time, error) {
	if zone == nil {
		zone = time.UTC
	}
	if d, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return EndOf(d.Year(), d.Month(), d.Day(), zone), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fault.Usagef("as-of %q: write a date such as 2026-03-31, or an instant such as 2026-03-31T12:00:00Z", text)
	}
	return t, nil
}

func (s Spine) check() error {
	given := 0
	for _, set := range []bool{len(s.Instants) > 0, s.Table != "", s.Pairs != nil} {
		if set {
			given++
		}
	}
	switch {
	case given == 0:
		return fault.Usagef("features: no as-of is given; write a date, a range of dates, or a spine of (account, as-of) pairs")
	case given > 1:
		return fault.Usagef("features: instants for all accounts and a spine of pairs exclude each other")
	case s.pairs() && (s.Account == "" || s.AsOf == ""):
		return fault.Usagef("features: name the spine's columns of the account and the as-of")
	}
	return nil
}

// pairs reports whether each account has its own instants.
func (s Spine) pairs() bool { return len(s.Instants) == 0 }

// micros are the instants in microseconds, ascending, each once.
func (s Spine) micros() []int64 {
	out := make([]int64, len(s.Instants))
	for i, t := range s.Instants {
		out[i] = t.UnixMicro()
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// describe is the spine in a summary.
func (s Spine) describe() string {
	instants := s.micros()
	text := func(i int) string { return time.UnixMicro(instants[i]).UTC().Format(time.RFC3339Nano) }
	switch n := len(instants); {
	case s.Table != "":
		return fmt.Sprintf("pairs (%s, %s) of %s", s.Account, s.AsOf, s.Table)
	case n == 0:
		return fmt.Sprintf("pairs (%s, %s)", s.Account, s.AsOf)
	case n == 1:
		return text(0)
	default:
		return fmt.Sprintf("%d instants from %s to %s", n, text(0), text(n-1))
	}
}
