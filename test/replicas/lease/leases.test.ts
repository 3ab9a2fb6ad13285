import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { handoverMs } from '../../../src/domain/service/policy.ts'
import { createLeases, type Grant, type Renewal, readGrant } from '../../../src/replicas/lease/leases.ts'
import { sharesOf } from '../../../src/replicas/lease/shards.ts'
import { leaseDurationMs, renewIntervalMs } from '../../../src/replicas/lease/times.ts'
import { isSettled } from '../../monitor/fakes.ts'

const alone = ['a']
/** The shards of `a` when `b` is there too, and those of `b`. */
const own = sharesOf('a', ['a', 'b'])
const foreign = sharesOf('b', ['a', 'b'])
const all = sharesOf('a', alone)
const [mine = 0, mineToo = 0] = own
const [theirs = 0] = foreign

/** An answer of the store to `a`, which holds these shards, each with this token. The rest belongs to other replicas, or has no owner. */
function grant(
  members: readonly string[],
  shards: readonly number[],
  {
    fencingToken = 1,
    entry = 0,
    nextExpiryMs = null,
    late = [],
    rest = 'others',
    declined = {},
  }: {
    fencingToken?: number
    entry?: number
    nextExpiryMs?: number | null
    late?: readonly string[]
    rest?: 'others' | 'nobody'
    declined?: Readonly<Record<string, readonly number[]>>
  } = {},
): Grant {
  const held = new Set(shards)
  const others = rest === 'nobody' ? [] : all.filter((shard) => !held.has(shard))
  const owners = [
    ...shards.map((shard) => [shard, 'a', fencingToken] as const),
    ...others.map((shard) => [shard, 'b', 1] as const),
  ]
  const declinedBy = new Map(Object.entries(declined).map(([member, shards]) => [member, new Set(shards)]))
  return readGrant('a', members, owners, entry, nextExpiryMs, late, declinedBy)
}

/** The leases of `a`, from instant 1000 on. The test provides clock and store, and decides when `onYield` ends. */
function createReplica(declines: () => readonly number[] = () => []) {
  let now = 1000
  let isWorking = true
  const asked: Renewal[] = []
  const answers: ((given: Grant | null) => void)[] = []
  const gained: (readonly number[])[] = []
  const yields: { shards: readonly number[]; end: () => void }[] = []
  const leases = createLeases({
    id: 'a',
    clock: { now: () => now },
    declines,
    ask(renewal) {
      asked.push(renewal)
      const { promise, resolve } = Promise.withResolvers<Grant | null>()
      answers.push(resolve)
      return promise
    },
    isWorking: () => isWorking,
    onGain: (shards) => gained.push(shards),
    onYield(shards) {
      const { promise, resolve } = Promise.withResolvers<void>()
      yields.push({ shards, end: resolve })
      return promise
    },
  })
  /** Answers the oldest renewal without an answer. */
  async function answer(given: Grant | null): Promise<void> {
    const first = answers.shift() ?? assert.fail('nothing was asked')
    first(given)
    await setImmediate()
  }
  return {
    leases,
    asked,
    gained,
    yields,
    answer,
    now: () => now,
    advance(ms: number) {
      now += ms
    },
    setWorking(works: boolean) {
      isWorking = works
    },
    /** Renews, with an answer at once. Resolves with the instant of the next renewal. */
    async renew(given: Grant | null): Promise<number> {
      const next = leases.renew()
      await setImmediate()
      await answer(given)
      return next
    },
    /** Returns which of these shards may be checked now. */
    held: (shards: readonly number[] = all) => shards.filter((shard) => leases.holds(shard, now)),
  }
}

/** Creates the leases of `a`, the only replica, with all shards and token 1. The last renewal was sent at instant 1000. */
async function startAlone() {
  const replica = createReplica()
  await replica.renew(grant(alone, []))
  await replica.renew(grant(alone, all))
  replica.gained.length = 0
  return replica
}

