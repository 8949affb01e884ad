#!/usr/bin/env bash
# DuckDB 1.5.6 (@duckdb/node-api 1.5.6-r.1) and ClickHouse 26.7 (chdb 3.4.0), each reading files of both.
# A good guess: -0.0 = 0 is true in SQL, and a bloom filter errs only towards "maybe", so it never hides a row that fits.
# Behaviour: Parquet's bloom filters are over the bits of a double, where -0.0 and 0.0 differ. DuckDB asks for the bits of
# the constant 0.0 and skips a row group whose zeros are all -0.0. This needs nothing but its defaults, and happens in its
# own files and in ClickHouse's. `x between 0 and 0` finds the rows, a join with 0 does not. Where both zeros occur, the
# one that comes first decides: DuckDB's dictionary keeps one of them for both. ClickHouse finds all rows in both files.
# Seen 2026-11-29, 1,000 of 3,000 rows are -0.0: `x = 0` finds 1,000 in a table, 0 in its file, and `x <> 0` finds 2,000.
# Why it matters: 0.0 * -1 and round(-0.001, 2) are -0.0, so refunds and differences of nothing are. A report of the rows
# that cancel out is empty, although the same query on the table was right. Compare with `between`, or store decimals.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --prefix . @duckdb/node-api@1.5.6-r.1 chdb@3.4.0 >/dev/null

cat >see.mjs <<'END'
import { DuckDBInstance } from '@duckdb/node-api'
import { Session } from 'chdb'
const db = await (await DuckDBInstance.create(':memory:')).connect()
const session = new Session()
const duckdb = async query => (await (await db.runAndReadAll(query)).getRowsJson())[0][0]
const clickhouse = query => session.query(query, 'TSV').trim()
const file = name => `file('${process.cwd()}/${name}.parquet', Parquet)`
const refunds = `select i id, (i % 3)::double * -1 x from range(3000) r(i)`
await db.run(`create table t as ${refunds}`)
await db.run(`copy t to 'duckdb.parquet' (format parquet)`)
await db.run(`copy t to 'unfiltered.parquet' (format parquet, write_bloom_filter false)`)
await db.run(`copy (select 3000 id, 0::double x union all ${refunds}) to 'zero-first.parquet' (format parquet)`)
await db.run(`copy (${refunds} union all select 3000, 0) to 'zero-last.parquet' (format parquet)`)
clickhouse(`insert into function ${file('clickhouse')} select number id, toFloat64(number % 3) * -1 x from numbers(3000)`)
await db.run(`create table zero as select 0::double x`)
console.log('rounded:', await duckdb(`select round(-0.001::double, 2)::varchar`))
for (const where of ['x = 0', 'x = -0.0::double', 'x between 0 and 0', 'x <> 0']) {
  const counts = []
  for (const from of ['t', 'duckdb', 'unfiltered', 'zero-first', 'zero-last', 'clickhouse']) {
    counts.push(`${from} ${await duckdb(`select count(*) from ${from === 't' ? 't' : `'${from}.parquet'`} where ${where}`)}`)
  }
  console.log(`DuckDB, ${where}: ${counts.join(', ')}`)
}
console.log('DuckDB, join with 0: t', await duckdb(`select count(*) from t join zero using (x)`),
  'duckdb', await duckdb(`select count(*) from 'duckdb.parquet' join zero using (x)`))
console.log('ClickHouse, x = 0: duckdb', clickhouse(`select count() from ${file('duckdb')} where x = 0`),
  'clickhouse', clickhouse(`select count() from ${file('clickhouse')} where x = 0`))
session.close()
END
node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
rounded: -0.0
DuckDB, x = 0: t 1000, duckdb 0, unfiltered 1000, zero-first 1001, zero-last 0, clickhouse 0
DuckDB, x = -0.0::double: t 1000, duckdb 1000, unfiltered 1000, zero-first 0, zero-last 1001, clickhouse 1000
DuckDB, x between 0 and 0: t 1000, duckdb 1000, unfiltered 1000, zero-first 1001, zero-last 1001, clickhouse 1000
DuckDB, x <> 0: t 2000, duckdb 2000, unfiltered 2000, zero-first 2000, zero-last 2000, clickhouse 2000
DuckDB, join with 0: t 1000 duckdb 0
ClickHouse, x = 0: duckdb 1000 clickhouse 1000
END
