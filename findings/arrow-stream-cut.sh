#!/usr/bin/env bash
# Arrow IPC streams in arrow-go v18.8.0, apache-arrow 21.2.0 (JavaScript), ClickHouse 26.7 (chdb 3.4.0), nodejs-polars 0.25.2.
# Behaviour: a stream whose writer died between two record batches is a complete stream to all four readers. The end
# marker is optional in the format, and none of the four asks for it by default. JavaScript also accepts a stream that
# ends inside the header of the next batch; the other three refuse that one.
# Seen 2026-11-28: 3 batches of 1,000 rows, cut after the second: 2000 rows and no error, four times.
# Why it matters: a pipe or a response that ends early loses rows and reports success, which Parquet's footer prevents.
# Send the row count beside the stream and compare it.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
case $(uname -m) in x86_64) cpu=x64 ;; *) cpu=arm64 ;; esac
npm install --silent --no-audit --no-fund --prefix . apache-arrow@21.2.0 chdb@3.4.0 nodejs-polars@0.25.2 \
	nodejs-polars-linux-$cpu-gnu@0.25.2 >/dev/null

# Writes a stream to standard output, or counts the rows of the one on standard input.
cat >main.go <<'END'
package main

import (
	"fmt"
	"os"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

func main() {
	if os.Args[1] == "write" {
		schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int32}}, nil)
		w := ipc.NewWriter(os.Stdout, ipc.WithSchema(schema))
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for i := range int32(3000) {
			b.Field(0).(*array.Int32Builder).Append(i)
			if i%1000 == 999 {
				if err := w.Write(b.NewRecordBatch()); err != nil {
					panic(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
		return
	}
	r, err := ipc.NewReader(os.Stdin)
	rows := int64(0)
	if err == nil {
		for r.Next() {
			rows += r.RecordBatch().NumRows()
		}
		err = r.Err()
	}
	if err != nil {
		fmt.Print("error")
		return
	}
	fmt.Print(rows)
}
END
export GOWORK=off GOFLAGS=-mod=mod
{ go mod init arrowcut && go get github.com/apache/arrow-go/v18/arrow/ipc@v18.8.0 && CGO_ENABLED=0 go build -o arrowcut .; } 2>log ||
	{ cat log >&2; exit 1; }
./arrowcut write >whole

cat >see.mjs <<'END'
import { tableFromIPC, MessageReader } from 'apache-arrow'
import { Session } from 'chdb'
import pl from 'nodejs-polars'
import { execFileSync } from 'child_process'
import { readFileSync, writeFileSync } from 'fs'
const whole = readFileSync('whole')
const session = new Session()
const rows = read => { try { return String(read()).trim() } catch { return 'error' } }
function show (name, size) {
  const bytes = whole.subarray(0, size)
  writeFileSync('part', bytes)
  console.log(`${name}: Go`, rows(() => execFileSync('./arrowcut', ['read'], { input: bytes })),
    'JavaScript', rows(() => tableFromIPC(bytes).numRows),
    'ClickHouse', rows(() => session.query(`select count() from file('${process.cwd()}/part', 'ArrowStream')`, 'TSV')),
    'polars', rows(() => pl.readIPCStream(bytes).height))
}
// Where each message ends: the format's prefix of 8 bytes, then the metadata, then the body.
const ends = []
for (let at = 0, reader = new MessageReader(whole); ;) {
  const next = reader.next()
  if (next.done) break
  at += 8 + whole.readInt32LE(at + 4) + Number(next.value.bodyLength)
  reader.readMessageBody(next.value.bodyLength)
  ends.push(at)
}
const [, , second, third] = ends // after the schema, and the first batch
show('whole', whole.length)
show('without the end marker', third)
show('cut after the second batch', second)
show('cut in the header of the third batch', second + 8)
show('cut in the body of the third batch', third - 100)
session.close()
END
node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
whole: Go 3000 JavaScript 3000 ClickHouse 3000 polars 3000
without the end marker: Go 3000 JavaScript 3000 ClickHouse 3000 polars 3000
cut after the second batch: Go 2000 JavaScript 2000 ClickHouse 2000 polars 2000
cut in the header of the third batch: Go error JavaScript 2000 ClickHouse error polars error
cut in the body of the third batch: Go error JavaScript error ClickHouse error polars error
END
