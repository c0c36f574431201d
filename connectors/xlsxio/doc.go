// Package xlsxio writes workbooks (Office Open XML, .xlsx) as streams.
//
// Nouns. A [Workbook] is a file that is being written; its sheets are written one after the other, row by row. A [Cell] is a text, a
// number or a whole number; there are no formulas.
//
// Invariants. A decimal is written as the digits that it has, never through binary floating point; one of more than 15 significant digits,
// which spreadsheet programs would round, is a text of all its digits. A text is never evaluated, whatever it begins with: it is an inline
// string, and marked as quoted where it begins like a formula, so that it stays text when a person edits it. The same rows give the same
// bytes. Memory does not grow with rows: a sheet that is full (1,048,576 rows) is continued by another with the same heading.
//
// What is not kept: a text beyond 32,767 characters is cut, with a mark that says so; characters that XML cannot hold become U+FFFD.
//
// Errors: those of the writer below, and a name that no sheet may have (fault.Usage).
package xlsxio
