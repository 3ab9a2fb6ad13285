import { setImmediate } from 'node:timers/promises'
import type { Outcome, Reason } from '../../src/domain/check/outcome.ts'
import type { Transition } from '../../src/domain/health/transition.ts'
import type { Service } from '../../src/domain/service/service.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import { createRegistry } from '../../src/monitor/registry/registry.ts'
import type { Checked } from '../../src/monitor/scheduling/checks.ts'
import type { ServiceState, TargetState } from '../../src/monitor/state/state.ts'
import type { Resolution, Resolver } from '../../src/prober/lookup/resolver.ts'
import type { CheckRequest, Prober } from '../../src/prober/prober.ts'
import { type Clock, type Dating, systemClock } from '../../src/runtime/clock.ts'
import { sampleOutcome } from '../support/samples.ts'

/** A clock whose monotonic time and wall time the test moves. */
export type FakeClock = Clock & {
  dating(): Dating
  /** Advances both times, in milliseconds. */
  advance(ms: number): void
  advanceTo(instant: number): void
  /** Moves the wall time alone. */
  stepWall(ms: number): void
}

export function fakeClock(startAt = 5000): FakeClock {
  let instant = startAt
  let wall = Date.UTC(2026, 10, 22, 12)
  const clock = systemClock(
    () => instant,
    () => wall,
    () => 80_000 + instant,
    'a boot',
    80_000,
  )
  const advance = (ms: number) => {
    instant += ms
    wall += ms
  }
  return {
    ...clock,
    advance,
    advanceTo: (to) => advance(to - instant),
    stepWall: (ms) => {
      wall += ms
    },
  }
}

/** A check that has begun and has not ended. */
export type PendingCheck = {
  readonly request: CheckRequest
  readonly startedAt: number
  /** Ends the check now. Resolves once the monitor has applied the outcome. */
  answer(reason: Reason, more?: Partial<Outcome>): Promise<void>
  /** Ends the check without an outcome, like a prober that is closed. */
  abandon(): Promise<void>
}

/** A prober that dials nothing. The test ends each check. */
export type FakeProber = Prober & {
  readonly begun: PendingCheck[]
  pending(target: string): PendingCheck
  /** Ends every check under way. */
  answerAll(reason: Reason): Promise<void>
}

export function fakeProber(clock: Clock): FakeProber {
  const begun: PendingCheck[] = []
  const pending = new Map<string, PendingCheck>()
  return {
    name: 'portable',
    begun,
    pending(target) {
      const check = pending.get(target)
      if (check === undefined) throw new Error(`no check of ${target} is under way`)
      return check
    },
    async answerAll(reason) {
      for (const check of pending.values()) void check.answer(reason)
      await setImmediate()
    },
    check(request, ended) {
      const { name } = request.target
      if (pending.has(name)) throw new Error(`a second check of ${name} began while the first was under way`)
      const startedAt = clock.now()
      const end = (outcome: Outcome | undefined) => {
        pending.delete(name)
        ended(outcome)
        return setImmediate()
      }
      const check: PendingCheck = {
        request,
        startedAt,
        answer: (reason, more) => end(sampleOutcome(reason, clock.now(), { startedAt, ...more })),
        abandon: () => end(undefined),
      }
      pending.set(name, check)
      begun.push(check)
    },
    restarts: () => 0,
    close: async () => {},
  }
}

/** Creates a monitor of these services with a fake clock and a fake prober, and records all its events. */
export function watch(services: readonly Service[], maxInFlight = 1000, startAt?: number) {
  const clock = fakeClock(startAt)
  const prober = fakeProber(clock)
  const registry = createRegistry()
  registry.replaceAll(services, [])
  const monitor = createMonitor({ registry, prober, clock, maxInFlight })
  const transitions: Transition[] = []
  const checked: Checked[] = []
  monitor.transitions.subscribe((transition) => transitions.push(transition))
  monitor.checked.subscribe((event) => checked.push(event))

  const service = (name: string): ServiceState => {
    const state = monitor.services.get(name)
    if (state === undefined) throw new Error(`no service ${name}`)
    return state
  }
  const target = (serviceName: string, name: string): TargetState => {
    const state = service(serviceName).targets.find(({ target }) => target.name === name)
    if (state === undefined) throw new Error(`no target ${name} in ${serviceName}`)
    return state
  }
  /** Checks a target once, from beginning to end. */
  async function checkOnce(state: TargetState, reason: Reason, more?: Partial<Outcome>): Promise<void> {
    const check = monitor.check(state)
    await prober.pending(state.target.name).answer(reason, more)
    await check
  }
  return { clock, prober, registry, monitor, transitions, checked, service, target, checkOnce }
}

/** A resolver that sends no query. The test sets the result of each name, and other names do not exist. */
export type FakeResolver = Resolver & {
  readonly asked: { readonly host: string; readonly deadline: number; readonly maxAgeMs: number | undefined }[]
  /** Sets the result of a name: addresses, an error code, or null for no answer before the deadline. */
  say(host: string, found: readonly string[] | string | null): void
  /** Delays all look-ups until the caller calls the returned function. */
  hold(): () => void
}

export function fakeResolver(): FakeResolver {
  const answers = new Map<string, Resolution | null>()
  const asked: FakeResolver['asked'] = []
  let ready = Promise.resolve()
  return {
    asked,
    say(host, found) {
      const [first, ...rest] = Array.isArray(found) ? found : []
      const failure = typeof found === 'string' ? { code: found } : null
      answers.set(host, first === undefined ? failure : { addresses: [first, ...rest] })
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      ready = promise
      return resolve
    },
    recall: () => null,
    async resolve(host, deadline, maxAgeMs) {
      asked.push({ host, deadline, maxAgeMs })
      await ready
      const answer = answers.get(host)
      return answer === undefined ? { code: 'ENOTFOUND' } : answer
    },
    close: () => undefined,
  }
}

/** Returns whether a promise has settled. */
export async function isSettled(promise: Promise<unknown> | null): Promise<boolean> {
  if (promise === null) throw new Error('there is nothing to wait for')
  let settled = false
  const note = () => {
    settled = true
  }
  promise.then(note, note)
  await setImmediate()
  return settled
}
