package calendar_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the same on machines that have no data on time zones

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

func zone(t testing.TB, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func schedule(t testing.TB, text string) *calendar.Schedule {
	s, err := calendar.ParseSchedule(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ expression, zone, after, want string }{
		{"30 1 * * *", "UTC", "2026-11-25T01:30:00Z", "2026-11-26T01:30:00Z"},
		{"30 1 * * 1-5", "UTC", "2026-11-27T02:00:00Z", "2026-11-30T01:30:00Z"},
		{"*/20 8-9 * * *", "UTC", "2026-11-25T08:41:00Z", "2026-11-25T09:00:00Z"},
		{"0 0 29 feb *", "UTC", "2026-11-25T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z"}, // 2100 has none
		{"0 6 L * *", "UTC", "2026-02-01T00:00:00Z", "2026-02-28T06:00:00Z"},
		{"0 6 L-1 * *", "UTC", "2026-02-01T00:00:00Z", "2026-02-27T06:00:00Z"},
		{"0 6 LB * *", "UTC", "2026-01-30T06:00:00Z", "2026-02-27T06:00:00Z"},
		{"0 6 LW 5 *", "UTC", "2026-01-30T06:00:00Z", "2026-05-29T06:00:00Z"},
		{"0 6 3B * *", "UTC", "2026-05-01T06:00:00Z", "2026-05-05T06:00:00Z"},
		{"0 6 15W * *", "UTC", "2026-02-01T00:00:00Z", "2026-02-16T06:00:00Z"}, // a Sunday
		{"0 6 1W * *", "UTC", "2026-07-31T07:00:00Z", "2026-08-03T06:00:00Z"},  // Saturday the 1st, but not in July
		{"0 6 * * 5L", "UTC", "2026-11-01T00:00:00Z", "2026-11-27T06:00:00Z"},
		{"0 6 * * fri#2", "UTC", "2026-11-01T00:00:00Z", "2026-11-13T06:00:00Z"},
		{"0 6 13 * 5", "UTC", "2026-11-01T00:00:00Z", "2026-11-06T06:00:00Z"}, // either
		{"0 6 * * 7", "UTC", "2026-11-25T00:00:00Z", "2026-11-29T06:00:00Z"},
		{"0 6 * * fri-sun", "UTC", "2026-11-28T07:00:00Z", "2026-11-29T06:00:00Z"},
		{"@daily", "Asia/Tokyo", "2026-11-25T00:00:00Z", "2026-11-25T15:00:00Z"},
		// Clocks go from 02:00 to 03:00 on 2026-03-29: 02:30 is not there.
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		// Clocks go from 03:00 to 02:00 on 2026-10-25: 02:30 is there twice.
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		// Midnight does not exist on 2018-11-04 in São Paulo.
		{"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"},
		// Samoa left out 2011-12-30.
		{"0 9 30 12 *", "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-30T10:00:00Z"},
		// Half an hour in Lord Howe: 02:00 to 02:30 on 2026-10-04.
		{"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"},
	} {
		after, err := time.Parse(time.RFC3339, x.after)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := schedule(t, x.expression).Next(after, zone(t, x.zone), nil)
		if !ok || got.UTC().Format(time.RFC3339) != x.want {
			t.Errorf("%s in %s after %s: %s, want %s", x.expression, x.zone, x.after, got.UTC().Format(time.RFC3339), x.want)
		}
	}
}

func TestMistakesOfSchedules(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                  "has 0 fields instead of 5",
		"0 1 * *":           "has 4 fields",
		"@often":            "has 1 fields",
		"60 1 * * *":        `minute "60": "60" is not a number from 0 to 59`,
		"0 24 * * *":        `hour "24"`,
		"0 1 0 * *":         `day of month "0"`,
		"0 1 * 13 *":        `month "13"`,
		"0 1 * * 8":         `day of week "8"`,
		"0 1 * * mo":        `day of week "mo"`,
		"5-1 1 * * *":       "the range ends before it begins",
		"*/0 1 * * *":       `the step "0"`,
		"+5 1 * * *":        `"+5"`,
		"1,,2 1 * * *":      `minute ""`,
		"0 1 30 2 *":        "never comes",
		"0 1 24B * *":       "1 to 23 business days",
		"0 1 L-31 * *":      "days from 1 to 30",
		"0 1 * * 5#6":       "from 1 to 5",
		"0 1 W * *":         `day of month "W"`,
		"0 1 * * L":         `day of week "L"`,
		"-1 1 * * *":        `minute "-1"`,
		"0 1 31 2,4,6,9 *":  "never comes",
		"1 1 1 1 1 1":       "has 6 fields",
		"0 1 99999999W * *": "is not a number from 1 to 31",
	} {
		_, err := calendar.ParseSchedule(text)
		if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// clockChanges are where time goes wrong: by an hour, half an hour, at midnight, a minute after it, by a day.
var clockChanges = []struct{ zone, from string }{
	{"Europe/Zurich", "2026-03-28T12:00:00Z"}, {"Europe/Zurich", "2026-10-24T12:00:00Z"}, {"America/New_York", "2026-03-07T12:00:00Z"},
	{"America/St_Johns", "2006-10-28T12:00:00Z"}, {"America/St_Johns", "2006-04-01T12:00:00Z"}, {"America/Sao_Paulo", "2018-11-03T12:00:00Z"},
	{"America/Sao_Paulo", "2018-02-17T12:00:00Z"}, {"Pacific/Apia", "2011-12-29T00:00:00Z"}, {"Australia/Lord_Howe", "2026-10-03T06:00:00Z"},
	{"Australia/Lord_Howe", "2026-04-04T06:00:00Z"}, {"Asia/Kathmandu", "1985-12-31T00:00:00Z"}, {"UTC", "2026-11-25T00:00:00Z"},
}

// brute lists a schedule's instants by walking from minute to minute of real time: a time of day counts when the zone's clock first shows it,
// or when the clock has gone past it.
func brute(on func(wall time.Time) bool, from, until time.Time, z *time.Location) []time.Time {
	wall := func(t time.Time) time.Time {
		_, offset := t.In(z).Zone()
		return t.UTC().Add(time.Duration(offset) * time.Second)
	}
	var out []time.Time
	seen := wall(from.Add(-48 * time.Hour)) // the latest that the clock has shown
	for t := from.Add(-48 * time.Hour).Add(time.Minute); !t.After(until); t = t.Add(time.Minute) {
		due := false
		for w := seen.Add(time.Minute); !w.After(wall(t)); w = w.Add(time.Minute) {
			due = due || on(w)
		}
		if w := wall(t); w.After(seen) {
			seen = w
		}
		if due && t.After(from) {
			out = append(out, t)
		}
	}
	return out
}

// TestNextAgainstWalking draws schedules around changes of the clock and holds Next against walking from minute to minute.
func TestNextAgainstWalking(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		at := rapid.SampledFrom(clockChanges).Draw(rt, "change")
		z := zone(t, at.zone)
		begin, err := time.Parse(time.RFC3339, at.from)
		if err != nil {
			rt.Fatal(err)
		}
		minutes := rapid.SliceOfNDistinct(rapid.IntRange(0, 59), 1, 3, rapid.ID[int]).Draw(rt, "minutes")
		hours := rapid.SliceOfNDistinct(rapid.SampledFrom([]int{0, 1, 2, 3, 4, 12, 23}), 1, 4, rapid.ID[int]).Draw(rt, "hours")
		text := fmt.Sprintf("%s %s * * *", list(minutes), list(hours))
		s := schedule(t, text)
		from := begin.Add(time.Duration(rapid.IntRange(0, 24*60).Draw(rt, "minutes later")) * time.Minute)
		until := from.Add(40 * time.Hour)
		want := brute(func(w time.Time) bool {
			return contains(minutes, w.Minute()) && contains(hours, w.Hour())
		}, from, until, z)
		got := s.Between(from, until, 1000, z, nil)
		if fmt.Sprint(utc(got)) != fmt.Sprint(utc(want)) {
			rt.Fatalf("%s in %s after %s:\n%v, walked to\n%v", text, at.zone, from.UTC(), utc(got), utc(want))
		}
	})
}

