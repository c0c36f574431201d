// Package source is the contract for change streams.
//
// Nouns. A [Source] is an open change stream. An [Epoch] is a bounded step of it
// that ends on a source transaction's boundary in every shard. A [Split] is a
// serialisable piece of an epoch: a range of one shard. A [Batch] is a run of
// decoded events of one table from one shard, in stream order. A [Rejected]
// event could not be decoded; it is carried to quarantine, never dropped.
//
// Invariants, which package sourcetest certifies:
//   - Plan returns only whole transactions: for each transaction either all its
//     events, over all shards, lie in the epoch or none does.
//   - Epochs are contiguous: an epoch's To is the next one's From, and any
//     reader that starts at a To sees exactly what follows.
//   - Reading a split twice, in any process, yields the same events. An event
//     that the stream delivers a second time (a producer that restarted) is
//     yielded once and counted in Counts.Duplicates.
//   - events + rejected + duplicates = everything between From and To that is not bookkeeping.
//   - Where Limits.Zone is set, an epoch holds transactions of one business date: those that the stream brings
//     before the first of a later date, or those from there on. So the cut at its end is exact for each date. A transaction that
//     comes after one of a later date is late: it belongs to the date that is open when it comes.
//   - A gap (expired or purged log) is an error that wraps [ErrGap], never a skip.
package source

import (
	"context"
	"errors"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/change"
)

// ErrGap is wrapped by errors that say the stream no longer holds what follows the
// position: the log was cut. The table must be snapshotted again; skipping would lose events.
var ErrGap = errors.New("the stream no longer holds the events after the position")

// Limits bounds an epoch. A single transaction larger than a limit is still kept whole.
type Limits struct {
	MaxEvents int64         // 0: 1,000,000
	MaxBytes  int64         // bytes of undecoded input; 0: 64 MiB
	MaxWait   time.Duration // how long Plan waits for the first event and then for more to fill the epoch; 0: 1 s
	// Busy, if set, is asked when MaxWait is up: while it is true an epoch goes on to fill, because whoever takes it is
	// not ready yet. So epochs are as small as MaxWait wants them in a stream that is followed closely, and as large as the
	// other limits allow in one that is behind.
	Busy func() bool `json:"-"`
	// Drain ends an epoch when the stream's present end is reached, or by the other limits, or when nothing has come for MaxWait.
	Drain bool
	// Zone is the time zone of business dates; nil: epochs may span them. A transaction's date is that of the latest commit time of its events. It must be the same over the life of a stream.
	Zone *time.Location
}

// Split is a serialisable piece of an epoch: the offsets [From, To) of one shard.
type Split struct {
	Shard string `json:"shard"`
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	Table string `json:"table,omitempty"` // the only table whose events the split holds, if there is only one
}

// Counts says what an epoch or split holds.
type Counts struct {
	Events       int64 `json:"events"`       // decoded change events
	Rejected     int64 `json:"rejected"`     // events that could not be decoded
	Duplicates   int64 `json:"duplicates"`   // events that the stream had delivered before, dropped
	Tombstones   int64 `json:"tombstones"`   // log-compaction markers that follow deletes; bookkeeping
	Transactions int64 `json:"transactions"` // source transactions completed; 0 where the stream does not tell
	Bytes        int64 `json:"bytes"`        // undecoded bytes
}

// Epoch is a bounded step of a stream. An epoch with no splits moves the position only.
type Epoch struct {
	ID       string // change.EpochID(stream, From)
	From, To change.Position
	Splits   []Split
	Counts   Counts
	// FirstCommit and LastCommit are the source's commit times of the first and last transaction; zero where unknown.
	FirstCommit, LastCommit time.Time
	// BusinessDate is the date that is open at To, at midnight UTC: the latest of any transaction up to To. Zero
	// without Limits.Zone, and before the first event with a commit time.
	BusinessDate time.Time
}

// Empty reports whether the epoch holds nothing to write.
func (e Epoch) Empty() bool { return len(e.Splits) == 0 }

// Batch is a run of events of one table from one shard, in stream order, as columns.
// Its slices and record batches all have Rows() entries and are valid until Release.
type Batch struct {
	Table  string // the lake table's base name, such as "entries"
	Shard  string
	Ops    []change.Op
	Offset []int64 // position within the shard
	// CommittedAt is the source's commit time in microseconds since 1970-01-01 UTC.
	CommittedAt []int64
	// LSN orders the events of one source log: a PostgreSQL LSN, or a MySQL
	// binlog file number and offset packed as file<<40|pos. 0 where the source has none.
	LSN []int64
	// Tx is the source transaction's id, "" where unknown; TxOrder the event's number within it (from 1), 0 where unknown.
	Tx      []string
	TxOrder []int64
	// Row holds the row after the change, or before it for deletes. A delete
	// whose source sends only the key has nulls in the other columns.
	Row arrow.RecordBatch
	// Before holds the row before the change, with nulls where the source does not send it; nil if no event of the batch has one.
	Before arrow.RecordBatch
}

// Rows is the number of events.
func (b *Batch) Rows() int { return len(b.Ops) }

// Release gives up the record batches.
func (b *Batch) Release() {
	if b.Row != nil {
		b.Row.Release()
	}
	if b.Before != nil {
		b.Before.Release()
	}
}

// Rejected is an event that could not be decoded.
type Rejected struct {
	Table  string // "" if even that is unknown
	Shard  string
	Offset int64
	At     time.Time // the stream's time stamp of the message; zero if none
	Reason string    // what was wrong, with the byte and column where it is known
	Key    []byte
	Value  []byte
}

// Handler receives what a split holds. Calls are made from one goroutine.
type Handler interface {
	// Batch takes ownership of b and releases it.
	Batch(ctx context.Context, b *Batch) error
	Reject(ctx context.Context, r Rejected) error
}

// Lag is how far a position is behind the stream's end.
type Lag struct {
	Events int64         // events not yet planned, by offsets; -1 if the source cannot tell
	Bytes  int64         // -1 if the source cannot tell
	Age    time.Duration // age of the oldest unread event; 0 if none is unread
}

// Source is an open change stream. Plan, Confirm and Close are called from one
// goroutine; Read may be called from several at once, while Plan runs.
type Source interface {
	// Stream is the stream's stable name; with a start position it identifies epochs.
	Stream() string
	// Plan finds the next epoch from a position. It blocks until the epoch is full,
	// or lim.MaxWait has passed, or ctx ends (then it returns ctx's error). Where
	// nothing complete has arrived it returns an epoch with no splits (To may still be past From).
	Plan(ctx context.Context, from change.Position, lim Limits) (Epoch, error)
	// Read decodes one split. The planning process serves it from memory if it still holds the events; any other reads the stream.
	Read(ctx context.Context, s Split, h Handler) error
	// Confirm tells the source that everything before pos is committed in the lake: it may drop its cache and publish its progress. Never needed for correctness.
	Confirm(ctx context.Context, pos change.Position) error
	// Lag measures the distance from pos to the stream's end.
	Lag(ctx context.Context, pos change.Position) (Lag, error)
	// Close frees everything. Safe to call twice.
	Close() error
}
