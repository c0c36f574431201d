package scatter

import "github.com/zeebo/xxh3"

// Sum is a chunk's checksum.
func Sum(data []byte) uint64 { return xxh3.Hash(data) }
