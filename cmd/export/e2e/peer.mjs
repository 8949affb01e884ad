// Reads all payments of a portal with the vendor's own SDK, its limiter on, and
// prints them as one JSON object: {"listed": [...], "got": [...]}.
//
//   B24_WEBHOOK=https://… NODE_EXTRA_CA_CERTS=… node peer.mjs
import { B24Hook, ParamsFactory } from '@bitrix24/b24jssdk'

const portal = B24Hook.fromWebhookUrl(process.env.B24_WEBHOOK, { restrictionParams: ParamsFactory.getDefault() })

const listed = []
const pages = portal.actions.v2.fetchList.make({
  method: 'sale.payment.list',
  params: { select: ['id', 'accountNumber', 'paid', 'datePaid', 'empPaidId', 'paySystemId', 'sum', 'currency', 'paySystemName', 'orderId', 'dateBill'] },
  idKey: 'id',
  customKeyForResult: 'payments'
})
for await (const page of pages) {
  listed.push(...page)
}

const answer = await portal.actions.v2.batchByChunk.make({
  calls: listed.map(payment => ['crm.item.payment.get', { id: payment.id }]),
  options: { isHaltOnError: true }
})
if (!answer.isSuccess) {
  throw new Error(answer.getErrorMessages().join('; '))
}
// The whole text is written before the end: process.exit would cut what is still in a pipe.
process.stdout.write(JSON.stringify({ listed, got: answer.getData() }), () => portal.destroy())
