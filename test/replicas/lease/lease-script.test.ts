import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import type { Connection } from '../../../src/redis/connection.ts'
import { type Keys, keysOf } from '../../../src/redis/keys.ts'
import { offerScript } from '../../../src/replicas/lease/lease-script.ts'
import type { Grant, Renewal } from '../../../src/replicas/lease/leases.ts'
import { shardCount } from '../../../src/replicas/lease/shards.ts'
import { createRequests } from '../../../src/replicas/requests.ts'
import { createSharedClock } from '../../../src/replicas/shared-clock.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { fileScope } from '../../support/process.ts'
import { noRedis, startRedis } from '../../support/redis-server.ts'
import { nothingShared, renewShared } from '../simulation/lease-model.ts'

const file = fileScope()
let starting: Promise<Connection> | undefined
let namespaces = 0

const noFile = { digest: '-', loadedAt: 0 }

/** A namespace of its own in the one server of all tests here. `leaseMs` is the lease duration, instead of the one that replicas request. */
async function open(firstMs: number) {
  let leaseDurationMs = firstMs
  starting ??= startRedis(file).then(({ connect }) => connect())
  const connection = await starting
  const keys = keysOf(`test-${++namespaces}`)
  const clock = createSharedClock(systemClock())
  /** The time of Redis at the last renewal that counted, in milliseconds. */
  let now = Number.NaN

  const run: Connection['run'] = async (script, on, input) => {
    const answer = await connection.run(script, on, input.with(2, leaseDurationMs))
    assert.ok(answer.ok, JSON.stringify(answer))
    const [micros] = answer.value as readonly string[]
    if (micros !== undefined) now = Number(micros) / 1000
    return answer
  }
  const redisConnector = {
    run,
    send: connection.send,
    open: async () => 'there is one connection for all tests',
    refusal: () => null,
    caughtUp: async () => {},
    advance: () => {},
  }
  const requestsOf = (id: string) =>
    createRequests({ id, redisConnector, keys, clock, retention: { maxCount: 100, maxAgeMs: 3_600_000 } })

  const value = async (...command: string[]) => {
    const answer = await connection.send(command)
    assert.ok(answer.ok, JSON.stringify(answer))
    return answer.value
  }
  return {
    keys,
    now: () => now,
    value,
    /** Sets the duration of leases from now on. */
    setLease(ms: number) {
      leaseDurationMs = ms
    },
    renew: (id: string, renewal: Renewal, own = noFile) => requestsOf(id).renew(renewal, own),
    /** Renews. Fails unless the renewal is granted. */
    async grantOf(id: string, attempt: number, shards: readonly number[], isMember = true): Promise<Grant> {
      const answer = await requestsOf(id).renew({ attempt, isMember, shards, declined: [] }, noFile)
      return answer?.grant ?? assert.fail(`renewal ${attempt} of ${id} came after a later one`)
    },
    offer: (digest: string, text = '') =>
      connection.run(offerScript, [keys.meta, keys.stream, keys.packed, keys.files], [digest, 'packed', text]),
    /** Renews. Fails unless the renewal is ignored. */
    async passOver(id: string, attempt: number, shards: readonly number[], isMember = true): Promise<void> {
      const answer = await requestsOf(id).renew({ attempt, isMember, shards, declined: [] }, noFile)
      assert.ok(answer === null, `renewal ${attempt} of ${id} was granted`)
    },
    /** Returns how many entries the stream has. */
    entries: async () => Number(await value('XLEN', keys.stream)),
    everything: () => everythingIn(keys, value),
  }
}

/** Returns all stored data, sorted. */
async function everythingIn(keys: Keys, value: (...command: string[]) => Promise<unknown>): Promise<unknown> {
  const { meta, members, leases, offers, declined, files, packed, reads, stream } = keys
  const hashes = await Promise.all(
    [meta, members, leases, offers, declined, files, packed, reads].map(async (key) => {
      const flat = (await value('HGETALL', key)) as string[]
      return flat.flatMap((field, i) => (i % 2 === 0 ? [`${key} ${field}: ${flat[i + 1]}`] : [])).sort()
    }),
  )
  return [hashes, await value('XRANGE', stream, '-', '+')]
}

/** Returns a grant without its entry, sorted. */
const comparable = ({ members, late, declined, tokens, owners, nextExpiryMs }: Grant) => ({
  members: [...members].sort(),
  late: [...late].sort(),
  declined: [...declined].sort(([a], [b]) => a.localeCompare(b)),
  tokens: [...tokens].sort(([a], [b]) => a - b),
  owners: owners.flatMap((owner, shard) => (owner === null ? [] : [`${shard} ${owner}`])),
  nextExpiryMs,
})

