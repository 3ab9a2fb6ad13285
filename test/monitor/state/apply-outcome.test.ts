import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diagnose } from '../../../src/domain/check/diagnosis.ts'
import type { Outcome } from '../../../src/domain/check/outcome.ts'
import { staleAfterMs } from '../../../src/domain/health/health.ts'
import type { Pause } from '../../../src/domain/health/pause.ts'
import type { Transition } from '../../../src/domain/health/transition.ts'
import type { Service } from '../../../src/domain/service/service.ts'
import {
  applyOutcome as apply,
  detectServiceTransition,
  detectTransitions,
} from '../../../src/monitor/state/apply-outcome.ts'
import { countsOf, currentStatusOf, type ServiceState, type TargetState } from '../../../src/monitor/state/state.ts'
import { createStateStore } from '../../../src/monitor/state/state-store.ts'
import { changedService, sampleOutcome, sampleService } from '../../support/samples.ts'

/** Applies an outcome, and returns the transitions. */
function applyOutcome(state: TargetState, outcome: Outcome, now: number): readonly Transition[] {
  apply(state, outcome)
  return detectTransitions(state, now)
}

/** Returns a service with its state, and its first two targets. */
function state(service: Service, pauses: Pause[] = []): [ServiceState, TargetState, TargetState] {
  const stateStore = createStateStore({ ofProcess: pauses, ofChecks: pauses })
  const serviceState = stateStore.addService(service)
  serviceState.targets = service.targets.map((target) => stateStore.addTarget(target, serviceState))
  const [first, second = first] = serviceState.targets
  if (first === undefined || second === undefined) throw new Error('no target')
  return [serviceState, first, second]
}

test('the first outcome emits the transition of the target, then that of the service', () => {
  const [, target] = state(sampleService('pg', ['db-1:5432']))
  const outcome = sampleOutcome('refused', 1000)
  const sentence = diagnose(outcome, target.target)
  const [ofTarget, ofService, ...more] = applyOutcome(target, outcome, 1001)
  assert.deepEqual(ofTarget, {
    service: 'pg',
    target: 'db-1:5432',
    from: 'unknown',
    to: 'down',
    at: 1001,
    reason: 'refused',
    message: sentence,
  })
  assert.deepEqual({ ...ofService, message: '' }, { ...ofTarget, target: null, message: '' })
  assert.ok(ofService?.message.includes('0 of 1 targets up'), ofService?.message)
  assert.ok(ofService?.message.includes(`db-1:5432: ${sentence}`), ofService?.message)
  assert.deepEqual(more, [])
})

test('outcomes that change no status cause no transition', () => {
  const [, target] = state(sampleService('pg', ['db-1:5432'], { fall: 3 }))
  applyOutcome(target, sampleOutcome('connected', 1000), 1000)
  assert.deepEqual(applyOutcome(target, sampleOutcome('connected', 2000), 2000), [])
  assert.deepEqual(applyOutcome(target, sampleOutcome('refused', 3000), 3000), [])
  assert.deepEqual(applyOutcome(target, sampleOutcome('refused', 4000), 4000), [])
  assert.equal(applyOutcome(target, sampleOutcome('timeout', 5000), 5000)[0]?.reason, 'timeout')
})

test('a target can change its status without its service, which keeps its own status and its time', () => {
  const [service, first, second] = state(sampleService('pg', ['a:1', 'b:1'], { quorum: 'any' }))
  applyOutcome(first, sampleOutcome('connected', 1000), 1000)
  assert.deepEqual(currentStatusOf(service, 1000), {
    status: 'degraded',
    since: 1000,
    counts: { up: 1, degraded: 0, down: 0, unknown: 1 },
  })
  const changes = applyOutcome(second, sampleOutcome('refused', 2000), 2000)
  assert.deepEqual(
    changes.map(({ target, to }) => [target, to]),
    [['b:1', 'down']],
  )
  assert.equal(currentStatusOf(service, 3000).since, 1000)
})

test('checks, failures, handshake times and retransmits are counted, and faults of Porthole are no failures', () => {
  const [, target] = state(sampleService('pg', ['db-1:5432']))
  applyOutcome(target, sampleOutcome('connected', 1000, { latencyMs: 0.25, synRetransmits: 1 }), 1000)
  applyOutcome(target, sampleOutcome('timeout', 2000, { synRetransmits: 3 }), 2000)
  applyOutcome(target, sampleOutcome('local', 3000, { synRetransmits: null }), 3000)
  applyOutcome(target, sampleOutcome('refused', 4000, { latencyMs: 9 }), 4000)
  applyOutcome(target, sampleOutcome('connected', 5000, { latencyMs: 0.5 }), 5000)
  const { checks, failures, connectMs, synRetransmits } = target
  assert.deepEqual(
    { checks, failures, connectMs, synRetransmits },
    { checks: 5, failures: 2, connectMs: 0.75, synRetransmits: 4 },
  )
})

