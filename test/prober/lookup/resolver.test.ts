import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createResolver, type Lookup } from '../../../src/prober/lookup/resolver.ts'
import { systemClock } from '../../../src/runtime/clock.ts'

const realClock = systemClock()

/** A clock that a test moves by hand, for the cache. The deadlines of the tests are far away. */
function handClock() {
  let instant = 0
  const clock = { now: () => instant, toEpoch: (at: number) => at, fromEpoch: (at: number) => at }
  const pass = (ms: number) => {
    instant += ms
  }
  return { clock, pass }
}

/** Builds a look-up that the test answers. */
function manualLookup() {
  const asked: { host: string; answer: (ips: string[]) => void; fail: (code: string) => void }[] = []
  const lookup: Lookup = (host) =>
    new Promise((answer, reject) => {
      asked.push({ host, answer, fail: (code) => reject(Object.assign(new Error(code), { code })) })
    })
  return { asked, lookup }
}

/** No test waits for it, but the process ends only after it where a look-up is never answered. */
const far = 10_000
const turn = () => new Promise((done) => setImmediate(done))

test('a result has every address in the order of the look-up', async () => {
  const resolver = createResolver({ clock: realClock, lookup: () => Promise.resolve(['::1', '127.0.0.1']) })
  assert.deepEqual(await resolver.resolve('db', realClock.now() + far), { addresses: ['::1', '127.0.0.1'] })
})

test('the default look-up is that of the system', async () => {
  const resolver = createResolver({ clock: realClock })
  const resolution = await resolver.resolve('localhost', realClock.now() + far)
  assert.ok(resolution !== null && 'addresses' in resolution)
  assert.match(resolution.addresses[0], /^(127\.0\.0\.1|::1)$/)
})

test('callers that ask for a name at the same time share one look-up, in any spelling', async () => {
  const { asked, lookup } = manualLookup()
  const resolver = createResolver({ clock: realClock, lookup })
  const answers = ['db', 'DB', 'db'].map((host) => resolver.resolve(host, realClock.now() + far))
  assert.equal(asked.length, 1)
  asked[0]?.answer(['10.0.0.1'])
  assert.deepEqual(await Promise.all(answers), Array(3).fill({ addresses: ['10.0.0.1'] }))
})

test('addresses are cached for their lifetime, and a failure for one second', async () => {
  const { clock, pass } = handClock()
  const asked: string[] = []
  const resolver = createResolver({
    clock,
    lookup: (host) => {
      asked.push(host)
      return host === 'db'
        ? Promise.resolve(['10.0.0.1'])
        : Promise.reject(Object.assign(new Error(), { code: 'EAI_AGAIN' }))
    },
  })
  const both = async () => [
    await resolver.resolve('db', clock.now() + far),
    await resolver.resolve('no', clock.now() + far),
  ]
  assert.deepEqual(await both(), [{ addresses: ['10.0.0.1'] }, { code: 'EAI_AGAIN' }])
  pass(999)
  await both()
  assert.deepEqual(asked, ['db', 'no'])
  pass(1)
  await both()
  assert.deepEqual(asked, ['db', 'no', 'no'])
  pass(9000)
  await both()
  assert.deepEqual(asked, ['db', 'no', 'no', 'db', 'no'])
})

test('a caller may ask for a more recent result', async () => {
  const { clock, pass } = handClock()
  let asked = 0
  const resolver = createResolver({ clock, lookup: () => Promise.resolve([`10.0.0.${++asked}`]) })
  const ask = (maxAgeMs?: number) => resolver.resolve('db', clock.now() + far, maxAgeMs)
  await ask()
  pass(4999)
  assert.deepEqual(await ask(5000), { addresses: ['10.0.0.1'] })
  pass(1)
  assert.deepEqual(await ask(), { addresses: ['10.0.0.1'] })
  assert.deepEqual(await ask(5000), { addresses: ['10.0.0.2'] })
  pass(9999)
  assert.deepEqual(await ask(60_000), { addresses: ['10.0.0.2'] })
  pass(1)
  assert.deepEqual(await ask(60_000), { addresses: ['10.0.0.3'] })
})

test('each caller has its own deadline, and a late answer serves later callers', async () => {
  const { asked, lookup } = manualLookup()
  const resolver = createResolver({ clock: realClock, lookup })
  const patient = resolver.resolve('db', realClock.now() + far)
  assert.equal(await resolver.resolve('db', realClock.now() + 10), null)
  assert.equal(await resolver.resolve('db', realClock.now() - 10), null, 'a deadline that has passed')
  asked[0]?.answer(['10.0.0.1'])
  assert.deepEqual(await patient, { addresses: ['10.0.0.1'] })
  assert.deepEqual(await resolver.resolve('db', realClock.now() + far), { addresses: ['10.0.0.1'] })
  assert.equal(asked.length, 1)
})

