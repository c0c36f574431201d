#!/usr/bin/env bash
# Makes the Python environment that tests and benches hold the lake against, in
# the user's cache folder, and prints its interpreter. Does nothing where it is complete.
set -euo pipefail
home="${XDG_CACHE_HOME:-$HOME/.cache}/millrace/python-1"
if [ ! -f "$home/complete" ]; then
  rm -rf "$home"
  python3 -m venv "$home"
  "$home/bin/pip" install --quiet --disable-pip-version-check \
    duckdb==1.5.5 duckdb-extension-iceberg==1.5.5 duckdb-extension-avro==1.5.5 duckdb-extension-httpfs==1.5.5 \
    'pyiceberg[sql-sqlite,pyarrow,pyiceberg-core]==0.12.0'
  touch "$home/complete"
fi
echo "$home/bin/python"
