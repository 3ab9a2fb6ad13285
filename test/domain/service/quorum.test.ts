import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countStatuses, type Status } from '../../../src/domain/health/status.ts'
import { drainedQuorum, membersNeeded, parseQuorum, Quorum, statusOf } from '../../../src/domain/service/quorum.ts'

const worstFirst: readonly Status[] = ['down', 'unknown', 'degraded', 'up']
const anyStatus = fc.constantFrom(...worstFirst)
const anyMembers = fc.array(anyStatus, { minLength: 1, maxLength: 12 })
const anyQuorum: fc.Arbitrary<Quorum> = fc.oneof(
  fc.constantFrom<Quorum>('all', 'any'),
  fc.integer({ min: 1, max: 14 }),
  fc.integer({ min: 1, max: 100 }).map((share): Quorum => `${share}%`),
)
const read = (members: readonly Status[], quorum: Quorum) => statusOf(countStatuses(members), quorum)

test('a better status of one member never makes the status of the set worse', () => {
  fc.assert(
    fc.property(anyMembers, anyQuorum, fc.nat(), anyStatus, (members, quorum, pick, better) => {
      const index = pick % members.length
      fc.pre(worstFirst.indexOf(better) > worstFirst.indexOf(members[index] ?? 'up'))
      const before = worstFirst.indexOf(read(members, quorum))
      const after = worstFirst.indexOf(read(members.with(index, better), quorum))
      assert.ok(after >= before)
    }),
    { numRuns: 1000 },
  )
})

test('a set is up only if every member is up', () => {
  fc.assert(
    fc.property(anyMembers, anyQuorum, (members, quorum) => {
      if (read(members, quorum) === 'up') assert.ok(members.every((status) => status === 'up'))
    }),
    { numRuns: 1000 },
  )
})

test('a set is up or degraded exactly if enough members are up or degraded', () => {
  fc.assert(
    fc.property(anyMembers, anyQuorum, (members, quorum) => {
      const working = members.filter((status) => status === 'up' || status === 'degraded').length
      const met = ['up', 'degraded'].includes(read(members, quorum))
      assert.equal(met, working >= membersNeeded(quorum, members.length))
    }),
  )
})

test('a degraded member counts as up toward the quorum', () => {
  fc.assert(
    fc.property(anyMembers, anyQuorum, (members, quorum) => {
      const before = read(members, quorum)
      const degraded = members.map((status) => (status === 'up' ? 'degraded' : status))
      assert.equal(read(degraded, quorum), before === 'up' ? 'degraded' : before)
    }),
  )
})

const cases: readonly [members: Status[], quorum: Quorum, status: Status][] = [
  [[], 'all', 'unknown'],
  [[], 'any', 'unknown'],
  [['up', 'up'], 'all', 'up'],
  [['up', 'down'], 'all', 'down'],
  [['up', 'unknown'], 'all', 'unknown'],
  [['up', 'down'], 'any', 'degraded'],
  [['down', 'unknown'], 'any', 'unknown'],
  [['down', 'down'], 'any', 'down'],
  [['up', 'up'], 'any', 'up'],
  [['up', 'degraded'], 'all', 'degraded'],
  [['up', 'up', 'down'], 2, 'degraded'],
  [['up', 'down', 'unknown'], 2, 'unknown'],
  [['up', 'down', 'down'], 2, 'down'],
  [['up', 'up'], 3, 'down'],
  [['up', 'down'], '50%', 'degraded'],
  [['up', 'down', 'down'], '50%', 'down'],
  [['up', 'up', 'down'], '50%', 'degraded'],
]
for (const [members, quorum, status] of cases) {
  test(`${members.join(', ') || 'nothing'} with a quorum of ${quorum} is ${status}`, () => {
    assert.equal(read(members, quorum), status)
  })
}

const withPending: readonly [members: Status[], quorum: Quorum, status: Status][] = [
  [[], 'all', 'unknown'],
  [['up', 'up'], 'all', 'up'],
  [['up', 'up'], 2, 'up'],
  [['up', 'up'], 3, 'up'],
  [['up', 'down'], 3, 'down'],
  [['up', 'down'], 2, 'down'],
  [['up', 'unknown'], 3, 'unknown'],
  [['up', 'down'], 'any', 'degraded'],
  [['up', 'up', 'down'], '75%', 'down'],
  [['up', 'up', 'up'], '75%', 'up'],
]
for (const [members, quorum, status] of withPending) {
  test(`${members.join(', ') || 'nothing'} and one pending member, with a quorum of ${quorum}, is ${status}`, () => {
    assert.equal(statusOf(countStatuses(members), quorum, 1), status)
  })
}

const drains: [quorum: Quorum, total: number, drained: number, said: string | null][] = [
  ['all', 3, 0, null],
  [4, 3, 0, null],
  ['all', 3, 2, null],
  ['any', 3, 2, null],
  ['50%', 3, 2, null],
  [2, 3, 1, null],
  [2, 3, 2, 'a quorum of 2 cannot be met while 2 of 3 services are drained'],
  [2, 2, 1, 'a quorum of 2 cannot be met while 1 of 2 services is drained'],
  ['all', 1, 1, 'a quorum of all cannot be met while 1 of 1 services is drained'],
  ['any', 2, 2, 'a quorum of any cannot be met while 2 of 2 services are drained'],
]
for (const [quorum, total, drained, said] of drains) {
  test(`with ${drained} of ${total} drained, a quorum of ${quorum} ${said === null ? 'can be met' : 'cannot be met'}`, () => {
    assert.equal(drainedQuorum(quorum, total, drained), said)
  })
}

test('shares round up, and are exact if they divide the total', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 100_000 }), (share, total) => {
      const needed = membersNeeded(`${share}%`, total)
      assert.ok(needed * 100 >= share * total && (needed - 1) * 100 < share * total)
    }),
  )
})

test('only the four forms of a quorum are parsed', () => {
  for (const text of ['all', 'any', '50%', '1%', '100%']) assert.equal(parseQuorum(text), text)
  assert.equal(parseQuorum('2'), 2)
  for (const text of ['', '0', '0%', '101%', '-1', '1.5', '50 %', 'most', 'ALL', '%', '1e3', '02']) {
    assert.equal(parseQuorum(text), null, text)
  }
})

test('a quorum may be a number or text in configuration', () => {
  assert.equal(Quorum.parse(2), 2)
  assert.equal(Quorum.parse('2'), 2)
  assert.equal(Quorum.parse('any'), 'any')
  for (const input of [0, -1, 1.5, Number.NaN, 1e21, 'half', null, [], {}]) {
    assert.equal(Quorum.safeParse(input).success, false, String(input))
  }
})
