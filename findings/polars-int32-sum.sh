#!/usr/bin/env bash
# nodejs-polars 0.25.2, DuckDB 1.5.6 (@duckdb/node-api 1.5.6-r.1), ClickHouse 26.7 (chdb 3.4.0).
# Behaviour: the sum of a 32-bit integer column stays 32 bits wide in polars and wraps without an error; of 8 and 16 bits
# it becomes 64 bits. DuckDB and ClickHouse widen all of them. The same holds for sums of groups.
# Seen 2026-11-28, 10 million ids 0 to 9,999,999 in one Parquet file: 49999995000000 against -2014260032.
# Why it matters: people check a copy of typed data by its sums. A column fits its type, but its total does not. If polars
# computes both sides of the check, they even agree.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
case $(uname -m) in x86_64) cpu=x64 ;; *) cpu=arm64 ;; esac
npm install --silent --no-audit --no-fund --prefix . @duckdb/node-api@1.5.6-r.1 chdb@3.4.0 nodejs-polars@0.25.2 \
	nodejs-polars-linux-$cpu-gnu@0.25.2 >/dev/null

cat >see.mjs <<'END'
import { DuckDBInstance } from '@duckdb/node-api'
import { Session } from 'chdb'
import pl from 'nodejs-polars'
const db = await (await DuckDBInstance.create(':memory:')).connect()
await db.run(`copy (select i::int id, (i % 100)::smallint small, 'p' portal from range(10000000) r(i))
  to 'ids.parquet' (format parquet)`)
const session = new Session()
for (const column of ['small', 'id']) {
  const duckdb = (await (await db.runAndReadAll(`select sum(${column}) from 'ids.parquet'`)).getRowsJson())[0][0]
  const clickhouse = session.query(`select sum(${column}) from file('${process.cwd()}/ids.parquet')`, 'TSV').trim()
  const frame = pl.readParquet('ids.parquet')
  const polars = frame.getColumn(column).sum()
  const group = frame.groupBy('portal').agg(pl.col(column).sum()).getColumn(column).get(0)
  console.log(`${column}: DuckDB ${duckdb}, ClickHouse ${clickhouse}, polars ${polars}, polars by group ${group}`)
}
session.close()
END
node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
small: DuckDB 495000000, ClickHouse 495000000, polars 495000000, polars by group 495000000
id: DuckDB 49999995000000, ClickHouse 49999995000000, polars -2014260032, polars by group -2014260032
END