test('a target that goes stale causes one transition, without the reason of the last outcome', () => {
  const [service, target] = state(sampleService('pg', ['db-1:5432'], { interval: 10_000, timeout: 2000 }))
  applyOutcome(target, sampleOutcome('connected', 1000), 1000)
  assert.deepEqual(detectTransitions(target, 32_999), [])
  const changes = detectTransitions(target, 33_000)
  assert.deepEqual(
    changes.map(({ target, from, to, reason }) => ({ target, from, to, reason })),
    [
      { target: 'db-1:5432', from: 'up', to: 'unknown', reason: null },
      { target: null, from: 'up', to: 'unknown', reason: null },
    ],
  )
  for (const { message } of changes) assert.match(message, /32\.0 s/)
  assert.deepEqual(detectTransitions(target, 90_000), [])
  assert.equal(currentStatusOf(service, 90_000).since, 33_000)
})

test('the message of a service with many targets says how many are up, even if one has gone stale', () => {
  const names = ['a:1', 'b:1', 'c:1', 'd:1', 'e:1']
  const [service, first, second] = state(sampleService('pg', names, { interval: 10_000, timeout: 2000, fall: 1 }))
  const settleAll = (targets: readonly TargetState[], at: number) =>
    targets.flatMap((target) => applyOutcome(target, sampleOutcome('connected', at), at))
  assert.match(settleAll(service.targets, 1000).at(-1)?.message ?? '', /^5 of 5 targets up$/)
  settleAll(service.targets.slice(1), 20_000)
  assert.match(detectTransitions(first, 33_500).at(-1)?.message ?? '', /^4 of 5 targets up; a:1: /)
  const failed = applyOutcome(second, sampleOutcome('refused', 34_000), 34_000)
  assert.match(failed.at(-1)?.message ?? '', /^3 of 5 targets up; b:1: /)
})

test('a target that is unknown because of faults of Porthole has their reason', () => {
  const [, target] = state(sampleService('pg', ['db-1:5432'], { interval: 10_000, timeout: 2000 }))
  applyOutcome(target, sampleOutcome('connected', 1000), 1000)
  const fault = sampleOutcome('local', 34_000, { code: 'EMFILE' })
  const [ofTarget, ofService] = applyOutcome(target, fault, 34_000)
  assert.equal(ofTarget?.to, 'unknown')
  assert.equal(ofTarget?.reason, 'local')
  assert.ok(ofTarget?.message.includes(diagnose(fault, target.target)), ofTarget?.message)
  assert.equal(ofService?.reason, 'local')
})

test('a stale target that is confirmed again causes a transition from unknown', () => {
  const [, target] = state(sampleService('pg', ['db-1:5432'], { interval: 10_000, timeout: 2000 }))
  applyOutcome(target, sampleOutcome('connected', 1000), 1000)
  detectTransitions(target, 40_000)
  const [ofTarget] = applyOutcome(target, sampleOutcome('connected', 50_000), 50_000)
  assert.deepEqual([ofTarget?.from, ofTarget?.to], ['unknown', 'up'])
})

test('a stale service is unknown since it went stale, even before a transition is emitted', () => {
  const [service, target] = state(sampleService('pg', ['db-1:5432'], { interval: 10_000, timeout: 2000 }))
  applyOutcome(target, sampleOutcome('connected', 1000), 1000)
  assert.deepEqual(currentStatusOf(service, 60_000), {
    status: 'unknown',
    since: 33_000,
    counts: { up: 0, degraded: 0, down: 0, unknown: 1 },
  })
})

test('a service whose status changes by its definition names the target that is down', () => {
  const [service, first, second] = state(sampleService('pg', ['a:1', 'b:1'], { quorum: 'any' }))
  applyOutcome(first, sampleOutcome('connected', 1000), 1000)
  applyOutcome(second, sampleOutcome('refused', 1000), 1000)
  service.service = changedService(service.service, { quorum: 'all' })
  service.revision++
  const [change, ...more] = detectServiceTransition(service, 2000)
  assert.deepEqual(more, [])
  assert.deepEqual(
    { ...change, message: '' },
    {
      service: 'pg',
      target: null,
      from: 'degraded',
      to: 'down',
      at: 2000,
      reason: 'refused',
      message: '',
    },
  )
  assert.match(change?.message ?? '', /^1 of 2 targets up; b:1: /)
  assert.deepEqual(detectServiceTransition(service, 3000), [])
})

test('a service that goes down names a target that is down, not an unknown one', () => {
  const [, , second] = state(sampleService('pg', ['a:1', 'b:1']))
  const ofService = applyOutcome(second, sampleOutcome('refused', 1000), 1000).at(-1)
  assert.equal(ofService?.target, null)
  assert.equal(ofService?.to, 'down')
  assert.equal(ofService?.reason, 'refused')
  assert.match(ofService?.message ?? '', /^0 of 2 targets up; b:1: /)
})

