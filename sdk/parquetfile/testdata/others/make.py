"""Makes the files of this folder, which other writers wrote: python make.py (duckdb 1.5.5, pyarrow 26.0.1)."""
import datetime as dt
import json
from decimal import Context, Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

N = 200
WIDE = Context(prec=40)
rows = []
for i in range(N):
    null = i % 7 == 3
    rows.append({
        "id": i,
        "small": None if null else i % 50 - 25,
        "amount": None if null else Decimal(i * 1237 - 9999).scaleb(-2),
        "wide": Decimal((-1) ** i * i * 10**25 + 1).scaleb(-4, WIDE),
        "kind": None if null else ["card", "transfer", "fee"][i % 3],
        "note": f"note {i * 7919 % 1000} ключ",
        "ok": None if i % 5 == 0 else i % 2 == 0,
        "rate": i / 8,
        "day": dt.date(1969, 12, 1) + dt.timedelta(days=i),
        "at": dt.datetime(1969, 12, 31, 23, 0, 0, 123456) + dt.timedelta(hours=i),
        "tags": None if null else [str(k) for k in range(i % 4)],
        "who": {"name": f"n{i % 9}", "age": None if i % 3 == 0 else i},
    })
schema = pa.schema([
    pa.field("id", pa.int64(), False), ("small", pa.int32()), ("amount", pa.decimal128(12, 2)), ("wide", pa.decimal128(38, 4)),
    ("kind", pa.string()), ("note", pa.string()), ("ok", pa.bool_()), ("rate", pa.float64()), ("day", pa.date32()),
    ("at", pa.timestamp("us")), ("tags", pa.list_(pa.string())), ("who", pa.struct([("name", pa.string()), ("age", pa.int32())])),
])
table = pa.Table.from_pylist(rows, schema)


def text(v):
    if isinstance(v, dt.datetime):
        return v.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(v, dt.date):
        return str(v)
    if isinstance(v, Decimal):
        return format(v, "f")
    return v


with open("expected.json", "w") as f:
    json.dump([{k: text(v) for k, v in r.items()} for r in rows], f, ensure_ascii=False)

# Spark 3's habits: pages of version 1, snappy, dictionaries, INT96 timestamps, decimals as fixed bytes.
pq.write_table(table, "spark-like.parquet", version="1.0", data_page_version="1.0", compression="snappy", use_deprecated_int96_timestamps=True, row_group_size=120, data_page_size=512)
pq.write_table(table, "pyarrow-v2-zstd.parquet", data_page_version="2.0", compression="zstd", row_group_size=90)
pq.write_table(table, "pyarrow-gzip-plain.parquet", compression="gzip", use_dictionary=False, write_page_checksum=True)
pq.write_table(table, "pyarrow-lz4-intdecimal.parquet", compression="lz4", store_decimal_as_integer=True, dictionary_pagesize_limit=64, data_page_size=200)
pq.write_table(table, "pyarrow-brotli-delta.parquet", compression="brotli", use_dictionary=False, column_encoding={
    "id": "DELTA_BINARY_PACKED", "small": "DELTA_BINARY_PACKED", "kind": "DELTA_LENGTH_BYTE_ARRAY", "note": "DELTA_BYTE_ARRAY",
    "rate": "BYTE_STREAM_SPLIT", "ok": "RLE"})
pq.write_table(table, "pyarrow-none-bss.parquet", compression="none", use_dictionary=False, column_encoding={
    "id": "BYTE_STREAM_SPLIT", "amount": "BYTE_STREAM_SPLIT", "rate": "BYTE_STREAM_SPLIT"})
db = duckdb.connect()
db.execute("set threads = 1")
db.register("t", table)
db.execute("copy t to 'duckdb-snappy.parquet' (format parquet)")
db.execute("copy t to 'duckdb-v2-zstd.parquet' (format parquet, parquet_version 'v2', compression zstd)")
db.execute("copy t to 'duckdb-lz4.parquet' (format parquet, compression lz4_raw)")
