// Package sdk is the front page of Millrace's library; it holds no code.
//
// Millrace is what a bank's data layer is written with: pipelines in Go that read
// a ledger's change stream and files in object storage, and write a lake of Iceberg
// tables in which every state that a reader can see is a consistent ledger.
//
// # A pipeline
//
// An author writes a function that says what is computed, and a main of one line:
//
//	// Card spend per account.
//	func build(s beam.Scope, lk *catalog.Lake) {
//		entries := dataset.Scan[Entry](s, lk, "ledger.entries",
//			dataset.Columns("account_id", "amount", "booked_at", "channel"))
//		card := dataset.Filter(s, entries, expr.Col("channel").Eq("card"))
//		spend := dataset.GroupBy(s, card, "account_id").Sum("amount", "spent").Count("n")
//		dataset.Write(s, lk, "marts.card_spend", spend, dataset.Key("account_id"))
//	}
//
//	func main() { runners.Main(build) } // flags, config, the runner, progress, exit codes
//
// It runs in one process, or unchanged on Flink and Spark. The example below is
// the same pipeline over a lake in memory, as a test would have it.
//
// # Where things are
//
//   - money: exact decimals, currencies, rounding that is named. No amount is ever floating-point.
//   - change: the model of a change stream: operations, positions, epochs.
//   - record: typed Go structs to Arrow batches and back.
//   - expr: expressions over columns with SQL's three-valued logic, exact decimals included.
//   - dataset: lazy chains of columnar operators that become Beam transforms. Start here.
//   - feature, reconciliation: credit features and reconciliation rules as pure Go.
//   - source, storage: the contracts of change streams and of object storage, each beside the suite that certifies an implementation.
//   - files, parquetfile: record files, and Parquet straight from and to Arrow memory.
//   - fault: what can be done about an error: correct the input, look at the data, try again, report it.
//
// Beside it are catalog (the lake: layout, scan planning, the one atomic commit),
// connectors (kafkaio, s3io, parquetio, …), runners and jobs (ingest, reconcile, export, …).
//
// # Rules that hold everywhere
//
//   - Rows move as Arrow record batches. A Beam element describes rows, it never is one.
//   - What a write adds is visible in one atomic step or not at all, whenever a process dies.
//   - Results are exact and do not depend on the runner or on the number of workers.
//   - Mistakes of a user are fault.Usage errors that say what is wrong, where, and what to write instead.
package sdk
