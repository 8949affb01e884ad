#!/usr/bin/env bash
# @bitrix24/b24jssdk 2.2.0, the vendor's SDK for Node, against a small portal inside this script.
# Behaviour: the SDK's limiter holds a batch back when one of its methods has nearly used up the portal's 480 seconds of
# operating time. It looks at the commands only where they are a list. Commands with names, which the SDK offers as the
# other form, are never held back, although their operating time is recorded just the same.
# Seen 2026-11-28, the portal reports 479 s used: three batches of a list wait twice, of names not once.
# Why it matters: code that respects the limit in one form runs into the portal's block of ten minutes in the other form.
# The block stops every integration of that portal.
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
const { hook, close } = await portal((method, params) => {
  const keys = Object.keys(params.cmd)
  const used = time(479, Math.floor(Date.now() / 1000) + 2) // free again in two seconds
  const all = value => Object.fromEntries(keys.map(key => [key, value]))
  return { result: { result: all([]), result_error: [], result_total: {}, result_next: [], result_time: all(used) } }
})
for (const [form, calls] of [['list', [{ method: 'x.list' }]], ['names', { a: { method: 'x.list' } }]]) {
  const b24 = hook()
  for (let i = 0; i < 3; i++) await b24.actions.v2.batch.make({ calls })
  const { limitHits, operatingStats } = b24.getHttpClient(ApiVersion.v2).getStats()
  console.log(`${form}: recorded ${operatingStats['batch::x.list']} s, waited ${limitHits} times`)
}
close()
END
NODE_EXTRA_CA_CERTS=cert.pem node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
list: recorded 479 s, waited 2 times
names: recorded 479 s, waited 0 times
END
