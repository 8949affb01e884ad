// Reads the program's output with other engines. The word on the command line selects
// the engine and the form of standard input:
//
//   duckdb      a JSON list of queries; prints a JSON list of their rows, as texts
//   clickhouse  the same for ClickHouse
//   arrow       an Arrow IPC stream; prints {"columns": […], "rows": […]}
//   bigquery    JSON lines with statements in the field SQL; prints a JSON list of
//               those that are not valid in BigQuery
import { DuckDBInstance } from '@duckdb/node-api'
import { tableFromIPC, DataType } from 'apache-arrow'
import { parse } from 'sql-parser-cst'

const input = []
for await (const part of process.stdin) {
  input.push(part)
}
const bytes = Buffer.concat(input)

async function duckdb () {
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const answers = []
  for (const query of JSON.parse(bytes)) {
    const rows = await (await connection.runAndReadAll(query)).getRows()
    answers.push(rows.map(row => row.map(cell => cell === null ? null : String(cell))))
  }
  return answers
}

async function clickhouse () {
  const { Session } = await import('chdb') // half a gigabyte, which only this one loads
  const session = new Session()
  const answers = JSON.parse(bytes).map(query => session.query(query, 'JSONCompactStringsEachRow')
    .split('\n').filter(line => line !== '').map(line => JSON.parse(line)))
  session.close()
  return answers
}

// Returns a value's exact text. The library converts times to floating-point
// milliseconds, and decimals to words, so both are read from their stored form.
function text (vector, row) {
  if (vector.get(row) === null) {
    return null
  }
  const type = vector.type
  if (DataType.isTimestamp(type)) {
    let at = row
    for (const data of vector.data) {
      if (at < data.length) {
        return String(data.values[at])
      }
      at -= data.length
    }
  }
  if (DataType.isDecimal(type)) {
    const words = vector.get(row)
    let n = 0n
    for (let i = words.length - 1; i >= 0; i--) {
      n = (n << 32n) | BigInt(words[i])
    }
    return String(BigInt.asIntN(words.length * 32, n))
  }
  return String(vector.get(row))
}

function arrow () {
  const table = tableFromIPC(bytes)
  const columns = table.schema.fields.map(field => `${field.name} ${field.type}`)
  const vectors = table.schema.fields.map((_, i) => table.getChildAt(i))
  const rows = []
  for (let row = 0; row < table.numRows; row++) {
    rows.push(vectors.map(vector => text(vector, row)))
  }
  return { columns, rows }
}

function bigquery () {
  const wrong = []
  for (const line of bytes.toString().split('\n').filter(line => line !== '')) {
    const { SQL } = JSON.parse(line)
    try {
      parse(SQL, { dialect: 'bigquery' })
    } catch (error) {
      wrong.push(`${SQL}\n${error.message}`)
    }
  }
  return wrong
}

process.stdout.write(JSON.stringify(await { duckdb, clickhouse, arrow, bigquery }[process.argv[2]]()))
