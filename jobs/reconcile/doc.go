// Package reconcile proves a lake: its ledger against a statement, its balances
// against the movements, and its tables against the change stream that they came from.
//
// Nouns. A check is one of these three ([Statement], [Balances], [Source]). A run
// makes the checks that its [Options] name, at one cut of the lake. A break is what a
// check finds wrong; the classes are those of package reconciliation. A [Report]
// says what was compared, what was found, and whether the run passes.
//
// What a run leaves. Below [Options.Out], if it is given: breaks.csv, matches.parquet
// and summary.json. In the lake, unless [Options.Dry]: a row in the table runs and the
// breaks in the table breaks of [Options.Namespace], in one atomic commit.
//
// Invariants:
//   - A run reads one cut; what is committed meanwhile does not change it.
//   - A run's identity is made of what it compares: the cut, the statement's checksum
//     and the checks' settings. The same night run twice is the same run: the second
//     changes nothing in the lake and writes equal files.
//   - matched + breaks = population, and matched differences + breaks' differences =
//     left − right, by currency, with the population added up apart from the comparison;
//     where that is not so the run fails as a fault, because then the comparison is wrong.
//   - A record of the statement that cannot be read is refused, with file and line, or
//     quarantined and counted; it never vanishes. A run with quarantined records does not pass.
//   - What a change stream no longer holds is said in the report; it is never taken as proved.
//
// Errors: mistakes in the options are fault.Usage; a statement that is refused too.
// Breaks are no error here: see [Report.Verdict].
package reconcile
