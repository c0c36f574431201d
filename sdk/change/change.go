// Package change is the model of a change stream: what happened to a row, in
// which source transaction, and where in the stream it stands.
//
// Nouns. An event changes one row by an [Op]. A [Position] is a resumable place
// in a stream: for each shard (a Kafka partition, a file, a replication slot)
// the next offset to read. It always stands on a transaction's boundary. An
// epoch is a bounded step of a stream from one position to the next; its
// [EpochID] is derived from its stream and its start.
//
// Invariants. A position never goes back. Two positions of one stream compare
// as vectors: one may be before, equal to, after, or concurrent with another.
// Equal positions are the start of the same epoch, whatever else they hold: a
// shard at offset 0 and one that is absent compare as equal. Their text differs,
// because a source may tell a shard that it has seen from one that it has not.
//
// The package imports neither Beam nor Arrow.
package change

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
)

// Op is what happened to a row. Its values are Debezium's letters.
type Op byte

// The operations of a change event.
const (
	Read     Op = 'r' // read by a snapshot
	Create   Op = 'c'
	Update   Op = 'u'
	Delete   Op = 'd'
	Truncate Op = 't'
)

// Valid reports whether op is one of the constants of this package.
func (op Op) Valid() bool {
	switch op {
	case Read, Create, Update, Delete, Truncate:
		return true
	}
	return false
}

// String is the operation's letter.
func (op Op) String() string { return string(rune(op)) }

// Position is a resumable place in a change stream, on a transaction's boundary.
// The zero value is the stream's beginning. Treat it as immutable: Clone before changing one.
type Position struct {
	// Next is the offset of the next event to read, by shard. A shard that is absent starts at its beginning.
	Next map[string]int64 `json:"next,omitempty"`
	// Marks is what else the source must remember to go on from here (for
	// example the highest source log position seen by shard, so that events
	// delivered a second time are recognised). It does not take part in Compare.
	Marks map[string]string `json:"marks,omitempty"`
}

// Order is how two positions relate.
type Order int

// The results of Compare.
const (
	Before Order = iota - 1
	Equal
	After
	Concurrent
)

// IsZero reports whether p is the stream's beginning.
func (p Position) IsZero() bool { return len(p.Next) == 0 }

// Clone returns a deep copy.
func (p Position) Clone() Position {
	return Position{Next: maps.Clone(p.Next), Marks: maps.Clone(p.Marks)}
}

// Compare relates p to q as vectors; an absent shard counts as offset 0.
func (p Position) Compare(q Position) Order {
	less, more := false, false
	see := func(a, b int64) {
		less = less || a < b
		more = more || a > b
	}
	for s, a := range p.Next {
		see(a, q.Next[s])
	}
	for s, b := range q.Next {
		if _, ok := p.Next[s]; !ok {
			see(0, b)
		}
	}
	switch {
	case less && more:
		return Concurrent
	case less:
		return Before
	case more:
		return After
	}
	return Equal
}

// String is the JSON text of p, shards sorted by name; ParsePosition reads it.
func (p Position) String() string {
	b, err := json.Marshal(p) // maps of strings and integers always encode, keys sorted
	if err != nil {
		return "{}"
	}
	return string(b)
}

// ParsePosition reads what String wrote. An empty text is the beginning.
func ParsePosition(text string) (Position, error) {
	var p Position
	if text == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return Position{}, fmt.Errorf("parse position %q: %w", text, err)
	}
	for s, n := range p.Next {
		if n < 0 {
			return Position{}, fmt.Errorf("parse position %q: shard %s has the negative offset %d", text, s, n)
		}
	}
	return p, nil
}

// EpochID identifies the epoch of a stream that starts at from: 16 hex digits
// of a SHA-256 over the stream's name and the start's offsets (Marks and shards
// at offset 0 do not count). Whoever plans an epoch from an equal start gets the same identity.
func EpochID(stream string, from Position) string {
	start := Position{Next: maps.Clone(from.Next)}
	maps.DeleteFunc(start.Next, func(_ string, offset int64) bool { return offset == 0 })
	h := sha256.New()
	fmt.Fprintf(h, "%q\n%s", stream, start)
	return hex.EncodeToString(h.Sum(nil)[:8])
}
