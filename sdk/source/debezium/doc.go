// Package debezium decodes Debezium's JSON change events into columns.
//
// Nouns. An event's envelope holds a row's image before and after a change, the
// source block (where in the database's log the change stands), and, if the
// connector adds it, the transaction block. It may be wrapped as
// {"schema":…,"payload":…}: the inline schema of Kafka Connect's JsonConverter.
// A [Decoder] turns the events of one table into [source.Batch]es. Its columns
// are declared, or learned from the events; a [Meta] is what an event says about
// itself apart from the row. A [TxMarker] is a message of the transaction topic.
//
// Invariants.
//   - An Append that fails adds no row and changes no column.
//   - Text is accepted exactly where encoding/json accepts it (grammar, depth,
//     duplicate members: the last one wins); text that is not UTF-8 and lone
//     surrogates become U+FFFD.
//   - No digit is lost and none is invented: a decimal that does not fit its
//     column is an error, as is a JSON number with a fraction in a decimal
//     column ([Config].AllowDouble lists exceptions), as is NaN.
//   - How a value is written (base64 or text, milli- or nanoseconds) is taken
//     from the inline schema or from Config, never guessed from the value.
//   - What a message decodes to depends on Config, the columns and its bytes,
//     not on which of the two ways through it (below) was taken.
//
// Rows. Batch.Row is the row after the change; for a delete it is the row before,
// or just the key where the source sends no more. Batch.Before is filled for
// updates only. A truncate has a row of nulls. A delete is the only other event
// whose row may hold nulls in columns that the schema calls required: a table
// that keeps deletes must make all columns but the key optional. With
// REPLICA IDENTITY DEFAULT, PostgreSQL sends no more than the key, and some
// versions of Debezium then fill required columns of a delete's image with zeros
// and empty texts; that cannot be told from real values.
//
// PostgreSQL sends no value for an unchanged TOASTed column; Debezium puts
// "__debezium_unavailable_value" there. In an image before it decodes as null. In an
// image after it is an error, since null would overwrite what the table holds,
// unless [Config].AllowUnavailable names the column: set the table's
// REPLICA IDENTITY to FULL instead, and Debezium sends the value.
//
// Transactions. Batch.Tx is the id in the transaction block; without one it is the
// source block's GTID or txId, which no marker of the transaction topic bears. Meta.Tx
// is the transaction block's only.
//
// Errors. A message that cannot be decoded yields a [*DecodeError] with the byte
// and column; Meta is still filled in as long as the message is JSON, so that a
// planner can count the event in its transaction. A change of the source's
// schema that the columns cannot follow yields a [*SchemaChangeError], which wraps
// [ErrSchemaChange]. Mistakes in Config are usage errors (package fault).
//
// Speed. The scanner is one strict pass over any JSON. The predictor in front of it
// learns what repeats from message to message, compares that at once and parses only
// the rest; whatever it does not recognise goes to the scanner from the first byte. Neither
// allocates for an event. One core of the 2-core build machine decodes 2.6 million PostgreSQL
// events of 620 bytes a second (0.9 million by the scanner alone), 2.1 million with an inline
// schema, 3.5 KB each: go test -bench Append -cpu 1.
//
// Memory. A decoder holds the rows appended since the last Flush, as Arrow
// columns: for each row about 60 bytes, 8 for each number, 16 for each decimal,
// and the texts' bytes plus 4. Besides that it keeps the shapes of recent
// messages: at most eight for each of at most eight inline schemas, each three times a
// message's size.
package debezium
