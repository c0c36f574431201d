// Package sourcetest certifies implementations of source.Source: Run checks every
// invariant in that package's comment against a real stream.
//
// Nouns. A [Harness] is one stream that the suite can write to and open sources
// over. A [Message] is what Debezium would send: a change event of a table, a BEGIN or END
// marker, a heartbeat. The suite writes transactions over several tables and shards,
// interleaved with heartbeats, malformed messages, tombstones, redeliveries, and columns that
// appear in mid-stream; it knows what a reader must see, and reads it with random limits, while it is
// written, again, from every position, and by another source. Dates change in mid-stream, and transactions come late.
package sourcetest

import (
	"context"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/debezium"
)

// Kind says what a message is.
type Kind uint8

// The kinds of messages.
const (
	Data Kind = iota // a change event, a tombstone (nil Value) or a malformed message, of Table
	Marker
	Heartbeat
)

// Message is one message of the stream, in the order in which a connector sends them.
type Message struct {
	Kind  Kind
	Table string // of Data; its collection in markers is "shop." and the table's name
	Shard int    // of Data: from 0 to Harness.Shards-1
	Key   []byte
	Value []byte // nil: a tombstone
	At    time.Time
}

// Table is a table of the stream.
type Table struct {
	Name   string
	Config debezium.Config
}

// Spec says what stream a harness must make.
type Spec struct {
	Tables []Table
	// Markers says that the stream has a transaction topic. Without it, sources wait for something later, such as a heartbeat.
	Markers bool
	// Grace is how long a source should wait for what follows a malformed message at the end of a shard.
	Grace time.Duration
	// MemoryBudget is how much a source should hold in memory; 0: its default.
	MemoryBudget int64
}

// Harness is one stream. Its functions are called from one goroutine.
type Harness struct {
	// Shards is how many shards each table has.
	Shards int
	// Tombstones says that the stream can carry messages without a value.
	Tombstones bool
	// Write appends messages. When it returns, a source sees them.
	Write func(ctx context.Context, messages []Message) error
	// Open opens a source over the whole stream. Several may be open at once.
	Open func(ctx context.Context) (source.Source, error)
	// Truncate deletes what was written of a table, as retention would. nil: the stream cannot.
	Truncate func(ctx context.Context, table string) error
}

// Factory makes an empty stream, and cleans up by t.Cleanup.
type Factory func(t testing.TB, spec Spec) Harness

// Run runs the suite. Each of its tests makes streams of its own.
func Run(t *testing.T, make Factory) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Factory)
	}{
		{"Whole transactions, each event once", testWhole},
		{"Without markers", testWithoutMarkers},
		{"From every position", testEveryPosition},
		{"Read again and elsewhere", testReadAgain},
		{"Written out of order", testDisorder},
		{"A transaction larger than limits and memory", testLarge},
		{"Limits", testLimits},
		{"Business dates", testDates},
		{"A heartbeat is all that follows", testHeartbeat},
		{"Malformed messages", testMalformed},
		{"A transaction in parts", testParts},
		{"Columns that appear", testGrowth},
		{"A column that changes its type", testSchemaChange},
		{"Nothing to read", testEmpty},
		{"Cancelled", testCancelled},
		{"A handler that fails", testHandlerFails},
		{"Lag", testLag},
		{"Log was cut", testGap},
		{"Plan and Read at once", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, make)
		})
	}
}
