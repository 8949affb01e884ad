#!/usr/bin/env bash
# parquet-go v0.32.0 writing, ClickHouse 26.7 (chdb 3.4.0) and DuckDB 1.5.6 (@duckdb/node-api 1.5.6-r.1) reading.
# Behaviour: the page index of parquet-go cuts a binary bound to 16 bytes and makes the upper one larger by one, so that
# it stays a bound. Where all 16 bytes are 0xFF there is no such bound; it then writes the cut value, which is smaller
# than every value of the page. ClickHouse prunes by it, DuckDB does not.
# Seen 2026-11-28: 5,000 keys of 16 bytes 0xFF and a number: `key >= first` finds 5,000 in DuckDB, 0 in ClickHouse.
# Why it matters: keys with a fixed binary prefix, or inverted for descending order, are valid data. The rows are in the
# file, and any engine that trusts the page index does not see them.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --prefix . @duckdb/node-api@1.5.6-r.1 chdb@3.4.0 >/dev/null

cat >main.go <<'END'
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/parquet-go/parquet-go"
)

type row struct {
	Key []byte `parquet:"key"`
}

func main() {
	for name, first := range map[string]byte{"low": 0xfe, "high": 0xff} {
		rows := make([]row, 5000)
		for i := range rows {
			rows[i].Key = fmt.Appendf(bytes.Repeat([]byte{first}, 16), "%06d", i)
		}
		if err := parquet.WriteFile(name+".parquet", rows); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
END
export GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0
{ go mod init bounds && go get github.com/parquet-go/parquet-go@v0.32.0 && go run .; } 2>log || { cat log >&2; exit 1; }

cat >see.mjs <<'END'
import { DuckDBInstance } from '@duckdb/node-api'
import { Session } from 'chdb'
const db = await (await DuckDBInstance.create(':memory:')).connect()
const session = new Session()
for (const [name, byte] of [['low', 'FE'], ['high', 'FF']]) {
  const first = `unhex('${byte.repeat(16)}${Buffer.from('000000').toString('hex')}')`
  const file = `file('${process.cwd()}/${name}.parquet')`
  const duckdb = (await (await db.runAndReadAll(`select count(*) from '${name}.parquet' where key >= ${first}`)).getRowsJson())[0][0]
  const clickhouse = set => session.query(`select count() from ${file} where key >= ${first} ${set}`, 'TSV').trim()
  console.log(`16 bytes ${byte}: DuckDB ${duckdb}, ClickHouse ${clickhouse('')}, without the page index`,
    clickhouse('settings input_format_parquet_page_filter_push_down = 0'))
}
session.close()
END
node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
16 bytes FE: DuckDB 5000, ClickHouse 5000, without the page index 5000
16 bytes FF: DuckDB 5000, ClickHouse 0, without the page index 5000
END