test('asks for no shards until it knows the other members, and then at once for its share', async () => {
  const { renew, asked, now } = createReplica()
  assert.equal(await renew(grant(['a', 'b'], [])), now())
  assert.deepEqual(asked, [{ attempt: 1, isMember: true, shards: [], declined: [] }])
  await renew(grant(['a', 'b'], own))
  assert.deepEqual(asked[1], { attempt: 2, isMember: true, shards: own, declined: [] })
})

test('may check its shards once it has applied all entries up to that of the grant, and is notified then', async () => {
  const { renew, leases, held, gained, now } = createReplica()
  leases.caughtUp(99)
  await renew(grant(['a', 'b'], []))
  await renew(grant(['a', 'b'], [mine, mineToo], { fencingToken: 7, entry: 100 }))
  assert.deepEqual(held(), [])
  assert.deepEqual([leases.fencingTokenOf(mine, now()), leases.fencingTokenOf(theirs, now())], [7, null])
  assert.equal(leases.count(now()), 2)
  leases.caughtUp(99)
  assert.deepEqual(held(), [])
  assert.deepEqual(gained, [])
  leases.caughtUp(100)
  assert.deepEqual(held(), [mine, mineToo])
  assert.deepEqual(gained, [[mine, mineToo]])
  leases.caughtUp(200)
  assert.deepEqual(gained, [[mine, mineToo]])
})

test('may check its shards at once if it has applied those entries before, and is notified only of new shards', async () => {
  const { renew, leases, held, gained } = createReplica()
  leases.caughtUp(100)
  await renew(grant(['a', 'b'], []))
  await renew(grant(['a', 'b'], [mine], { entry: 100 }))
  await renew(grant(['a', 'b'], [mine, mineToo], { entry: 100 }))
  assert.deepEqual(held(), [mine, mineToo])
  assert.deepEqual(gained, [[mine], [mineToo]])
})

test('continues to check shards that it holds without a break, whatever entries the others have added', async () => {
  const { renew, held, gained } = await startAlone()
  await renew(grant(alone, all, { entry: 100 }))
  assert.deepEqual(held(), all)
  assert.deepEqual(gained, [])
})

test('has to catch up with a shard whose lease ended or has another token', async () => {
  const { renew, leases, held, gained, advance } = await startAlone()
  const owners = all.map((shard) => [shard, 'a', shard === mine ? 2 : 1] as const)
  await renew(readGrant('a', alone, owners, 100, null))
  assert.deepEqual(
    held(),
    all.filter((shard) => shard !== mine),
  )
  leases.caughtUp(100)
  assert.deepEqual(gained, [[mine]])
  advance(5000)
  await renew(grant(alone, all, { entry: 200 }))
  assert.deepEqual(held(), [])
  leases.caughtUp(200)
  assert.deepEqual(held(), all)
})

test('stops by its own clock 5 s after it sent the last renewal that was answered', async () => {
  const { leases, held, advance, answer, renew, now } = await startAlone()
  advance(2000)
  const next = leases.renew()
  await setImmediate()
  advance(800)
  await answer(grant(alone, all))
  await next
  const sentAt = 3000
  advance(1000)
  await renew(null)
  advance(sentAt + 4999.9 - now())
  assert.deepEqual(held(), all)
  assert.equal(leases.count(now()), all.length)
  advance(0.1)
  assert.deepEqual(held(), [])
  assert.deepEqual([leases.count(now()), leases.fencingTokenOf(mine, now())], [0, null])
})

test('an answer that comes later than 5 s grants nothing', async () => {
  const { leases, held, gained, advance, answer } = await startAlone()
  const next = leases.renew()
  await setImmediate()
  advance(5000)
  await answer(grant(alone, all, { fencingToken: 2 }))
  await next
  assert.deepEqual(held(), [])
  assert.deepEqual(gained, [])
})

