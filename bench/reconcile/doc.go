// Command reconcile measures a reconciliation by a rule file beside DuckDB, Polars and datacompy over the same
// data: a ledger and a statement, as files or as tables of a lake, in different orders and with a known share of
// breaks. All must find the same breaks.
//
//	go run ./bench/reconcile -dir DIR [-rows 1e7] [-breaks 0.3] [-from files|lake] [-duplicates] [-matches] [-exact] [-tree] [-peers duckdb,polars]
//
// Each engine runs in a process of its own with two threads. README.md has the figures.
package main
