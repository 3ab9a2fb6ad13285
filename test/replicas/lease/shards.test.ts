import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { shardCount, shardOf, sharesOf } from '../../../src/replicas/lease/shards.ts'

/** Names in the form of replicas: that of a machine or a pod, and a suffix for the process. */
const replica = fc
  .tuple(fc.constantFrom('porthole', 'porthole-0', 'porthole-5d8f7c9b6-x2x7k'), fc.nat({ max: 0xffffff }))
  .map(([host, suffix]) => `${host}-${suffix.toString(16).padStart(6, '0')}`)
const replicas = (minLength: number, maxLength = 7) =>
  fc.uniqueArray(fc.oneof({ weight: 9, arbitrary: replica }, fc.string()), { minLength, maxLength })

/** Returns the owner of each shard. Fails unless there is exactly one. */
function ownersOf(members: readonly string[]): string[] {
  const owners = new Array<string | undefined>(shardCount).fill(undefined)
  for (const member of members) {
    for (const shard of sharesOf(member, members)) {
      assert.equal(owners[shard], undefined, `shard ${shard} has two owners`)
      owners[shard] = member
    }
  }
  return owners.map((owner, shard) => owner ?? assert.fail(`shard ${shard} has no owner`))
}

test('every shard has exactly one owner, however many replicas there are and in whatever order they are named', () => {
  const orders = replicas(1).chain((members) =>
    fc.record({
      members: fc.constant(members),
      reordered: fc.shuffledSubarray(members, { minLength: members.length }),
      again: fc.subarray(members),
    }),
  )
  fc.assert(
    fc.property(orders, ({ members, reordered, again }) => {
      const owners = ownersOf(members)
      assert.deepEqual(ownersOf(reordered), owners)
      // A replica counts once, whether the list names it once, twice, or not at all.
      const [first = ''] = members
      const shares = sharesOf(first, members)
      assert.deepEqual(sharesOf(first, [...members, ...again]), shares)
      assert.deepEqual(sharesOf(first, members.slice(1)), shares)
    }),
  )
})

test('the only replica owns all shards, in order', () => {
  const all = Array.from({ length: shardCount }, (_, shard) => shard)
  assert.deepEqual(sharesOf('a', []), all)
  assert.deepEqual(sharesOf('a', ['a']), all)
})

test('a shard that a replica declines goes to another one, and the other shards do not move', () => {
  const [members, declined] = [['a', 'b', 'c'], new Map([['a', new Set([2, 7])]])]
  const before = ownersOf(members)
  const after = members.map((member) => sharesOf(member, members, declined))
  assert.deepEqual(new Set(after.flat()), new Set(sharesOf('a', ['a'])))
  assert.equal(after.flat().length, shardCount)
  for (const [index, member] of members.entries()) {
    for (const shard of after[index] ?? []) {
      if (shard === 2 || shard === 7) assert.notEqual(member, 'a')
      else assert.equal(before[shard], member)
    }
  }
})

test('a shard that all replicas decline is assigned as if none did', () => {
  const members = ['a', 'b', 'c']
  const declined = new Map(members.map((member) => [member, new Set([2, 7])]))
  for (const member of members) assert.deepEqual(sharesOf(member, members, declined), sharesOf(member, members))
  assert.deepEqual(sharesOf('a', ['a'], declined), sharesOf('a', ['a']))
})

test('when a replica joins or leaves, only its share moves', () => {
  fc.assert(
    fc.property(replicas(2), ([one = '', ...others]) => {
      const without = ownersOf(others)
      const owners = ownersOf([...others, one])
      for (const [shard, owner] of owners.entries()) assert.ok(owner === one || owner === without[shard])
    }),
  )
})

test('shares are about equal', () => {
  const few = fc.uniqueArray(replica, { minLength: 2, maxLength: 5 })
  fc.assert(
    fc.property(few, (members) => {
      const mean = shardCount / members.length
      for (const member of members) {
        // The standard deviation is at most 8, and the test allows five of them either way.
        const { length } = sharesOf(member, members)
        assert.ok(Math.abs(length - mean) <= 40, `${member} has ${length} of ${shardCount} among ${members.length}`)
      }
    }),
    // The names are the same in every run. For random names the test would fail once in millions.
    { seed: 1, numRuns: 1000 },
  )
})

test('the same services are in the same shards on replicas of every version', () => {
  // These values are fixed, because the shards that each replica requests follow from them.
  assert.deepEqual(['postgres', 'redis', 'näm€ 🐘', ''].map(shardOf), [113, 117, 89, 171])
  assert.deepEqual(sharesOf('a', ['a', 'b', 'c']).slice(0, 5), [2, 3, 5, 6, 12])
})

test('a shard is a whole number from 0 to 255, and services are spread over all of them', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (service) => {
      const shard = shardOf(service)
      assert.ok(Number.isInteger(shard) && shard >= 0 && shard < 256, `${shard}`)
    }),
  )
  const services = new Array<number>(shardCount).fill(0)
  for (let n = 0; n < 25_600; n++) {
    const shard = shardOf(`payments-postgres-${n}`)
    services[shard] = (services[shard] ?? 0) + 1
  }
  assert.equal(services.length, 256)
  // Each shard has 100 on average, with a standard deviation of 10. The test allows five of them either way.
  assert.ok(Math.min(...services) >= 50, `the emptiest has ${Math.min(...services)}`)
  assert.ok(Math.max(...services) <= 150, `the fullest has ${Math.max(...services)}`)
})
