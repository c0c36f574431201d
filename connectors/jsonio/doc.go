// Package jsonio reads and writes JSON records: NDJSON, one object a line, or one array of objects.
//
// Nouns. A record is an object. A column is a key of it, or with
// Options.Flatten a path of keys joined by dots. A file whose first character is
// "[" is an array of records; any other is NDJSON.
//
// # Splits
//
// JSON has no raw line break inside a value, so an NDJSON file is cut at any
// byte: a split begins after the first line break at or after the byte before
// it, and ends with the line that begins before its end. Arrays and compressed files are one split.
//
// # Values
//
// Numbers are read digit by digit into integers and decimals, never through
// floating point; a number in quotes is a number to a column of numbers. In a
// text column a number, a boolean, an array or an object is kept as the JSON
// text that it is. A missing key is null.
//
// # Bad records
//
// Rejected are: what is not one object of strict JSON (RFC 8259), keys that come
// twice, keys that the schema does not have unless they are ignored, escapes of half a surrogate pair, and values that
// their column cannot hold exactly. In an array that is damaged the rest of the file cannot
// be told into records: that is an error that wraps files.ErrCorrupt. Blank lines are not records.
//
// Invariants and what is not guaranteed: as for package csvio.
package jsonio