const someShards = fc.oneof(
  fc.subarray([0, 1, 2, 3, 4, 254, 255]),
  fc.constantFrom(
    [],
    Array.from({ length: shardCount }, (_, shard) => shard),
  ),
)
const step = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'replica-3'),
  /** How far its number is above the last one of the same replica; 0 or less for a delayed renewal. */
  ahead: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(1, 2) }, { weight: 1, arbitrary: fc.constantFrom(0, -1) }),
  /** Null for a replica that is not a member. */
  shards: fc.option(someShards, { freq: 6 }),
  declined: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.constantFrom([3], [3, 254])),
  /** The time since the renewal before, in milliseconds, which is longer than a lease or two at times. */
  waitMs: fc.constantFrom(0, 0, 0, 4, 6, 11),
})

test('the script and its model give the same answers to any requests in any order', {
  skip: noRedis,
}, async () => {
  const leaseDurationMs = 10
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }), async (steps) => {
      const { renew, now, entries } = await open(leaseDurationMs)
      const attempts = new Map<string, number>()
      let shared = nothingShared
      let told = 0
      for (const { id, ahead, shards, declined, waitMs } of steps) {
        if (waitMs > 0) await sleep(waitMs)
        const attempt = Math.max(1, (attempts.get(id) ?? 1) + ahead)
        attempts.set(id, Math.max(attempts.get(id) ?? 0, attempt))
        const renewal = { attempt, isMember: shards !== null, shards: shards ?? [], declined }
        const answer = await renew(id, renewal)
        const { grant, isNews, shared: after } = renewShared(shared, id, renewal, leaseDurationMs, now())
        told += isNews ? 1 : 0
        assert.equal(await entries(), told, `how often the others were told, after renewal ${attempt} of ${id}`)
        assert.equal(answer === null, grant === null, `renewal ${attempt} of ${id}`)
        if (answer === null || grant === null) continue
        assert.deepEqual(comparable(answer.grant), comparable(grant))
        const { entry } = answer.grant
        // The script reads the clock again for this number, and may have been delayed.
        assert.ok(isNews ? entry >= grant.entry && entry < grant.entry + 1000 : entry === grant.entry, `${entry}`)
        shared = { ...after, entry }
      }
    }),
    // No shrinking, because each attempt takes as long as the test.
    { numRuns: 60, interruptAfterTimeLimit: 20_000 },
  )
})

test('a new token is larger than all earlier tokens of its shard, even after all leases were lost', {
  skip: noRedis,
}, async () => {
  const { grantOf, value, keys, now } = await open(30)
  const shards = [0, 1, 255]
  const least = (grant: Grant) => Math.min(...shards.map((shard) => grant.tokens.get(shard) ?? assert.fail()))
  const most = (grant: Grant) => Math.max(...grant.tokens.values())

  const first = await grantOf('a', 1, shards)
  assert.ok(least(first) >= Math.floor(now()))
  assert.deepEqual((await grantOf('a', 2, shards)).tokens, first.tokens, 'the tokens stay the same')
  await grantOf('a', 3, [])
  const second = await grantOf('b', 1, shards)
  assert.ok(least(second) > most(first), 'released')
  await sleep(32)
  const third = await grantOf('a', 4, shards)
  assert.ok(least(third) > most(second), 'the leases ended')
  await value('DEL', keys.leases)
  // Wait for the next millisecond.
  await sleep(2)
  const fourth = await grantOf('a', 5, shards)
  assert.ok(least(fourth) > most(third), 'lost')
})

test('a new token is larger than the last one even after the clock of Redis was set back', {
  skip: noRedis,
}, async () => {
  const { grantOf, value, keys } = await open(60_000)
  await value('HSET', keys.leases, '7', '99999999999999 - 0')
  assert.deepEqual((await grantOf('a', 1, [7])).tokens, new Map([[7, 100_000_000_000_000]]))
})

test('a replica that gets a shard back after its lease ended has the same token, because no other replica held the shard', {
  skip: noRedis,
}, async () => {
  const { grantOf } = await open(10)
  const { tokens } = await grantOf('a', 1, [7])
  await sleep(12)
  assert.equal((await grantOf('b', 1, [])).owners[7], null)
  assert.deepEqual((await grantOf('a', 2, [7])).tokens, tokens)
})

