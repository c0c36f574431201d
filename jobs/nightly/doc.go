// Package nightly runs a bank's night: for each business date its steps in the order of their dependencies, once, by one runner among
// several replicas, whatever is killed meanwhile.
//
// Nouns. A night is what is done for one business date. It begins at the first time of the schedule after the date's cut-off. A [Step] is one job
// of it, an attempt one run of a step. A [Position] is the cut of the lake that stands for the date's cut-off: each step reads it. [Settings] are
// what a project file says at one moment; a [Plan] is the part of them that a night keeps from its beginning to its end, through
// resumptions too. The [History] is what was done, in the database that also has the lease. An [Alert] is what somebody must be told.
//
// Invariants:
//   - Only the holder of the lease runs steps, and each write of the history compares the lease's token in its own transaction. A
//     runner that was stopped and wakes up after another took over can write nothing, and ends what it runs.
//   - A step that the history has as done is not run again. One that was under way when its runner died is run again: jobs are
//     such that this changes nothing (reconciliation's runs have identities, features replace their as-of, an export finds itself).
//   - A night that was resumed has the plan, the rule files and the cut that it began with.
//   - Nights are run in the order of their dates. Nothing is skipped silently: a date that a policy leaves out has a record and an alert.
//   - A deadline that passes raises its alert within a second while any replica lives, once.
//   - Settings take effect when the whole file is right, or not at all; either is recorded, with who, when and both digests.
//
// Errors. fault.Usage for settings that do not fit, fault.Findings where a night found breaks; catalog.ErrHeld where another runs,
// catalog.ErrLeaseLost where another took over. Not guaranteed: that a step which is not one of Millrace's jobs may be repeated.
package nightly
