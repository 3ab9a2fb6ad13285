import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { beatIntervalMs, type Health, nextHealth, staleAfterMs, statusAt, unchecked } from '../../src/domain/health.ts'
import { Reason, verdictOf } from '../../src/domain/outcome.ts'
import type { Policy } from '../../src/domain/policy.ts'
import { statusOf } from '../../src/domain/quorum.ts'
import { countStatuses } from '../../src/domain/status.ts'
import { sampleOutcome, samplePolicy } from '../samples.ts'

const reasonOf = { p: 'connected', f: 'refused', u: 'local' } as const
type Letter = keyof typeof reasonOf

/** The health after outcomes one second apart, written as letters: passed, failed, unknown. */
function healthAfter(letters: string, policy: Policy): Health {
  return [...letters].reduce(
    (health, letter, index) =>
      nextHealth(health, sampleOutcome(reasonOf[letter as Letter], (index + 1) * 1000), policy),
    unchecked,
  )
}

/** Slow and obviously right: looks at the whole history for its last `rise` or `fall` verdicts. */
function statusByHistory(letters: readonly Letter[], rise: number, fall: number): Health['status'] {
  const verdicts = letters.filter((letter) => letter !== 'u')
  let status: Health['status'] = 'unknown'
  for (let end = 1; end <= verdicts.length; end++) {
    const history = verdicts.slice(0, end)
    const allOf = (letter: Letter, count: number) =>
      history.length >= count && history.slice(-count).every((verdict) => verdict === letter)
    if (end === 1) status = history[0] === 'p' ? 'up' : 'down'
    else if (allOf('p', rise)) status = 'up'
    else if (allOf('f', fall)) status = 'down'
  }
  return status
}

const anyReason = fc.constantFrom(...Reason.options)
const anyLetters = fc.array(fc.constantFrom<Letter>('p', 'f', 'u'), { maxLength: 40 })
const anyPolicy = fc
  .record({
    interval: fc.oneof(fc.constant('off' as const), fc.integer({ min: 100, max: 600_000 })),
    timeout: fc.integer({ min: 10, max: 10_000 }),
    rise: fc.integer({ min: 1, max: 6 }),
    fall: fc.integer({ min: 1, max: 6 }),
    fastInterval: fc.integer({ min: 100, max: 3_600_000 }),
    downInterval: fc.integer({ min: 100, max: 3_600_000 }),
    maxAge: fc.integer({ min: 0, max: 60_000 }),
    minAge: fc.integer({ min: 0, max: 60_000 }),
    handoverMs: fc.constantFrom(0, 8000),
    unread: fc.constant([]),
  })
  .map(({ handoverMs, ...settings }): Policy => ({ ...samplePolicy(settings), handoverMs }))
/** Healths that a history can lead to; the gaps may be long enough to go stale in between. */
const anyHistory = fc.array(fc.record({ reason: anyReason, afterMs: fc.nat({ max: 4_000_000 }) }), { maxLength: 20 })

function healthOf(history: readonly { reason: Reason; afterMs: number }[], policy: Policy): Health {
  let instant = 0
  return history.reduce((health, { reason, afterMs }) => {
    instant += afterMs
    return nextHealth(health, sampleOutcome(reason, instant), policy)
  }, unchecked)
}

const sequences: readonly [letters: string, status: Health['status'], streak: number][] = [
  ['', 'unknown', 0],
  ['p', 'up', 1],
  ['f', 'down', 1],
  ['u', 'unknown', 0],
  ['uf', 'down', 1],
  ['pf', 'up', 1],
  ['pff', 'up', 2],
  ['pfff', 'down', 3],
  ['pffpff', 'up', 2],
  ['pffpfff', 'down', 3],
  ['pffuf', 'down', 3],
  ['pffuu', 'up', 2],
  ['fp', 'down', 1],
  ['fpp', 'up', 2],
  ['fpfp', 'down', 1],
  ['fpup', 'up', 2],
]

for (const [letters, status, streak] of sequences) {
  test(`with rise 2 and fall 3, ${letters === '' ? 'no outcome' : letters} reads ${status}`, () => {
    const health = healthAfter(letters, samplePolicy({ rise: 2, fall: 3 }))
    assert.equal(health.status, status)
    assert.equal(health.streak?.count ?? 0, streak)
  })
}

test('any sequence of outcomes settles as a look at the whole history says', () => {
  fc.assert(
    fc.property(anyLetters, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), (letters, rise, fall) => {
      const policy = samplePolicy({ rise, fall, interval: 60_000 })
      assert.equal(healthAfter(letters.join(''), policy).status, statusByHistory(letters, rise, fall))
    }),
  )
})

const anyUnknown = fc.constantFrom('local', 'denied')

