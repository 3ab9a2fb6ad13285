/** A replica runs but its checks do not. The others take over its shards. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../src/runtime/clock.ts'
import { holdChecks } from '../support/app.ts'
import { until } from '../support/process.ts'
import { noRedis, startRedis } from '../support/redis-server.ts'
import { sampleService } from '../support/samples.ts'
import { assemble } from './assemble.ts'

const services = Array.from({ length: 20 }, (_, i) =>
  sampleService(`s${i}`, ['127.0.0.1:1'], { interval: 100, timeout: 100 }),
)

test('a replica whose prober is stuck does not renew: others check in its place until it works again', {
  skip: noRedis,
}, async (t) => {
  const { url } = await startRedis(t)
  const prober = holdChecks(systemClock())
  const stuck = await assemble(t, { url, services, prober })
  const working = await assemble(t, { url, services })
  await until('both have a share', async () => {
    return [stuck, working].every(({ replica }) => replica.replicaStatus().shards > 50)
  })
  await until('the other replica has all shards', async () => working.replica.replicaStatus().shards === 256)
  assert.deepEqual(working.replica.replicaStatus().members, [working.id])
  assert.match(stuck.replica.replicaStatus().stalled ?? '', /^the prober is stuck: /)
  assert.equal(stuck.replica.replicaStatus().shards, 0)
  assert.equal(stuck.news.filter(({ kind }) => kind === 'idle').length, 1)
  // The stuck replica does not go solo, and knows as much as the others.
  assert.equal(stuck.replica.replicaStatus().mode, 'linked')
  await until('the stuck replica knows the outcomes of the other', async () =>
    [...stuck.monitor.services.values()].every(({ targets }) => targets[0]?.health.status === 'up'),
  )

  const answering = setInterval(() => prober.answer(), 20)
  t.after(() => clearInterval(answering))
  await until('the replica has its share again', async () => stuck.replica.replicaStatus().shards > 50)
  assert.equal(stuck.news.filter(({ kind }) => kind === 'working').length, 1)
})
