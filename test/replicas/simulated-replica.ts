import { createLeases, type Grant, type Renewal } from '../../src/replicas/leases.ts'
import type { SimulatedTime } from './simulated-time.ts'

/** How long a replica waits for an answer, and for giving everything back, in milliseconds of its own clock. */
const answerMs = 1000
const releaseMs = 1500

/** A replica that renews leases and does nothing else. Its instants are those of simulated time, but for its own clock. */
export type SimulatedReplica = {
  readonly id: string
  /** Whether it may check a shard, by its own clock, now. */
  holds(shard: number): boolean
  /** It crashed, or ended: nothing of it runs any more. */
  isGone(): boolean
  /** Nothing of it runs until then; its clock goes on. */
  pause(until: number): void
  /** It does no work, and is no member, until then. */
  idle(until: number): void
  /** Has it do something then, or once it goes on after a pause. */
  act(instant: number, action: () => void): void
  /** It is told of an entry of the stream. */
  hear(entry: number): void
  crash(): void
  release(): void
}

export type SimulatedReplicaParts = {
  readonly id: string
  readonly time: SimulatedTime
  /** How fast its clock is, of the store's, and what it shows at instant 0. */
  readonly rate: number
  readonly offset: number
  /** Asks the store. The answer may never come. */
  readonly send: (renewal: Renewal, onAnswer: (grant: Grant | null, at: number) => void) => void
  /** How long anything takes now, in milliseconds. */
  readonly delay: () => number
  /** How much later than others it does one thing of all those that waited while it was paused. */
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

  let isAskedAgain = false
  let isRenewing = false
  let timers = 0
  /** As replicas do: until there is nothing new, and again when the leases want it. */
  async function renew(): Promise<void> {
    isAskedAgain = true
    if (isRenewing) return
    isRenewing = true
    let at = Number.POSITIVE_INFINITY
    while (isAskedAgain) {
      isAskedAgain = false
      at = await leases.renew()
      isAskedAgain ||= at <= now()
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
    idle(until) {
      isWorking = false
      time.at(until, () => {
        isWorking = true
      })
    },
    act,
    hear(entry) {
      unread.push(entry)
      // However long each takes, they come in their order.
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
