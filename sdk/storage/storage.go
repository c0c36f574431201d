// Package storage is the contract for places where objects live.
//
// Nouns. A [Store] is one place: a folder, or a bucket with a prefix. An object
// has a name (slash-separated, relative to the store, no leading slash, no ".."
// element), a size, and bytes that never change in place: an object is written
// whole or not at all, and replaced whole.
//
// Invariants that every store keeps, and that package storagetest certifies:
//   - An object is visible only after Writer.Close or Put returned nil, and then
//     to every reader at once; a reader never sees part of one.
//   - After a nil return the bytes are durable (a folder store has synced the file and its directory).
//   - Operations are retried inside the store where that is safe; an error that
//     comes out is final for this attempt and marked retryable if later attempts may succeed.
//   - Delete of an absent object is not an error.
//
// Errors: [ErrNotExist] and [ErrExist] by errors.Is; fault.Retryable and
// fault.Usage (bad credentials, bad bucket) by fault.Of.
package storage

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"time"
)

// ErrNotExist is returned, wrapped, for an object that is not there. It is fs.ErrNotExist.
var ErrNotExist = fs.ErrNotExist

// ErrExist is returned, wrapped, by Put with IfAbsent where the object is there. It is fs.ErrExist.
var ErrExist = fs.ErrExist

// ErrTruncated is returned, wrapped, by a read that got fewer bytes than the object's size says.
var ErrTruncated = errors.New("object is shorter than its stated size")

// Info describes an object.
type Info struct {
	Name     string    // relative to the store
	Size     int64     // bytes
	Modified time.Time // by the store's clock, UTC
	ETag     string    // changes when the bytes do; "" where the store has none
}

// Reader reads one object. ReadAt may be called from several goroutines at once.
type Reader interface {
	io.ReaderAt
	io.Closer
	// Size is the object's size in bytes.
	Size() int64
}

// Writer writes one object. It is not safe for concurrent use.
type Writer interface {
	io.Writer
	// Close makes the object visible. After an error nothing is visible.
	Close() error
	// Abort discards what was written. It is a no-op after Close, so it can be deferred.
	Abort() error
}

// PutOptions alters Put. The zero value replaces an existing object.
type PutOptions struct {
	// IfAbsent makes Put fail with ErrExist where the object is already there, decided atomically by the store.
	IfAbsent bool
}

// Store is one place where objects live. It is safe for concurrent use.
type Store interface {
	// URL is the store's root, such as file:///data/lake or s3://bucket/prefix, without a trailing slash.
	URL() string
	// Open opens an object for random reads: range requests on S3, a file on disk.
	Open(ctx context.Context, name string) (Reader, error)
	// Get reads a whole object.
	Get(ctx context.Context, name string) ([]byte, error)
	// Create starts a new object, replacing one of the same name when closed. ctx governs all of the writing.
	Create(ctx context.Context, name string) (Writer, error)
	// Put writes a whole object in one step.
	Put(ctx context.Context, name string, data []byte, opts PutOptions) error
	// Stat describes an object.
	Stat(ctx context.Context, name string) (Info, error)
	// List yields the objects whose names start with prefix (a plain text prefix, not a folder), in byte order of their names.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]
	// Delete removes objects; absent ones are ignored. On error some may be gone.
	Delete(ctx context.Context, names ...string) error
}
