package debezium

import (
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// unavailable stands where PostgreSQL sent no value for an unchanged TOASTed column; in a bytes column as base64.
const (
	unavailable       = "__debezium_unavailable_value"
	unavailableBase64 = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="
)

// refuse is fail for the column of a slot.
func (s *scanner) refuse(slot, at int, msg string) int {
	s.err = DecodeError{Byte: at, Column: s.lay.cols[s.lay.column(slot)].field.Name, Msg: msg}
	return -1
}

// value takes a column's value; i is at its first byte.
func (s *scanner) value(slot int, b []byte, i int) int {
	c := s.lay.column(slot)
	enc := s.fam.enc[c]
	switch ch := b[i]; {
	case ch == '"':
		return s.quotedValue(slot, c, enc, b, i)
	case ch == '-' || ch-'0' <= 9:
		return s.numberValue(slot, c, enc, b, i)
	case ch == 'n':
		s.unset(slot)
		return s.scalar(b, i)
	case ch == 't' || ch == 'f':
		e := s.scalar(b, i)
		switch {
		case e < 0:
			return e
		case enc.codec == cText:
			s.literal(slot, b, i, e, 0)
		case enc.codec == cBool:
			s.keep(slot, int64(ch>>4&1)) // 't' is 0x74, 'f' is 0x66
		default:
			return s.refuse(slot, i, "a boolean, where "+enc.codec.want()+" was expected")
		}
		return e
	case ch == '{' || ch == '[':
		return s.nestedValue(slot, c, enc, b, i)
	}
	return s.scalar(b, i) // fails
}

func (s *scanner) keep(slot int, x int64) {
	s.num[slot] = x
	s.have(slot)
}

func (s *scanner) keepPair(slot int, x i128) {
	s.num[slot], s.high[slot] = int64(x.lo), x.hi
	s.have(slot)
}

// quotedValue takes a string.
func (s *scanner) quotedValue(slot, c int, enc encoding, b []byte, i int) int {
	e, flags := s.quoted(b, i+1)
	if e < 0 {
		return -1
	}
	if (e-i-1 == len(unavailable) || e-i-1 == len(unavailableBase64)) && s.isUnavailable(b[i+1:e]) {
		if slot < s.lay.before && !s.lay.cols[c].unavailable {
			return s.refuse(slot, i, "the source sent no value for an unchanged TOASTed column: set the table's REPLICA IDENTITY to FULL, or allow the column to become null")
		}
		s.unset(slot)
		return e + 1
	}
	if enc.codec == cText {
		s.literal(slot, b, i+1, e, flags)
		return e + 1
	}
	text := b[i+1 : e]
	mark := len(s.scratch)
	if flags&hasEscapes != 0 {
		s.unescape(text)
		text = s.scratch[mark:]
	}
	msg := ""
	if enc.codec == cBinary {
		msg = s.binary(slot, text)
	} else {
		msg = s.convert(slot, c, enc, text)
		s.scratch = s.scratch[:mark]
	}
	if msg != "" {
		return s.refuse(slot, i, msg)
	}
	return e + 1
}

func (s *scanner) isUnavailable(text []byte) bool {
	return string(text) == unavailable || string(text) == unavailableBase64
}

// convert takes the text of a string for a column that is neither text nor binary.
func (s *scanner) convert(slot, c int, enc encoding, text []byte) (msg string) {
	var x int64
	switch enc.codec {
	case cDecText, cDecBytes:
		return s.decimal(slot, c, enc, text)
	case cInt64, cInt32:
		if len(text) > 0 && text[0] == '+' {
			return "bad integer"
		}
		return s.integer(slot, enc, text)
	case cTsMillis, cTsMicros, cTsNanos, cTsText:
		x, msg = parseTimestamp(text)
	case cDays, cDateText:
		x, msg = parseDate(text)
	case cTimeMillis, cTimeMicros, cTimeNanos, cTimeText:
		x, msg = parseTime(text)
	default:
		return "a string, where " + enc.codec.want() + " was expected"
	}
	if msg == "" {
		s.keep(slot, x)
	}
	return msg
}

// numberValue takes a JSON number.
func (s *scanner) numberValue(slot, c int, enc encoding, b []byte, i int) int {
	if x, e := smallInt(b, i); e > 0 {
		if msg := s.unit(slot, enc, x); msg != "" {
			return s.refuse(slot, i, msg)
		}
		if s.has(slot) {
			return e
		}
	}
	e := s.number(b, i)
	if e < 0 {
		return -1
	}
	text := b[i:e]
	msg := ""
	switch enc.codec {
	case cText:
		s.literal(slot, b, i, e, 0)
	case cFloat:
		msg = s.float(slot, text)
	case cDecText:
		if isDouble(text) && !s.lay.cols[c].double {
			msg = "a JSON number with a fraction may have lost digits: let the source send strings (decimal.handling.mode=string) or allow doubles for the column"
		} else {
			msg = s.decimal(slot, c, enc, text)
		}
	case cDecBytes:
		if !s.lay.cols[c].double {
			msg = "a JSON number, where base64 was expected"
		} else {
			msg = s.decimal(slot, c, encoding{cDecText, enc.scale}, text)
		}
	default:
		msg = s.integer(slot, enc, text)
	}
	if msg != "" {
		return s.refuse(slot, i, msg)
	}
	return e
}

// integer takes an integer's text.
func (s *scanner) integer(slot int, enc encoding, text []byte) string {
	x, msg := parseInt(text)
	if msg == "" {
		s.unset(slot)
		if msg = s.unit(slot, enc, x); msg == "" && !s.has(slot) {
			msg = "a number, where " + enc.codec.want() + " was expected"
		}
	}
	return msg
}

// unit takes an integer in the codec's unit. It leaves the slot unset if the codec takes no integers.
func (s *scanner) unit(slot int, enc encoding, x int64) string {
	switch enc.codec {
	case cInt64, cTsMicros:
	case cInt32:
		if x != int64(int32(x)) {
			return "integer out of range of int32"
		}
	case cDays:
		if x != int64(int32(x)) {
			return "date out of range"
		}
	case cBool:
		if x != 0 && x != 1 {
			return "a number other than 0 and 1, where a boolean was expected"
		}
	case cTsMillis:
		if x > math.MaxInt64/1000 || x < math.MinInt64/1000 {
			return "timestamp out of range"
		}
		x *= 1000
	case cTsNanos:
		x = floorDiv(x, 1000)
	case cTimeMillis, cTimeMicros, cTimeNanos:
		return s.timeOfDay(slot, enc.codec, x)
	default:
		s.unset(slot)
		return ""
	}
	s.keep(slot, x)
	return ""
}

func (s *scanner) timeOfDay(slot int, k codec, x int64) string {
	max := dayMicros // 24:00:00 is a time in PostgreSQL
	switch k {
	case cTimeMillis:
		max /= 1000
	case cTimeNanos:
		max *= 1000
	}
	if x < 0 || x > max {
		return "time of day out of range: a MySQL TIME may be longer than a day: declare the column int64"
	}
	switch k {
	case cTimeMillis:
		x *= 1000
	case cTimeNanos:
		x /= 1000
	}
	s.keep(slot, x)
	return ""
}

func (s *scanner) float(slot int, text []byte) string {
	// ParseFloat keeps no reference to its argument unless it fails.
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), 64)
	if err != nil || math.IsInf(f, 0) {
		return "number out of range of float64"
	}
	s.keep(slot, int64(math.Float64bits(f)))
	return ""
}

