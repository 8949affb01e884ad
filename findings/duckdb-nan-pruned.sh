#!/usr/bin/env bash
# DuckDB 1.5.6 (@duckdb/node-api 1.5.6-r.1) reading a file of hyparquet-writer 0.17.0.
# Behaviour: DuckDB sorts NaN above every number, so `x > 5` keeps NaN rows of a table. Parquet statistics leave NaN out,
# as the format requires, and DuckDB still relies on them: the file's row group has maximum 4 and is skipped. Its own
# files are safe only because it writes no statistics for a column with a NaN.
# Seen 2026-11-28: "x > 5: table 1, own file 1, hyparquet-writer's file 0".
# Why it matters: one query has two answers for the same rows, by who wrote the file. A check such as
# `WHERE NOT isfinite(x)` or `x > limit` over a lake passes because the bad rows were pruned.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --prefix . @duckdb/node-api@1.5.6-r.1 hyparquet-writer@0.17.0 >/dev/null

cat >see.mjs <<'END'
import { DuckDBInstance } from '@duckdb/node-api'
import { parquetWriteFile } from 'hyparquet-writer'
const db = await (await DuckDBInstance.create(':memory:')).connect()
const one = async query => (await (await db.runAndReadAll(query)).getRowsJson())[0][0]
parquetWriteFile({ filename: 'other.parquet', columnData: [{ name: 'x', data: [1, 2, NaN, 4], type: 'DOUBLE' }] })
await db.run(`create table t as from 'other.parquet'`)
await db.run(`copy t to 'own.parquet' (format parquet)`)
console.log('statistics of the other file:', await one(`select stats_min_value || ' to ' || stats_max_value from parquet_metadata('other.parquet')`))
for (const where of [`x > 5`, `x = 'nan'`, `x >= 1`]) {
  const of = from => one(`select count(*) from ${from} where ${where}`)
  console.log(`${where}: table ${await of('t')}, own file ${await of(`'own.parquet'`)}, hyparquet-writer's file ${await of(`'other.parquet'`)}`)
}
END
node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
statistics of the other file: 1.0 to 4.0
x > 5: table 1, own file 1, hyparquet-writer's file 0
x = 'nan': table 1, own file 1, hyparquet-writer's file 0
x >= 1: table 4, own file 4, hyparquet-writer's file 4
END
