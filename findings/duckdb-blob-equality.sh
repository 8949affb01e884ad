#!/usr/bin/env bash
# DuckDB 1.5.6 (@duckdb/node-api 1.5.6-r.1), its own Parquet files with default settings.
# Behaviour: `WHERE blob = x` returns no row although the file holds 100 of them. COPY writes a bloom filter for each
# dictionary column, and the reader probes it with another hash than the writer used as soon as the blob has a byte that
# is no printable ASCII. In a table, and for printable blobs, the answer is right.
# Seen 2026-11-28: "digest: table 100, file 0, probe excludes true".
# Why it matters: hashes and binary keys move between systems as BLOBs. A join or a dedupe on them over Parquet files
# silently finds nothing, and every row looks new.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --prefix . @duckdb/node-api@1.5.6-r.1 >/dev/null

cat >see.mjs <<'END'
import { DuckDBInstance } from '@duckdb/node-api'
const db = await (await DuckDBInstance.create(':memory:')).connect()
const one = async query => (await (await db.runAndReadAll(query)).getRowsJson())[0][0]
await db.run(`create table t as select encode('key-' || i % 50) word, unhex(md5((i % 50)::varchar)) digest
  from range(5000) r(i)`)
await db.run(`copy t to 'own.parquet' (format parquet)`)
for (const [column, value] of [['word', `encode('key-7')`], ['digest', `unhex(md5('7'))`]]) {
  const table = await one(`select count(*) from t where ${column} = ${value}`)
  const file = await one(`select count(*) from 'own.parquet' where ${column} = ${value}`)
  const probe = await one(`select bloom_filter_excludes from parquet_bloom_probe('own.parquet', '${column}', ${value})`)
  console.log(`${column}: table ${table}, file ${file}, probe excludes ${probe}`)
}
END
node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
word: table 100, file 100, probe excludes false
digest: table 100, file 0, probe excludes true
END
