# What one would use without this project, and the reader that checks every engine.
# Standard input names the work as JSON; the result goes to standard output.
import glob, json, os, resource, sys, time

w = json.load(sys.stdin)
pattern = os.path.join(w["dir"], "entries", "*.ndjson")
VALUES = ["entry_id", "transaction_id", "account_id", "amount", "balance", "currency", "channel", "reference", "memo", "booked_at", "value_date"]


def duck():
    import duckdb
    c = duckdb.connect()
    c.execute("SET threads = 2; SET enable_progress_bar = false; SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
    return c


def duckdb_files(c):
    """read_json with the types given, into one Parquet file as an Iceberg table would hold it."""
    payload = """STRUCT(after STRUCT(entry_id BIGINT, transaction_id BIGINT, account_id BIGINT, amount DECIMAL(18,2), balance DECIMAL(18,2), currency VARCHAR,
      channel VARCHAR, reference VARCHAR, memo VARCHAR, booked_at BIGINT, value_date INTEGER),
      source STRUCT(ts_us BIGINT, lsn BIGINT), transaction STRUCT(id VARCHAR, total_order BIGINT), op VARCHAR)"""
    top = "payload: '%s'" % payload.replace("'", "''") if w["inline"] else \
        ", ".join("%s: '%s'" % (n, t) for n, t in [
            ("after", payload[payload.index("STRUCT(entry_id"):payload.index(",\n      source")].strip()),
            ("source", "STRUCT(ts_us BIGINT, lsn BIGINT)"), ("transaction", "STRUCT(id VARCHAR, total_order BIGINT)"), ("op", "VARCHAR")])
    p = "payload." if w["inline"] else ""
    c.execute(f"""COPY (SELECT {p}op AS _op, make_timestamptz({p}source.ts_us) AS _committed_at, {p}transaction.id AS _tx, {p}transaction.total_order AS _tx_order,
        {p}source.lsn AS _lsn, {', '.join(f'{p}after.{v} AS {v}' for v in VALUES[:9])},
        make_timestamptz({p}after.booked_at) AS booked_at, DATE '1970-01-01' + {p}after.value_date AS value_date
      FROM read_json('{pattern}', format = 'newline_delimited', columns = {{{top}}}))
      TO '{w["out"]}/entries.parquet' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)""")


def lake(out):
    from pyiceberg.catalog.sql import SqlCatalog
    return SqlCatalog("bench", uri=f"sqlite:///{out}/pyiceberg.db", warehouse=f"file://{out}/warehouse")


def pyiceberg_files():
    """pyarrow's JSON reader, a file at a time, and PyIceberg's append of them all in one commit."""
    import pyarrow as pa, pyarrow.compute as pc, pyarrow.json as pj
    pa.set_cpu_count(2)
    text, i64 = pa.string(), pa.int64()
    types = [i64, i64, i64, text, text, text, text, text, text, i64, pa.int32()]
    payload = pa.struct([("after", pa.struct(list(zip(VALUES, types)))), ("source", pa.struct([("ts_us", i64), ("lsn", i64)])),
                         ("transaction", pa.struct([("id", text), ("total_order", i64)])), ("op", text)])
    explicit = pa.schema([("payload", payload)]) if w["inline"] else pa.schema(list(payload))
    options = pj.ParseOptions(explicit_schema=explicit, unexpected_field_behavior="ignore")
    money, stamp = pa.decimal128(18, 2), pa.timestamp("us", tz="UTC")
    casts = {"amount": money, "balance": money, "booked_at": stamp, "value_date": pa.date32()}

    def one(path):
        t = pj.read_json(path, parse_options=options, read_options=pj.ReadOptions(block_size=8 << 20))
        if w["inline"]:
            t = t.flatten()
            t = t.rename_columns([n.removeprefix("payload.") for n in t.column_names])
        side = lambda name, field: pc.struct_field(t[name], field)
        cols = {"_op": t["op"], "_committed_at": side("source", "ts_us").cast(stamp), "_tx": side("transaction", "id"),
                "_tx_order": side("transaction", "total_order"), "_lsn": side("source", "lsn")}
        for v in VALUES:
            cols[v] = side("after", v)
            if v in casts:
                cols[v] = cols[v].cast(casts[v])
        return pa.table(cols)

    c = lake(w["out"])
    c.create_namespace("ledger")
    table = None
    with_files = sorted(glob.glob(pattern))
    batches = 4  # files an append: more of them at once take more memory
    for i in range(0, len(with_files), batches):
        t = pa.concat_tables([one(p) for p in with_files[i:i + batches]])
        if table is None:
            table = c.create_table("ledger.entries", t.schema, properties={"write.parquet.compression-codec": "zstd", "write.parquet.compression-level": "1"})
        table.append(t)


def sums(engine):
    """What the generator's sums are held against."""
    c = duck()
    if engine == "duckdb":
        source = f"read_parquet('{w['out']}/entries.parquet')"
    else:
        import importlib.util, sqlite3
        db, table = {"millrace": ("catalog.db", "entries_changes"), "pyiceberg": ("pyiceberg.db", "entries")}[engine]
        (where,) = sqlite3.connect(os.path.join(w["out"], db)).execute("SELECT metadata_location FROM iceberg_tables WHERE table_name = ?", (table,)).fetchone()
        for name in ("avro", "iceberg"):
            folder = os.path.dirname(importlib.util.find_spec("duckdb_extension_" + name).origin)
            c.execute(f"LOAD '{glob.glob(folder + '/**/*.duckdb_extension', recursive=True)[0]}'")
        source = f"iceberg_scan('{where.removeprefix('file://')}')"
    texts = " + ".join(f"sum(coalesce(strlen({t}), 0))" for t in ("currency", "channel", "reference", "memo"))
    row = c.execute(f"""SELECT count(*), sum(entry_id)::BIGINT, sum(account_id)::BIGINT, sum(amount)::VARCHAR, sum(balance)::VARCHAR, ({texts})::BIGINT, count(memo),
      sum(epoch_us(booked_at))::VARCHAR, sum(value_date - DATE '1970-01-01')::BIGINT, sum(strlen(_tx))::BIGINT, sum(_lsn)::VARCHAR
      FROM {source} WHERE _op = 'c' AND _tx_order BETWEEN 1 AND 2 AND _committed_at = booked_at""").fetchone()
    names = ["rows", "entry_ids", "accounts", "amount", "balance", "texts", "memos", "booked_at", "value_date", "tx_bytes", "lsn"]
    return dict(zip(names, row))


def spent():
    r = resource.getrusage(resource.RUSAGE_SELF)
    return r.ru_utime + r.ru_stime


def measure(prepare, run):
    got = prepare()
    cpu, start = spent(), time.time()
    run(*got)
    seconds, cpu = time.time() - start, spent() - cpu
    peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM"))
    return {"seconds": seconds, "cpu": cpu, "peak_kb": peak}


def imports():
    import pyarrow, pyarrow.compute, pyarrow.json, pyiceberg.catalog.sql, pyiceberg.io.pyarrow, pyiceberg.table  # not counted
    return ()


if w["do"] == "duckdb":
    out = measure(lambda: (duck(),), duckdb_files)
elif w["do"] == "pyiceberg":
    out = measure(imports, pyiceberg_files)
else:
    out = sums(w["do"].split()[1])
json.dump(out, sys.stdout)
