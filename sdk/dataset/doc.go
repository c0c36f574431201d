// Package dataset is what authors of pipelines write: lazy chains of columnar
// operators over Arrow record batches, which become Beam transforms.
//
//	entries := dataset.Scan[ledger.Entry](s, lk, "ledger.entries",
//		dataset.Columns("account_id", "amount", "booked_at", "channel"))
//	card := dataset.Filter(s, entries, expr.Col("channel").Eq("card"))
//	spend := dataset.GroupBy(s, card, "account_id").Sum("amount", "spent").Count("n")
//	dataset.Write(s, lk, "marts.card_spend", spend, dataset.Key("account_id"))
//
// Nouns. A [Dataset] is a chain of operators whose schema is known while the
// pipeline is built. A stage is the operators between two exchanges: they run
// together in one DoFn. A task is one stage over one partition: some splits of a
// scan, or what earlier tasks handed over. An exchange cuts a stage: tasks write
// their rows hash-partitioned as files below the run's staging URL, sorted, and the next
// stage's tasks merge them as streams; for [CoGroup] in clusters of a hash instead, unsorted. [Tables], [Reader] and [Sink] are the drivers of what
// is read and written. A [Run] is one execution; runners make it with [Prepare].
//
// Invariants:
//   - Rows are never Beam elements: what Beam moves, retries and logs are
//     descriptors of splits and of staged segments, a few hundred bytes each.
//   - A process works on a bounded number of tasks at once, and an operator that holds rows
//     spills beyond its budget, so memory does not grow with the input.
//   - A task's output depends on its input only, and its files are named after its identity: a task
//     that is tried again, or runs twice, replaces its own files by equal ones. A segment
//     that is not what was written is noticed by its checksum.
//   - Results do not depend on the runner, on the number of tasks or on the order of rows, unless the author's own functions do.
//   - What a write adds becomes visible in one atomic commit, after all its tasks.
//   - All scans of a run read one consistent state of the lake.
//
// Errors. Mistakes in building a chain are carried by the chain and reported by
// Prepare, all at once, as fault.Usage. What a task reports keeps its kind
// (package fault) across runners: [ParseFailure]. A panic in an author's function fails the run, not the process.
//
// Not guaranteed: any order of rows between partitions; that a chain that is used twice is
// computed once (only what lies before an exchange is); anything about intermediate files after the run.
package dataset
