/** A replica starts far from Redis, where each answer is slow. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { noRedis, startRedis } from '../support/redis-server.ts'
import { sampleService } from '../support/samples.ts'
import { assemble } from './assemble.ts'

/** Opens a proxy to a port of this machine that delays each direction by this many milliseconds. Returns its own port. */
async function delay(t: TestContext, port: number, ms: number): Promise<number> {
  const sockets = new Set<Socket>()
  const server = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.setNoDelay()
      from.on('data', (bytes) => setTimeout(() => to.write(bytes), ms))
      from.on('error', () => to.destroy())
      from.on('close', () => setTimeout(() => to.destroy(), ms))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

test('a replica that takes longer than usual to read the shared state does not go solo', {
  skip: noRedis,
}, async (t) => {
  const redis = await startRedis(t)
  const services = Array.from({ length: 6000 }, (_, i) =>
    sampleService(`s${i}`, [`127.0.0.1:${1000 + i}`], { interval: 'off' }),
  )
  const near = await assemble(t, { url: redis.url, services })
  const port = await delay(t, redis.port, 100)
  const beganAt = near.clock.now()
  const far = await assemble(t, { url: `redis://127.0.0.1:${port}`, services })
  t.diagnostic(`joined after ${Math.round(near.clock.now() - beganAt)} ms`)
  const kinds = far.news.map(({ kind }) => kind)
  assert.ok(!kinds.includes('solo') && !kinds.includes('lost'), JSON.stringify(far.news))
  assert.equal(far.shardOwnership.mode(), 'linked')
})
