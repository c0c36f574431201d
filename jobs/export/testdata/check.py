"""Reads exports with DuckDB and pyarrow and holds both against the manifests: check.py FOLDER..."""
import datetime
import hashlib
import json
import os
import sys
from decimal import Decimal, getcontext

import duckdb
import pyarrow.parquet as pq

getcontext().prec = 60
duck = duckdb.connect()
duck.execute("SET TimeZone = 'UTC'")
types = {"bigint": "BIGINT", "timestamp": "TIMESTAMP WITH TIME ZONE", "date": "DATE", "text": "VARCHAR"}
for folder in sys.argv[1:]:
    m = json.load(open(os.path.join(folder, "manifest.json")))
    paths = []
    for f in m["files"]:
        path = os.path.join(folder, f["name"])
        data = open(path, "rb").read()
        assert len(data) == f["bytes"] and hashlib.sha256(data).hexdigest() == f["sha256"], f
        paths.append(path)
    wanted = {c["name"]: types.get(c["type"], c["type"].upper()) for c in m["columns"]}
    if m["format"] == "csv":
        columns = ", ".join(f"'{n}': '{t}'" for n, t in wanted.items())
        source = f"read_csv({paths}, header = true, columns = {{{columns}}})"
    else:
        source = f"read_parquet({paths})"
        arrow = sum(pq.read_table(p).num_rows for p in paths)
        assert arrow == m["rows"], (arrow, m["rows"])
    seen = {n: t for n, t, *_ in duck.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    assert seen == wanted, (seen, wanted)
    assert duck.execute(f"SELECT count(*) FROM {source}").fetchone()[0] == m["rows"]
    for t in m["totals"]:
        condition = "true"
        if "currency" in t:
            condition = f"coalesce(currency, '') = '{t['currency']}'"
        total, values, rows = duck.execute(f"SELECT sum({t['column']}), count({t['column']}), count(*) FROM {source} WHERE {condition}").fetchone()
        assert Decimal(total or 0) == Decimal(t["sum"]) and values == t["values"] and rows - values == t["nulls"], (t, total, values, rows)
    if m["format"] == "parquet" and m["rows"] == 500:
        row = duck.execute(f"SELECT balance, epoch_us(as_of), as_of_date, memo FROM {source} WHERE account_id = 3").fetchone()
        assert row[0] == Decimal((1 << 114) + 3) / 100, row
        assert row[1] == 1_770_000_000_000_004 and row[2] == datetime.date(1970, 1, 1) + datetime.timedelta(20_003), row
        assert row[3] == 'č. 7, "příkaz"\nřádek', row
print(len(sys.argv) - 1, "exports agree")
