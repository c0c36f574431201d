// Package calendar says when: which days are business days, which instant a time of day is in a zone, and when a schedule comes next.
//
// Nouns. A [Day] is a date without a zone, counted from 1970-01-01. A [Calendar] knows which days are business days: a weekend
// and holidays. A [Convention] moves a day that is none to one that is. A [Clock] is a time of day, up to 24:00. A [Schedule] is a cron
// expression of five fields.
//
// Invariants. A Calendar and a Schedule never change once made, and may be shared. [At] gives every time of
// day on every date exactly one instant: a time that does not exist there (a clock set forward) is the first moment after the gap,
// and one that exists twice (a clock set back) is its first occurrence. [Schedule.Next] is made of that, so that a run is neither lost nor doubled when
// clocks change, and instants follow one another in the order of their times of day.
//
// Errors are mistakes of whoever wrote a day, a calendar or a schedule (fault.Usage), and name the field and what may stand there.
// Not guaranteed: holidays that are not listed. [TARGET] is computed, from 1999 to 2199; all other holidays are a list of the bank's own.
package calendar
