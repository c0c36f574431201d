// Package kafkaio reads Debezium's change events from Kafka topics as a [source.Source].
//
// Nouns. A [Source] follows topics, one for each table ([Topic]), besides the
// connector's transaction topic and heartbeat topic. A shard is a partition, named
// "topic/partition", its offsets are Kafka's. The position in the lake is the only one
// there is: no consumer group is needed; [Options].Group only publishes progress for lag monitors.
//
// Invariants, besides those of package source.
//   - Reads are read-committed: records of aborted Kafka transactions do not exist.
//   - A transaction is whole when package cut says so: with Options.TransactionTopic
//     exactly, without it by what is seen later, which is weaker; see there.
//   - Memory is bounded by Options.MemoryBudget and what Kafka's client fetches ahead
//     (Options.FetchBytes for each broker), whatever the size of a transaction: what does
//     not fit is read from Kafka again when its split is read.
//   - Topics must be ordered by key as Debezium writes them, from one connector. Topics
//     with cleanup.policy=compact lose events that the transaction topic counts; a
//     transaction with such a loss is an error, never a smaller transaction.
//
// The transaction topic should have one partition, as Debezium creates it by default; with
// several, malformed events take longer to be attributed.
//
// Errors. Wrong addresses, credentials, certificates and topic names are usage
// errors (package fault); a cluster that does not answer is retryable. Offsets that the topic
// no longer holds, or does not hold yet, and topics that were deleted and created
// again are gaps: they wrap source.ErrGap and name the command that takes a new snapshot.
package kafkaio
