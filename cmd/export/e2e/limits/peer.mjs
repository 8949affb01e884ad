// Reads all payments of a portal with the vendor's own SDK. Its limiter is on and set
// to the portal's limits. It prints {"payments": their number, "milliseconds": the time
// of its calls}.
//
// WAY=documented: page after page, then batch after batch, as the documentation
// of fetchList and batchByChunk shows it.
// WAY=by-hand: as a good programmer may write it. The first page has the number of
// payments, so all others can be requested at once by their offsets, 50 per batch; and
// then all batches of gets, CONCURRENCY at a time.
import { B24Hook, ParamsFactory } from '@bitrix24/b24jssdk'

const { B24_WEBHOOK, WAY, ENRICH } = process.env
const [speed, rate, burst, limitMs, windowMs, concurrency] =
  ['SPEED', 'RATE', 'BURST', 'LIMIT_MS', 'WINDOW_MS', 'CONCURRENCY'].map(name => Number(process.env[name]))

const limits = ParamsFactory.getDefault()
limits.rateLimit.burstLimit = burst
limits.rateLimit.drainRate = rate * speed
// Its pauses are made for a portal on the real clock.
limits.retryDelay /= speed
limits.adaptiveConfig.maxDelay /= speed
limits.operatingLimit.windowMs = windowMs / speed
// A portal without a budget counts too; the limiter must not slow down for it.
limits.operatingLimit.limitMs = limitMs > 0 ? limitMs / speed : Number.MAX_SAFE_INTEGER
const portal = B24Hook.fromWebhookUrl(B24_WEBHOOK, { restrictionParams: limits })

const list = 'sale.payment.list'
const get = 'crm.item.payment.get'
const select = ['id', 'accountNumber', 'paid', 'datePaid', 'empPaidId', 'paySystemId', 'sum', 'currency', 'paySystemName', 'orderId', 'dateBill']

function check (answer) {
  if (!answer.isSuccess) {
    throw new Error(answer.getErrorMessages().join('; '))
  }
  return answer.getData()
}

const ways = {
  async documented () {
    const listed = []
    for await (const page of portal.actions.v2.fetchList.make({
      method: list, params: { select }, idKey: 'id', customKeyForResult: 'payments'
    })) {
      listed.push(...page)
    }
    if (ENRICH === 'list') {
      return listed
    }
    return check(await portal.actions.v2.batchByChunk.make({
      calls: listed.map(payment => [get, { id: payment.id }]), options: { isHaltOnError: true }
    }))
  },

  async 'by-hand' () {
    const page = start => [list, { select, order: { id: 'asc' }, start }]
    const first = await portal.actions.v2.call.make({ method: list, params: page(0)[1] })
    const listed = check(first).result.payments
    const offsets = []
    for (let start = 50; start < first.getTotal(); start += 50) {
      offsets.push(start)
    }
    for (const pages of await inBatches(offsets.map(page))) {
      listed.push(...pages.payments)
    }
    if (ENRICH === 'list') {
      return listed
    }
    return inBatches(listed.map(payment => [get, { id: payment.id }]))
  }
}

// inBatches calls commands, 50 per batch and CONCURRENCY batches at a time, and returns
// their results in order.
async function inBatches (calls) {
  const batches = []
  for (let i = 0; i < calls.length; i += 50) {
    batches.push(calls.slice(i, i + 50))
  }
  const results = new Array(batches.length)
  let next = 0
  const work = async () => {
    while (next < batches.length) {
      const n = next++
      results[n] = check(await portal.actions.v2.batch.make({
        calls: batches[n], options: { isHaltOnError: true, returnAjaxResult: false }
      }))
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return results.flat()
}

const begin = performance.now()
const payments = await ways[WAY]()
const milliseconds = performance.now() - begin
const ids = new Set(payments.map(payment => Number(payment.id)))
process.stdout.write(JSON.stringify({ payments: ids.size, milliseconds }), () => portal.destroy())
