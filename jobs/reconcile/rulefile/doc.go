// Package rulefile reads the rules of a reconciliation from YAML.
//
// Nouns. A [File] is a rule file: sides, what is compared (legs), passes, and what the rest is called. A [Side] says where one
// account of the movements is and how its columns are brought to one form ([Column]). A [Leg] is two sides that are compared. A
// [Plan] is a leg ready for package reconciliation: its rules and the schema that both sides share.
//
// Invariants. A file is read strictly: an unknown key, a column that no side has, a setting that has no effect are refused
// with their line and what to write instead, all at once. The same file gives the same rules on every machine.
//
// Errors are fault.Usage.
package rulefile
