package reconciliation

import (
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/millrace/millrace/sdk/fault"
)

// TextForm brings texts of two systems to one form. What is set is done in the order of the fields. The zero value changes nothing.
type TextForm struct {
	Trim bool // drop blanks around, and make one blank of several
	// Extract keeps what the pattern's first group matches, or the whole match where it has no group; a text without a match
	// becomes blank.
	Extract *regexp.Regexp
	Keep    Keep
	// StripZeros drops zeros in front; of zeros only one is left.
	StripZeros bool
	Case       Case
}

// Keep is which characters of a text are kept.
type Keep string

// What may be kept.
const (
	KeepAll          Keep = ""
	KeepDigits       Keep = "digits"
	KeepAlphanumeric Keep = "alphanumeric" // letters and digits of any script
)

// Case is how letters are written.
type Case string

// The cases.
const (
	AnyCase   Case = ""
	UpperCase Case = "upper"
	LowerCase Case = "lower"
)

// Apply gives the text in its form. Applying it twice is the same as once, unless Extract is set.
func (f *TextForm) Apply(text string) string {
	if f.Trim && !trimmed(text) {
		text = strings.Join(strings.Fields(text), " ")
	}
	if f.Extract != nil {
		text = extracted(f.Extract, text)
	}
	if f.Keep != KeepAll {
		text = strings.Map(func(r rune) rune {
			if (r >= '0' && r <= '9') || (f.Keep == KeepAlphanumeric && (unicode.IsLetter(r) || unicode.IsDigit(r))) {
				return r
			}
			return -1
		}, text)
	}
	if f.StripZeros {
		if short := strings.TrimLeft(text, "0"); short != "" || text == "" {
			text = short
		} else {
			text = "0"
		}
	}
	switch f.Case {
	case UpperCase:
		return strings.ToUpper(text)
	case LowerCase:
		return strings.ToLower(text)
	}
	return text
}

// trimmed reports whether a text certainly has no blank to drop: it has none but single spaces within, and is of ASCII.
func trimmed(text string) bool {
	blank := true // the character before
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c >= 0x80 || c == ' ' && blank {
			return false
		}
		blank = c == ' '
	}
	return !blank || text == ""
}

func extracted(pattern *regexp.Regexp, text string) string {
	at := pattern.FindStringSubmatchIndex(text)
	switch {
	case at == nil:
		return ""
	case len(at) == 2:
		return text[at[0]:at[1]]
	case at[2] < 0:
		return ""
	}
	return text[at[2]:at[3]]
}

// DateForm reads a day from a text.
type DateForm struct {
	// Layouts are Go layouts, tried in order; none: 2006-01-02, and times of RFC 3339.
	Layouts []string
	// Zone is where an instant's day is taken; nil: UTC. A text without a zone says the day itself.
	Zone *time.Location
}

// Day of a text; "" is NoDate.
func (f DateForm) Day(text string) (int32, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return NoDate, nil
	}
	layouts := f.Layouts
	if len(layouts) == 0 {
		if day, ok := plainDay(text); ok {
			return day, nil
		}
		layouts = []string{time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05"}
	}
	for _, layout := range layouts {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if strings.Contains(layout, "Z07") || strings.Contains(layout, "-07") {
			return f.DayOf(t), nil
		}
		return civil(t), nil
	}
	return NoDate, fault.Usagef("date %q is not written as %s", text, strings.Join(layouts, ", or as "))
}

// plainDay reads 2006-01-02, in which most days are written. What it does not read may be a day all the same.
func plainDay(text string) (int32, bool) {
	if len(text) != len(time.DateOnly) || text[4] != '-' || text[7] != '-' {
		return 0, false
	}
	var n [3]int
	for k, digits := range [3]string{text[:4], text[5:7], text[8:]} {
		for i := range len(digits) {
			d := digits[i] - '0'
			if d > 9 {
				return 0, false
			}
			n[k] = 10*n[k] + int(d)
		}
	}
	if n[1] < 1 || n[1] > 12 || n[2] < 1 || n[2] > 28 {
		return 0, false // the calendar knows whether the month has it
	}
	return int32(time.Date(n[0], time.Month(n[1]), n[2], 0, 0, 0, 0, time.UTC).Unix() / 86400), true
}

// DayOf is the day of an instant in the form's zone.
func (f DateForm) DayOf(t time.Time) int32 {
	zone := f.Zone
	if zone == nil {
		zone = time.UTC
	}
	return civil(t.In(zone))
}

// civil is the day that a time's clock shows.
func civil(t time.Time) int32 {
	y, m, d := t.Date()
	return int32(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}