test('a shard of another replica is granted only after that replica releases it, and the others are notified at once', {
  skip: noRedis,
}, async () => {
  const { grantOf, entries } = await open(60_000)
  await grantOf('a', 1, [7, 8])
  const refused = await grantOf('b', 1, [7, 9])
  assert.deepEqual([...refused.tokens.keys()], [9])
  assert.deepEqual(refused.owners.slice(6, 10), [null, 'a', 'a', 'b'])
  const before = await entries()
  await grantOf('a', 2, [8])
  assert.equal(await entries(), before + 1)
  assert.deepEqual(new Set((await grantOf('b', 2, [7, 9])).tokens.keys()), new Set([7, 9]))
})

test('a renewal that arrives after a later one, or twice, changes nothing', { skip: noRedis }, async () => {
  const { grantOf, passOver, everything } = await open(60_000)
  await grantOf('a', 3, [1, 2])
  const before = await everything()
  for (const attempt of [1, 2, 3]) {
    await passOver('a', attempt, [3])
    await passOver('a', attempt, [], false)
  }
  assert.deepEqual(await everything(), before)
})

test('a renewal that arrives after a later one changes nothing, even if another replica has died since', {
  skip: noRedis,
}, async () => {
  const { grantOf, passOver, everything, setLease } = await open(10)
  await grantOf('dead', 1, [1])
  setLease(60_000)
  await grantOf('a', 2, [2])
  await sleep(12)
  const before = await everything()
  await passOver('a', 1, [3])
  assert.deepEqual(await everything(), before)
})

test('a late renewal of a replica that has left does not make it a member again', {
  skip: noRedis,
}, async () => {
  const { grantOf, passOver } = await open(60_000)
  await grantOf('a', 1, [1, 2])
  // The second renewal is delayed.
  await grantOf('a', 3, [], false)
  await passOver('a', 2, [1, 2])
  const { members, owners } = await grantOf('b', 1, [1, 2])
  assert.deepEqual(members, ['b'])
  assert.deepEqual(owners.slice(0, 3), [null, 'b', 'b'])
})

test('the others are notified only of changes', { skip: noRedis }, async () => {
  const { grantOf, entries, value, keys } = await open(40)
  const toldBy = async (id: string, attempt: number, shards: readonly number[], isMember = true) => {
    const before = await entries()
    const { entry } = await grantOf(id, attempt, shards, isMember)
    const after = await entries()
    if (after > before)
      assert.deepEqual(await value('XREVRANGE', keys.stream, '+', '-', 'COUNT', '1'), await newest(entry))
    return after - before
  }
  let last = 0
  const newest = async (entry: number) => {
    const before = `${last}`
    last = entry
    return [[`${entry}-0`, ['kind', 'members', 'before', before]]]
  }
  assert.equal(await toldBy('a', 1, [], false), 0, 'a replica that is not a member asks for the members')
  assert.equal(await toldBy('a', 2, []), 1, 'the replica becomes a member')
  assert.equal(await toldBy('a', 3, [1, 2]), 0, 'the replica gets shards without an owner')
  assert.equal(await toldBy('a', 4, [1, 2]), 0, 'the replica renews')
  assert.equal(await toldBy('a', 5, [1]), 1, 'the replica releases a shard')
  assert.equal(await toldBy('a', 6, [], false), 1, 'the replica leaves')
  assert.equal(await toldBy('b', 1, [1]), 1, 'another replica joins')
  await sleep(42)
  assert.equal(await toldBy('a', 7, [], false), 1, 'the other replica died')
  assert.equal(await toldBy('a', 8, [], false), 0)
})

test('a member that has not renewed for half a lease is late, and still a member; no answer calls its own replica late', {
  skip: noRedis,
}, async () => {
  const { grantOf, setLease } = await open(60_000)
  await grantOf('a', 1, [])
  // The rest of its lease is more than half of a lease of this length, and less than half of one of the next length.
  setLease(100_000)
  assert.deepEqual((await grantOf('b', 1, [])).late, [])
  setLease(130_000)
  const { late, members } = await grantOf('c', 1, [])
  assert.deepEqual([late, new Set(members)], [['a'], new Set(['a', 'b', 'c'])])
  assert.deepEqual((await grantOf('a', 2, [])).late, [])
  assert.deepEqual((await grantOf('c', 2, [])).late, [])
})

