import type { Loop } from '../monitor/loop.ts'
import type { Monitor } from '../monitor/monitor.ts'
import { createSignal, type Signal } from '../monitor/signal.ts'
import type { Assignment } from './assignment.ts'
import type { FileOffers, NewestFile } from './file-offers.ts'
import { createLeases, type Grant, type Leases, type Renewal } from './leases.ts'
import type { Requests } from './requests.ts'
import { shardOf } from './shards.ts'
import type { SharedClock } from './shared-clock.ts'
import type { ReplicaNews } from './standing.ts'

/** By how much a check or a beat may be late before a replica is no longer said to work, in milliseconds. */
const lateMs = 2000

/** Keeps the leases of this replica, and hears along with them who else there is and whose file counts. */
export type Renewals = {
  readonly leases: Leases
  /** Every renewal: whether it was granted, and how long that took. */
  readonly renewed: Signal<{ readonly granted: boolean; readonly elapsedMs: number }>
  /** Renews now, and goes on renewing until it is closed. */
  renew(): Promise<void>
  /** When the last renewal was sent that was answered: an instant of the clock. */
  answeredAt(): number
  /** The replicas that are live, as it last heard. */
  members(): readonly string[]
  /** Why this replica does not work, as a sentence; null while it does. */
  idle(): string | null
  /** From now on the replica is alone: nobody else checks anything, as far as it knows. */
  goSolo(): void
  close(): void
}

export type RenewalParts = {
  readonly id: string
  readonly clock: SharedClock
  readonly requests: Pick<Requests, 'renew'>
  readonly files: FileOffers
  readonly assignment: Assignment
  readonly monitor: Monitor
  readonly loop: Pick<Loop, 'overdueMs'>
  readonly news: Signal<ReplicaNews>
  /** Whether what others know is known here. */
  readonly isReady: () => boolean
  /** The shards with a service that this version of Porthole cannot check. */
  readonly declines: () => readonly number[]
  readonly onGain: (shards: readonly number[]) => void
  /** Before shards are given up. */
  readonly onYield: () => Promise<void>
}

export function createRenewals(parts: RenewalParts): Renewals {
  const { id, clock, requests, files, assignment, monitor, loop, news, isReady, declines, onGain, onYield } = parts
  const renewed = createSignal<{ granted: boolean; elapsedMs: number }>()
  const isWorking = () => (isReady() || isComingBack()) && idle() === null
  const leases = createLeases({ id, clock, ask, isWorking, declines, onGain, onYield })
  let answeredAt = clock.now()
  let newest: NewestFile | null = null
  let members: readonly string[] = []
  let toldIdle: string | null = null
  /** The owners of all shards, as last noted. */
  let attributed = ''
  let renewing: Promise<void> | null = null
  let isAskedAgain = false
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  /** It comes back to a store that was away for a moment, and goes on holding what it holds. */
  function isComingBack(): boolean {
    return assignment.mode() === 'linked' && leases.count(clock.now()) > 0
  }

  /** Proof of life is work done: a prober that is stuck, or a process that is starved, keeps nothing from the others. */
  function idle(): string | null {
    if (monitor.overdueMs() > lateMs) return 'the prober is stuck: a check has not ended long after its deadline'
    if (loop.overdueMs() > lateMs) return 'checks are not started when they are due: this process is starved'
    return null
  }

  function tellIdle(): void {
    const why = idle()
    if (why === toldIdle) return
    news.emit(why === null ? { kind: 'working' } : { kind: 'idle', failure: why })
    toldIdle = why
  }

  async function ask(renewal: Renewal): Promise<Grant | null> {
    const sentAt = clock.now()
    const answer = await requests.renew(renewal, files.own())
    renewed.emit({ granted: answer !== null, elapsedMs: clock.now() - sentAt })
    if (answer === null) return null
    answeredAt = sentAt
    newest = answer.file
    noteMembers(answer.grant)
    attribute(answer.grant)
    return answer.grant
  }

  function noteMembers({ members: now }: Grant): void {
    const joined = now.filter((member) => member !== id && !members.includes(member))
    const left = members.filter((member) => member !== id && !now.includes(member))
    members = now
    if (isReady() && joined.length + left.length > 0) news.emit({ kind: 'members', joined, left })
  }

  /** Notes who checks what, when that has changed. */
  function attribute({ owners }: Grant): void {
    if (assignment.mode() === 'solo' || owners.join() === attributed) return
    attributed = owners.join()
    monitor.attribute((service) => {
      const replica = owners[shardOf(service)] ?? null
      return replica === null ? null : { replica, solo: false }
    })
  }

  /** Renews until there is nothing new to hear; who asks meanwhile is served by one more. */
  async function renewWhileAsked(): Promise<void> {
    clearTimeout(timer)
    let at = Number.POSITIVE_INFINITY
    while (isAskedAgain && !isClosed) {
      isAskedAgain = false
      tellIdle()
      at = await leases.renew()
      isAskedAgain ||= at <= clock.now()
      // What was heard before somebody asked again may be outdated, such as whose file counts. To read a large one takes longer than
      // the leases have time.
      if (newest !== null && isReady() && !isAskedAgain) void files.follow(newest)
    }
    if (!isClosed && Number.isFinite(at)) timer = setTimeout(() => void renew(), Math.max(0, at - clock.now()))
  }

  function renew(): Promise<void> {
    isAskedAgain = true
    renewing ??= renewWhileAsked().finally(() => {
      renewing = null
    })
    return renewing
  }

  return {
    leases,
    renewed,
    renew,
    answeredAt: () => answeredAt,
    members: () => members,
    idle,
    goSolo() {
      attributed = ''
      monitor.attribute(() => ({ replica: id, solo: true }))
    },
    close() {
      isClosed = true
      clearTimeout(timer)
    },
  }
}
