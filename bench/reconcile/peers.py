"""Reconciles two sets of Parquet files as one of our peers does; prints classes, seconds, CPU and peak memory as JSON.

peers.py ENGINE FOLDER FROM ROUNDS MATCHES: FROM is files or lake, MATCHES is true where matches are written too.
"""
import glob
import json
import os
import resource
import sys
import time

engine, folder, source, rounds, matches = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5] == "true"
if source == "lake":
    left, right = (sorted(glob.glob(os.path.join(folder, "warehouse", "*", t + "*", "data", "**", "*.parquet"), recursive=True)) for t in ("ledger", "statement"))
else:
    left, right = [os.path.join(folder, "ledger.parquet")], [os.path.join(folder, "statement.parquet")]
out = os.path.join(folder, engine)
os.makedirs(out, exist_ok=True)


def duckdb_engine():
    import duckdb

    db = duckdb.connect()
    db.execute("set threads = 2; set preserve_insertion_order = false")
    # a repeated key is counted: the n-th row of a key goes with the n-th of the other side
    rows = lambda files: f"(select *, row_number() over (partition by reference order by amount, value_date) as nth from read_parquet({files!r}))"
    query = f"""
    create or replace table outcomes as
    select l.entry_id as id_left, r.entry_id as id_right, coalesce(l.reference, r.reference) as key, l.amount as amount_left, r.amount as amount_right,
           l.currency as currency_left, r.currency as currency_right, l.value_date as date_left, r.value_date as date_right,
           coalesce(l.amount, 0) - coalesce(r.amount, 0) as difference,
           case when coalesce(l.nth, r.nth) > 1 and (l.nth is null or r.nth is null) then 'duplicate'
                when l.reference is null then 'missing_left'
                when r.reference is null then 'missing_right'
                when l.currency <> r.currency then 'currency'
                when abs(l.amount - r.amount) > 0.01 then 'amount'
                when r.value_date - l.value_date not between 0 and 2 then 'date'
                else 'matched' end as class
    from {rows(left)} l full outer join {rows(right)} r on l.reference = r.reference and l.nth = r.nth
    """

    def run():
        db.execute(query)
        classes = dict(db.execute("select class, count(*) from outcomes group by 1").fetchall())
        db.execute("select coalesce(currency_left, currency_right), sum(amount_left), sum(amount_right), sum(difference) from outcomes group by 1").fetchall()
        db.execute(f"copy (select * from outcomes where class <> 'matched' order by key) to '{out}/breaks.csv' (header)")
        if matches:
            db.execute(f"copy (select * from outcomes where class = 'matched') to '{out}/matches.parquet' (compression zstd)")
        return classes

    return run


def polars_engine():
    os.environ["POLARS_MAX_THREADS"] = "2"
    import polars as pl

    def side(files):
        return pl.scan_parquet(files).with_columns(nth=pl.int_range(pl.len()).over("reference"))

    def run():
        joined = side(left).with_columns(l=pl.lit(True)).join(side(right).with_columns(r=pl.lit(True)), on=["reference", "nth"], how="full", coalesce=True)
        days = (pl.col("value_date_right") - pl.col("value_date")).dt.total_days()
        alone = pl.when(pl.col("nth") > 0).then(pl.lit("duplicate"))
        outcomes = joined.with_columns(cls=pl.when(pl.col("l").is_null()).then(alone.otherwise(pl.lit("missing_left")))
                                       .when(pl.col("r").is_null()).then(alone.otherwise(pl.lit("missing_right")))
                                       .when(pl.col("currency") != pl.col("currency_right")).then(pl.lit("currency"))
                                       .when((pl.col("amount") - pl.col("amount_right")).abs() > pl.lit("0.01").str.to_decimal(scale=2)).then(pl.lit("amount"))
                                       .when(~days.is_between(0, 2)).then(pl.lit("date")).otherwise(pl.lit("matched"))).collect()
        classes = dict(outcomes.group_by("cls").len().iter_rows())
        outcomes.group_by(pl.coalesce("currency", "currency_right")).agg(pl.sum("amount"), pl.sum("amount_right"))
        outcomes.filter(pl.col("cls") != "matched").sort("reference").write_csv(f"{out}/breaks.csv")
        if matches:
            outcomes.filter(pl.col("cls") == "matched").write_parquet(f"{out}/matches.parquet")
        return classes

    return run


def datacompy_engine():
    os.environ["POLARS_MAX_THREADS"] = "2"
    import datacompy
    import polars as pl

    def run():
        # it knows neither windows of dates nor decimals with a tolerance: it compares keys, amounts and currencies
        l, r = (pl.read_parquet(f, columns=["reference", "amount", "currency"]) for f in (left, right))
        c = datacompy.PolarsCompare(l, r, join_columns=["reference"])
        whole = c.count_matching_rows()
        c.df1_unq_rows.write_csv(f"{out}/left.csv")
        c.df2_unq_rows.write_csv(f"{out}/right.csv")
        c.all_mismatch().write_csv(f"{out}/unequal.csv")
        classes = {"matched": whole, "missing_left": len(c.df2_unq_rows), "missing_right": len(c.df1_unq_rows), "amount": len(c.intersect_rows) - whole}
        return {k: v for k, v in classes.items() if v}

    return run


run = {"duckdb": duckdb_engine, "polars": polars_engine, "datacompy": datacompy_engine}[engine]()
seconds = []
for _ in range(rounds):
    start = time.time()
    classes = run()
    seconds.append(time.time() - start)
use = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"classes": classes, "seconds": seconds, "cpu": use.ru_utime + use.ru_stime, "peak_kb": use.ru_maxrss}))
