// Package tree compares two tables by totals first: equal data costs one look at the roots, and where something differs only the groups
// whose totals differ are looked at.
//
// Nouns. A row belongs to a bucket by the hash of its key; there are 16^[Levels] of them, whatever the rows, so that two trees
// always have the same ones. A [Node] is what a group of rows adds up to: how many they are, the sum of their amounts, and the sum of
// their hashes. A [Tree] has the nodes of all buckets; those of each 16 buckets add up to a node above, and so on to the root. [Descend] is the walk
// from two roots to the [Buckets] that differ. A [Hasher] makes a row's hashes.
//
// Invariants. A tree does not depend on the order of rows, nor on how they were spread over trees that were merged. Taking rows away undoes adding
// them, exactly. The sum of hashes is a sum modulo 2^128 of XXH3-128, not an exclusive or: two equal rows do not cancel each other, and
// a row that is there twice counts twice. Values are hashed by what they say: 1.50 and 1.5 are equal, a text "1" and a number 1 are
// not, and neither are ("ab", "c") and ("a", "bc").
//
// # What is not guaranteed
//
// XXH3 is no cryptographic hash: two different sets of rows have equal nodes by accident with a chance of 2^-128, and a person who chooses
// the rows can make them so. Trees find mistakes and losses; what is meant to deceive is found by comparing rows, which Descend's
// caller does for the buckets that differ, and for all where it wants to be sure.
//
// Amounts are added as integers of one scale, over all currencies: that is a control total for a machine. Totals by currency are the
// business of whoever reads the rows.
//
// Errors: trees of different scales do not compare or merge ([ErrScale]); a sum beyond 128 bits is an error that names what was added;
// bytes that are no tree are refused by [Tree.UnmarshalBinary], whatever they hold.
package tree
