package calendar_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

func day(t testing.TB, text string) calendar.Day {
	d, err := calendar.ParseDay(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// drawCalendar draws a calendar and says again, in the plainest way, which days are business days.
func drawCalendar(t *rapid.T) (*calendar.Calendar, func(calendar.Day) bool) {
	weekend := rapid.SliceOfNDistinct(rapid.IntRange(0, 6), 0, 6, rapid.ID[int]).Draw(t, "weekend")
	holidays := rapid.SliceOfN(rapid.Int32Range(-40, 40), 0, 12).Draw(t, "holidays")
	var days []time.Weekday
	for _, w := range weekend {
		days = append(days, time.Weekday(w))
	}
	c, err := calendar.New(days, holidays)
	if err != nil {
		t.Fatal(err)
	}
	return c, func(d calendar.Day) bool {
		return !slices.Contains(days, calendar.Midnight(d, time.UTC).Weekday()) && !slices.Contains(holidays, d)
	}
}

// TestBusinessDaysAgainstCounting holds the arithmetic against walking from day to day.
func TestBusinessDaysAgainstCounting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, open := drawCalendar(t)
		from, to := rapid.Int32Range(-60, 60).Draw(t, "from"), rapid.Int32Range(-60, 60).Draw(t, "to")
		if c.Business(from) != open(from) {
			t.Fatalf("day %d: business %v", from, c.Business(from))
		}
		count := int64(0)
		for d := min(from, to) + 1; d <= max(from, to); d++ {
			if open(d) {
				count++
			}
		}
		if to < from {
			count = -count
		}
		if got := c.Between(from, to); got != count {
			t.Fatalf("between %d and %d: %d, counted %d", from, to, got, count)
		}
		n := rapid.IntRange(-30, 30).Draw(t, "n")
		want := from
		for left := n; left != 0; {
			step := int32(1)
			if left < 0 {
				step = -1
			}
			if want += step; open(want) {
				left -= int(step)
			}
		}
		if got := c.Add(from, n); got != want {
			t.Fatalf("%d plus %d business days: %d, walked to %d", from, n, got, want)
		}
	})
}

// TestUnionIsOpenWhereAllAre draws calendars and asks each.
func TestUnionIsOpenWhereAllAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, _ := drawCalendar(t)
		b, _ := drawCalendar(t)
		u, err := calendar.Union(a, b)
		if err != nil {
			for d := calendar.Day(100); d < 107; d++ { // no day of the week is open in both
				if a.Business(d) && b.Business(d) {
					t.Fatalf("day %d is open in both: %v", d, err)
				}
			}
			return
		}
		for d := calendar.Day(-50); d < 50; d++ {
			if u.Business(d) != (a.Business(d) && b.Business(d)) {
				t.Fatalf("day %d", d)
			}
		}
	})
}

func TestRoll(t *testing.T) {
	t.Parallel()
	c, err := calendar.New([]time.Weekday{time.Saturday, time.Sunday}, []calendar.Day{day(t, "2026-01-01"), day(t, "2026-12-25")})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		by         calendar.Convention
		from, want string
	}{
		{calendar.Following, "2026-01-30", "2026-01-30"}, // a Friday stays
		{calendar.Following, "2026-01-31", "2026-02-02"},
		{calendar.ModifiedFollowing, "2026-01-31", "2026-01-30"},
		{calendar.ModifiedFollowing, "2026-01-17", "2026-01-19"},
		{calendar.Preceding, "2026-02-01", "2026-01-30"},
		{calendar.ModifiedPreceding, "2026-02-01", "2026-02-02"},
		{calendar.ModifiedPreceding, "2026-02-08", "2026-02-06"},
		{calendar.Unadjusted, "2026-01-31", "2026-01-31"},
		{calendar.Preceding, "2026-01-01", "2025-12-31"},
		{calendar.Following, "2026-12-25", "2026-12-28"},
	} {
		got, err := c.Roll(day(t, x.from), x.by)
		if err != nil || calendar.FormatDay(got) != x.want {
			t.Errorf("%s, %s: %s, %v; want %s", x.from, x.by, calendar.FormatDay(got), err, x.want)
		}
	}
	if _, err := c.Roll(0, "folowing"); fault.Of(err) != fault.Usage {
		t.Errorf("no such convention: %v", err)
	}
}

