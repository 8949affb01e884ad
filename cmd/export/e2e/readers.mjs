// Reads files with other readers. It reads a question as JSON from standard input, passes
// it to the reader that the command line names, and prints the answer as JSON:
//
//   {"tables": [{"name", "path", "columns": [{"name", "kind"}]}], "predicates": […], "odd": "path"}
//   {"lines": [[…]], "counts": […], "shown": {…}} or {"error": "…"}
//
// A line has the number of a table's rows; then for each column the number of values that
// are not null, and their sum: for texts the sum of their lengths in characters, for flags
// the number of true ones, for others the sum of the whole numbers in which they are
// stored. counts has the number of rows that meet each predicate, by the reader's own
// filter. shown has the values of the first row as the reader shows them by default.
import { readFileSync } from 'node:fs'

// line adds up the values of a table. column(name, kind) returns an array of null, text,
// boolean, or BigInt.
function line (table, rows, column) {
  const out = [String(rows)]
  for (const { name, kind } of table.columns) {
    let count = 0
    let sum = 0n
    for (const value of column(name, kind)) {
      if (value === null || value === undefined) {
        continue
      }
      count++
      sum += kind === 'text' ? BigInt([...value].length) : BigInt(value)
    }
    out.push(String(count), String(sum))
  }
  return out
}

// The values of the first row that show how a reader converts values.
const shown = row => Object.fromEntries(['sum', 'date_paid', 'order_id', 'paid'].map(name => [name, show(row[name])]))

function show (value) {
  if (value === undefined) {
    return 'undefined'
  }
  if (value instanceof Date) {
    return value.toISOString()
  }
  if (ArrayBuffer.isView(value)) {
    return `[${Array.from(value)}]`
  }
  return typeof value === 'bigint' ? `${value}n` : typeof value === 'string' ? value : JSON.stringify(value)
}

async function duckdb ({ tables, predicates }) {
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const ask = async query => (await (await connection.runAndReadAll(query)).getRows()).map(row => row.map(cell => cell === null ? null : String(cell)))
  const lines = []
  for (const table of tables) {
    const sums = {
      number: c => `sum(${c}::HUGEINT)`,
      decimal: c => `sum((${c}::DECIMAL(38,4) * 10000)::HUGEINT)`,
      instant: c => `sum(epoch_us(${c})::HUGEINT)`,
      flag: c => `sum(${c}::INT)`,
      text: c => `sum(length(${c}))`
    }
    const columns = table.columns.flatMap(({ name, kind }) => [`count("${name}")`, `coalesce(${sums[kind](`"${name}"`)}, 0)`])
    lines.push((await ask(`SELECT count(*), ${columns.join(', ')} FROM read_parquet('${table.path}')`))[0])
  }
  const counts = []
  for (const p of predicates) {
    counts.push(Number((await ask(`SELECT count(*) FROM read_parquet('${p.path}') WHERE ${p.sql}`))[0][0]))
  }
  return { lines, counts }
}

async function clickhouse ({ tables, predicates }) {
  const { Session } = await import('chdb') // half a gigabyte, which the others spare
  const session = new Session()
  const ask = query => session.query(query, 'JSONCompactStringsEachRow').split('\n').filter(l => l !== '').map(l => JSON.parse(l))
  const lines = tables.map(table => {
    const sums = {
      number: c => `sum(toInt256(${c}))`,
      decimal: c => `sum(toInt256(toDecimal256(${c}, 4) * 10000))`,
      instant: c => `sum(toInt256(toUnixTimestamp64Micro(${c})))`,
      flag: c => `countIf(${c})`,
      text: c => `sum(lengthUTF8(${c}))`
    }
    const columns = table.columns.flatMap(({ name, kind }) => [`count("${name}")`, `ifNull(${sums[kind](`"${name}"`)}, 0)`])
    return ask(`SELECT count(), ${columns.join(', ')} FROM file('${table.path}', Parquet)`)[0]
  })
  // One statement asks for many counts of one file each, which saves planning.
  const counts = predicates.map(p => Number(ask(`SELECT count() FROM file('${p.path}', Parquet) WHERE ${p.sql}`)[0][0]))
  session.close()
  return { lines, counts }
}

