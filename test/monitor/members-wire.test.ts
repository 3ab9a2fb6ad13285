import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { type AddressesChange, createAddressTracking } from '../../src/monitor/discovery/address-tracking.ts'
import { createScheduler } from '../../src/monitor/scheduling/scheduler.ts'
import { createResolver } from '../../src/prober/lookup/resolver.ts'
import { createPortableProber } from '../../src/prober/portable.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { build } from '../support/app.ts'
import { enterNamespace } from '../support/namespace.ts'
import { sampleService } from '../support/samples.ts'

const noNamespace = await enterNamespace(import.meta.filename)

/** The clock of the machine, which the test can move forward. */
function skippingClock(): Clock & { skip(ms: number): void } {
  let skipped = 0
  const clock = systemClock(
    () => performance.now() + skipped,
    () => Date.now() + skipped,
    () => null,
  )
  const skip = (ms: number) => {
    skipped += ms
  }
  return { ...clock, skip }
}

async function listen(t: TestContext, host: string): Promise<() => Promise<void>> {
  const server = net.createServer((socket) => socket.on('error', () => undefined).resume()).listen(5432, host)
  await once(server, 'listening')
  const close = async () => {
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  t.after(close)
  return close
}

test('addresses of a name close, leave and join without a false alarm, and leave no series behind', {
  skip: noNamespace,
}, async (t) => {
  const [first, second, third, fourth] = ['127.0.0.2', '127.0.0.3', '127.0.0.10', '127.0.0.4'] as const
  let found: string[] = [third, first, second]
  const closers = new Map<string, () => Promise<void>>()
  for (const ip of [first, second, third, fourth]) closers.set(ip, await listen(t, ip))

  const clock = skippingClock()
  const resolver = createResolver({ clock, lookup: async () => found })
  const prober = createPortableProber({ clock, resolver })
  const service = sampleService('db', ['db.internal:5432'], { resolve: 'all', quorum: 2, hold: 0 })
  const { monitor, registry, get, sweep } = await build(t, [service], { clock, prober })
  const scheduler = createScheduler({ monitor, clock })
  const addressTracking = createAddressTracking({ monitor, registry, resolver, clock })
  const transitions: string[] = []
  monitor.transitions.subscribe(({ target, from, to }) => transitions.push(`${target ?? 'service'} ${from} → ${to}`))
  const answers: Promise<number>[] = []
  const ask = () => void answers.push(get('/health/db').then(({ statusCode }) => statusCode))

  /** Looks the names up once, and returns the change of targets that follows. */
  async function lookUp(): Promise<AddressesChange> {
    const changed = new Promise<AddressesChange>((done) => {
      const stop = addressTracking.changed.subscribe((change) => {
        stop()
        done(change)
      })
    })
    clock.skip(11_100)
    addressTracking.lookUpDue()
    return changed
  }
  async function checkOnSchedule(): Promise<void> {
    clock.skip(11_100)
    // The scheduler yields after 10 ms. On a busy machine one call may not start all checks.
    while ((scheduler.runDue() ?? Number.POSITIVE_INFINITY) <= clock.now());
    assert.equal(monitor.stats().inFlight, monitor.services.get('db')?.targets.length)
    await sweep()
  }
  const report = async () => (await get('/health/db')).json()
  /** Returns the values of the label `target` in the whole exposition. */
  const targetsOnPage = async () => {
    const { body } = await get('/metrics')
    return [...new Set([...body.matchAll(/[{,]target="([^"]*)"/g)].map(([, target]) => target))]
  }

  const { joined, left } = await lookUp()
  assert.deepEqual(joined, ['127.0.0.2:5432', '127.0.0.3:5432', '127.0.0.10:5432'])
  assert.deepEqual(left, ['db.internal:5432'])
  assert.equal((await report()).status, 'up')
  assert.equal(transitions.pop(), 'service unknown → up')
  assert.deepEqual(transitions.splice(0).sort(), joined.map((name) => `${name} unknown → up`).sort())

  monitor.checked.subscribe(ask)
  addressTracking.changed.subscribe(ask)
  await checkOnSchedule()
  await closers.get(third)?.()
  for (let n = 0; n < 3; n++) await checkOnSchedule()
  assert.deepEqual(transitions.splice(0), ['127.0.0.10:5432 up → down', 'service up → degraded'])

  found = [fourth, third, first]
  assert.deepEqual(await lookUp(), { service: 'db', joined: ['127.0.0.4:5432'], left: ['127.0.0.3:5432'], leftOut: 0 })
  assert.deepEqual(transitions.splice(0), ['127.0.0.4:5432 unknown → up'])
  await checkOnSchedule()
  assert.deepEqual(transitions, [])

  const { status, targetsUp, targetsTotal, targets } = await report()
  assert.deepEqual([status, targetsUp, targetsTotal], ['degraded', 2, 3])
  const read = targets.map(({ target, streak, streakVerdict }: Record<string, unknown>) => [
    target,
    streakVerdict,
    streak,
  ])
  assert.deepEqual(read, [
    ['127.0.0.2:5432', 'up', 6],
    ['127.0.0.4:5432', 'up', 2],
    ['127.0.0.10:5432', 'down', 4],
  ])
  assert.deepEqual((await targetsOnPage()).sort(), ['127.0.0.10:5432', '127.0.0.2:5432', '127.0.0.4:5432'])
  const { body } = await get('/metrics')
  assert.match(body, /^porthole_target_checks_total\{service="db",target="127\.0\.0\.2:5432"\} +6$/m)
  assert.match(body, /^porthole_service_targets\{service="db"\} +3$/m)
  assert.deepEqual((await get('/v1/sd')).json()[0].targets, ['127.0.0.2:5432', '127.0.0.4:5432', '127.0.0.10:5432'])
  assert.ok(answers.length > 15)
  assert.deepEqual(new Set(await Promise.all(answers)), new Set([200]))
})