// TestEaster holds the computation against dates that almanacs print, with the earliest and latest that there are.
func TestEaster(t *testing.T) {
	t.Parallel()
	for year, want := range map[int]string{
		1818: "1818-03-22", 1886: "1886-04-25", 1943: "1943-04-25", 1954: "1954-04-18", 1961: "1961-04-02", 1981: "1981-04-19", 2000: "2000-04-23",
		2008: "2008-03-23", 2011: "2011-04-24", 2019: "2019-04-21", 2024: "2024-03-31", 2025: "2025-04-20", 2026: "2026-04-05", 2027: "2027-03-28",
		2038: "2038-04-25", 2049: "2049-04-18", 2076: "2076-04-19", 2285: "2285-03-22",
	} {
		if got := calendar.FormatDay(calendar.Easter(year)); got != want {
			t.Errorf("%d: %s, want %s", year, got, want)
		}
	}
}

// TestEasterAgainstTheTables holds it against Gauss's method as Lichtenberg states it, which shares no step with ours.
func TestEasterAgainstTheTables(t *testing.T) {
	t.Parallel()
	for x := 1583; x <= 4099; x++ {
		k := x / 100
		m := 15 + (3*k+3)/4 - (8*k+13)/25
		s := 2 - (3*k+3)/4
		a := x % 19
		d := (19*a + m) % 30
		r := (d + a/11) / 29
		og := 21 + d - r
		sz := 7 - (x+x/4+s)%7
		oe := 7 - ((og-sz)%7+7)%7
		want := time.Date(x, time.March, og+oe, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		if got := calendar.FormatDay(calendar.Easter(x)); got != want {
			t.Fatalf("%d: %s, want %s", x, got, want)
		}
	}
}

func TestTARGET(t *testing.T) {
	t.Parallel()
	c := calendar.TARGET()
	for text, open := range map[string]bool{
		"2026-01-01": false, "2026-01-02": true, "2026-04-03": false, "2026-04-06": false, "2026-04-07": true, "2026-05-01": false,
		"2026-12-24": true, "2026-12-25": false, "2026-12-28": true, "2026-07-04": false, "2199-12-25": false,
	} {
		if c.Business(day(t, text)) != open {
			t.Errorf("%s: open %v", text, !open)
		}
	}
}

func TestMistakesOfCalendars(t *testing.T) {
	t.Parallel()
	week := []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	if _, err := calendar.New(week, nil); fault.Of(err) != fault.Usage {
		t.Errorf("no weekday: %v", err)
	}
	if _, err := calendar.ParseHolidays("h.txt", []byte("2026-12-25 Christmas # closed\n\n# none\n25.12.2026\n")); fault.Of(err) != fault.Usage ||
		err.Error() != `h.txt:4: "25.12.2026" is not a day; write it as 2026-01-31` {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "24:01", "6:30", "06:60", "0630", "06.30"} {
		if _, err := calendar.ParseClock(text); fault.Of(err) != fault.Usage {
			t.Errorf("%q: %v", text, err)
		}
	}
	if w, err := calendar.ParseWeekday("SAT"); err != nil || w != time.Saturday {
		t.Errorf("%v, %v", w, err)
	}
}

func ExampleCalendar_Add() {
	target := calendar.TARGET()
	thursday, err := calendar.ParseDay("2026-04-02") // before Good Friday
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(calendar.FormatDay(target.Add(thursday, 1)))
	// Output: 2026-04-07
}
