// Package feature computes credit features of an entity from its movements,
// point-in-time correct and on exact decimals.
//
// Nouns. A [Movement] is one signed amount on an entity's account (a credit is
// positive), with two instants: when it counts from (BookedAt) and when it became
// known (KnownAt). An as-of instant is the moment at which a model would have
// asked; [Values] are the twelve features at it. A [Series] is an entity's
// movements as a slice; a [Walker] takes them one by one and never holds more than those of
// 90 days. A [Special] says why a feature has no number, so that a missing
// history is never a silent zero.
//
// Invariants. A movement is seen from the later of its two instants on
// ([Movement.SeenAt]). Values at an as-of instant depend on movements seen at or
// before it and on nothing else: whatever becomes known later never changes
// them. A window of n days at t holds the movements seen by then that were booked in
// (t − n days, t]; a day is 24 hours. Sums are exact. Series.At is the
// definition, and it is computed by a Walker, so that batch, training set and online value agree.
//
// Errors: movements or instants out of order; a sum beyond 128 bits (money.ErrOverflow).
//
// The windows and names follow general credit practice (recency, frequency,
// monetary value; inflow and outflow over 7, 30 and 90 days); no outside formula is used.
package feature
