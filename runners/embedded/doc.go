// Package embedded runs pipelines in the process itself, on Beam's prism runner.
//
// Nouns. A run is one bounded pipeline from start to end ([Run]). A stream is a
// loop of small bounded runs, one for each epoch ([Loop]); there is no unbounded
// pipeline here, because prism's cancelling of those is not safe and an idle one
// costs a core. A supervised child ([Supervise]) is the process that hosts
// prism, recycled before prism's leak (about 40 KB of heap a run, which no public call frees) matters.
//
// Invariants:
//   - Runs in one process may follow one another or overlap; each ends with its tasks stopped and its staged files removed.
//   - A loop ends between epochs: a signal or the end of its context lets the current epoch finish.
//   - Beam's and prism's log lines go to slog at debug level; what matters in them comes back as an error.
//
// Not guaranteed: that a DoFn of the author's own that ignores its context stops when the run is cancelled.
// Prism listens on a free port of every interface, without authentication, and Beam's public API offers
// no other way: run it where only trusted machines reach the host, or behind a firewall.
package embedded
