// Package arrow15 carries schemas and record batches between the two Go modules of Apache Arrow,
// github.com/apache/arrow-go/v18, which this SDK uses, and its retired predecessor
// github.com/apache/arrow/go/v15, without copying the data.
//
// Nouns. ToV15 and FromV15 make a batch of the other module over the same buffers: the
// addresses of the values are equal.
//
// Invariants. The result holds its own reference to the memory: either batch may be released
// first, and the memory is freed, by the allocator that it came from, when both are.
// The caller releases the result. As everywhere in Arrow, nobody may change the buffers of a batch that is shared.
// Schemas, metadata, slices (offsets), null counts and dictionaries carry over unchanged.
//
// Extension types become the type that they are stored as; a field's extension name and
// parameters are kept in its metadata under the keys that Arrow's IPC format uses.
//
// Errors. [ErrUnsupported] names the column whose type the other module does not have
// (decimal32 and decimal64 are unknown to v15); it is a user mistake (fault.Usage).
//
// The package does not use cgo. The cost is a few allocations a column, whatever the number of rows.
package arrow15

import "errors"

// ErrUnsupported is wrapped where a type exists in one module only.
var ErrUnsupported = errors.New("type has no counterpart in the other Arrow version")

// Keys of field metadata for extension types, as in Arrow's IPC format.
const (
	extensionNameKey = "ARROW:extension:name"
	extensionDataKey = "ARROW:extension:metadata"
)
