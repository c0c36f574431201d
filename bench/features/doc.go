// Command features compares the features job with DuckDB on the same table of entries.
//
//	go run ./bench/features -dir /var/tmp/features             # makes 1 M entries there once, then measures
//	go run ./bench/features -dir /var/tmp/features -rows 1e7   # larger, in a folder of its own
//
// Two runs: all accounts as of one date, and all accounts as of each of the last 90 dates. DuckDB does the
// first by a grouping with filters, the second by a join of dates with entries, and again by daily sums and
// window functions over a grid of days, which is what somebody who knows it would write. Each run is a process of its own;
// CPU seconds (user and system) and peak memory are those of the computing and the writing, without start-up. All
// rows of all results must be equal, value by value, else the exit code is 1.
package main