test('the configuration file that was loaded last counts, for as long as a live replica has it', {
  skip: noRedis,
}, async () => {
  const { renew, offer, value, keys, setLease } = await open(60_000)
  let attempt = 0
  /** Renews with this file, or leaves if it is null. */
  const newestFor = async (id: string, own: { digest: string; loadedAt: number } | null) => {
    const renewal = { attempt: ++attempt, isMember: own !== null, shards: [], declined: [] }
    const answer = await renew(id, renewal, own ?? undefined)
    return answer?.file ?? assert.fail('it came too late')
  }
  const kept = async () => new Set((await value('HKEYS', keys.packed)) as string[])
  const oldest = { digest: 'oldest', loadedAt: 7 }
  const older = { digest: 'older', loadedAt: 1000.5 }
  const newest = { digest: 'newest', loadedAt: 1000.625 }

  assert.deepEqual(await newestFor('a', older), { digest: 'older', hasOwn: false, needsText: false })
  await offer('older')
  assert.deepEqual(await newestFor('b', newest), { digest: 'newest', hasOwn: false, needsText: false })
  await offer('newest')
  assert.deepEqual(await newestFor('a', older), { digest: 'newest', hasOwn: true, needsText: false })
  assert.deepEqual(await newestFor('c', oldest), { digest: 'newest', hasOwn: false, needsText: false })
  await offer('oldest')
  assert.deepEqual(await kept(), new Set(['oldest', 'older', 'newest']))

  setLease(10)
  await newestFor('b', newest)
  await sleep(12)
  setLease(60_000)
  assert.deepEqual(await newestFor('c', oldest), { digest: 'older', hasOwn: true, needsText: false }, 'b died')
  assert.deepEqual(await kept(), new Set(['oldest', 'older']))
  assert.deepEqual(await newestFor('a', null), { digest: 'oldest', hasOwn: false, needsText: false }, 'a left')
  assert.deepEqual(await kept(), new Set(['oldest']))
  assert.deepEqual(await newestFor('c', null), { digest: '', hasOwn: false, needsText: false })
  assert.deepEqual(await kept(), new Set())
})

test('the store has a file as text while a member reads only text, and no longer', {
  skip: noRedis,
}, async () => {
  const { renew, offer, value, keys, setLease } = await open(60_000)
  let attempt = 0
  const own = { digest: 'own', loadedAt: 1000 }
  const fileFor = async (id: string) => {
    const answer = await renew(id, { attempt: ++attempt, isMember: true, shards: [], declined: [] }, own)
    return answer?.file ?? assert.fail('it came too late')
  }
  await fileFor('a')
  await offer('own')
  assert.deepEqual(await fileFor('a'), { digest: 'own', hasOwn: true, needsText: false })

  // A member of an older version renews with a script that does not name the forms it reads.
  const [time = ''] = (await value('TIME')) as string[]
  const becomeOlder = (untilMs: number) => value('HSET', keys.members, 'older', `${Number(time) * 1000 + untilMs} 1`)
  await becomeOlder(60_000)
  assert.deepEqual(await fileFor('a'), { digest: 'own', hasOwn: false, needsText: true })
  await offer('own', '{}')
  assert.deepEqual(await fileFor('a'), { digest: 'own', hasOwn: true, needsText: true })
  assert.equal(await value('HGET', keys.files, 'own'), '{}')

  await becomeOlder(-60_000)
  assert.deepEqual(await fileFor('a'), { digest: 'own', hasOwn: true, needsText: false })
  assert.equal(await value('EXISTS', keys.files), 0)

  // A member that is removed loses its field, even if an older version removed it.
  const readers = async () => new Set((await value('HKEYS', keys.reads)) as string[])
  await fileFor('b')
  assert.deepEqual(await readers(), new Set(['a', 'b']))
  await value('HDEL', keys.members, 'b')
  setLease(60_000)
  await fileFor('c')
  assert.deepEqual(await readers(), new Set(['a', 'c']))
})

test('of two configuration files loaded at the same time the same one counts, in whichever order they were offered', {
  skip: noRedis,
}, async () => {
  for (const order of [
    ['a', 'b'],
    ['b', 'a'],
  ]) {
    const { renew } = await open(60_000)
    const renewal = { attempt: 1, isMember: true, shards: [], declined: [] }
    const answers = []
    for (const id of order) answers.push(await renew(id, renewal, { digest: `file-of-${id}`, loadedAt: 5 }))
    assert.equal(answers.at(-1)?.file.digest, 'file-of-b')
  }
})

test('an offer of a configuration file makes the other replicas check which file counts', {
  skip: noRedis,
}, async () => {
  const { grantOf, offer, value, keys } = await open(60_000)
  const { entry } = await grantOf('a', 1, [])
  assert.ok((await offer('file')).ok)
  const newest = (await value('XREVRANGE', keys.stream, '+', '-', 'COUNT', '1')) as [[string, string[]]]
  assert.deepEqual(newest[0][1], ['kind', 'members', 'before', `${entry}`])
})