test('a service that comes up names no target as the cause', () => {
  const [, target] = state(sampleService('pg', ['a:1'], { rise: 1 }))
  applyOutcome(target, sampleOutcome('refused', 1000), 1000)
  const ofService = applyOutcome(target, sampleOutcome('connected', 2000), 2000).at(-1)
  assert.equal(ofService?.to, 'up')
  assert.equal(ofService?.reason, null)
  assert.equal(ofService?.message, '1 of 1 targets up')
})

test('an outcome of one target does not read the health of the other targets', () => {
  const [service, first] = state(
    sampleService(
      'pg',
      Array.from({ length: 1000 }, (_, i) => `db-${i}:5432`),
    ),
  )
  for (const target of service.targets) applyOutcome(target, sampleOutcome('connected', 1000), 1000)
  let looks = 0
  for (const target of service.targets.slice(1)) {
    const { health } = target
    Object.defineProperty(target, 'health', {
      get() {
        looks++
        return health
      },
    })
  }
  assert.deepEqual(applyOutcome(first, sampleOutcome('refused', 2000), 2000), [])
  assert.equal(currentStatusOf(service, 2000).counts.up, 1000)
  assert.equal(looks, 0)
  applyOutcome(first, sampleOutcome('connected', 100_000), 100_000)
  assert.equal(currentStatusOf(service, 100_000).counts.unknown, 999, 'the others are stale now')
  assert.ok(looks >= 999)
})

test('targets that go stale one after another do not cause a full count each', () => {
  const [service] = state(
    sampleService(
      'pg',
      Array.from({ length: 1000 }, (_, i) => `db-${i}:5432`),
    ),
  )
  service.targets.forEach((target, index) => {
    applyOutcome(target, sampleOutcome('connected', 10 * index), 10 * index)
  })
  let looks = 0
  const last = service.targets.at(-1) as TargetState
  const { health } = last
  Object.defineProperty(last, 'health', {
    get() {
      looks++
      return health
    },
  })
  const staleMs = staleAfterMs(health, service.service.policy)
  for (let gone = 0; gone < 1000; gone++) {
    const { unknown } = countsOf(service, staleMs + 10 * gone)
    assert.ok(gone + 1 - unknown <= 100, `${unknown} of ${gone + 1} are counted as stale`)
  }
  assert.ok(looks <= 20, `they were counted ${looks} times`)
})

test('after a pause longer than the trust, checks that find every status unchanged cause no transition', () => {
  const pauses: Pause[] = []
  const service = sampleService('pg', ['db-1:5432', 'db-2:5432'], { interval: 1000, timeout: 500 })
  const [serviceState, first, second] = state(service, pauses)
  for (const target of [first, second]) applyOutcome(target, sampleOutcome('connected', 1000), 1000)
  const emittedAt = currentStatusOf(serviceState, 1000).since
  pauses.push({ from: 1500, to: 61_500 })
  assert.equal(currentStatusOf(serviceState, 61_500).status, 'unknown')
  assert.deepEqual(applyOutcome(first, sampleOutcome('connected', 61_600), 61_600), [])
  // The other target has not been checked yet.
  assert.deepEqual(currentStatusOf(serviceState, 61_600).counts, { up: 1, degraded: 0, down: 0, unknown: 1 })
  assert.deepEqual(detectServiceTransition(serviceState, 61_600), [])
  assert.deepEqual(applyOutcome(second, sampleOutcome('connected', 61_700), 61_700), [])
  const { status, since } = currentStatusOf(serviceState, 61_700)
  assert.deepEqual([status, since], ['up', emittedAt])
})

test('a status that changed during a pause causes one transition', () => {
  const pauses: Pause[] = []
  const service = sampleService('pg', ['db-1:5432'], { interval: 1000, timeout: 500, fall: 2 })
  const [, target] = state(service, pauses)
  applyOutcome(target, sampleOutcome('connected', 1000), 1000)
  pauses.push({ from: 1500, to: 61_500 })
  assert.deepEqual(applyOutcome(target, sampleOutcome('refused', 61_600), 61_600), [])
  const told = applyOutcome(target, sampleOutcome('refused', 61_700), 61_700)
  assert.deepEqual(
    told.map(({ target, from, to }) => [target, from, to]),
    [
      ['db-1:5432', 'up', 'down'],
      [null, 'up', 'down'],
    ],
  )
})

test('a target that is not checked after a pause becomes unknown', () => {
  const pauses: Pause[] = []
  const service = sampleService('pg', ['db-1:5432'], { interval: 1000, timeout: 500 })
  const [, target] = state(service, pauses)
  applyOutcome(target, sampleOutcome('connected', 1000), 1000)
  pauses.push({ from: 1500, to: 61_500 })
  assert.deepEqual(detectTransitions(target, 64_000), [])
  assert.deepEqual(
    detectTransitions(target, 64_500).map(({ from, to }) => [from, to]),
    [
      ['up', 'unknown'],
      ['up', 'unknown'],
    ],
  )
})
