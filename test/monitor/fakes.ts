import { setImmediate } from 'node:timers/promises'
import { type Clock, type Dating, systemClock } from '../../src/clock.ts'
import type { Outcome, Reason } from '../../src/domain/outcome.ts'
import type { Service } from '../../src/domain/service.ts'
import type { Transition } from '../../src/domain/transition.ts'
import type { Checked } from '../../src/monitor/checks.ts'
import { createMonitor } from '../../src/monitor/monitor.ts'
import { createRegistry } from '../../src/monitor/registry.ts'
import type { WatchedService, WatchedTarget } from '../../src/monitor/watch.ts'
import type { CheckRequest, Prober } from '../../src/prober/prober.ts'
import type { Resolution, Resolver } from '../../src/prober/resolver.ts'
import { sampleOutcome } from '../samples.ts'

/** The real clock over two hands that the test moves. */
export type FakeClock = Clock & {
  dating(): Dating
  /** Lets time pass, in milliseconds. */
  advance(ms: number): void
  advanceTo(instant: number): void
  /** Corrects the wall clock alone. */
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

/** A check that has begun and not ended. */
export type PendingCheck = {
  readonly request: CheckRequest
  readonly startedAt: number
  /** Ends it now, and returns when the monitor has taken the outcome in. */
  answer(reason: Reason, more?: Partial<Outcome>): Promise<void>
  /** Ends it as a prober does that is closed first. */
  abandon(): Promise<void>
}

/** A prober that dials nothing: the test ends each check. */
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

/** A monitor of these services over a fake clock and a fake prober, with everything it says written down. */
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

  const service = (name: string): WatchedService => {
    const watched = monitor.services.get(name)
    if (watched === undefined) throw new Error(`no service ${name}`)
    return watched
  }
  const target = (serviceName: string, name: string): WatchedTarget => {
    const watched = service(serviceName).targets.find(({ target }) => target.name === name)
    if (watched === undefined) throw new Error(`no target ${name} in ${serviceName}`)
    return watched
  }
  /** Checks a target once, from beginning to end. */
  async function checkOnce(watched: WatchedTarget, reason: Reason, more?: Partial<Outcome>): Promise<void> {
    const check = monitor.check(watched)
    await prober.pending(watched.target.name).answer(reason, more)
    await check
  }
  return { clock, prober, registry, monitor, transitions, checked, service, target, checkOnce }
}

/** A resolver that asks nobody: the test says what each name stands for, and names it does not speak of do not exist. */
export type FakeResolver = Resolver & {
  readonly asked: { readonly host: string; readonly deadline: number; readonly maxAgeMs: number | undefined }[]
  /** What a name stands for from now on; an error's name for a failure, null for a resolver that is silent until the deadline. */
  say(host: string, found: readonly string[] | string | null): void
  /** Keeps whoever asks waiting until what this returns is called. */
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

/** Whether a promise has settled by now. */
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
