// Package parquetfile reads and writes Parquet files as Arrow record batches.
//
// Nouns. A [Writer] turns batches into one file and ends with [FileStats], which
// hold everything that a table format wants to know about the file, so that
// nobody reads it back. A [File] is an opened file's footer; a [Reader] streams
// a projection of some of its row groups. A leaf is one primitive column of the
// file; a flat file has one leaf a field. A page is the unit of encoding and
// compression; pages hold at most 65,536 rows here, whatever other writers do.
//
// Invariants:
//   - Columns keep the schema's order, and carry the field ids of the Arrow metadata key PARQUET:field_id.
//   - Pages carry checksums, which the reader compares.
//   - A reader holds at most two row groups' projected compressed bytes (bounded by
//     [ReaderOptions].PrefetchBytes) and one batch, whatever the file's size.
//   - Statistics are complete and exact, but for long texts, whose bounds are truncated outward.
//   - Damaged input gives an error that wraps [ErrCorrupt], never a panic and never a silent gap.
//
// The encodings, the footer's structures and the codecs are parquet-go's; pages
// are assembled and taken apart here, column by column, straight from and into
// Arrow buffers, because a value that is boxed costs more than one that is packed.
//
// Errors: [ErrCorrupt] for damaged or truncated files, [ErrUnsupported] for what a
// valid file may hold and this package does not read. A schema that cannot be
// written, or a column that is not in the file, is a usage error by fault.Of.
package parquetfile

import "errors"

// ErrCorrupt is wrapped by errors about files that are damaged, truncated or no Parquet at all.
var ErrCorrupt = errors.New("damaged parquet file")

// ErrUnsupported is wrapped by errors about valid files that use what this package does not read.
var ErrUnsupported = errors.New("unsupported parquet feature")

// FieldIDKey is the Arrow field metadata key that holds a column's field id, in decimal.
const FieldIDKey = "PARQUET:field_id"
