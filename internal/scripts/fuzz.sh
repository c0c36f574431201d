#!/usr/bin/env bash
# Runs every fuzz target for a while: fuzz.sh 10s
set -euo pipefail
cd "$(dirname "$0")/../.."
for file in $(git grep -l '^func Fuzz' -- '*_test.go'); do
  for target in $(grep -o '^func Fuzz[A-Za-z0-9_]*' "$file" | cut -d' ' -f2); do
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-10s}" "./$(dirname "$file")"
  done
done
