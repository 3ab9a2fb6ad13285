import { createEmitter, type Emitter } from '../../monitor/emitter.ts'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Scheduler } from '../../monitor/scheduling/scheduler.ts'
import type { ConfigurationOffers, NewestFile } from '../config/configuration-offers.ts'
import type { ReplicaNews } from '../replica-status.ts'
import type { Requests } from '../requests.ts'
import type { SharedClock } from '../shared-clock.ts'
import { createLeases, type Grant, type Leases, type Renewal } from './leases.ts'
import type { ShardOwnership } from './shard-ownership.ts'
import { shardOf } from './shards.ts'

/** How late the end of a check or the start of a scheduled check may be before a replica counts as stalled, in milliseconds. */
const lateMs = 2000

/** The lease renewer. With each renewal the store also reports the live replicas and the configuration file that counts. */
export type LeaseRenewer = {
  readonly leases: Leases
  /** Emits every renewal: whether it was granted, and how long it took. */
  readonly renewed: Emitter<{ readonly granted: boolean; readonly elapsedMs: number }>
  /** Renews now, and continues to renew until it is closed. */
  renew(): Promise<void>
  /** Returns the instant at which the last answered renewal was sent. */
  answeredAt(): number
  /** Returns the live replicas, as of the last renewal. */
  members(): readonly string[]
  /** Returns why this replica is stalled, as a sentence; null while it works. */
  stalled(): string | null
  /** Attributes all checks to this replica, because it is alone. */
  goSolo(): void
  close(): void
}

export type LeaseRenewerParts = {
  readonly id: string
  readonly clock: SharedClock
  readonly requests: Pick<Requests, 'renew'>
  readonly files: ConfigurationOffers
  readonly shardOwnership: ShardOwnership
  readonly monitor: Monitor
  readonly scheduler: Pick<Scheduler, 'overdueMs'>
  readonly news: Emitter<ReplicaNews>
  /** Returns whether this replica has read the shared state. */
  readonly isReady: () => boolean
  /** The shards with a service that this version of Porthole cannot check. */
  readonly declines: () => readonly number[]
  readonly onGain: (shards: readonly number[]) => void
  /** Runs before shards are released. */
  readonly onYield: () => Promise<void>
}

export function createLeaseRenewer(parts: LeaseRenewerParts): LeaseRenewer {
  const { id, clock, requests, files, shardOwnership, monitor, scheduler, news, isReady, declines, onGain, onYield } =
    parts
  const renewed = createEmitter<{ granted: boolean; elapsedMs: number }>()
  const isWorking = () => (isReady() || isComingBack()) && stalled() === null
  const leases = createLeases({ id, clock, ask, isWorking, declines, onGain, onYield })
  let answeredAt = clock.now()
  let newest: NewestFile | null = null
  let members: readonly string[] = []
  let reportedStall: string | null = null
  /** The owners of all shards, as the monitor last received them. */
  let attributed = ''
  let renewing: Promise<void> | null = null
  let mustRenewAgain = false
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  /** Returns whether this replica returns to a store that was away for a moment. Then it is still a member, and keeps its leases. */
  function isComingBack(): boolean {
    return shardOwnership.mode() === 'linked' && leases.count(clock.now()) > 0
  }

  /**
   * Returns why this replica is stalled. Only work proves that a replica is alive. So one with a stuck prober or without CPU time must not hold
   * shards.
   */
  function stalled(): string | null {
    if (monitor.overdueMs() > lateMs) return 'the prober is stuck: a check is more than 2 s past its deadline'
    if (scheduler.overdueMs() > lateMs)
      return 'checks start more than 2 s late: this process does not get enough CPU time'
    return null
  }

  function reportStall(): void {
    const why = stalled()
    if (why === reportedStall) return
    news.emit(why === null ? { kind: 'working' } : { kind: 'idle', failure: why })
    reportedStall = why
  }

  async function ask(renewal: Renewal): Promise<Grant | null> {
    const sentAt = clock.now()
    const answer = await requests.renew(renewal, files.own())
    renewed.emit({ granted: answer !== null, elapsedMs: clock.now() - sentAt })
    if (answer === null) return null
    answeredAt = sentAt
    newest = answer.file
    recordMembers(answer.grant)
    attribute(answer.grant)
    return answer.grant
  }

  function recordMembers({ members: now }: Grant): void {
    const joined = now.filter((member) => member !== id && !members.includes(member))
    const left = members.filter((member) => member !== id && !now.includes(member))
    members = now
    if (isReady() && joined.length + left.length > 0) news.emit({ kind: 'members', joined, left })
  }

  /** Tells the monitor which replica checks which service, if that has changed. */
  function attribute({ owners }: Grant): void {
    if (shardOwnership.mode() === 'solo' || owners.join() === attributed) return
    attributed = owners.join()
    monitor.attribute((service) => {
      const replica = owners[shardOf(service)] ?? null
      return replica === null ? null : { replica, solo: false }
    })
  }

  /** Renews until no request is left. All requests that arrive during a renewal share one more. */
  async function renewWhileAsked(): Promise<void> {
    clearTimeout(timer)
    let at = Number.POSITIVE_INFINITY
    while (mustRenewAgain && !isClosed) {
      mustRenewAgain = false
      reportStall()
      at = await leases.renew()
      mustRenewAgain ||= at <= clock.now()
      // A newer request may mean that another file counts, so only the last answer is used. Reading a large file takes longer than a lease lasts, so
      // the renewer does not wait for it.
      if (newest !== null && isReady() && !mustRenewAgain) void files.startApplying(newest)
    }
    if (!isClosed && Number.isFinite(at)) timer = setTimeout(() => void renew(), Math.max(0, at - clock.now()))
  }

  function renew(): Promise<void> {
    mustRenewAgain = true
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
    stalled,
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
