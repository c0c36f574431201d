package storage

import "errors"

// ErrNoSpace is returned, wrapped, by a write that failed because the disk or
// the quota behind the store is full. It is a fault, not retryable: somebody has to make room.
var ErrNoSpace = errors.New("no space left")
