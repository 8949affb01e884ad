#!/usr/bin/env bash
# @bitrix24/b24jssdk 2.2.0, the vendor's SDK for Node, against a small portal inside this script.
# Behaviour: callList and fetchList walk by id with the filter `>ID`, and start it at 0. A filter `>ID` of the caller is
# overwritten by that, so the walk starts at the beginning; `>=ID` is kept. Ids of 0 or less are left out of any list.
# Seen 2026-11-28, items 0 to 120 and the filter `>ID: 100`: 120 items instead of 20; without a filter, 120 of 121.
# Why it matters: "everything after the last id of yesterday" is how increments are read. It silently becomes the whole
# table each night, and lists in which 0 is a real id (the first funnel of a portal) lose that row.
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
import { portal } from './portal.mjs'
const filters = []
const { hook, close } = await portal((method, { filter = {} }) => {
  filters.push(JSON.stringify(filter))
  const keep = id => Object.entries(filter).every(([key, value]) => key === '>ID' ? id > value : id >= value)
  return { result: Array.from({ length: 121 }, (_, id) => id).filter(keep).slice(0, 50).map(id => ({ ID: String(id) })) }
})
for (const filter of [{}, { '>ID': 100 }, { '>=ID': 101 }]) {
  filters.length = 0
  const { callList, fetchList } = hook().actions.v2
  const items = (await callList.make({ method: 'x.list', params: { filter }, idKey: 'ID' })).getData()
  let fetched = 0
  for await (const chunk of fetchList.make({ method: 'x.list', params: { filter }, idKey: 'ID' })) fetched += chunk.length
  console.log(`${JSON.stringify(filter)}: callList ${items.length}, first ${items[0].ID}, fetchList ${fetched}, sent ${filters[0]}`)
}
close()
END
NODE_EXTRA_CA_CERTS=cert.pem node see.mjs | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
{}: callList 120, first 1, fetchList 120, sent {">ID":0}
{">ID":100}: callList 120, first 1, fetchList 120, sent {">ID":0}
{">=ID":101}: callList 20, first 101, fetchList 20, sent {">=ID":101,">ID":0}
END
