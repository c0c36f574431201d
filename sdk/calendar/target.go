package calendar

import "time"

// TARGET is the calendar of the Eurosystem's payment system: closed on Saturdays, Sundays, 1 January, Good Friday, Easter Monday, 1 May,
// 25 and 26 December, as it has been since 2002. It is computed from 1999 to 2199; in 1999 to 2001, when some years had other closing days
// too, it is only about right.
func TARGET() *Calendar {
	var holidays []Day
	for year := 1999; year <= 2199; year++ {
		easter := Easter(year)
		holidays = append(holidays, date(year, time.January, 1), easter-2, easter+1, date(year, time.May, 1), date(year, time.December, 25), date(year, time.December, 26))
	}
	c, _ := New([]time.Weekday{time.Saturday, time.Sunday}, holidays) // five days are open
	return c
}

// Easter is Easter Sunday of a year in the Gregorian calendar, from 1583 on.
func Easter(year int) Day {
	// The epact (age of the moon at the year's beginning), corrected for the centuries, gives the full moon; Easter is the Sunday after it.
	century := year/100 + 1
	golden := year%19 + 1
	skipped := 3 * century / 4 // leap days that centuries have left out, and more
	epact := (11*golden + 20 + (8*century+5)/25 - 5 - (skipped - 12)) % 30
	if epact < 0 {
		epact += 30
	}
	if epact == 25 && golden > 11 || epact == 24 {
		epact++
	}
	moon := 44 - epact // of March
	if moon < 21 {
		moon += 30
	}
	full := date(year, time.March, moon)
	return full + Day(7-(weekday(full)+1)%7)
}

func date(year int, month time.Month, day int) Day {
	return Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}