test('continues to check shards that it gives up until its outcomes are published, and only then tells the store', async () => {
  const { renew, leases, held, asked, yields, answer, now } = await startAlone()
  await renew(grant(['a', 'b'], all))
  const before = asked.length
  const next = leases.renew()
  await setImmediate()
  assert.deepEqual(
    yields.map(({ shards }) => shards),
    [foreign],
  )
  assert.deepEqual(held(), all)
  assert.equal(asked.length, before)
  yields[0]?.end()
  await setImmediate()
  assert.deepEqual(held(), own)
  assert.equal(leases.fencingTokenOf(theirs, now()), null)
  assert.deepEqual(asked[before]?.shards, own)
  await answer(null)
  assert.equal(await isSettled(next), true)
  assert.deepEqual(held(), own)
})

test('the time of a renewal counts from its sending, not from the release of shards before it', async () => {
  const { renew, leases, held, yields, answer, advance } = await startAlone()
  await renew(grant(['a', 'b'], all))
  const next = leases.renew()
  await setImmediate()
  advance(1000)
  yields[0]?.end()
  await setImmediate()
  await answer(grant(['a', 'b'], own))
  await next
  advance(4999)
  assert.deepEqual(held(), own)
  advance(1)
  assert.deepEqual(held(), [])
})

test('does not check shards any more that the store no longer grants', async () => {
  const { renew, held, leases, now } = await startAlone()
  await renew(grant(alone, [mine]))
  assert.deepEqual(held(), [mine])
  assert.equal(leases.fencingTokenOf(mineToo, now()), null)
})

test('a replica that does no work is not a member and releases everything, and is a member again once it works', async () => {
  const { renew, leases, held, asked, yields, answer, setWorking, now } = await startAlone()
  setWorking(false)
  const next = leases.renew()
  await setImmediate()
  assert.deepEqual(yields[0]?.shards, all)
  yields[0]?.end()
  await setImmediate()
  assert.deepEqual(held(), [])
  assert.deepEqual(asked.at(-1), { attempt: 3, isMember: false, shards: [], declined: [] })
  await answer(grant(['b'], []))
  assert.equal(await next, now() + 2000)
  assert.equal(leases.count(now()), 0)
  setWorking(true)
  await renew(grant(['a', 'b'], own))
  assert.deepEqual(asked.at(-1), { attempt: 4, isMember: true, shards: own, declined: [] })
  assert.deepEqual(held(), own)
})

test('a replica that has never worked asks for the members and holds nothing', async () => {
  const { renew, leases, asked, setWorking } = createReplica()
  setWorking(false)
  await renew(grant(['b'], []))
  await renew(grant(['b'], []))
  assert.deepEqual(asked, [
    { attempt: 1, isMember: false, shards: [], declined: [] },
    { attempt: 2, isMember: false, shards: [], declined: [] },
  ])
  assert.deepEqual(leases.last()?.members, ['b'])
})

test('renews at once when other members join or leave', async () => {
  const { renew, now } = createReplica()
  const later = now() + 2000
  assert.equal(await renew(grant(['a'], [])), now(), 'a is the only member')
  assert.equal(await renew(grant(['a', 'b'], [])), now(), 'b has joined')
  assert.equal(await renew(grant(['b', 'a'], [])), later, 'the same, in another order')
  assert.equal(await renew(grant(['a', 'c'], [])), now(), 'c has replaced b')
  assert.equal(await renew(grant(['a'], [])), now(), 'c is gone')
  assert.equal(await renew(grant(['a'], [])), later, 'the same again')
})

test('asks at once for the shards of a late member, and releases them once that member renews again', async () => {
  const { renew, leases, asked, yields, now } = await startAlone()
  await renew(grant(['a', 'b'], own))
  await renew(grant(['a', 'b'], own))
  assert.deepEqual(asked.at(-1)?.shards, own)
  assert.equal(await renew(grant(['a', 'b'], own, { late: ['b'] })), now())
  const later = now() + 2000
  assert.equal(await renew(grant(['a', 'b'], all, { late: ['b'] })), later)
  assert.deepEqual(asked.at(-1)?.shards, all)
  assert.equal(await renew(grant(['a', 'b'], all)), now(), 'b has renewed')
  void leases.renew()
  await setImmediate()
  assert.deepEqual(yields.at(-1)?.shards, foreign)
})

