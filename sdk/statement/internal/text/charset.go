// Package text reads the characters of statement files: their encodings and their lines.
//
// Nouns. A [Source] is a file's bytes with its byte order mark dropped and UTF-16 turned into UTF-8. A [Charset] turns
// the bytes of one text into UTF-8. [Lines] are a file's physical lines, each with its number and the place of its first byte.
//
// Invariants: offsets are those of the file as stored, in any encoding. No more than one line, cut at a limit, is held.
package text

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// ErrEncoding is returned for a text that is not in the encoding that was asked for.
var ErrEncoding = errors.New("the text is not valid UTF-8")

// Charset is the encoding of single texts.
type Charset uint8

// The charsets.
const (
	Guess   Charset = iota // UTF-8, or Windows-1252 where that is not valid
	Strict                 // UTF-8 only
	Western                // Windows-1252
)

// cp1252 are the characters of 0x80 to 0x9f. Five bytes that have none are the control characters that they are in ISO 8859-1.
var cp1252 = [32]rune{
	0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f,
	0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178,
}

// Append appends raw to dst in UTF-8.
func (c Charset) Append(dst, raw []byte) ([]byte, error) {
	high := false
	for _, b := range raw {
		if b >= 0x80 {
			high = true
			break
		}
	}
	if !high {
		return append(dst, raw...), nil
	}
	if c != Western {
		if utf8.Valid(raw) {
			return append(dst, raw...), nil
		}
		if c == Strict {
			return append(dst, raw...), ErrEncoding
		}
	}
	for _, b := range raw {
		switch {
		case b >= 0x80 && b < 0xa0:
			dst = utf8.AppendRune(dst, cp1252[b-0x80])
		default:
			dst = utf8.AppendRune(dst, rune(b))
		}
	}
	return dst, nil
}

// CharsetOf is the charset that a file says it has, by its name in any case.
func CharsetOf(name string) (Charset, bool) {
	switch strings.ToLower(name) {
	case "utf-8", "utf8", "us-ascii", "ascii", "utf-16", "utf-16le", "utf-16be":
		return Guess, true // senders who say UTF-8 and write Windows-1252 are common
	case "iso-8859-1", "iso8859-1", "latin1", "latin-1", "windows-1252", "cp1252", "1252", "8859-1":
		return Western, true
	}
	return Guess, false
}
