/** Replicas and their store in simulated time: the real leases with the model of the script, without sockets and timers. */
import { phaseOf } from '../../../src/domain/check/schedule.ts'
import type { Grant, Renewal } from '../../../src/replicas/lease/leases.ts'
import { shardCount } from '../../../src/replicas/lease/shards.ts'
import { leaseDurationMs } from '../../../src/replicas/lease/times.ts'
import { nothingShared, renewShared } from './lease-model.ts'
import { createSimulatedReplica, type SimulatedReplica } from './simulated-replica.ts'
import { createSimulatedTime } from './simulated-time.ts'

/** The assumptions of the replicas. */
export type Physics = {
  /** The speed of their clocks relative to that of the store. */
  readonly rates: readonly [slowest: number, fastest: number]
  /** Whether the store ignores a renewal that arrives after a later one. */
  readonly passesOver: boolean
}

/** The result of one schedule. */
export type Course = {
  /** A sentence about two replicas that might check the same shard at the same time; null if there were none. */
  readonly overlap: string | null
  /** How long after the faults every shard had its final owner, in milliseconds; null if one still has none. */
  readonly settledMs: number | null
  readonly happened: Happened
}

const fates = ['pause', 'idleness', 'crash', 'release', 'nothing'] as const
const counted = ['event', 'join', 'granted', 'passed over', 'lost', 'late answer', ...fates] as const
/** How often each kind of event happened. */
export type Happened = Record<(typeof counted)[number], number>

/** How long there are faults, and how long the simulation runs after them, in milliseconds. */
const faultsMs = 40_000
const settleMs = 10_000

/** Runs one schedule. The seed determines everything that replicas, their clocks and the network do. */
export async function simulate(seed: string, { rates, passesOver }: Physics): Promise<Course> {
  let draws = 0
  const random = () => phaseOf(`${seed} ${draws++}`)
  const between = (least: number, most: number) => least + random() * (most - least)

  const startAt = between(1e6, 2e6)
  const calmAt = startAt + faultsMs
  const time = createSimulatedTime(startAt)
  const isCalm = () => time.now() >= calmAt
  const happened = Object.fromEntries(counted.map((what) => [what, 0])) as Happened
  const replicas: SimulatedReplica[] = []
  const running = () => replicas.filter((replica) => !replica.isGone())
  let shared = nothingShared

  /** Returns how long an operation takes now. Operations that are under way when the faults stop end soon after. */
  function delay(): number {
    if (isCalm()) return between(0.2, 20)
    const kind = random()
    const ms = kind < 0.7 ? between(0.2, 30) : kind < 0.9 ? between(0, 1500) : between(0, 8000)
    return Math.min(ms, calmAt - time.now() + between(0, 50))
  }

  function renew(id: string, renewal: Renewal): Grant | null {
    const attempt = passesOver ? renewal.attempt : happened.granted + 1
    const renewed = renewShared(shared, id, { ...renewal, attempt }, leaseDurationMs, time.now())
    shared = renewed.shared
    happened[renewed.grant === null ? 'passed over' : 'granted']++
    if (renewed.isNews) for (const replica of running()) replica.hear(shared.entry)
    return renewed.grant
  }

  function join(): void {
    const id = `replica-${happened.join++}`
    const loss = [0, 0.05, 0.3][Math.floor(random() * 3)] ?? 0
    const isLost = () => {
      const lost = !isCalm() && random() < loss
      if (lost) happened.lost++
      return lost
    }
    const replica = createSimulatedReplica({
      id,
      time,
      rate: between(...rates),
      offset: between(-1e9, 1e9),
      send(renewal, onAnswer) {
        if (isLost()) return
        time.at(time.now() + delay(), () => {
          const grant = renew(id, renewal)
          if (!isLost()) onAnswer(grant, time.now() + delay())
        })
      },
      delay,
      jitter: random,
      onLateAnswer: () => happened['late answer']++,
      // Another replica may take its place, and does so if this was the last one.
      onGone() {
        if (random() < 0.5 || running().length === 0) time.at(Math.min(time.now() + between(0, 5000), calmAt), join)
      },
    })
    replicas.push(replica)
    // A replica that has joined has read everything up to this entry.
    replica.hear(shared.entry)
    replica.act(time.now() + between(500, 12_000), () => meetFate(replica))
  }

  function meetFate(replica: SimulatedReplica): void {
    if (isCalm()) return
    const within = (mostMs: number) => Math.min(time.now() + between(0, mostMs), calmAt)
    const chance = random()
    const fate =
      chance < 0.35
        ? 'pause'
        : chance < 0.5
          ? 'idleness'
          : chance < 0.58
            ? 'crash'
            : chance < 0.66
              ? 'release'
              : 'nothing'
    happened[fate]++
    if (fate === 'pause') replica.pause(within(20_000))
    if (fate === 'idleness') replica.stalled(within(10_000))
    if (fate === 'crash') replica.crash()
    if (fate === 'release') replica.release()
    replica.act(time.now() + between(500, 12_000), () => meetFate(replica))
  }

  let overlap: string | null = null
  let coveredAt: number | null = null
  /** Looks for shards that two replicas may check now, each by its own clock. Paused replicas count too. */
  function look(): boolean {
    happened.event++
    const owners = new Array<string | null>(shardCount).fill(null)
    for (const { id, holds } of running()) {
      for (let shard = 0; shard < shardCount; shard++) {
        if (!holds(shard)) continue
        const other = owners[shard] ?? null
        const after = Math.round(time.now() - startAt)
        if (other !== null) overlap = `after ${after} ms both ${other} and ${id} hold shard ${shard}`
        owners[shard] = id
      }
    }
    if (isCalm()) coveredAt = owners.includes(null) ? null : (coveredAt ?? time.now())
    return overlap === null
  }

  const first = 2 + Math.floor(random() * 4)
  for (let n = 0; n < first; n++) time.at(startAt + (random() < 0.7 ? between(0, 1000) : between(0, 30_000)), join)
  await time.pass(calmAt + settleMs, look)
  return { overlap, settledMs: coveredAt === null ? null : coveredAt - calmAt, happened }
}
