// Package cut finds the consistent cut of a sharded change stream: the largest
// prefix of every shard such that each source transaction lies wholly inside
// or wholly outside.
//
// Nouns. A shard is an ordered log: a Kafka partition, a family of files. It
// holds change events (role [Data]), BEGIN and END markers of transactions
// ([Markers]), or heartbeats ([Heartbeats]). A [Tracker] is told of every record
// of every shard, in shard order, shards interleaved as they arrive. It holds
// the window between the last cut and what has arrived, as runs: neighbours in
// a shard that belong to one transaction. A [Cut] is the answer; [Tracker.Advance]
// makes it the window's new start. A [Key] is an event's place in the source's log; a
// [Mark] is the highest key before a place in a shard.
//
// # When a transaction is complete
//
// With markers: when its END has arrived, and as many events with distinct
// numbers as END counts in the collections that are followed. That is exact,
// whatever the order in which shards arrive. Where a stream is read from a place within its log, the first END may lack its
// BEGIN: what there is of that transaction is then taken for all of it.
//
// Without markers: when something later has been seen (an event of another
// transaction behind it in a shard; an event that is later in the source's log; a
// heartbeat, see [Options].HeartbeatGap) and then every shard has been read up to
// an end that was sampled after that ([Tracker.Sampled]). That is weaker: it
// relies on the producer having written a transaction's events to all shards
// before the sample is taken. A producer that retries one partition for longer
// than that, while it already writes later transactions to others, can tear
// a transaction apart; so can one that dies in the middle of a transaction and sends a
// heartbeat when it starts again, before the rest. Where that matters, use the transaction topic.
//
// Always: events outside any transaction, and snapshot reads, are complete at once.
//
// A shard is cut before its first event of an incomplete transaction; what is
// behind it there is then cut too, which makes further transactions incomplete,
// until nothing changes.
//
// # Dates
//
// Where [Limits].Before is set, what was committed at that time or later stays out of a cut. With one shard of markers the
// transactions have an order, and [Cut].Closed is true as soon as the first later one is complete: all before it were. Otherwise it waits until each
// shard has gone past the time, or has been read up to an end that was sampled after something later had
// been seen, with the same limits as above. A transaction that comes after Closed with an earlier commit time is late.
//
// # Redelivery
//
// A connector that restarts sends events again, at later offsets. An event whose
// key is not above the shard's mark is such a duplicate, provided that its
// commit time is not above the mark's either: a log whose numbers start again (a
// restored or replaced server) is followed, not dropped. Duplicates are left out of the cut's
// ranges and counted. Keys are only compared where they follow the commit
// order: an event whose [Key] is zero, or equal to the mark without a number of its own,
// is never a duplicate by its key. Within the window a transaction's numbers decide: an event behind higher ones whose number has not come yet
// is new, because a producer with several requests under way may write a batch, fail to write the one before it, and then write both. Such
// disorder loses nothing and tears nothing, but where it concerns the transaction topic and a table's shard alike, and a
// transaction that lies wholly behind a later one in both was passed by a cut in between: that looks like a redelivery. A
// producer with one request under way at a time, which is Kafka Connect's default, writes nothing out of order. Without markers
// it has to be one: an event behind a higher key of its shard counts as a duplicate there. A duplicate of an event that is still in the window, and a marker after its transaction's END, belong
// to no transaction: what came between the deliveries, such as the next date, can be cut apart from it. Where a
// redelivery of a complete transaction arrives in parts (its duplicates in one window, its markers in the
// next), the later parts wait for nothing; if the reader restarts in between, they wait up to 30 times Options.Grace.
//
// # Malformed events
//
// An event that could not be decoded still counts in its transaction where its
// transaction block could be read. Where even that is unknown, it is held back:
// if a transaction lacks events of that collection, and the malformed event lies
// where they should lie (behind earlier transactions, and before later ones of its
// shard), it is taken for the missing one and stays with its transaction. If
// no transaction that can own it lacks an event, it is let go. Where nothing follows it,
// both are decided after [Options].Grace.
//
// The package is pure: no clock, no input or output. A Tracker is not safe for concurrent use.
package cut
