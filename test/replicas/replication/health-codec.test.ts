import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { diagnose } from '../../../src/domain/check/diagnosis.ts'
import { answers, reasons } from '../../../src/domain/check/outcome.ts'
import { effectiveStatus, neverChecked, staleAfterMs } from '../../../src/domain/health/health.ts'
import { Status } from '../../../src/domain/health/status.ts'
import type { ServiceSnapshot, TargetSnapshot } from '../../../src/monitor/state/state.ts'
import { createStateStore } from '../../../src/monitor/state/state-store.ts'
import { readService, readTarget, writeService, writeTarget } from '../../../src/replicas/replication/health-codec.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { sampleService, sampleTarget } from '../../support/samples.ts'

/** A replica's clock: the instant at which the epoch begins. */
const clockAt = (offset: number): Clock => ({
  now: () => 0,
  toEpoch: (instant) => instant - offset,
  fromEpoch: (epochMs) => epochMs + offset,
})

// Whole numbers, because converting between clocks is exact for them.
const instant = fc.integer({ min: -1e9, max: 1e9 })
const offset = fc.integer({ min: -2e12, max: 2e12 })
const count = fc.nat()
const text = fc.string({ unit: 'binary' })
const ms = fc.double({ min: 0, max: 300_000, noNaN: true })
const status = fc.constantFrom(...Status.options)
/** Records as the code makes them. */
const plain = { noNullPrototype: true } as const

const outcome = fc
  .record(
    {
      reason: fc.constantFrom(...reasons),
      startedAt: instant,
      endedAt: instant,
      address: fc.option(text),
      latencyMs: fc.option(ms),
      synRetransmits: fc.option(fc.nat({ max: 6 })),
      answer: fc.option(fc.constantFrom(...answers)),
      icmp: fc.option(
        fc.record(
          { version: fc.constantFrom(4 as const, 6 as const), type: count, code: count, from: fc.option(text) },
          plain,
        ),
      ),
      code: fc.option(text),
      note: fc.option(text),
      lookupMs: fc.option(ms),
      lookupFailedSince: fc.option(instant),
    },
    plain,
  )
  // A reason of `other` always comes with the word of the newer version.
  .map((one) => (one.reason === 'other' ? { ...one, code: `newer ${one.code}` } : one))
const target: fc.Arbitrary<TargetSnapshot> = fc.record(
  {
    health: fc.record(
      {
        status: fc.constantFrom('up' as const, 'down' as const, 'unknown' as const),
        since: fc.option(instant),
        streak: fc.option(
          fc.record(
            { verdict: fc.constantFrom('up' as const, 'down' as const), count: fc.integer({ min: 1, max: 1e9 }) },
            plain,
          ),
        ),
        confirmedAt: fc.option(instant),
        downReason: fc.option(fc.constantFrom(...reasons)),
        lastOutcome: fc.option(outcome),
      },
      plain,
    ),
    emittedStatus: status,
    checks: count,
    failures: count,
    connectMs: ms,
    synRetransmits: count,
    lossAt: fc.option(instant),
    lookupTotalMs: ms,
    slowLookupAt: fc.option(instant),
  },
  plain,
)
const service: fc.Arbitrary<ServiceSnapshot> = fc.record(
  {
    emittedStatus: status,
    emittedAt: fc.option(instant),
    addresses: fc
      .array(fc.tuple(text, fc.array(text, { maxLength: 3 })), { maxLength: 4 })
      .map((list) => new Map(list)),
  },
  plain,
)

/** Returns the same times of day as instants of a clock that is ahead by `by`. */
function shiftTarget(snapshot: TargetSnapshot, by: number): TargetSnapshot {
  const { health } = snapshot
  const { lastOutcome } = health
  const shift = (at: number | null) => (at === null ? null : at + by)
  return {
    ...snapshot,
    lossAt: shift(snapshot.lossAt),
    slowLookupAt: shift(snapshot.slowLookupAt),
    health: {
      ...health,
      since: shift(health.since),
      confirmedAt: shift(health.confirmedAt),
      lastOutcome: lastOutcome && {
        ...lastOutcome,
        startedAt: lastOutcome.startedAt + by,
        endedAt: lastOutcome.endedAt + by,
        lookupFailedSince: shift(lastOutcome.lookupFailedSince),
      },
    },
  }
}

test('the encoded health of a target decodes to the same on a replica whose clock began at another time', () => {
  fc.assert(
    fc.property(target, offset, offset, (snapshot, here, there) => {
      const written: unknown = JSON.parse(writeTarget(snapshot, clockAt(here)))
      assert.deepEqual(readTarget(written, clockAt(there)), shiftTarget(snapshot, there - here))
    }),
    { numRuns: 2000 },
  )
})

