// Package export writes a table of the lake as files for those who do not read
// the lake: Parquet or CSV, with a manifest that says exactly what they are.
//
// Nouns. An export is a folder of files with a manifest, manifest.json, beside them. Its identity is a
// digest of what is in it: the table's snapshot, the columns, the filter and the format.
// Control totals are the sums of the number columns, exact, amounts by currency.
//
// Invariants:
//   - An export is there once its manifest is, which is written last and in one step. Files without a manifest,
//     or that it does not name, mean nothing: a run that was killed leaves such files, and the next one removes them.
//   - An export that is there is never written again: a run with the same identity finds it and changes nothing.
//     Another identity under the same name is refused, unless Options.Replace says so.
//   - The rows are those of one snapshot of the table. Without a filter their number is held against the table's own
//     before the manifest is written (fault.Findings).
//   - [Verify] reads the files again and recomputes all that the manifest says of them.
//
// Errors: fault.Usage for tables, columns, filters and names that do not fit; fault.Findings where the
// files are not what the manifest says. Not guaranteed: an order of rows or files; that a reader who holds an old
// manifest finds its files after a replacement.
package export
