// Command ingest measures how fast change events become tables, beside what one
// would use without this project.
//
//	go run ./bench/ingest files  -dir DIR   # files of events → an append-only Iceberg table, beside DuckDB and pyarrow + PyIceberg
//	go run ./bench/ingest stream -dir DIR   # Kafka → history and mirrored state, deletes applied
//	go run ./bench/ingest pace   -dir DIR   # events at a steady rate: from produced to visible
//
// DIR keeps the generated events, which are made once for each size, and the tables. Every engine runs in a process of its own
// with two threads, one after the other; rounds take turns, and the least CPU time and the
// shortest time of each engine count. What each engine wrote is read back and held against the generator's own sums; a
// difference is an error, and the exit code is 1. Flags of each: -h.
//
// The engine of this project is the product's own path: a connector's source, jobs/ingest, the
// embedded Beam runner, and a lake on a local folder that syncs every file.
package main
