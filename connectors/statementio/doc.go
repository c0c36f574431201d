// Package statementio reads bank statements and payment files as record batches of one schema, whatever their format.
//
// Nouns. An entry is a row; its columns are those of [Schema]. The formats are those of package statement: camt, mt940,
// bai2, nacha and ofx. A [Report] is what else a file says: its statements with their balances, and the checks
// of everything that the file states about itself.
//
// # Detection
//
// The format is told by the first bytes of each file ([Detect]), so that one pattern may match files of several formats; Options.Format
// overrides it.
//
// # Malformed files
//
// Without a place for rejects the first malformed record refuses its file: reading ends with an error that names file,
// line and reason, and what was read before must not be used. With one, malformed records are set apart, and
// rows + rejects = records. A total that does not tie out refuses the file as well, unless Options.Totals says that it is
// only reported, which is the default where records are set apart. A file whose records cannot be told apart any more is always refused.
//
// Invariants: a file is one split; its rows are in the file's order, and depend on nothing but its bytes and the options.
// Memory is a batch and a record, whatever the size of the file. An amount that the column's scale cannot hold is a reject, never rounded.
//
// Errors: options that cannot work, a format that is not known, and a refused file are fault.Usage; storage errors keep their kind.
package statementio
