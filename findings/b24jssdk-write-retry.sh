#!/usr/bin/env bash
# @bitrix24/b24jssdk 2.2.0, the vendor's SDK for Node, against a small portal inside this script.
# Behaviour: a call whose answer is lost is sent again, three times in all, whatever the method is: `crm.item.add` too.
# The caller sees one success. `retryOnNetworkError: false` does not prevent it: a connection that the server closes has
# the code ECONNRESET in Node, and that option knows only the codes NETWORK_ERROR and REQUEST_TIMEOUT.
# Seen 2026-11-28, two connections closed after the item was made: 3 items, success, id 3, with the option and without.
# Why it matters: imports make duplicates on a bad line and report none. Use `maxRetries: 1` for writes, and look the item
# up before adding it again.
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
import { portal } from './portal.mjs'
let items = []
const { hook, close } = await portal((method, params, req) => {
  items.push(params.fields.title)
  if (items.length < 3) return req.socket.destroy(), undefined // the item is made, its answer is lost
  return { result: { item: { id: items.length } } }
})
for (const change of [{}, { retryOnNetworkError: false }, { maxRetries: 1 }]) {
  items = []
  const b24 = hook()
  const http = b24.getHttpClient(ApiVersion.v2)
  await http.setRestrictionManagerParams({ ...http.getRestrictionManagerParams(), ...change })
  const outcome = await b24.actions.v2.call.make({ method: 'crm.item.add', params: { entityTypeId: 2, fields: { title: 'one' } } })
    .then(result => `success ${result.isSuccess}, id ${result.getData().result.item.id}`, error => `error ${error.code}`)
  console.log(`${JSON.stringify(change)}: ${items.length} items, ${outcome}`)
}
close()
END
NODE_EXTRA_CA_CERTS=cert.pem node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
{}: 3 items, success true, id 3
{"retryOnNetworkError":false}: 3 items, success true, id 3
{"maxRetries":1}: 1 items, error ECONNRESET
END
