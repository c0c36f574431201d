"""Reconciles two sets of Parquet files by a full outer join in DuckDB; prints classes, seconds, CPU and peak memory as JSON."""
import glob
import json
import os
import resource
import sys
import time

import duckdb

folder, rounds, matches = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "true"
ledger = sorted(glob.glob(os.path.join(folder, "warehouse", "*", "*", "data", "**", "*.parquet"), recursive=True))
statement = os.path.join(folder, "statement.parquet")
out = os.path.join(folder, "duckdb")
os.makedirs(out, exist_ok=True)
db = duckdb.connect()
db.execute("set threads = 2; set preserve_insertion_order = false")

QUERY = f"""
create or replace table outcomes as
select l.entry_id, coalesce(l.reference, r.reference) as key, l.amount as amount_left, r.amount as amount_right,
       l.currency as currency_left, r.currency as currency_right, l.value_date as date_left, r.settled_on as date_right,
       coalesce(l.amount, 0) - coalesce(r.amount, 0) as difference,
       case when l.reference is null then 'missing_left'
            when r.reference is null then 'missing_right'
            when l.currency <> r.currency then 'currency'
            when abs(l.amount - r.amount) > 0.01 then 'amount'
            when abs(r.settled_on - l.value_date) > 2 then 'date'
            else 'matched' end as class
from read_parquet({ledger!r}) l full outer join read_parquet('{statement}') r on l.reference = r.reference
"""


def run():
    db.execute(QUERY)
    classes = dict(db.execute("select class, count(*) from outcomes group by 1").fetchall())
    db.execute("select coalesce(currency_left, currency_right), sum(amount_left), sum(amount_right), sum(difference) from outcomes group by 1").fetchall()
    db.execute(f"copy (select * from outcomes where class <> 'matched' order by key) to '{out}/breaks.csv' (header)")
    if matches:
        db.execute(f"copy (select * from outcomes where class = 'matched') to '{out}/matches.parquet' (compression zstd)")
    return classes


seconds = []
for _ in range(rounds):
    start = time.time()
    classes = run()
    seconds.append(time.time() - start)
use = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"classes": classes, "seconds": seconds, "cpu": use.ru_utime + use.ru_stime, "peak_kb": use.ru_maxrss}))
