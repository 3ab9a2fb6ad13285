import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Reason, reasons, verdictOf } from '../../../src/domain/check/outcome.ts'
import {
  checkIntervalMs,
  effectiveStatus,
  type Health,
  neverChecked,
  nextHealth,
  staleAfterMs,
} from '../../../src/domain/health/health.ts'
import { countStatuses } from '../../../src/domain/health/status.ts'
import type { Policy } from '../../../src/domain/service/policy.ts'
import { statusOf } from '../../../src/domain/service/quorum.ts'
import { sampleOutcome, samplePolicy } from '../../support/samples.ts'

const reasonOf = { p: 'connected', f: 'refused', u: 'local' } as const
type Letter = keyof typeof reasonOf

/** Returns the health after outcomes one second apart, written as letters: p passed, f failed, u unknown. */
function healthAfter(letters: string, policy: Policy): Health {
  return [...letters].reduce(
    (health, letter, index) =>
      nextHealth(health, sampleOutcome(reasonOf[letter as Letter], (index + 1) * 1000), policy),
    neverChecked,
  )
}

/** A slow but obviously correct implementation, which searches the whole history for the last `rise` or `fall` verdicts. */
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

const anyReason = fc.constantFrom(...reasons)
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
/** Random histories of outcomes. The time between two outcomes may be long enough for the status to go stale. */
const anyHistory = fc.array(fc.record({ reason: anyReason, afterMs: fc.nat({ max: 4_000_000 }) }), { maxLength: 20 })

function healthOf(history: readonly { reason: Reason; afterMs: number }[], policy: Policy): Health {
  let instant = 0
  return history.reduce((health, { reason, afterMs }) => {
    instant += afterMs
    return nextHealth(health, sampleOutcome(reason, instant), policy)
  }, neverChecked)
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
  test(`with rise 2 and fall 3, ${letters === '' ? 'no outcome' : letters} gives ${status}`, () => {
    const health = healthAfter(letters, samplePolicy({ rise: 2, fall: 3 }))
    assert.equal(health.status, status)
    assert.equal(health.streak?.count ?? 0, streak)
  })
}

test('any sequence of outcomes gives the same status as a search of the whole history', () => {
  fc.assert(
    fc.property(anyLetters, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), (letters, rise, fall) => {
      const policy = samplePolicy({ rise, fall, interval: 60_000 })
      assert.equal(healthAfter(letters.join(''), policy).status, statusByHistory(letters, rise, fall))
    }),
  )
})

const anyUnknown = fc.constantFrom('local', 'denied')

test('an unknown verdict changes only the last outcome', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, anyUnknown, fc.nat({ max: 10_000_000 }), (history, policy, reason, afterMs) => {
      const before = healthOf(history, policy)
      const outcome = sampleOutcome(reason, (before.lastOutcome?.endedAt ?? 0) + afterMs)
      assert.deepEqual(nextHealth(before, outcome, policy), { ...before, lastOutcome: outcome })
    }),
  )
})

for (const reason of ['local', 'denied'] as const) {
  test(`an outcome of ${reason} does not keep a status from going stale`, () => {
    const policy = samplePolicy({ interval: 10_000, timeout: 2000 })
    let health = nextHealth(neverChecked, sampleOutcome('connected', 0), policy)
    for (let instant = 10_000; instant <= 40_000; instant += 10_000) {
      health = nextHealth(health, sampleOutcome(reason, instant), policy)
    }
    assert.equal(effectiveStatus(health, policy, 31_999).status, 'up')
    assert.equal(effectiveStatus(health, policy, 32_000).status, 'unknown')
  })
}

test('an outcome older than the last one is ignored', () => {
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

test('since is when the status changed, and stays while the status stays', () => {
  const policy = samplePolicy({ rise: 2, fall: 3 })
  assert.equal(healthAfter('ppp', policy).since, 1000)
  assert.equal(healthAfter('pppff', policy).since, 1000)
  assert.equal(healthAfter('pppfff', policy).since, 6000)
  assert.equal(healthAfter('pppfffpp', policy).since, 8000)
})

test('a stale status is always reported as unknown', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, fc.double({ min: 0.001, max: 1e9, noNaN: true }), (history, policy, late) => {
      const health = healthOf(history, policy)
      const staleAt = (health.confirmedAt ?? 0) + staleAfterMs(health, policy)
      const read = effectiveStatus(health, policy, staleAt + late)
      assert.equal(read.status, 'unknown')
      assert.equal(read.since, health.confirmedAt === null ? null : staleAt)
      assert.equal(statusOf(countStatuses([read.status]), 'any'), 'unknown')
    }),
  )
})

test('a status that is not stale is reported as it is', () => {
  fc.assert(
    fc.property(
      anyHistory,
      anyPolicy,
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (history, policy, share) => {
        const health = healthOf(history, policy)
        const now = (health.confirmedAt ?? 0) + Math.floor(share * staleAfterMs(health, policy))
        assert.equal(effectiveStatus(health, policy, now).status, health.status)
        assert.equal(effectiveStatus(health, policy, now).since, health.since)
      },
    ),
  )
})