async function polars ({ tables, predicates, odd, stream }) {
  const { default: pl } = await import('nodejs-polars')
  const lines = tables.map(table => polarsLine(pl, table, pl.readParquet(table.path)))
  const literals = {
    number: v => pl.lit(v).cast(pl.Int64), // a BigInt works too, if no type is declared for it
    decimal: v => pl.lit(scaled(v)).cast(pl.Decimal(18, 4)),
    instant: v => pl.lit(v).cast(pl.Int64).cast(pl.Datetime('us', 'UTC')),
    flag: v => pl.lit(v === '1'),
    text: v => pl.lit(v)
  }
  const condition = p => {
    const column = pl.col(p.column)
    const literal = p.values.map(literals[p.kind])
    switch (p.op) {
      case 'is null': return column.isNull()
      case '=': return column.eq(literal[0])
      case '<': return column.lt(literal[0])
      case 'between': return column.gtEq(literal[0]).and(column.ltEq(literal[1]))
      case 'in': return literal.map(l => column.eq(l)).reduce((a, b) => a.or(b))
      case 'like': return column.str.contains(likePattern(p.values[0]))
    }
  }
  const counts = predicates.map(p => pl.scanParquet(p.path).filter(condition(p)).select(pl.col('id').count()).collectSync().getColumn('id').toArray()[0]).map(Number)
  const answer = { lines, counts }
  if (odd) {
    const frame = pl.readParquet(odd)
    const first = name => {
      try {
        return frame.getColumn(name).toArray()[0]
      } catch (error) {
        return `error: ${error.message}`
      }
    }
    answer.shown = shown(new Proxy({}, { get: (_, name) => first(name) }))
  }
  return answer
}