test('renews every 2 s, sooner if another member expires before that, and after 500 ms without an answer or if a shard has no owner', async () => {
  const { renew, now } = await startAlone()
  await renew(grant(['a', 'b'], own))
  const cases: [given: Grant | null, ms: number][] = [
    [grant(['a', 'b'], own), 2000],
    [grant(['a', 'b'], own, { nextExpiryMs: 6000 }), 2000],
    [grant(['a', 'b'], own, { nextExpiryMs: 700 }), 720],
    [grant(['a', 'b'], own, { nextExpiryMs: 1 }), 21],
    [grant(['a', 'b'], own, { rest: 'nobody' }), 500],
    [null, 500],
  ]
  for (const [given, ms] of cases) assert.equal(await renew(given), now() + ms)
})

test('the time until the next renewal counts from the sending of the last, however long its answer took', async () => {
  const { leases, advance, answer, now } = await startAlone()
  const sentAt = now()
  const next = leases.renew()
  await setImmediate()
  advance(900)
  await answer(grant(alone, all))
  assert.equal(await next, sentAt + 2000)
})

test('sends one renewal at a time, each with a larger number', async () => {
  const { leases, asked, answer } = createReplica()
  const renewals = [leases.renew(), leases.renew(), leases.renew()]
  for (let attempt = 1; attempt <= renewals.length; attempt++) {
    await setImmediate()
    assert.equal(asked.length, attempt)
    assert.equal(asked.at(-1)?.attempt, attempt)
    await answer(null)
  }
  await Promise.all(renewals)
})

test('a release gives all shards back after the outcomes are published, and ends the renewals', async () => {
  const { leases, asked, yields, held, answer, now } = await startAlone()
  const released = leases.release()
  await setImmediate()
  assert.deepEqual(yields[0]?.shards, all)
  assert.deepEqual(held(), all)
  assert.equal(asked.length, 2)
  yields[0]?.end()
  await setImmediate()
  assert.deepEqual(held(), [])
  assert.deepEqual(asked.at(-1), { attempt: 3, isMember: false, shards: [], declined: [] })
  assert.equal(await isSettled(released), false)
  await answer(grant([], []))
  await released
  assert.equal(await leases.renew(), Number.POSITIVE_INFINITY)
  await leases.release()
  assert.equal(asked.length, 3)
  assert.equal(leases.count(now()), 0)
})

test('an answer to a renewal from before the release grants nothing', async () => {
  const { leases, asked, yields, held, gained, answer, now } = await startAlone()
  const next = leases.renew()
  await setImmediate()
  const released = leases.release()
  await setImmediate()
  yields[0]?.end()
  await setImmediate()
  assert.deepEqual(
    asked.slice(2).map(({ attempt, isMember }) => [attempt, isMember]),
    [
      [3, true],
      [4, false],
    ],
  )
  await answer(grant(alone, all, { fencingToken: 2 }))
  assert.equal(await next, Number.POSITIVE_INFINITY)
  assert.deepEqual(held(), [])
  assert.equal(leases.count(now()), 0)
  await answer(grant([], []))
  await released
  assert.deepEqual(gained, [])
})

test('the release is the last request to the store, even if a renewal was about to be sent', async () => {
  const { renew, leases, asked, yields, held } = await startAlone()
  await renew(grant(['a', 'b'], all))
  const before = asked.length
  void leases.renew()
  await setImmediate()
  void leases.release()
  await setImmediate()
  assert.deepEqual(
    yields.map(({ shards }) => shards),
    [foreign, all],
  )
  for (const { end } of yields.toReversed()) {
    end()
    await setImmediate()
  }
  assert.deepEqual(held(), [])
  assert.ok(asked.length > before)
  assert.deepEqual({ ...asked.at(-1), attempt: 0 }, { attempt: 0, isMember: false, shards: [], declined: [] })
})

test('a status is trusted for as long as it may take to replace a replica that died', () => {
  assert.ok(handoverMs >= leaseDurationMs + renewIntervalMs)
})
