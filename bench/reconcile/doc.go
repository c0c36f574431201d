// Command reconcile measures the reconciliation of a lake table with a statement of as many
// rows, in another order and with a known share of breaks, beside a full outer join in DuckDB
// over the same two sets of Parquet files. Both must find the same breaks.
//
//	go run ./bench/reconcile -dir DIR [-rows 1e6] [-breaks 0.3] [-matches]
//
// Each engine runs in a process of its own with two threads. README.md has the figures.
package main