test('an answer that no caller waits for is cached', async () => {
  const { asked, lookup } = manualLookup()
  const resolver = createResolver({ clock: realClock, lookup })
  assert.equal(await resolver.resolve('db', realClock.now() + 10), null)
  asked[0]?.answer(['10.0.0.1'])
  await turn()
  assert.deepEqual(await resolver.resolve('db', realClock.now() + 10), { addresses: ['10.0.0.1'] })
  assert.equal(asked.length, 1)
})

test('only the allowed number of look-ups runs at once, and a look-up without callers never runs', async () => {
  const { asked, lookup } = manualLookup()
  const resolver = createResolver({ clock: realClock, lookup, maxInFlight: 2 })
  const first = resolver.resolve('a.x', realClock.now() + far)
  void resolver.resolve('b.y', realClock.now() + far)
  const leaving = resolver.resolve('c.x', realClock.now() + 10)
  const waiting = resolver.resolve('d.x', realClock.now() + far)
  assert.deepEqual(
    asked.map(({ host }) => host),
    ['a.x', 'b.y'],
  )
  assert.deepEqual(await leaving, { code: 'EQUEUED' })
  asked[0]?.fail('EAI_AGAIN')
  assert.deepEqual(await first, { code: 'EAI_AGAIN' })
  assert.deepEqual(
    asked.map(({ host }) => host),
    ['a.x', 'b.y', 'd.x'],
  )
  asked[2]?.answer(['10.0.0.4'])
  assert.deepEqual(await waiting, { addresses: ['10.0.0.4'] })
  resolver.close()
})

test('a look-up that had its thread for less than half of the time ends as EQUEUED', async () => {
  const { asked, lookup } = manualLookup()
  const { clock, pass } = handClock()
  const resolver = createResolver({ clock, lookup, maxInFlight: 1 })
  const first = resolver.resolve('a.x', clock.now() + far)
  const late = resolver.resolve('b.x', clock.now() + 20)
  const early = resolver.resolve('c.x', clock.now() + 20)
  pass(9)
  asked[0]?.fail('EAI_AGAIN')
  await first
  pass(2)
  asked[1]?.fail('EAI_AGAIN')
  assert.deepEqual(await late, { code: 'EAI_AGAIN' })
  assert.deepEqual(
    asked.map(({ host }) => host),
    ['a.x', 'b.x', 'c.x'],
  )
  const soon = resolver.resolve('c.x', clock.now() + 20)
  pass(9)
  assert.deepEqual([await early, await soon], [{ code: 'EQUEUED' }, null])
})

test('names that no resolver answered have half of the threads, and leave that lane with any answer', async () => {
  const { asked, lookup } = manualLookup()
  const { clock, pass } = handClock()
  const resolver = createResolver({ clock, lookup, maxInFlight: 4 })
  const hosts = ['a.a', 'b.b', 'c.c']
  const askAll = () => hosts.map((host) => resolver.resolve(host, clock.now() + far))
  const first = askAll()
  pass(2000)
  for (const one of asked.splice(0)) one.fail('EAI_AGAIN')
  await Promise.all(first)
  pass(2000)
  const second = askAll()
  const known = resolver.resolve('d.d', clock.now() + far)
  assert.deepEqual(
    asked.map(({ host }) => host),
    ['a.a', 'b.b', 'd.d'],
  )
  asked[0]?.fail('ENOTFOUND')
  await second[0]
  asked[1]?.answer(['10.0.0.1'])
  asked[2]?.answer(['10.0.0.1'])
  asked[3]?.fail('EAI_AGAIN')
  await Promise.all([...second, known])
  // This look-up failed at once, so its name is not unresponsive.
  pass(20_000)
  asked.length = 0
  void askAll()
  assert.equal(asked.length, 3)
})

test('the oldest name is dropped beyond the capacity', async () => {
  const asked: string[] = []
  const resolver = createResolver({
    clock: realClock,
    maxEntries: 2,
    lookup: (host) => {
      asked.push(host)
      return Promise.resolve(['10.0.0.1'])
    },
  })
  for (const host of ['a', 'b', 'c', 'c', 'b', 'a']) await resolver.resolve(host, realClock.now() + far)
  assert.deepEqual(asked, ['a', 'b', 'c', 'a'])
})

test('close answers every caller at once and begins no further look-up', async () => {
  const { asked, lookup } = manualLookup()
  const resolver = createResolver({ clock: realClock, lookup, maxInFlight: 1 })
  const callers = ['a', 'b'].map((host) => resolver.resolve(host, realClock.now() + far))
  resolver.close()
  assert.deepEqual(await Promise.all(callers), [null, null])
  asked[0]?.answer(['10.0.0.1'])
  await turn()
  assert.equal(await resolver.resolve('a', realClock.now() + far), null)
  assert.equal(asked.length, 1)
})

test('a look-up with a bug is answered with the class of the error', async () => {
  const resolver = createResolver({
    clock: realClock,
    lookup: () => {
      throw new TypeError('a bug')
    },
  })
  assert.deepEqual(await resolver.resolve('db', realClock.now() + far), { code: 'TypeError' })
})
