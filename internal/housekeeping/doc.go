// Package housekeeping holds the rules that the whole repository keeps, as tests.
//
// Nouns. A [Tree] is the repository's files, parsed. A [Rule] looks at a tree
// and returns findings. A [Finding] is one place that breaks the rule, and says
// what to write instead. An allowance is an exception that somebody reasoned
// about: it stands beside its rule with the reason, never at the place itself.
//
// Invariants. A rule reads source text only: it type-checks nothing, runs
// nothing, and therefore takes milliseconds. Every rule has a planted tree under
// testdata that breaks it, so that a rule that can't fail is noticed. An
// allowance that allows nothing any more is a finding of its own.
//
// Errors. A file that can't be parsed is an error of [Load], not a finding.
package housekeeping
