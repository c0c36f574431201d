// Package feature computes credit features of an entity from its movements,
// point-in-time correct and on exact decimals.
//
// Nouns. A [Movement] is one signed amount on an entity's account (a credit is
// positive), with the instant at which it became known. A [Series] is an entity's
// movements in the order in which they became known. An as-of instant is the
// moment at which a model would have asked; [Values] are the features at it. A
// [Special] says why a feature has no number, so that a missing history is never
// a silent zero.
//
// Invariants. Values at an as-of instant depend on movements known at or before
// it and on nothing else: appending later movements never changes them. A window
// of n days at t holds the movements known in (t − n days, t]. Sums are exact;
// an overflow is an error that names the entity.
//
// The windows and names follow general credit practice (recency, frequency,
// monetary value; inflow and outflow over 7, 30 and 90 days); no outside formula is used.
package feature
