#!/usr/bin/env bash
# @bitrix24/b24jssdk 2.2.0, the vendor's SDK for Node, against a small portal inside this script.
# Behaviour: batchByChunk sends 50 commands a request. `isHaltOnError`, on by default, halts the request in which a
# command failed; the helper then sends the next 50. Errors are kept by the position inside their request, so of two
# failures at the same position only the later one is reported. The data has no gaps: answers move up.
# Seen 2026-11-28, 120 commands of which 3 and 53 fail: 28 were executed, 1 error reported.
# Why it matters: commands that rely on the ones before them run although those failed, and half of the failures are
# invisible. Send chunks of at most 50 yourself and stop at the first error.
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
import { portal, time } from './portal.mjs'
let ran = []
const fails = [3, 53]
const { hook, close } = await portal((method, params) => {
  const result = {}
  const errors = {}
  for (const [key, command] of Object.entries(params.cmd)) {
    const n = Number(new URLSearchParams(command.split('?')[1]).get('n'))
    ran.push(n)
    if (!fails.includes(n)) {
      result[key] = n
      continue
    }
    errors[key] = { error: 'ERROR_CORE', error_description: `refused ${n}` }
    if (params.halt) break
  }
  const times = Object.fromEntries(Object.keys(result).map(key => [key, time()]))
  return { result: { result, result_error: errors, result_total: {}, result_next: {}, result_time: times } }
})
const ranges = list => list.reduce((all, n) => {
  if (all.length > 0 && n === all.at(-1)[1] + 1) all.at(-1)[1] = n
  else all.push([n, n])
  return all
}, []).map(([a, b]) => `${a}-${b}`).join(' ')
for (const isHaltOnError of [true, false]) {
  ran = []
  const calls = Array.from({ length: 120 }, (_, n) => ['x.add', { n }])
  const result = await hook().actions.v2.batchByChunk.make({ calls, options: { isHaltOnError } })
  const errors = [...result.errors].map(([key, error]) => `${key}: ${error.message}`)
  console.log(`halt ${isHaltOnError}: executed ${ran.length} (${ranges(ran)}), errors ${errors.length} (${errors}),`,
    `answers ${result.getData().length}, the fourth is that of command ${result.getData()[3]}`)
}
close()
END
NODE_EXTRA_CA_CERTS=cert.pem node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
halt true: executed 28 (0-3 50-53 100-119), errors 1 (3: refused 53), answers 26, the fourth is that of command 50
halt false: executed 120 (0-119), errors 1 (3: refused 53), answers 118, the fourth is that of command 4
END