func (s *scanner) decimal(slot, c int, enc encoding, text []byte) (msg string) {
	col := &s.lay.cols[c]
	var x i128
	if enc.codec == cDecText {
		x, msg = parseDecimal(text, col.scale, col.limit)
	} else {
		x, msg = parseDecimalBytes(text, enc.scale, col.scale, col.limit)
	}
	if msg == "" {
		s.keepPair(slot, x)
	}
	return msg
}

// binary decodes base64 into the scratch. It ignores the unescaped text that may stand there already.
func (s *scanner) binary(slot int, text []byte) string {
	a := len(s.scratch)
	out, ok := appendBase64(s.scratch, text)
	if !ok {
		return "bad base64"
	}
	s.scratch = out
	s.str[slot] = span{int32(a), int32(len(out)), true}
	s.have(slot)
	return ""
}

// nestedValue takes an object or array: a VariableScaleDecimal in a decimal column, its JSON text in a text column.
func (s *scanner) nestedValue(slot, c int, enc encoding, b []byte, i int) int {
	rec := s.rec
	s.rec = false
	e := s.skip(b, i)
	s.rec = rec
	if e < 0 {
		return -1
	}
	switch enc.codec {
	case cText:
		s.nestedText(slot, b, i, e)
		return e
	case cDecText, cDecBytes:
		if b[i] == '{' {
			if msg := s.variableScale(slot, c, b[i:e]); msg != "" {
				return s.refuse(slot, i, msg)
			}
			return e
		}
	}
	return s.refuse(slot, i, "a nested value, where "+enc.codec.want()+" was expected")
}

// nestedText keeps a nested value's JSON text, escapes and all, as valid UTF-8.
func (s *scanner) nestedText(slot int, b []byte, i, e int) {
	if utf8.Valid(b[i:e]) {
		s.literal(slot, b, i, e, 0)
		return
	}
	a := len(s.scratch)
	for t := b[i:e]; len(t) > 0; {
		r, n := utf8.DecodeRune(t)
		s.scratch = utf8.AppendRune(s.scratch, r)
		t = t[n:]
	}
	s.str[slot] = span{int32(a), int32(len(s.scratch)), true}
	s.have(slot)
}

// want names what a codec expects.
func (k codec) want() string {
	switch k {
	case cText:
		return "text"
	case cInt64, cInt32:
		return "an integer"
	case cBool:
		return "a boolean"
	case cFloat:
		return "a number"
	case cBinary:
		return "base64"
	case cDecText, cDecBytes:
		return "a decimal"
	case cTsMillis, cTsMicros, cTsNanos, cTsText:
		return "a timestamp"
	case cDays, cDateText:
		return "a date"
	}
	return "a time of day"
}