test('the encoded state of a service decodes to the same on a replica whose clock began at another time', () => {
  fc.assert(
    fc.property(service, offset, offset, (snapshot, here, there) => {
      const written: unknown = JSON.parse(writeService(snapshot, clockAt(here)))
      const { emittedAt } = snapshot
      const expected = { ...snapshot, emittedAt: emittedAt === null ? null : emittedAt + there - here }
      assert.deepEqual(readService(written, clockAt(there)), expected)
    }),
    { numRuns: 2000 },
  )
})

test('the encoded health stays the same, however many replicas pass it on', () => {
  fc.assert(
    fc.property(target, service, offset, offset, (ofTarget, ofService, here, there) => {
      const [own, other] = [clockAt(here), clockAt(there)]
      const writtenTarget = writeTarget(ofTarget, own)
      assert.equal(writeTarget(readTarget(JSON.parse(writtenTarget), other) ?? assert.fail(), other), writtenTarget)
      const writtenService = writeService(ofService, own)
      assert.equal(writeService(readService(JSON.parse(writtenService), other) ?? assert.fail(), other), writtenService)
    }),
  )
})

test('a target that was never checked decodes to the same', () => {
  const stateStore = createStateStore()
  const state = stateStore.addTarget(sampleTarget(), stateStore.addService(sampleService('pg', ['pg:5432'])))
  const { health, emittedStatus, checks, failures, connectMs, synRetransmits, lossAt, lookupTotalMs, slowLookupAt } =
    state
  const neverChecked = {
    health,
    emittedStatus,
    checks,
    failures,
    connectMs,
    synRetransmits,
    lossAt,
    lookupTotalMs,
    slowLookupAt,
  }
  assert.deepEqual(readTarget(JSON.parse(writeTarget(neverChecked, clockAt(7))), clockAt(-7)), neverChecked)
})

test('times are encoded as times of day, in milliseconds since the epoch', () => {
  const clock = clockAt(-1_000_000)
  const snapshot = { emittedStatus: 'up' as const, emittedAt: 5000, addresses: new Map() }
  assert.equal(writeService(snapshot, clock), '[1,"up",1005000,[]]')
})

test('a list of another format version is skipped', () => {
  const clock = clockAt(0)
  const [[ofTarget], [ofService]] = [fc.sample(target, 1), fc.sample(service, 1)]
  assert(ofTarget && ofService)
  const written = [JSON.parse(writeTarget(ofTarget, clock)), JSON.parse(writeService(ofService, clock))] as unknown[][]
  const others = [
    ...written.map(([, ...rest]) => [2, ...rest]),
    [],
    [null],
    ['1'],
    {},
    { 0: 1 },
    null,
    1,
    '1',
    '[1]',
    true,
  ]
  for (const other of others) {
    assert.equal(readTarget(other, clock), null, JSON.stringify(other))
    assert.equal(readService(other, clock), null, JSON.stringify(other))
  }
})

test('a reason that this version does not know is other, becomes stale like any reason, and is passed on unchanged', () => {
  const clock = clockAt(0)
  const outcome = ['answered', 1000, 1200, '10.0.0.5:6379', 1.5, 0, 'pong', null, null, null, { new: 'evidence' }]
  const written = [1, 'up', 900, 'up', 7, 1200, 'silent', outcome, 'maintained', 9, 1, 13.5, 0, null, ['appended']]
  const snapshot = readTarget(written, clock)
  assert(snapshot?.health.lastOutcome)
  const { health, emittedStatus } = snapshot
  assert.equal(health.lastOutcome?.reason, 'other')
  assert.equal(health.lastOutcome?.code, 'answered')
  assert.equal(health.lastOutcome?.answer, null)
  assert.equal(health.downReason, 'other')
  assert.equal(emittedStatus, 'unknown')
  assert.match(diagnose(snapshot.health.lastOutcome, sampleTarget()), /newer version, found "answered"/)
  const { policy } = sampleService('redis', ['10.0.0.5:6379'])
  assert.equal(effectiveStatus(health, policy, 1300).status, 'up')
  assert.equal(effectiveStatus(health, policy, 1200 + staleAfterMs(health, policy)).status, 'unknown')
  const [, , , , , , , handedOn] = JSON.parse(writeTarget(snapshot, clock))
  assert.deepEqual(handedOn, ['answered', 1000, 1200, '10.0.0.5:6379', 1.5, 0, null, null, null])
})

test('a status that this version does not know is unknown', () => {
  const clock = clockAt(0)
  assert.equal(readService([1, 'maintained', 5, [], 'appended'], clock)?.emittedStatus, 'unknown')
  const written = [1, 'maintained', null, 'maintained', 3, null, null, null, 'up', 0, 0, 0, 0, null]
  assert.deepEqual(readTarget(written, clock)?.health, neverChecked)
})
