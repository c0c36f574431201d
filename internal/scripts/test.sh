#!/usr/bin/env bash
# Installs what the tests need, then runs lint and every test, with the race
# detector where goroutines live. Nothing is skipped: a part that cannot be installed fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

step() { printf '\n== %s\n' "$*"; }

step "real readers of the lake: DuckDB, PyIceberg, pyarrow"
bash internal/scripts/python.sh

step "lint"
make --no-print-directory lint

step "tests"
go test ./...

step "race detector"
go test -race -short -timeout 30m ./...