func list(n []int) string { return strings.Trim(strings.ReplaceAll(fmt.Sprint(n), " ", ","), "[]") }

func contains(n []int, x int) bool {
	for _, v := range n {
		if v == x {
			return true
		}
	}
	return false
}

func utc(in []time.Time) []string {
	var out []string
	for _, t := range in {
		out = append(out, t.UTC().Format(time.RFC3339))
	}
	return out
}

// TestDatesAgainstListing draws fields of days and holds the dates against saying again, day by day, what they mean.
func TestDatesAgainstListing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		date := rapid.SampledFrom([]string{"*", "L", "L-3", "LB", "1", "28", "2B", "10-12", "15W"}).Draw(rt, "date")
		month := rapid.SampledFrom([]string{"*", "2", "jan,apr", "7-9", "*/3"}).Draw(rt, "month")
		weekday := rapid.SampledFrom([]string{"*", "1", "mon-fri", "0", "7", "5L", "3#1"}).Draw(rt, "weekday")
		s := schedule(t, "0 0 "+date+" "+month+" "+weekday)
		from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 700).Draw(rt, "from"))
		var want []string
		for d := from.AddDate(0, 0, 1); d.Before(from.AddDate(0, 0, 400)); d = d.AddDate(0, 0, 1) {
			if months(month, d) && days(date, weekday, d) {
				want = append(want, d.Format(time.RFC3339))
			}
		}
		got := s.Between(from, from.AddDate(0, 0, 399), 1000, time.UTC, nil)
		if fmt.Sprint(utc(got)) != fmt.Sprint(want) {
			rt.Fatalf("%s after %s:\n%v, listed\n%v", s, from.Format(time.DateOnly), utc(got), want)
		}
	})
}

