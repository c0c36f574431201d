// Package files is what file formats have in common: how files in a store are
// cut into splits, read as record batches, and written as a set with a manifest.
//
// Nouns. A [Split] is a serialisable piece of one object: a byte range of a
// text file, some row groups of a Parquet file. A record is one row in a text
// file: a line of NDJSON, a CSV record that may span lines. A [Reject] is a
// record that cannot be a row. A [Parser] turns the texts of a record into the
// values of a row by a schema. A [Manifest] describes a finished set of files.
//
// Invariants:
//   - Every record belongs to exactly one split of its file, whatever the split size.
//   - rows + rejects = records: nothing is dropped unseen. Without a handler the first reject is an error.
//   - A split names the object's size and ETag; an object that changed since it was planned is refused.
//   - Decimals are read and written digit by digit, never through floating point; a
//     digit that the column cannot hold is a reject, not a rounding.
//   - A [Writer]'s files exist whole or not at all; its manifest lists what Close made visible.
//
// Errors: a schema or an option that cannot work is a fault.Usage; damaged
// compression wraps [ErrCorrupt]; storage errors keep their kind.
package files

import "errors"

// ErrCorrupt is wrapped by errors about a file whose compression or framing is damaged.
var ErrCorrupt = errors.New("damaged file")
