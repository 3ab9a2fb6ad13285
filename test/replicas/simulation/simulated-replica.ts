import { createLeases, type Grant, type Renewal } from '../../../src/replicas/lease/leases.ts'
import type { SimulatedTime } from './simulated-time.ts'

/** How long a replica waits for an answer, and how long its release may take, in milliseconds of its own clock. */
const answerMs = 1000
const releaseMs = 1500

/** A replica that only renews leases. Its instants are those of simulated time, except on its own clock. */
export type SimulatedReplica = {
  readonly id: string
  /** Returns whether the replica may check a shard now, by its own clock. */
  holds(shard: number): boolean
  /** Returns whether the replica has crashed or ended. */
  isGone(): boolean
  /** Stops all actions of the replica until then. Its clock continues. */
  pause(until: number): void
  /** Makes the replica do no work until then, so that it is not a member. */
  stalled(until: number): void
  /** Runs an action of the replica then, or after its pause. */
  act(instant: number, action: () => void): void
  /** Delivers an entry of the stream. */
  hear(entry: number): void
  crash(): void
  release(): void
}

export type SimulatedReplicaParts = {
  readonly id: string
  readonly time: SimulatedTime
  /** The speed of its clock relative to that of the store, and the reading of its clock at instant 0. */
  readonly rate: number
  readonly offset: number
  /** Sends a renewal to the store. The answer may never come. */
  readonly send: (renewal: Renewal, onAnswer: (grant: Grant | null, at: number) => void) => void
  /** Returns how long an operation takes now, in milliseconds. */
  readonly delay: () => number
  /** Returns the delay of an action after a pause, which puts the actions that waited in a random order. */
  readonly jitter: () => number
  readonly onLateAnswer: () => void
  readonly onGone: () => void
}

export function createSimulatedReplica(parts: SimulatedReplicaParts): SimulatedReplica {
  const { id, time, rate, offset, send, delay } = parts
  const now = () => time.now() * rate + offset
  const unread: number[] = []
  let pausedUntil = Number.NEGATIVE_INFINITY
  let isWorking = true
  let isGone = false

  function act(instant: number, action: () => void): void {
    time.at(instant, () => {
      if (isGone) return
      if (time.now() < pausedUntil) act(pausedUntil + parts.jitter(), action)
      else action()
    })
  }
  const actIn = (ownMs: number, action: () => void) => act(time.now() + ownMs / rate, action)

  function crash(): void {
    if (isGone) return
    isGone = true
    parts.onGone()
  }

  const leases = createLeases({
    id,
    clock: { now },
    ask(renewal) {
      const { promise, resolve } = Promise.withResolvers<Grant | null>()
      let isOver = false
      actIn(answerMs, () => {
        isOver = true
        resolve(null)
      })
      send(renewal, (grant, at) =>
        act(at, () => {
          if (isOver) parts.onLateAnswer()
          resolve(grant)
        }),
      )
      return promise
    },
    isWorking: () => isWorking,
    onGain: () => {},
    onYield() {
      const { promise, resolve } = Promise.withResolvers<void>()
      act(time.now() + Math.min(delay(), 2 * answerMs), resolve)
      return promise
    },
  })

  let mustRenewAgain = false
  let isRenewing = false
  let timers = 0
  /** Renews like a real replica: until there is no request left, and again when the leases ask for it. */
  async function renew(): Promise<void> {
    mustRenewAgain = true
    if (isRenewing) return
    isRenewing = true
    let at = Number.POSITIVE_INFINITY
    while (mustRenewAgain) {
      mustRenewAgain = false
      at = await leases.renew()
      mustRenewAgain ||= at <= now()
    }
    isRenewing = false
    const timer = ++timers
    if (at === Number.POSITIVE_INFINITY) return
    actIn(at - now(), () => {
      if (timer === timers) void renew()
    })
  }

  return {
    id,
    holds: (shard) => leases.holds(shard, now()),
    isGone: () => isGone,
    pause(until) {
      pausedUntil = until
    },
    stalled(until) {
      isWorking = false
      time.at(until, () => {
        isWorking = true
      })
    },
    act,
    hear(entry) {
      unread.push(entry)
      // The entries arrive in their order, even if their delays differ.
      act(time.now() + delay(), () => {
        void renew()
        leases.caughtUp(unread.shift() ?? 0)
      })
    },
    crash,
    release() {
      void leases.release().then(crash)
      actIn(releaseMs, crash)
    },
  }
}