func months(field string, d time.Time) bool {
	m := d.Month()
	switch field {
	case "2":
		return m == time.February
	case "jan,apr":
		return m == time.January || m == time.April
	case "7-9":
		return m >= time.July && m <= time.September
	case "*/3":
		return m%3 == 1
	}
	return true
}

func days(date, weekday string, d time.Time) bool {
	switch {
	case date == "*":
		return onWeekday(weekday, d)
	case weekday == "*":
		return onDate(date, d)
	}
	return onDate(date, d) || onWeekday(weekday, d)
}

func open(d time.Time) bool { return d.Weekday() != time.Saturday && d.Weekday() != time.Sunday }

func onDate(field string, d time.Time) bool {
	last := d.AddDate(0, 1, -d.Day())
	if last.Month() != d.Month() { // AddDate goes past the end of a short month
		last = time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC)
	}
	businessUpTo := func(x time.Time) (n int) {
		for i := range x.Day() {
			if open(x.AddDate(0, 0, -i)) {
				n++
			}
		}
		return n
	}
	switch field {
	case "L":
		return d.Equal(last)
	case "L-3":
		return d.Equal(last.AddDate(0, 0, -3))
	case "LB":
		return open(d) && businessUpTo(d) == businessUpTo(last)
	case "2B":
		return open(d) && businessUpTo(d) == 2
	case "15W":
		target := time.Date(d.Year(), d.Month(), 15, 0, 0, 0, 0, time.UTC)
		switch target.Weekday() {
		case time.Saturday:
			target = target.AddDate(0, 0, -1)
		case time.Sunday:
			target = target.AddDate(0, 0, 1)
		}
		return d.Equal(target)
	case "10-12":
		return d.Day() >= 10 && d.Day() <= 12
	}
	return fmt.Sprint(d.Day()) == field
}

func onWeekday(field string, d time.Time) bool {
	switch field {
	case "1":
		return d.Weekday() == time.Monday
	case "mon-fri":
		return open(d)
	case "0", "7":
		return d.Weekday() == time.Sunday
	case "5L":
		return d.Weekday() == time.Friday && d.AddDate(0, 0, 7).Month() != d.Month()
	case "3#1":
		return d.Weekday() == time.Wednesday && d.Day() <= 7
	}
	return true
}

func FuzzParseSchedule(f *testing.F) {
	for _, text := range []string{"30 1 * * 1-5", "*/5 8-18/2 LB,15W jan 5L,2#1", "@daily", "0 0 30 2 *", "0 6 3B * ?"} {
		f.Add(text)
	}
	z := zone(f, "Europe/Zurich")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := calendar.ParseSchedule(text)
		if err != nil {
			if fault.Of(err) != fault.Usage {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		from := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
		if at, ok := s.Next(from, z, nil); ok && (!at.After(from) || at.Second() != 0) {
			t.Fatalf("%q: %s", text, at)
		}
	})
}

func FuzzParseHolidays(f *testing.F) {
	f.Add([]byte("2026-12-25 Christmas\n# none\n2026-12-26"))
	f.Fuzz(func(t *testing.T, data []byte) {
		days, err := calendar.ParseHolidays("h", data)
		if err != nil && fault.Of(err) != fault.Usage {
			t.Fatal(err)
		}
		if _, err := calendar.New(nil, days); err != nil {
			t.Fatal(err)
		}
	})
}

func ExampleSchedule_Next() {
	night, err := calendar.ParseSchedule("30 1 * * mon-fri")
	if err != nil {
		fmt.Println(err)
		return
	}
	friday := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	at, _ := night.Next(friday, time.UTC, nil)
	fmt.Println(at.Format(time.RFC1123))
	// Output: Mon, 30 Nov 2026 01:30:00 UTC
}
