// Package sqlio reads the rows of a query of PostgreSQL or MariaDB as record batches.
//
// Nouns. A [Config] names the database by a URL and has the query: one SELECT. A [Reader] streams its rows.
//
// Invariants. The query runs in a transaction that is read-only and repeatable-read, so that it sees one state of the database and changes
// nothing. Rows are streamed: memory is a batch, whatever the size of the result. Values are exact: numbers are read from the digits that the server
// writes, never through binary floating point. The session's time zone is UTC.
//
// # Types
//
//	whole numbers                          int64; BIGINT UNSIGNED decimal(20,0)
//	DECIMAL(p,s), NUMERIC(p,s)             decimal(p,s), up to 38 digits; one of more digits is read where its values fit
//	NUMERIC without a scale                text of its digits
//	DATE                                   date
//	TIMESTAMP WITH TIME ZONE; MariaDB's TIMESTAMP   an instant, in UTC
//	TIMESTAMP; DATETIME                    a clock's time, of no zone
//	FLOAT, DOUBLE, REAL                    refused, unless Config.Floats names the column: then text of the digits that the server shows
//	MONEY, BYTEA, BLOB, BINARY, BIT        refused: cast them
//	all others                             text as the server writes it
//
// # Time
//
// The query and the reading of its rows end after Config.Timeout, on the server too (statement_timeout, max_statement_time), or when the context
// ends. What is not guaranteed: an order of rows that the query does not ask for.
//
// Errors name host, database and query, never a password. Mistakes (credentials, names, syntax, a type that is refused) are fault.Usage; a server that
// cannot be reached, or has no time, is fault.Retryable.
package sqlio