const likePattern = pattern => '(?s)^' + [...pattern].map(c => c === '%' ? '.*' : c === '_' ? '.' : c.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('') + '$'

// scaled returns the text of a whole number of ten-thousandths; unscaled parses it.
function scaled (text) {
  const n = BigInt(text)
  const digits = String(n < 0n ? -n : n).padStart(5, '0')
  return (n < 0n ? '-' : '') + digits.slice(0, -4) + '.' + digits.slice(-4)
}

function unscaled (text) {
  const [whole, part = ''] = text.split('.')
  return BigInt(whole + part.padEnd(4, '0'))
}

async function hyparquet ({ tables, predicates, odd }) {
  const { parquetReadObjects, parquetMetadataAsync, parquetQuery, asyncBufferFromFile } = await import('hyparquet')
  const { compressors } = await import('hyparquet-compressors')
  const parsers = { timestampFromMicroseconds: micros => micros }
  const open = async path => {
    const file = await asyncBufferFromFile(path)
    const metadata = await parquetMetadataAsync(file, { parsers })
    // Decimals in their stored form. Statistics of row groups are converted
    // already, so they are removed. Pages are still skipped.
    metadata.schema.forEach((element, i) => {
      if (element.converted_type === 'DECIMAL') {
        delete element.converted_type
        delete element.logical_type
        metadata.row_groups.forEach(group => { delete group.columns[i - 1].meta_data.statistics })
      }
    })
    return { file, metadata, compressors, parsers }
  }
  const files = {}
  for (const table of tables) {
    files[table.path] = await open(table.path)
  }
  const lines = []
  for (const table of tables) {
    const rows = await parquetReadObjects(files[table.path])
    lines.push(line(table, rows.length, name => rows.map(row => row[name])))
  }
  const literals = { number: BigInt, decimal: BigInt, instant: BigInt, flag: v => v === '1', text: v => v }
  const counts = []
  for (const p of predicates) {
    const v = p.values.map(literals[p.kind])
    const filter = {
      'is null': () => ({ $eq: null }),
      '=': () => ({ $eq: v[0] }),
      '<': () => ({ $lt: v[0] }),
      between: () => ({ $gte: v[0], $lte: v[1] }),
      in: () => ({ $in: v })
    }[p.op]()
    counts.push((await parquetQuery({ ...files[p.path], columns: [p.column], filter: { [p.column]: filter }, filterStrict: true, usePageIndex: true, useOffsetIndex: true })).length)
  }
  const answer = { lines, counts }
  if (odd) {
    const file = await asyncBufferFromFile(odd)
    answer.shown = shown((await parquetReadObjects({ file, compressors, rowStart: 0, rowEnd: 1 }))[0])
  }
  return answer
}

// apache-arrow returns times as floating-point milliseconds and decimals as words, so
// both are read from their stored form.
function arrowValues (vector, kind) {
  const all = []
  for (const data of vector.data) {
    for (let i = 0; i < data.length; i++) {
      if (!data.getValid(i)) {
        all.push(null)
      } else if (kind === 'instant') {
        all.push(data.values[i])
      } else if (kind === 'decimal') {
        const width = data.values.length / data.length
        let n = 0n
        for (let w = width - 1; w >= 0; w--) {
          n = (n << 32n) | BigInt(data.values[i * width + w])
        }
        all.push(BigInt.asIntN(32 * width, n))
      } else {
        all.push(undefined) // filled in below
      }
    }
  }
  if (kind === 'instant' || kind === 'decimal') {
    return all
  }
  return all.map((value, i) => value === null ? null : vector.get(i))
}

async function arrow ({ tables, odd }, read) {
  const lines = tables.map(table => {
    const batches = read(table.path)
    return line(table, batches.numRows, (name, kind) => arrowValues(batches.getChild(name), kind))
  })
  const answer = { lines, counts: [] }
  if (odd) {
    const row = read(odd).get(0).toJSON()
    answer.shown = shown(row)
  }
  return answer
}

async function parquetWasm (question) {
  const wasm = await import('parquet-wasm')
  const { tableFromIPC } = await import('apache-arrow')
  return arrow(question, path => tableFromIPC(wasm.readParquet(readFileSync(path)).intoIPCStream()))
}

async function arrowStream (question) {
  const { tableFromIPC } = await import('apache-arrow')
  return arrow(question, path => tableFromIPC(readFileSync(path)))
}

async function polarsStream ({ tables }) {
  const { default: pl } = await import('nodejs-polars')
  return { lines: tables.map(table => polarsLine(pl, table, pl.readIPCStream(readFileSync(table.path)))), counts: [] }
}

// The library returns values beyond 2^53 as numbers with lost digits, and no decimals at
// all. As texts both are exact.
function polarsLine (pl, table, frame) {
  return line(table, frame.height, (name, kind) => {
    const column = frame.getColumn(name)
    if (kind === 'text' || kind === 'flag') {
      return column.toArray()
    }
    const texts = (kind === 'instant' ? column.cast(pl.Int64) : column).cast(pl.Utf8).toArray()
    return texts.map(v => v === null ? null : kind === 'decimal' ? unscaled(v) : BigInt(v))
  })
}

// The libraries that come from parquetjs read row by row. The older ones refuse DECIMAL,
// and all convert decimals and times to floating-point numbers. Without these types in the
// footer, they return the stored values.
async function parquetjs ({ tables, odd }, module) {
  const { default: imported, ...rest } = await import(module)
  const { ParquetReader, ParquetEnvelopeReader } = { ...imported, ...rest }
  const rowsOf = async (path, asStored) => {
    const file = await ParquetEnvelopeReader.openFile(path)
    await file.readHeader()
    const metadata = await file.readFooter()
    if (asStored) {
      for (const element of metadata.schema) {
        if (element.converted_type === 5 || element.converted_type === 10) { // DECIMAL, TIMESTAMP_MICROS
          element.converted_type = element.logicalType = null
        }
      }
    }
    const reader = new ParquetReader(metadata, file)
    const cursor = reader.getCursor()
    const rows = []
    for (let row = await cursor.next(); row; row = await cursor.next()) {
      rows.push(row)
    }
    await reader.close()
    return rows
  }
  const lines = []
  for (const table of tables) {
    const rows = await rowsOf(table.path, true)
    lines.push(line(table, rows.length, (name, kind) => rows.map(row => {
      const value = row[name]
      return kind === 'text' && Buffer.isBuffer(value) ? value.toString() : value
    })))
  }
  const answer = { lines, counts: [] }
  if (odd) {
    try {
      answer.shown = shown((await rowsOf(odd, false))[0])
    } catch (error) {
      answer.shown = { sum: `error: ${error.message ?? error}` }
    }
  }
  return answer
}

const readers = {
  duckdb,
  clickhouse,
  polars,
  hyparquet,
  'parquet-wasm': parquetWasm,
  'arrow-stream': arrowStream,
  'polars-stream': polarsStream,
  parquetjs: question => parquetjs(question, 'parquetjs'),
  '@dsnp/parquetjs': question => parquetjs(question, '@dsnp/parquetjs'),
  parquets: question => parquetjs(question, 'parquets')
}

const input = []
for await (const part of process.stdin) {
  input.push(part)
}
// An error is an answer too: it is what users of this reader see.
const failed = error => ({ error: String(error?.message ?? error).split('\n')[0] })
process.on('uncaughtException', error => {
  process.stdout.write(JSON.stringify(failed(error)), () => process.exit(0))
})
const answer = await readers[process.argv[2]](JSON.parse(Buffer.concat(input))).catch(failed)
await new Promise(resolve => process.stdout.write(JSON.stringify(answer, (_, v) => typeof v === 'bigint' ? String(v) : v), resolve))
process.exit(0)