test('unknown verdicts in between change nothing but the last outcome', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, anyUnknown, fc.nat({ max: 10_000_000 }), (history, policy, reason, afterMs) => {
      const before = healthOf(history, policy)
      const outcome = sampleOutcome(reason, (before.lastOutcome?.endedAt ?? 0) + afterMs)
      assert.deepEqual(nextHealth(before, outcome, policy), { ...before, lastOutcome: outcome })
    }),
  )
})

for (const reason of ['local', 'denied'] as const) {
  test(`${reason} does not keep a health from going stale`, () => {
    const policy = samplePolicy({ interval: 10_000, timeout: 2000 })
    let health = nextHealth(unchecked, sampleOutcome('connected', 0), policy)
    for (let instant = 10_000; instant <= 40_000; instant += 10_000) {
      health = nextHealth(health, sampleOutcome(reason, instant), policy)
    }
    assert.equal(statusAt(health, policy, 31_999).status, 'up')
    assert.equal(statusAt(health, policy, 32_000).status, 'unknown')
  })
}

test('an outcome older than the last is ignored', () => {
  fc.assert(
    fc.property(
      anyHistory,
      anyPolicy,
      anyReason,
      fc.integer({ min: 1, max: 60_000 }),
      (history, policy, reason, ago) => {
        const health = healthOf(history, policy)
        fc.pre(health.lastOutcome !== null)
        const late = sampleOutcome(reason, (health.lastOutcome?.endedAt ?? 0) - ago)
        assert.equal(nextHealth(health, late, policy), health)
      },
    ),
  )
})

test('since is when the status settled, and stays while the status stays', () => {
  const policy = samplePolicy({ rise: 2, fall: 3 })
  assert.equal(healthAfter('ppp', policy).since, 1000)
  assert.equal(healthAfter('pppff', policy).since, 1000)
  assert.equal(healthAfter('pppfff', policy).since, 6000)
  assert.equal(healthAfter('pppfffpp', policy).since, 8000)
})

test('a stale health never reads up, whatever it was and whatever the policy', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, fc.double({ min: 0.001, max: 1e9, noNaN: true }), (history, policy, late) => {
      const health = healthOf(history, policy)
      const staleAt = (health.confirmedAt ?? 0) + staleAfterMs(health, policy)
      const read = statusAt(health, policy, staleAt + late)
      assert.equal(read.status, 'unknown')
      assert.equal(read.since, health.confirmedAt === null ? null : staleAt)
      assert.equal(statusOf(countStatuses([read.status]), 'any'), 'unknown')
    }),
  )
})

test('a health that is not stale reads as it settled', () => {
  fc.assert(
    fc.property(
      anyHistory,
      anyPolicy,
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (history, policy, share) => {
        const health = healthOf(history, policy)
        const now = (health.confirmedAt ?? 0) + Math.floor(share * staleAfterMs(health, policy))
        assert.equal(statusAt(health, policy, now).status, health.status)
        assert.equal(statusAt(health, policy, now).since, health.since)
      },
    ),
  )
})

/** Some health that was confirmed once, and an instant at which it is stale. */
function staleOf(history: readonly { reason: Reason; afterMs: number }[], policy: Policy): [Health, number] {
  const health = healthOf(history, policy)
  fc.pre(health.confirmedAt !== null)
  const staleAt = (health.confirmedAt ?? 0) + staleAfterMs(health, policy)
  return [health, Math.max(staleAt + 1, health.lastOutcome?.endedAt ?? 0)]
}

test('on demand the next verdict on a stale health settles at once and starts a new streak', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, fc.constantFrom('connected', 'timeout'), (history, given, reason) => {
      const policy = { ...given, intervalMs: null }
      const [health, endedAt] = staleOf(history, policy)
      const next = nextHealth(health, sampleOutcome(reason, endedAt), policy)
      assert.equal(next.status, verdictOf(reason))
      assert.equal(next.since, endedAt)
      assert.deepEqual(next.streak, { verdict: verdictOf(reason), count: 1 })
    }),
  )
})

test('on a schedule a stale health reads again as it settled with the first verdict that agrees', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, (history, policy) => {
      fc.pre(policy.intervalMs !== null)
      const [health, endedAt] = staleOf(history, policy)
      const next = nextHealth(health, sampleOutcome(health.status === 'up' ? 'connected' : 'timeout', endedAt), policy)
      assert.deepEqual(statusAt(next, policy, endedAt), next)
      assert.equal(next.status, health.status)
      assert.equal(next.since, endedAt)
    }),
  )
})

test('on a schedule a stale health reads unknown after a verdict against it that does not turn it', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, (history, given) => {
      const policy = { ...given, intervalMs: given.intervalMs ?? 1000, rise: 50, fall: 50 }
      const [health, endedAt] = staleOf(history, policy)
      const next = nextHealth(health, sampleOutcome(health.status === 'up' ? 'timeout' : 'connected', endedAt), policy)
      assert.equal(statusAt(next, policy, endedAt).status, 'unknown')
      assert.equal(next.status, health.status)
    }),
  )
})

