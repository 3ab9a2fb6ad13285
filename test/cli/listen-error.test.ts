import assert from 'node:assert/strict'
import http from 'node:http'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import fastify from 'fastify'
import { listenAt } from '../../src/cli/listen-error.ts'
import { rendered } from '../metrics/page.ts'
import { build } from '../support/app.ts'
import { until } from '../support/process.ts'

const addresses = Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? [])
const noIPv6 = addresses.includes('::1') ? false : 'this machine has no IPv6'

/** Returns the status of the answer; null if there is none. */
function get(host: string, port: number): Promise<number | null> {
  return new Promise((answered) => {
    const request = http.get({ host, port, path: '/livez', agent: false }, (response) =>
      answered(response.resume().statusCode ?? null),
    )
    request.once('error', () => answered(null))
  })
}

test('localhost listens on both loopback addresses, and their connections are counted together', {
  skip: noIPv6,
}, async (t) => {
  const built = await build(t)
  const listening = await listenAt(built.app, { host: 'localhost', port: 0 })
  assert.ok(!(listening instanceof Error))
  const port = Number(new URL(listening.url).port)
  assert.deepEqual([await get('127.0.0.1', port), await get('::1', port)], [200, 200])

  const sockets = ['127.0.0.1', '::1'].map((host) => http.request({ host, port }).on('error', () => undefined))
  for (const socket of sockets) socket.flushHeaders()
  const count = async () => /^porthole_http_connections (\d+)$/m.exec(await rendered(built.metrics))?.[1]
  // Both connections are answered and stay open.
  await until('both are counted', async () => (await count()) === '2')
  for (const socket of sockets) socket.destroy()

  await Promise.all([built.app.close(), listening.close()])
  assert.deepEqual([await get('127.0.0.1', port), await get('::1', port)], [null, null])
})

test('the error says that a port is taken', async (t) => {
  const built = await build(t)
  const port = Number(new URL(await built.listen()).port)
  const other = fastify()
  t.after(() => other.close())
  const failed = await listenAt(other, { host: 'localhost', port })
  assert.equal(failed instanceof Error && failed.code, 'EADDRINUSE')
})
