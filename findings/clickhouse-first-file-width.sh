#!/usr/bin/env bash
# ClickHouse 26.7 (chdb 3.4.0) and DuckDB 1.5.6 (@duckdb/node-api 1.5.6-r.1), both reading two Parquet files at once.
# A good guess: the first file sets the types, and a value of a later file that does not fit is an error, as in DuckDB.
# Behaviour: where the first file has 32-bit ids and the second 64-bit ids, ClickHouse keeps the low 32 bits of the second
# one's, without an error. 4294967297 becomes 1. A filter is checked against the second file's statistics before its ids
# are cut, so the row that is shown as id 1 is not found by `id = 1`: more rows come back without statistics. Decimals
# with more digits behind the point are cut where DuckDB rounds them. `schema_inference_mode = 'union'` is no way out.
# Seen 2026-11-29, ids 1 to 10 and 4294967297 to 4294967306: 10 different ids in 20 rows, and `id <= 10` finds 10 rows.
# Why it matters: a column becomes wider when its values grow, which is exactly when they do not fit any more. Joins then
# meet another row's id. State the types in file(), or set schema_inference_mode to 'union': both are right.
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
const duckdb = async query => {
  try { return (await (await db.runAndReadAll(query)).getRowsJson()).join(' ') } catch (error) { return error.message.split(':')[0] }
}
const clickhouse = query => {
  try { return session.query(query, 'TSV').trim().replace(/\s+/g, ' ') } catch (error) { return error.message.match(/\((\w+)\)/)?.[1] ?? error.message }
}
const files = (name, types) => `file('${process.cwd()}/${name}', Parquet${types ? `, '${types}'` : ''})`
await db.run(`copy (select i::int id, 1.01::decimal(10, 2) price from range(1, 11) r(i)) to 'day1.parquet' (format parquet)`)
await db.run(`copy (select 4294967296 + i id, 1.0055::decimal(10, 4) price from range(1, 11) r(i)) to 'day2.parquet' (format parquet)`)
const both = files('day{1,2}.parquet')
const off = 'settings input_format_parquet_filter_push_down = 0, input_format_parquet_bloom_filter_push_down = 0, input_format_parquet_page_filter_push_down = 0'
console.log('ClickHouse:', clickhouse(`select count(), uniqExact(id), max(id), any(toTypeName(id)) from ${both}`))
for (const where of ['id = 1', 'id <= 10']) {
  console.log(`ClickHouse, ${where}: ${clickhouse(`select count() from ${both} where ${where}`)},`,
    `without statistics ${clickhouse(`select count() from ${both} where ${where} ${off}`)}`)
}
console.log('ClickHouse, union:', clickhouse(`select uniqExact(id), max(id) from ${both} settings schema_inference_mode = 'union'`))
console.log('ClickHouse, types stated:', clickhouse(`select uniqExact(id), max(id) from ${files('day{1,2}.parquet', 'id Int64')}`))
console.log('DuckDB:', await duckdb(`select count(*), max(id) from read_parquet(['day1.parquet', 'day2.parquet'])`))
console.log('DuckDB, by name:', await duckdb(`select count(distinct id), max(id) from read_parquet(['day1.parquet', 'day2.parquet'], union_by_name = true)`))
console.log('price 1.0055 in ClickHouse:', clickhouse(`select min(price) from ${both}`),
  'in DuckDB:', await duckdb(`select min(price) from read_parquet(['day1.parquet', 'day2.parquet'])`))
session.close()
END
node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
ClickHouse: 20 10 10 Nullable(Int32)
ClickHouse, id = 1: 1, without statistics 2
ClickHouse, id <= 10: 10, without statistics 20
ClickHouse, union: 20 4294967306
ClickHouse, types stated: 20 4294967306
DuckDB: Conversion Error
DuckDB, by name: 20,4294967306
price 1.0055 in ClickHouse: 1 in DuckDB: 1.01
END