test('on a schedule verdicts against a stale health turn it as many as ever, and until then it reads unknown', () => {
  const policy = samplePolicy({ interval: 10_000, timeout: 2000, rise: 2, fall: 3 })
  const readings = (settled: 'connected' | 'timeout', then: 'connected' | 'timeout', everyMs: number) => {
    let health = nextHealth(unchecked, sampleOutcome(settled, 0), policy)
    return [1, 2, 3].map((count) => {
      health = nextHealth(health, sampleOutcome(then, count * everyMs), policy)
      return statusAt(health, policy, count * everyMs).status
    })
  }
  assert.deepEqual(readings('connected', 'timeout', 35_000), ['unknown', 'unknown', 'down'])
  assert.deepEqual(readings('timeout', 'connected', 35_000), ['unknown', 'up', 'up'])
  assert.deepEqual(readings('connected', 'timeout', 10_000), ['up', 'up', 'down'], 'while it is not stale')
})

test('a health is stale after three intervals and a timeout', () => {
  const policy = samplePolicy({ interval: 10_000, timeout: 2000 })
  assert.equal(staleAfterMs(healthAfter('p', policy), policy), 32_000)
})

test('where replicas share the work a health is stale only after a handover more, also one that is checked on demand', () => {
  const handoverMs = 8000
  const policy = { ...samplePolicy({ interval: 10_000, timeout: 2000 }), handoverMs }
  const health = nextHealth(unchecked, sampleOutcome('connected', 0), policy)
  assert.deepEqual(statusAt(health, policy, 39_999), health)
  assert.deepEqual(statusAt(health, policy, 40_000), { status: 'unknown', since: 40_000 })
  const onDemand = { ...samplePolicy({ interval: 'off', maxAge: 5000, timeout: 2000 }), handoverMs }
  assert.equal(staleAfterMs(healthAfter('p', onDemand), onDemand), 25_000)
})

test('a target that is down with a long downInterval is not stale between its beats', () => {
  const policy = samplePolicy({ interval: 1000, downInterval: 600_000 })
  const health = nextHealth(unchecked, sampleOutcome('refused', 0), policy)
  assert.equal(beatIntervalMs(health, policy), 600_000)
  assert.equal(statusAt(health, policy, 600_000 + policy.timeoutMs).status, 'down')
})

test('no health goes stale before its next two beats have had their chance', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, (history, policy) => {
      const health = healthOf(history, policy)
      const beatMs = beatIntervalMs(health, policy)
      fc.pre(beatMs !== null)
      assert.ok(staleAfterMs(health, policy) >= 2 * (beatMs ?? 0) + policy.timeoutMs)
    }),
  )
})

test('an on-demand health is not stale while it is too young to be checked again', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, (history, given) => {
      const policy = { ...given, intervalMs: null }
      const health = healthOf(history, policy)
      assert.ok(staleAfterMs(health, policy) >= Math.max(policy.maxAgeMs, policy.minAgeMs))
    }),
  )
})

test('the beat is fast while a streak against the status builds, slow while settled down', () => {
  const policy = samplePolicy({ interval: 10_000, fastInterval: 1000, downInterval: 60_000 })
  const beats: readonly [letters: string, intervalMs: number][] = [
    ['', 10_000],
    ['p', 10_000],
    ['pf', 1000],
    ['pff', 1000],
    ['pffp', 10_000],
    ['pfff', 60_000],
    ['pfffp', 1000],
    ['pfffpu', 1000],
    ['pfffpp', 10_000],
  ]
  for (const [letters, intervalMs] of beats) {
    assert.equal(beatIntervalMs(healthAfter(letters, policy), policy), intervalMs, letters)
  }
})

test('a service that is checked only on demand has no beat', () => {
  const policy = samplePolicy({ interval: 'off', fastInterval: 1000 })
  for (const letters of ['', 'p', 'pf', 'f']) assert.equal(beatIntervalMs(healthAfter(letters, policy), policy), null)
})

test('only our own faults, our own rules and words of a newer version say nothing of the target', () => {
  const verdicts = Object.fromEntries(Reason.options.map((reason) => [reason, verdictOf(reason)]))
  assert.deepEqual(verdicts, {
    connected: 'up',
    refused: 'down',
    rejected: 'down',
    timeout: 'down',
    unreachable: 'down',
    reset: 'down',
    mismatch: 'down',
    tls: 'down',
    dns: 'down',
    local: 'unknown',
    denied: 'unknown',
    expired: 'down',
    other: 'unknown',
  })
})
