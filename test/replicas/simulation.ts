/** Replicas and their store in simulated time: the real leases over the model of the script, without sockets and timers, all from one seed. */
import { setImmediate } from 'node:timers/promises'
import { phaseOf } from '../../src/domain/schedule.ts'
import { createHeap, type Timed } from '../../src/heap.ts'
import { createLeases, type Grant, type Leases, leaseMs, type Renewal } from '../../src/replicas/leases.ts'
import { shardCount } from '../../src/replicas/shards.ts'
import { nothingShared, renewShared } from './lease-model.ts'

/** What replicas may rely on. */
export type Physics = {
  /** How much slower and faster than the store's their clocks are at most. */
  readonly rates: readonly [slowest: number, fastest: number]
  /** Whether the store passes over a renewal that arrives after a later one. */
  readonly passesOver: boolean
}

/** How often something happened. */
export type Happened = Record<
  | 'event'
  | 'granted'
  | 'passed over'
  | 'lost'
  | 'answered too late'
  | 'pause'
  | 'idleness'
  | 'crash'
  | 'release'
  | 'join',
  number
>

/** What one schedule showed. */
export type Course = {
  /** The first time that two replicas might check the same shard, as a sentence; null when there was none. */
  readonly overlap: string | null
  /** How long after the faults had stopped every shard was checked, in milliseconds; null when it is not after 10 s. */
  readonly settledMs: number | null
  readonly happened: Happened
}

type SimulatedReplica = {
  readonly id: string
  readonly leases: Leases
  readonly now: () => number
  /** Crashed, or ended: nothing of it runs any more. */
  isGone(): boolean
}

/** How long there are faults, and how long it may then take until all is well, in milliseconds of the store's clock. */
const faultsMs = 40_000
const settleMs = 10_000
/** As replicas do: how long they wait for an answer, and for giving everything back, on their own clocks. */
const answerMs = 1000
const releaseMs = 1500
/** What is under way when the faults stop arrives within this time. */
const calmDelayMs = 50

/** Time that passes from event to event. */
function createTime(startAt: number) {
  type Event = Timed & { readonly happen: () => void }
  const events = createHeap<Event>()
  let now = startAt
  return {
    now: () => now,
    at(instant: number, happen: () => void) {
      events.push({ dueAt: Math.max(instant, now), heapIndex: -1, happen })
    },
    /** Lets everything happen that is due until then, each with all that follows from it at once, until `afterEach` has seen enough. */
    async pass(until: number, afterEach: () => boolean): Promise<void> {
      for (let next = events.peek(); next !== undefined && next.dueAt <= until; next = events.peek()) {
        events.remove(next)
        now = next.dueAt
        next.happen()
        await setImmediate()
        if (afterEach()) return
      }
      now = until
    },
  }
}

