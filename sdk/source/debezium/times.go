package debezium

import "time"

const dayMicros = int64(24 * time.Hour / time.Microsecond)

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

const (
	badTimestamp = "bad timestamp: ISO 8601 was expected, such as 2026-11-23T08:15:00Z"
	badDate      = "bad date: ISO 8601 was expected, such as 2026-11-23"
	badTime      = "bad time of day: ISO 8601 was expected, such as 08:15:00"
)

// parseTimestamp reads 2026-11-23T08:15:00.123456+01:00: the T may be a space,
// seconds and fraction may be missing, no zone is UTC. Digits past microseconds are cut.
func parseTimestamp(s []byte) (micros int64, msg string) {
	days, s, ok := date(s)
	if !ok || len(s) == 0 || s[0] != 'T' && s[0] != 't' && s[0] != ' ' {
		return 0, badTimestamp
	}
	tod, s, ok := timeOfDay(s[1:])
	if !ok || tod >= dayMicros {
		return 0, badTimestamp
	}
	shift, ok := zone(s)
	if !ok {
		return 0, badTimestamp
	}
	return days*dayMicros + tod - shift, ""
}

// parseDate reads 2026-11-23, with or without a Z.
func parseDate(s []byte) (days int64, msg string) {
	days, s, ok := date(s)
	if !ok || len(s) != 0 && string(s) != "Z" {
		return 0, badDate
	}
	return days, ""
}

// parseTime reads 08:15:00.123456, with or without a Z.
func parseTime(s []byte) (micros int64, msg string) {
	tod, s, ok := timeOfDay(s)
	if !ok || tod > dayMicros || len(s) != 0 && string(s) != "Z" {
		return 0, badTime
	}
	return tod, ""
}

// two reads two digits, or returns -1.
func two(s []byte) int64 {
	if len(s) < 2 || s[0]-'0' > 9 || s[1]-'0' > 9 {
		return -1
	}
	return int64(s[0]-'0')*10 + int64(s[1]-'0')
}

// date reads yyyy-mm-dd at the start of s as days since 1970.
func date(s []byte) (days int64, rest []byte, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, s, false
	}
	c, y, m, d := two(s), two(s[2:]), two(s[5:]), two(s[8:])
	if c < 0 || y < 0 || m < 1 || m > 12 || d < 1 {
		return 0, s, false
	}
	if y += 100 * c; d > monthDays(y, m) {
		return 0, s, false
	}
	return daysFromCivil(y, m, d), s[10:], true
}

func monthDays(y, m int64) int64 {
	switch m {
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysFromCivil counts from 1970-01-01 in the proleptic Gregorian calendar; years begin in March.
func daysFromCivil(y, m, d int64) int64 {
	if m <= 2 {
		y--
		m += 12
	}
	era := floorDiv(y, 400)
	of := y - era*400
	return era*146097 + of*365 + of/4 - of/100 + (153*(m-3)+2)/5 + d - 1 - 719468
}

// timeOfDay reads hh:mm[:ss[.fraction]] at the start of s; 24:00:00 is the day's end.
func timeOfDay(s []byte) (micros int64, rest []byte, ok bool) {
	if len(s) < 5 || s[2] != ':' {
		return 0, s, false
	}
	h, m := two(s), two(s[3:])
	if h < 0 || h > 24 || m < 0 || m > 59 {
		return 0, s, false
	}
	micros = (h*60 + m) * 60e6
	if s = s[5:]; len(s) == 0 || s[0] != ':' {
		return micros, s, micros <= dayMicros
	}
	sec := two(s[1:])
	if sec < 0 || sec > 59 {
		return 0, s, false
	}
	micros += sec * 1e6
	if s = s[3:]; len(s) > 0 && s[0] == '.' {
		n := digits(s, 1)
		if n == 1 {
			return 0, s, false
		}
		unit := int64(1e5)
		for _, c := range s[1:n] {
			micros += int64(c-'0') * unit
			unit /= 10
		}
		s = s[n:]
	}
	return micros, s, micros <= dayMicros
}

// zone reads Z, ±hh:mm, ±hhmm, ±hh or nothing, to the end of s, as microseconds east of UTC.
func zone(s []byte) (micros int64, ok bool) {
	if len(s) == 0 || len(s) == 1 && s[0]|0x20 == 'z' {
		return 0, true
	}
	if s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	h, m := two(s[1:]), int64(0)
	switch {
	case len(s) == 6 && s[3] == ':':
		m = two(s[4:])
	case len(s) == 5:
		m = two(s[3:])
	case len(s) != 3:
		return 0, false
	}
	if h < 0 || h > 23 || m < 0 || m > 59 {
		return 0, false
	}
	if micros = (h*60 + m) * 60e6; s[0] == '-' {
		micros = -micros
	}
	return micros, true
}
