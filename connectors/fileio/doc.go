// Package fileio reads Debezium's change events from files that arrive in a
// storage.Store as a [source.Source]: one JSON envelope a line, plain, gzip or zstd.
//
// Nouns. A family is the files of one table (or of the transaction topic, or of
// heartbeats): the objects whose names start with its prefix and end in .json, .ndjson or .jsonl,
// with .gz, .zst or .zstd behind it if compressed; or those that match its pattern, whatever their ending. Its files, in byte order of their names, are
// one log, and one shard of the stream, named after the table. A writer must name files so that
// names grow. A file is final once it is Options.Settle old, or another follows it; until then only its whole lines are read.
//
// Offsets. A line's offset is ordinal<<36 | byte: the ordinal of its file in the
// family, from 0, and the byte in the file, uncompressed, at which the line starts. So a
// file holds at most 64 GiB. A position remembers, in Marks, the name of the file that has
// the ordinal, so ordinals stay as they are when older files are deleted. A split lies in one file: its
// Shard is the family's name, "@", and the file's name; its batches carry the family's name alone.
//
// Invariants, besides those of package source.
//   - A line that is empty is nothing. A line "null" is a tombstone. The last line
//     of a final file needs no newline; if it is cut short it is rejected, like any malformed line.
//   - A file that appears with a name before the place that has been read is late: its events would
//     be lost, so it is an error (Options.Late), found while the source runs, and when it
//     starts by the number of files and by their times.
//   - The file at the position must exist unless it was read to its end; a missing or
//     shorter one is a gap (source.ErrGap). A file that was deleted before it was read cannot be noticed.
//   - Compressed files are read from their start up to the place that is wanted.
//
// Deleting files that were read and confirmed is safe. Message keys are not in the
// files: a delete must have its image before.
package fileio
