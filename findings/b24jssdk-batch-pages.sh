#!/usr/bin/env bash
# @bitrix24/b24jssdk 2.2.0, the vendor's SDK for Node, against a small portal inside this script.
# Behaviour: a list command in a batch has `next` only if there is a further page. The SDK turns an absent `next` into 0,
# so isMore() of every batch result is true, and fetchNext() asks for `start: 0`: page one again. The result of a plain
# call has it right.
# Seen 2026-11-28, 30 rows on one page: read by call 30 rows, read by batch 60 rows.
# Why it matters: the documented loop "while there is a next page" reads each short list twice. Sums are doubled, and
# nothing is reported. Compare the number of rows with getTotal().
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --prefix . @bitrix24/b24jssdk@2.2.0 >/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost 2>/dev/null

# A portal in one function: it returns the answer to a method and its parameters.
cat >portal.mjs <<'END'
import https from 'https'
import { readFileSync } from 'fs'
import { B24Hook } from '@bitrix24/b24jssdk'
export const time = (operating = 0, reset = 0) => ({ start: 1, finish: 1.1, duration: 0.1, processing: 0.1,
  date_start: '2026-11-28T03:00:00+03:00', date_finish: '2026-11-28T03:00:00+03:00', operating_reset_at: reset, operating })
export async function portal (answer) {
  const server = https.createServer({ key: readFileSync('key.pem'), cert: readFileSync('cert.pem') }, (req, res) => {
    let body = ''
    req.on('data', part => { body += part }).on('end', () => {
      const reply = answer(decodeURIComponent(req.url.split('?')[0].split('/').pop()), JSON.parse(body || '{}'), req)
      if (reply === undefined) return
      res.writeHead(200, { 'content-type': 'application/json' })
      res.end(JSON.stringify({ time: time(), ...reply }))
    })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const hook = () => B24Hook.fromWebhookUrl(`https://localhost:${server.address().port}/rest/1/0123456789abcdef/`)
  return { hook, close: () => { server.close(); server.closeAllConnections() } }
}
END

cat >see.mjs <<'END'
import { ApiVersion } from '@bitrix24/b24jssdk'
import { portal, time } from './portal.mjs'
const asked = []
const page = (start, count) => ({
  result: Array.from({ length: Math.min(50, count - start) }, (_, i) => ({ ID: String(start + i + 1) })),
  total: count,
  ...(start + 50 < count ? { next: start + 50 } : {})
})
for (const count of [30, 80]) {
  const { hook, close } = await portal((method, params) => {
    asked.push(`${method} ${params.start ?? ''}`.trim())
    if (method !== 'batch') return page(params.start ?? 0, count)
    const a = page(0, count)
    return {
      result: {
        result: { a: a.result }, result_error: [], result_total: { a: a.total },
        result_next: a.next ? { a: a.next } : [], result_time: { a: time() }
      }
    }
  })
  const b24 = hook()
  const read = async first => {
    let rows = 0
    asked.length = 0
    for (let result = first; result && rows < 1000; result = await result.fetchNext(b24.getHttpClient(ApiVersion.v2))) {
      rows += result.getData().result.length
    }
    return `${rows} rows, then asked [${asked}]`
  }
  const call = await b24.actions.v2.call.make({ method: 'x.list', params: {} })
  console.log(`${count} rows by call: more ${call.isMore()}, read ${await read(call)}`)
  const batch = await b24.actions.v2.batch.make({
    calls: { a: { method: 'x.list', params: {} } }, options: { returnAjaxResult: true }
  })
  const first = batch.getData().a
  console.log(`${count} rows by batch: more ${first.isMore()}, read ${await read(first)}`)
  close()
}
END
NODE_EXTRA_CA_CERTS=cert.pem node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
30 rows by call: more false, read 30 rows, then asked []
30 rows by batch: more true, read 60 rows, then asked [x.list 0]
80 rows by call: more true, read 80 rows, then asked [x.list 50]
80 rows by batch: more true, read 80 rows, then asked [x.list 50]
END
