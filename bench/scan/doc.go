// Command scan compares scans of one Parquet table by this project's reader, by
// arrow-go's pqarrow, by DuckDB and by pyarrow.
//
//	go run ./bench/scan -dir /var/tmp/scan            # generates 10 M rows there once, then measures
//	go run ./bench/scan -dir /var/tmp/scan -rows 1e6  # smaller
//	go run ./bench/scan -dir /var/tmp/scan -profile cpu.out -only millrace
//
// The table has 12 columns (integers, decimals, timestamps, few-valued and unique texts) and
// is written by the lake's own file writer. Every engine reads the same files with two
// threads, in a process of its own, so that peak memory can be told apart; the best
// of -rounds counts. Three scans: all columns, three columns, and a filter. Each
// engine sums every column that it reads, and all sums must be equal, else the
// exit code is 1. Python's packages are installed into a virtual environment below -dir, in pinned versions.
package main
