#!/usr/bin/env bash
# azurite 3.37.0 (Azure's storage emulator), seen through @azure/storage-blob 12.33.0.
# Behaviour: blocks that a writer staged and never committed make the name count as taken for `Put Blob` with
# `If-None-Match: *`, while the blob does not exist for any read: 404, and no list shows it. A chunked upload to the same
# name, with the same condition on its commit, succeeds.
# Seen 2026-11-28: "put if absent: BlobAlreadyExists" after "exists: false".
# Why it matters: a writer that dies in a large upload leaves a lock without a holder. Its successor, which writes the name
# in one piece, gets a conflict and finds nothing there. Read the name back before you rely on a conflict.
set -euo pipefail
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --prefix . azurite@3.37.0 @azure/storage-blob@12.33.0 >/dev/null
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
node node_modules/.bin/azurite-blob --silent --inMemoryPersistence --disableTelemetry --skipApiVersionCheck \
	--blobHost 127.0.0.1 --blobPort "$port" >log 2>&1 &
server=$!

cat >see.mjs <<'END'
import { BlobServiceClient } from '@azure/storage-blob'
// The emulator's documented account, which is no secret.
const service = BlobServiceClient.fromConnectionString('DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;' +
  'AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;' +
  `BlobEndpoint=http://127.0.0.1:${process.argv[2]}/devstoreaccount1`, { retryOptions: { maxTries: 1 } })
const container = service.getContainerClient('bucket')
for (let tries = 0; ; tries++) {
  try { await container.create(); break } catch (error) { if (tries > 300) throw error }
  await new Promise(resolve => setTimeout(resolve, 100))
}
const absent = { conditions: { ifNoneMatch: '*' } }
const outcome = promise => promise.then(() => 'created', error => error.code)
const id = name => Buffer.from(name).toString('base64')
for (const dies of [false, true]) {
  const [whole, chunked] = ['whole', 'chunked'].map(name => container.getBlockBlobClient(`${name}-${dies}`))
  if (dies) {
    for (const blob of [whole, chunked]) await blob.stageBlock(id('a'), 'half', 4) // and its writer is gone
  }
  const listed = []
  for await (const item of container.listBlobsFlat()) if (item.name === whole.name) listed.push(item.name)
  console.log(dies ? 'staged blocks:' : 'nothing staged:', 'exists', await whole.exists(), 'listed', listed.length,
    'put if absent:', await outcome(whole.upload('all', 3, absent)),
    'commit if absent:', await outcome(chunked.stageBlock(id('b'), 'all', 3).then(() => chunked.commitBlockList([id('b')], absent))),
    'exists', await whole.exists())
}
END
node see.mjs "$port" | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
nothing staged: exists false listed 0 put if absent: created commit if absent: created exists true
staged blocks: exists false listed 0 put if absent: BlobAlreadyExists commit if absent: created exists false
END