/** Returns a health that was confirmed once, and an instant at which its status is stale. */
function staleOf(history: readonly { reason: Reason; afterMs: number }[], policy: Policy): [Health, number] {
  const health = healthOf(history, policy)
  fc.pre(health.confirmedAt !== null)
  const staleAt = (health.confirmedAt ?? 0) + staleAfterMs(health, policy)
  return [health, Math.max(staleAt + 1, health.lastOutcome?.endedAt ?? 0)]
}

test('on demand the next verdict replaces a stale status at once and starts a new streak', () => {
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

test('on a schedule the first verdict that agrees with a stale status confirms it', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, (history, policy) => {
      fc.pre(policy.intervalMs !== null)
      const [health, endedAt] = staleOf(history, policy)
      const next = nextHealth(health, sampleOutcome(health.status === 'up' ? 'connected' : 'timeout', endedAt), policy)
      assert.deepEqual(effectiveStatus(next, policy, endedAt), next)
      assert.equal(next.status, health.status)
      assert.equal(next.since, endedAt)
    }),
  )
})

test('on a schedule a stale status stays unknown after a verdict against it that does not change it', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, (history, given) => {
      const policy = { ...given, intervalMs: given.intervalMs ?? 1000, rise: 50, fall: 50 }
      const [health, endedAt] = staleOf(history, policy)
      const next = nextHealth(health, sampleOutcome(health.status === 'up' ? 'timeout' : 'connected', endedAt), policy)
      assert.equal(effectiveStatus(next, policy, endedAt).status, 'unknown')
      assert.equal(next.status, health.status)
    }),
  )
})

test('on a schedule a stale status takes the usual number of verdicts to change, and is unknown until then', () => {
  const policy = samplePolicy({ interval: 10_000, timeout: 2000, rise: 2, fall: 3 })
  const readings = (settled: 'connected' | 'timeout', then: 'connected' | 'timeout', everyMs: number) => {
    let health = nextHealth(neverChecked, sampleOutcome(settled, 0), policy)
    return [1, 2, 3].map((count) => {
      health = nextHealth(health, sampleOutcome(then, count * everyMs), policy)
      return effectiveStatus(health, policy, count * everyMs).status
    })
  }
  assert.deepEqual(readings('connected', 'timeout', 35_000), ['unknown', 'unknown', 'down'])
  assert.deepEqual(readings('timeout', 'connected', 35_000), ['unknown', 'up', 'up'])
  assert.deepEqual(readings('connected', 'timeout', 10_000), ['up', 'up', 'down'], 'while it is not stale')
})

test('a status is stale after three intervals and a timeout', () => {
  const policy = samplePolicy({ interval: 10_000, timeout: 2000 })
  assert.equal(staleAfterMs(healthAfter('p', policy), policy), 32_000)
})

test('with several replicas a status is stale one hand-over later, also on demand', () => {
  const handoverMs = 8000
  const policy = { ...samplePolicy({ interval: 10_000, timeout: 2000 }), handoverMs }
  const health = nextHealth(neverChecked, sampleOutcome('connected', 0), policy)
  assert.deepEqual(effectiveStatus(health, policy, 39_999), health)
  assert.deepEqual(effectiveStatus(health, policy, 40_000), { status: 'unknown', since: 40_000 })
  const onDemand = { ...samplePolicy({ interval: 'off', maxAge: 5000, timeout: 2000 }), handoverMs }
  assert.equal(staleAfterMs(healthAfter('p', onDemand), onDemand), 25_000)
})

test('a target that is down with a long downInterval is not stale between its scheduled checks', () => {
  const policy = samplePolicy({ interval: 1000, downInterval: 600_000 })
  const health = nextHealth(neverChecked, sampleOutcome('refused', 0), policy)
  assert.equal(checkIntervalMs(health, policy), 600_000)
  assert.equal(effectiveStatus(health, policy, 600_000 + policy.timeoutMs).status, 'down')
})

test('no status goes stale before its next two scheduled checks could end', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, (history, policy) => {
      const health = healthOf(history, policy)
      const intervalMs = checkIntervalMs(health, policy)
      fc.pre(intervalMs !== null)
      assert.ok(staleAfterMs(health, policy) >= 2 * (intervalMs ?? 0) + policy.timeoutMs)
    }),
  )
})

test('on demand a status is not stale while it is too young to be checked again', () => {
  fc.assert(
    fc.property(anyHistory, anyPolicy, (history, given) => {
      const policy = { ...given, intervalMs: null }
      const health = healthOf(history, policy)
      assert.ok(staleAfterMs(health, policy) >= Math.max(policy.maxAgeMs, policy.minAgeMs))
    }),
  )
})

test('the interval is fast while a streak against the status builds, and slow while the target is down', () => {
  const policy = samplePolicy({ interval: 10_000, fastInterval: 1000, downInterval: 60_000 })
  const expected: readonly [letters: string, intervalMs: number][] = [
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
  for (const [letters, intervalMs] of expected) {
    assert.equal(checkIntervalMs(healthAfter(letters, policy), policy), intervalMs, letters)
  }
})

test('a service on demand has no scheduled check', () => {
  const policy = samplePolicy({ interval: 'off', fastInterval: 1000 })
  for (const letters of ['', 'p', 'pf', 'f']) assert.equal(checkIntervalMs(healthAfter(letters, policy), policy), null)
})

test('only our own faults, our own rules and words of a newer version are unknown', () => {
  const verdicts = Object.fromEntries(reasons.map((reason) => [reason, verdictOf(reason)]))
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
