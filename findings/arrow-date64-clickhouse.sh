#!/usr/bin/env bash
# apache-arrow 21.2.0 (JavaScript) writing, ClickHouse 26.7 (chdb 3.4.0) and nodejs-polars 0.25.2 reading Arrow IPC.
# Behaviour: Arrow has two types for days, date32 and date64. ClickHouse reads date64 as DateTime, which is 32 bits without
# a sign, and wraps what does not fit: a day before 1970 or after 2106 is a day of another century, without an error.
# polars has it right, and so has ClickHouse where the same days come as date32 or as timestamps of any unit.
# Seen 2026-11-28: 1960-01-01 is read as 2096-02-06, 2150-01-01 as 2013-11-24.
# Why it matters: birthdays and "no end" dates are in most data, and the wrong days look plausible. Write date32.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
case $(uname -m) in x86_64) cpu=x64 ;; *) cpu=arm64 ;; esac
npm install --silent --no-audit --no-fund --prefix . apache-arrow@21.2.0 chdb@3.4.0 nodejs-polars@0.25.2 \
	nodejs-polars-linux-$cpu-gnu@0.25.2 >/dev/null

cat >see.mjs <<'END'
import { DateDay, DateMillisecond, Table, TimestampMillisecond, TimestampSecond, tableToIPC, vectorFromArray } from 'apache-arrow'
import { Session } from 'chdb'
import pl from 'nodejs-polars'
import { writeFileSync } from 'fs'
const session = new Session()
for (const type of [new DateDay(), new DateMillisecond(), new TimestampSecond(), new TimestampMillisecond()]) {
  for (const day of ['1960-01-01', '2024-05-20', '2150-01-01']) {
    const vector = vectorFromArray([new Date(day)], type)
    const bytes = Buffer.from(tableToIPC(new Table({ day: vector }), 'stream'))
    writeFileSync('days', bytes)
    const query = select => session.query(`select ${select} from file('${process.cwd()}/days', 'ArrowStream')
      settings session_timezone = 'UTC'`, 'TSV').trim()
    const polars = pl.readIPCStream(bytes).getColumn('day').cast(pl.Date).cast(pl.Utf8).get(0)
    console.log(`${type}: ${day} is in polars ${polars} in ClickHouse ${query('toString(day)').slice(0, 10)} ${query('toTypeName(day)')}`)
  }
}
session.close()
END
node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
Date32<DAY>: 1960-01-01 is in polars 1960-01-01 in ClickHouse 1960-01-01 Nullable(Date32)
Date32<DAY>: 2024-05-20 is in polars 2024-05-20 in ClickHouse 2024-05-20 Nullable(Date32)
Date32<DAY>: 2150-01-01 is in polars 2150-01-01 in ClickHouse 2150-01-01 Nullable(Date32)
Date64<MILLISECOND>: 1960-01-01 is in polars 1960-01-01 in ClickHouse 2096-02-06 Nullable(DateTime)
Date64<MILLISECOND>: 2024-05-20 is in polars 2024-05-20 in ClickHouse 2024-05-20 Nullable(DateTime)
Date64<MILLISECOND>: 2150-01-01 is in polars 2150-01-01 in ClickHouse 2013-11-24 Nullable(DateTime)
Timestamp<SECOND>: 1960-01-01 is in polars 1960-01-01 in ClickHouse 1960-01-01 Nullable(DateTime64(0))
Timestamp<SECOND>: 2024-05-20 is in polars 2024-05-20 in ClickHouse 2024-05-20 Nullable(DateTime64(0))
Timestamp<SECOND>: 2150-01-01 is in polars 2150-01-01 in ClickHouse 2150-01-01 Nullable(DateTime64(0))
Timestamp<MILLISECOND>: 1960-01-01 is in polars 1960-01-01 in ClickHouse 1960-01-01 Nullable(DateTime64(3))
Timestamp<MILLISECOND>: 2024-05-20 is in polars 2024-05-20 in ClickHouse 2024-05-20 Nullable(DateTime64(3))
Timestamp<MILLISECOND>: 2150-01-01 is in polars 2150-01-01 in ClickHouse 2150-01-01 Nullable(DateTime64(3))
END