/** Runs one schedule: what replicas, their clocks and the network do follows from the seed. */
export async function simulate(seed: string, { rates, passesOver }: Physics): Promise<Course> {
  let draws = 0
  const random = () => phaseOf(`${seed} ${draws++}`)
  const between = (least: number, most: number) => least + random() * (most - least)

  const time = createTime(between(1e6, 2e6))
  const calmAt = time.now() + faultsMs
  const isCalm = () => time.now() >= calmAt
  const replicas: SimulatedReplica[] = []
  const feeds = new Map<string, (entry: number) => void>()
  const happened: Happened = {
    event: 0,
    granted: 0,
    'passed over': 0,
    lost: 0,
    'answered too late': 0,
    pause: 0,
    idleness: 0,
    crash: 0,
    release: 0,
    join: 0,
  }
  let shared = nothingShared
  let arrivals = 0

  /** When something that is sent now arrives; null when it is lost. */
  function arrival(loss: number): number | null {
    if (isCalm()) return time.now() + between(0.2, 20)
    if (random() < loss) {
      happened.lost++
      return null
    }
    const kind = random()
    const ms = kind < 0.7 ? between(0.2, 30) : kind < 0.9 ? between(0, 1500) : between(0, 8000)
    return Math.min(time.now() + ms, calmAt + between(0, calmDelayMs))
  }

  function storeRenews(id: string, renewal: Renewal): Grant | null {
    const counted = passesOver ? renewal : { ...renewal, attempt: ++arrivals }
    const { shared: after, grant, isNews } = renewShared(shared, id, counted, leaseMs, time.now())
    shared = after
    happened[grant === null ? 'passed over' : 'granted']++
    if (isNews) for (const tell of feeds.values()) tell(shared.entry)
    return grant
  }

  function join(): void {
    const id = `replica-${happened.join++}`
    const rate = between(...rates)
    const offset = between(-1e9, 1e9)
    const loss = [0, 0.05, 0.3][Math.floor(random() * 3)] ?? 0
    const now = () => time.now() * rate + offset
    let pausedUntil = 0
    let isGone = false
    let isWorking = true

    /** Has the replica do something then, or when it goes on after a pause; it may then find several things to do, in any order. */
    function act(instant: number, action: () => void): void {
      time.at(instant, () => {
        if (isGone) return
        if (time.now() < pausedUntil) act(pausedUntil + random(), action)
        else action()
      })
    }
    const later = (ownMs: number, action: () => void) => act(time.now() + ownMs / rate, action)

    const leases = createLeases({
      id,
      clock: { now },
      ask(renewal) {
        const { promise, resolve } = Promise.withResolvers<Grant | null>()
        let isOver = false
        later(answerMs, () => {
          isOver = true
          resolve(null)
        })
        const asked = arrival(loss)
        if (asked === null) return promise
        time.at(asked, () => {
          const grant = storeRenews(id, renewal)
          const answered = arrival(loss)
          if (answered === null) return
          act(answered, () => {
            if (isOver) happened['answered too late']++
            resolve(grant)
          })
        })
        return promise
      },
      isWorking: () => isWorking,
      onGain: () => {},
      onYield() {
        const { promise, resolve } = Promise.withResolvers<void>()
        const told = arrival(0) ?? time.now()
        act(Math.min(told, time.now() + 2 * answerMs), resolve)
        return promise
      },
    })

    // Renewing as replicas do: until the store has nothing new to say, and then again when the leases want it.
    let isAskedAgain = false
    let isRenewing = false
    let timers = 0
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
      later(Math.max(0, at - now()), () => {
        if (timer === timers) void renew()
      })
    }

    const unread: number[] = []
    feeds.set(id, (entry) => {
      unread.push(entry)
      act(arrival(0) ?? time.now(), () => {
        // However late one is, they come in their order.
        const next = unread.shift() ?? 0
        void renew()
        leases.caughtUp(next)
      })
    })
    function leave(): void {
      isGone = true
      feeds.delete(id)
      const isLast = replicas.every((replica) => replica.isGone())
      if (isCalm() ? isLast : random() < 0.5) time.at(Math.min(time.now() + between(0, 5000), calmAt), join)
    }

    const mishaps: readonly [share: number, kind: keyof Happened, mishap: () => void][] = [
      [0.35, 'pause', () => (pausedUntil = Math.min(time.now() + between(0, 20_000), calmAt))],
      [
        0.15,
        'idleness',
        () => {
          isWorking = false
          time.at(Math.min(time.now() + between(0, 10_000), calmAt), () => {
            isWorking = true
          })
        },
      ],
      [0.08, 'crash', leave],
      [
        0.08,
        'release',
        () => {
          void leases.release().then(leave)
          later(releaseMs, leave)
        },
      ],
    ]
    function meetMishap(): void {
      if (isCalm()) return
      let roll = random()
      for (const [share, kind, mishap] of mishaps) {
        if (roll >= 0 && roll < share) {
          happened[kind]++
          mishap()
        }
        roll -= share
      }
      act(time.now() + between(500, 12_000), meetMishap)
    }

    replicas.push({ id, leases, now, isGone: () => isGone })
    // It reads what there is, and knows everything up to the entry that was the newest when it began.
    const { entry } = shared
    later(between(0, 500), () => {
      leases.caughtUp(entry)
      void renew()
    })
    act(time.now() + between(500, 12_000), meetMishap)
  }

  let overlap: string | null = null
  let coveredAt: number | null = null
  /** Looks at who may check what now, each replica by its own clock. */
  function look(): boolean {
    happened.event++
    const owners = new Array<string | null>(shardCount).fill(null)
    for (const { id, leases, now, isGone } of replicas) {
      if (isGone()) continue
      const instant = now()
      for (let shard = 0; shard < shardCount; shard++) {
        if (!leases.holds(shard, instant)) continue
        const other = owners[shard] ?? null
        if (other !== null) {
          const after = Math.round(time.now() - calmAt + faultsMs)
          overlap = `shard ${shard} is held by ${other} and ${id} after ${after} ms`
        }
        owners[shard] = id
      }
    }
    if (isCalm()) coveredAt = owners.includes(null) ? null : (coveredAt ?? time.now())
    return overlap !== null
  }

  const first = 2 + Math.floor(random() * 4)
  for (let n = 0; n < first; n++) time.at(time.now() + (random() < 0.7 ? between(0, 1000) : between(0, 30_000)), join)
  time.at(calmAt, () => {
    if (replicas.every((replica) => replica.isGone())) join()
  })
  await time.pass(calmAt + settleMs, look)
  return { overlap, settledMs: coveredAt === null ? null : coveredAt - calmAt, happened }
}
