// Package ledgergen generates a bank: customers, accounts, loans, cards, and
// double-entry postings, as the change events that Debezium would send.
//
// Nouns. A [Bank] is a deterministic generator: the same [Config] yields the
// same bytes. It yields source transactions ([Tx]), each a list of row changes
// ([Event]) over several tables, as the core's database commits them. [Truth] is the
// state of every table after the transactions taken so far: what a lake that
// followed the stream must hold. A [Statement] is what a payment channel
// says about the same movements, with known differences planted in it.
//
// Invariants. In each transaction the entries sum to zero by currency. An
// account's balance is the sum of its entries, in Truth and in each account row.
// Dirt (messages sent twice, malformed messages, postings that arrive days after
// their value date, a column added in mid-stream) never changes what the books say.
package ledgergen
