// Package csvio reads and writes CSV: delimited text with optional quotes, as RFC 4180 has it and as banks send it.
//
// Nouns. A record is what ends at a line break outside quotes; it may span
// lines. A field is a piece of a record between delimiters. A marker is an
// unquoted field that stands for null. The header is the first record, which
// names the columns.
//
// # Splits
//
// A file is read by several tasks at once, each from some byte on. With quoted
// line breaks nothing in the bytes around an offset says for certain whether it
// is inside quotes, so [Splits] reads a file that is larger than a split once,
// with the same scanner that reads it later, and cuts it exactly where records
// begin. A file whose records are known to be lines (Options.OneLine, or Quote
// "none") needs no such pass: it is cut at any byte, and a split begins after
// the first line break at or after the byte before it. Compressed files are one split.
//
// # Bad records
//
// A quote that is never closed must not swallow the rest of the file: if a record has
// no end within Options.MaxRecord bytes or before the file's end, its first line is
// rejected and the next line begins a record. Rejected are also: text after a closing quote, a
// quote inside an unquoted field, another number of fields than the header has,
// and a value that its column cannot hold exactly. Blank lines are not records.
//
// Invariants: those of package files. What is not guaranteed: the order of rows
// between splits; line numbers of rejects in splits that do not begin the file
// (the byte offset is always there). A file with lone carriage returns as line ends is one long record.
package csvio
