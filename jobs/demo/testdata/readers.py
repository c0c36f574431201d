"""Reads a demo's lake with PyIceberg and DuckDB and holds both against what millrace says.

readers.py CATALOG_DB ENDPOINT ACCESS_KEY SECRET_KEY LOOK_SQL < the output of `millrace tables --json`
"""
import glob
import importlib
import json
import sys
from decimal import Decimal

import duckdb
import pyarrow.compute as pc
from pyiceberg.catalog.sql import SqlCatalog

db, endpoint, access, secret, look = sys.argv[1:]
said = json.load(sys.stdin)
catalog = SqlCatalog("millrace", **{
    "uri": f"sqlite:///{db}", "warehouse": "s3://lake/warehouse", "s3.endpoint": endpoint, "s3.region": "us-east-1",
    "s3.access-key-id": access, "s3.secret-access-key": secret, "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO"})

duck = duckdb.connect()
for name in ("httpfs", "avro", "iceberg"):
    path = importlib.import_module("duckdb_extension_" + name).__path__[0]
    duck.execute(f"LOAD '{glob.glob(path + '/**/*.duckdb_extension', recursive=True)[0]}'")
duck.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{access}', SECRET '{secret}', REGION 'us-east-1', ENDPOINT '{endpoint.split('//')[1]}', URL_STYLE 'path', USE_SSL false)")

tables = {t["table"]: catalog.load_table(t["table"]) for t in said["tables"]}
for line in said["tables"]:
    t = tables[line["table"]]
    rows = t.scan().to_arrow()
    seen = duck.execute(f"SELECT count(*) FROM iceberg_scan('{t.metadata_location}')").fetchone()[0]
    assert rows.num_rows == seen == line["rows"], (line, rows.num_rows, seen)
    for f in rows.schema:
        if str(f.type).startswith("decimal") and not f.name.startswith("_before_"):
            ours = pc.sum(rows[f.name]).as_py() or Decimal(0)
            theirs = duck.execute(f"SELECT coalesce(sum(\"{f.name}\"), 0) FROM iceberg_scan('{t.metadata_location}')").fetchone()[0]
            assert ours == theirs, (line["table"], f.name, ours, theirs)

# Every cut: the snapshots in force at it, by what the tables' own summaries say.
cuts = 0
by_cut = {name: {} for name in ("ledger.accounts", "ledger.entries")}
for name, snaps in by_cut.items():
    for s in tables[name].metadata.snapshots:
        snaps[int(s.summary.additional_properties["millrace.cut"])] = s.snapshot_id
for cut in sorted({c for s in by_cut.values() for c in s}):
    at = {name: max((c for c in snaps if c <= cut), default=None) for name, snaps in by_cut.items()}
    if None in at.values():
        continue
    accounts = tables["ledger.accounts"].scan(snapshot_id=by_cut["ledger.accounts"][at["ledger.accounts"]]).to_arrow()
    entries = tables["ledger.entries"].scan(snapshot_id=by_cut["ledger.entries"][at["ledger.entries"]]).to_arrow()
    for total in entries.group_by("currency").aggregate([("amount", "sum")]).to_pylist():
        assert total["amount_sum"] == 0, (cut, total)
    sums = {r["account_id"]: r["amount_sum"] for r in entries.group_by("account_id").aggregate([("amount", "sum")]).to_pylist()}
    for r in accounts.select(["account_id", "balance"]).to_pylist():
        assert sums.get(r["account_id"], Decimal(0)) == r["balance"], (cut, r)
    cuts += 1
assert cuts > 0

# The script that the demo leaves for a person, but for the extensions and the keys, which are set up above.
answers = []
for statement in open(look).read().split(";"):
    words = [w for w in statement.splitlines() if w.strip() and not w.startswith("--")]
    if words and words[0].split()[0] in ("SELECT",):
        answers.append(duck.execute("\n".join(words)).fetchall())
debits, unequal, overdrafts = answers
assert debits and all(total == 0 for _, _, total in debits), debits
assert not unequal and len(overdrafts) == 5, (unequal, overdrafts)
print(f"{len(tables)} tables agree; {cuts} cuts hold")
