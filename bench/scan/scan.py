"""Scans Parquet files by DuckDB or pyarrow and prints answers and times as one line of JSON."""
import glob
import json
import os
import sys
import time

engine, folder, rounds, scenario = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
files = sorted(glob.glob(os.path.join(folder, "warehouse", "*", "*", "data", "*.parquet")))
columns = scenario["Columns"]
TIMES = {"posted_at", "value_at", "created_at"}
MONEY = {"amount", "balance"}
INTS = {"entry_id", "seq", "branch_id"}


def answer(rows, values):
    out = {"rows": str(rows)}
    for c, v in zip(columns, values):
        out[c] = str(v) if c in MONEY else str(int(v) % 2**64)
    return out


def duckdb_scan():
    import duckdb

    db = duckdb.connect()
    db.execute("set threads = 2; set timezone = 'UTC'")

    def term(c):
        if c in TIMES:
            return f"sum(epoch_us({c})::hugeint)"
        if c in MONEY or c in INTS:
            return f"sum({c})"
        return f"sum(strlen({c}))"

    where = "where currency = 'CU3' and amount >= 5000.00" if scenario["Filter"] else ""
    query = f"select count(*), {', '.join(map(term, columns))} from read_parquet({files!r}) {where}"

    def run():
        row = db.execute(query).fetchone()
        return answer(row[0], row[1:])

    return run


def pyarrow_scan():
    from decimal import Decimal

    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    pa.set_cpu_count(2)
    data = ds.dataset(files, format="parquet")
    keep = (pc.field("currency") == "CU3") & (pc.field("amount") >= Decimal("5000.00")) if scenario["Filter"] else None

    def run():
        rows, totals = 0, [Decimal(0) if c in MONEY else 0 for c in columns]
        for batch in data.to_batches(columns=columns, filter=keep, use_threads=True):
            rows += batch.num_rows
            if batch.num_rows == 0:
                continue
            for i, c in enumerate(columns):
                a = batch.column(i)
                if c in TIMES:
                    a = a.cast(pa.int64())
                elif c not in MONEY and c not in INTS:
                    a = pc.binary_length(a)
                totals[i] += pc.sum(a).as_py()
        return answer(rows, totals)

    return run


def peak_kb():
    """The greatest resident size; rusage will not do, as it starts with the parent process's."""
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM"))


run = {"duckdb": duckdb_scan, "pyarrow": pyarrow_scan}[engine]()
times, result, started = [], None, time.process_time()
for _ in range(rounds):
    start = time.perf_counter()
    result = run()
    times.append(time.perf_counter() - start)
print(json.dumps({"seconds": times, "answer": result, "peak_kb": peak_kb(), "cpu": time.process_time() - started}))
