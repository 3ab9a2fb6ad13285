/** A replica takes over names that only another replica has looked up, while no resolver answers. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { createDialRules } from '../../src/domain/target/dial-rules.ts'
import { effectiveServiceStatus } from '../../src/monitor/state/state.ts'
import { createResolver } from '../../src/prober/lookup/resolver.ts'
import { createPortableProber } from '../../src/prober/portable.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { listen } from '../prober/contract.ts'
import { until } from '../support/process.ts'
import { noRedis, startRedis } from '../support/redis-server.ts'
import { sampleService } from '../support/samples.ts'
import { type Assembled, assemble } from './assemble.ts'

/** A replica whose look-ups return 127.0.0.1 while `dns.answers`. Otherwise they fail as if no name server answers. */
async function startReplica(t: TestContext, url: string, port: number, dns: { answers: boolean }) {
  const clock = systemClock()
  const resolver = createResolver({
    clock,
    lifetimeMs: 100,
    failureLifetimeMs: 0,
    async lookup() {
      if (dns.answers) return ['127.0.0.1']
      throw Object.assign(new Error('look-up failed'), { code: 'EAI_AGAIN' })
    },
  })
  const prober = createPortableProber({ clock, resolver })
  t.after(() => prober.close())
  const settings = { interval: 200, timeout: 200, rise: 1, fall: 1, lookupHold: 3_600_000 } as const
  const services = [
    sampleService('first', [`first.test:${port}`], settings),
    sampleService('all', [`all.test:${port}`], { ...settings, resolve: 'all' }),
  ]
  return assemble(t, { url, services, prober, resolver, dialRules: createDialRules({ loopback: true }) })
}

function targetsOf({ monitor }: Assembled) {
  return [...monitor.services.values()].flatMap(({ targets }) => targets)
}

function isAllUp({ monitor, clock }: Assembled): boolean {
  return [...monitor.services.values()].every((service) => effectiveServiceStatus(service, clock.now()) === 'up')
}

test('a replica that takes over uses the addresses that another replica found, with both values of resolve', {
  skip: noRedis,
}, async (t) => {
  const { url } = await startRedis(t)
  const port = await listen(t, '127.0.0.1')
  const dns = { answers: true }
  const one = await startReplica(t, url, port, dns)
  const addresses = ['first.test', '127.0.0.1'].map((host) => `${host}:${port}`)
  const isLookedUp = () =>
    isDeepStrictEqual(
      targetsOf(one).map(({ target }) => target.name),
      addresses,
    )
  await until('both are up, one of them by the address of its name', async () => isAllUp(one) && isLookedUp())
  dns.answers = false
  await until('the replica checks the last known addresses', async () =>
    targetsOf(one).every(({ health }) => health.lastOutcome?.lookupFailedSince != null),
  )
  const two = await startReplica(t, url, port, dns)
  await until('the replica knows the outcomes of the other', async () => isAllUp(two))
  const since = targetsOf(one).map(({ health }) => two.clock.toEpoch(health.lastOutcome?.lookupFailedSince ?? 0))
  await one.stop()
  const stoppedAt = two.clock.now()
  await until('the replica checks both', async () =>
    targetsOf(two).every(({ health }) => (health.lastOutcome?.startedAt ?? 0) > stoppedAt + 1000),
  )
  for (const [place, { target, health }] of targetsOf(two).entries()) {
    const { reason, address, lookupFailedSince } = health.lastOutcome ?? {}
    assert.deepEqual([target.name, reason, address], [target.name, 'connected', `127.0.0.1:${port}`])
    assert.ok(Math.abs(two.clock.toEpoch(lookupFailedSince ?? 0) - (since[place] ?? 0)) < 50)
  }
  assert.deepEqual(
    two.log.find({}).filter(({ to }) => to !== 'up'),
    [],
  )
  dns.answers = true
  await until('the names are looked up again', async () =>
    targetsOf(two).every(({ health }) => health.lastOutcome?.lookupFailedSince === null),
  )
})
