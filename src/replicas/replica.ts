import { setTimeout as sleep } from 'node:timers/promises'
import { noPauses, type Pauses, pausedMs } from '../domain/health/pause.ts'
import type { Transition } from '../domain/health/transition.ts'
import type { ForeignWord } from '../domain/service/foreign-settings.ts'
import { createEmitter, type Emitter } from '../monitor/emitter.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry/registry.ts'
import type { Scheduler } from '../monitor/scheduling/scheduler.ts'
import type { TransitionLog } from '../monitor/transitions/transition-log.ts'
import type { Keys } from '../redis/keys.ts'
import type { Registrations } from '../registrar/registrations.ts'
import type { RedisStore } from '../store/redis/redis.ts'
import type { Retention } from '../store/store.ts'
import { createUnreadableEntries, type UnreadableEntries } from '../store/unreadable.ts'
import { createConfigurationOffers } from './config/configuration-offers.ts'
import type { SharedConfiguration } from './config/shared-configuration.ts'
import { followDeclinedShards } from './lease/declined-shards.ts'
import { heartbeatIntervalMs, sendHeartbeat } from './lease/heartbeat.ts'
import { createLeaseRenewer, type LeaseRenewer } from './lease/lease-renewer.ts'
import type { ShardOwnership } from './lease/shard-ownership.ts'
import { shardOf } from './lease/shards.ts'
import { soloAfterMs } from './lease/times.ts'
import type { RedisConnector, Session } from './redis-connector.ts'
import type { ReplicaNews, ReplicaStatus } from './replica-status.ts'
import { createChangeConsumer } from './replication/change-consumer.ts'
import { firstOf } from './replication/change-feed.ts'
import { createHealthReplication, type HealthReplication } from './replication/health-replication.ts'
import { forgetHealthScript } from './replication/health-script.ts'
import { createRecheck } from './replication/recheck.ts'
import { type JoinParts, reconcile } from './replication/reconcile.ts'
import { healthEntry, streamEntry } from './replication/unreadable-entries.ts'
import { createRequests } from './requests.ts'
import type { SharedClock } from './shared-clock.ts'
import { createSharedRegistry } from './shared-registry.ts'

/**
 * How long a starting replica may take to read the shared state, in milliseconds, for example over a slow network. Until then the other replicas
 * check, and this one is not ready.
 */
const joinMs = 30_000
/** How often a replica decides whether to go solo, in milliseconds. */
const watchMs = 250
/** How long until a lost connection is tried again, in milliseconds. */
const retryMs = 500
/**
 * How old a store has to be before a starting replica takes its data for complete, in milliseconds. The live replicas give a store that lost
 * everything its data back, and they try twice a second to reach it.
 */
const restoreGraceMs = 3000
/** How long releasing the leases may take, in milliseconds. */
const releaseMs = 1500

/** One of several Porthole processes that share the work. */
export type Replica = {
  readonly healthReplication: Pick<HealthReplication, 'recorded' | 'refused'>
  readonly news: Emitter<ReplicaNews>
  readonly renewed: LeaseRenewer['renewed']
  replicaStatus(): ReplicaStatus
  /**
   * Offers this replica's configuration file, which was loaded now. All replicas use the file until another replica loads one. Resolves once it is in
   * force.
   */
  offer(file: SharedConfiguration): Promise<void>
  /** Resolves once this replica has joined the others, or is solo. */
  start(): Promise<void>
  /** Releases all leases, so that other replicas continue at once. */
  close(): Promise<void>
}

export type ReplicaParts = {
  /** The name of this replica: unique, and without spaces. */
  readonly id: string
  readonly redisConnector: RedisConnector
  readonly keys: Keys
  readonly store: RedisStore
  readonly clock: SharedClock
  readonly shardOwnership: ShardOwnership
  readonly monitor: Monitor
  readonly scheduler: Pick<Scheduler, 'overdueMs'>
  readonly log: TransitionLog
  readonly registry: Registry
  readonly registrations: Registrations
  readonly retention: Retention
  /** The pauses of this process. Porthole adds to the record while it runs. */
  readonly pauses?: Pauses
  /** How long a service may go unchecked during a hand-over, in milliseconds. */
  readonly handoverMs: number
  /** Applies the definitions of a file. */
  readonly apply: (file: SharedConfiguration) => Promise<void>
  /** Receives the transitions that this replica finds while it is solo. */
  readonly alone: Emitter<Transition>
  /** Receives the entries of the store that cannot be read. */
  readonly unreadable?: UnreadableEntries
}

export function createReplica(parts: ReplicaParts): Replica {
  const {
    id,
    redisConnector,
    keys,
    store,
    clock,
    shardOwnership,
    monitor,
    scheduler,
    log,
    registry,
    registrations,
    alone,
  } = parts
  const { pauses = noPauses, unreadable = createUnreadableEntries() } = parts
  const news = createEmitter<ReplicaNews>()
  const onForeign = (word: ForeignWord) => news.emit({ kind: 'foreign', word })
  const requests = createRequests({ id, redisConnector, keys, clock, retention: parts.retention, unreadable })
  const sharedRegistry = createSharedRegistry({ registrations, registry })
  const files = createConfigurationOffers({
    redisConnector,
    keys,
    clock,
    handoverMs: parts.handoverMs,
    known: registry.services,
    apply: parts.apply,
    onChange: (own) => news.emit({ kind: 'file', own }),
    onSettled: recordRead,
    onProblem: (problem) => news.emit({ kind: 'unread', problem }),
    onForeign,
    unreadable,
  })
  const leaseRenewer = createLeaseRenewer({
    id,
    clock,
    requests,
    files,
    shardOwnership,
    monitor,
    scheduler,
    news,
    isReady: () => isReady,
    declines: () => declined.list(),
    onGain: (shards) => healthReplication.gain(shards),
    onYield: () => healthReplication.flush(),
  })
  const declined = followDeclinedShards(registry, () => {
    if (isReady) void leaseRenewer.renew()
  })
  const { leases } = leaseRenewer
  shardOwnership.useLeases(leases)
  const fencingTokenOf = (shard: number) => leases.fencingTokenOf(shard, clock.now())
  const { publish, readHealth: read } = requests
  const onFenced = () => void leaseRenewer.renew()
  const healthReplication = createHealthReplication({
    monitor,
    clock,
    shardOwnership,
    alone,
    fencingTokenOf,
    publish,
    read,
    onFenced,
    onUnreadable: (service, field) => unreadable.recordEntry('health', healthEntry(keys.health(service), field)),
    onForeign,
  })
  const startedAt = clock.now()
  const heartbeat = () => sendHeartbeat({ store, clock, pauses, leastTrustMs: monitor.leastTrustMs })
  const joinParts: JoinParts = {
    id,
    redisConnector,
    keys,
    store,
    clock,
    log,
    sharedRegistry,
    startedAt,
    heartbeat,
    unreadable,
  }
  const changeConsumer = createChangeConsumer({
    id,
    joinParts,
    log,
    healthReplication,
    onMembers: () => void leaseRenewer.renew(),
    onBroken: (error) => {
      reportBug(error)
      session?.close()
    },
    onUnreadable: (entry, why) => unreadable.recordEntry('stream', streamEntry(keys.stream, entry, why)),
    onForeign,
    onTaken: recordTaken,
  })
  const recheck = createRecheck({ redisConnector, keys, unreadable, sharedRegistry })
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>()

  /** Whether this replica has read the shared state. */
  let isReady = false
  let failure: string | null = 'it is still reading the shared state from Redis'
  /** The instant from which on the data of the store are complete. */
  let wholeFrom = Number.POSITIVE_INFINITY
  /** The last instant at which this replica worked with the others. */
  let linkedAt = startedAt
  let session: Session | null = null
  let isClosed = false
  const timers: NodeJS.Timeout[] = []

  /** Records that all entries of the stream up to this one are applied. */
  function recordTaken(entry: number): void {
    leases.caughtUp(entry)
    redisConnector.advance(entry)
  }

  /** Reports that the registry is loaded: the shared configuration is in force, and the registrations were read before it. */
  function recordRead(): void {
    if (isReady && clock.now() >= wholeFrom) registry.load.finish()
  }

  /** Reports an exception as a bug. Data of the store are validated before use, so they cannot be its cause. */
  function reportBug({ stack }: Error): void {
    news.emit({ kind: 'unread', problem: `data from Redis could not be applied, which is a bug in Porthole: ${stack}` })
  }

  /** Reads the shared state, and joins the other replicas. Returns a sentence if that fails. */
  async function join({ feed }: Session): Promise<string | null> {
    // Renew without being a member, because this replica has to read the outcomes of the others first. The answer brings the list of members and the
    // time.
    const askedAt = clock.now()
    await leases.renew()
    const grant = leases.last()
    if (grant === null || leaseRenewer.answeredAt() < askedAt)
      return redisConnector.refusal() ?? 'Redis did not list the live replicas'
    const isFirst = shardOwnership.mode() === 'joining'
    const isAlone = grant.members.every((member) => member === id)
    const together = await reconcile(joinParts, { isAlone, isFirst, newsAfter: changeConsumer.lastShared() })
    if (!together.ok) return together.failure
    const oldest = await redisConnector.send(['XRANGE', keys.stream, '-', '+', 'COUNT', '1'])
    if (!oldest.ok) return oldest.failure
    wholeFrom = Math.min(clock.fromEpoch(firstOf(oldest.value)), clock.now()) + restoreGraceMs
    if (!(await healthReplication.readAll()))
      return redisConnector.refusal() ?? 'the health of the targets could not be read'

    const wasLinked = shardOwnership.mode() === 'linked'
    isReady = true
    // Use the current time, because the last renewal was sent before all these reads.
    linkedAt = clock.now()
    failure = null
    changeConsumer.resume()
    shardOwnership.enter('linked')
    if (!changeConsumer.isPaused()) recordTaken(feed.position())
    await leaseRenewer.renew()
    void healthReplication.flush()
    if (!wasLinked) news.emit({ kind: 'linked', id, members: leaseRenewer.members() })
    settle()
    return null
  }

  /** Connects, joins, and stays connected. Returns the reason once the connection has ended. */
  async function connect(): Promise<string> {
    const opened = await redisConnector.open()
    if (typeof opened === 'string') return opened
    if (isClosed) {
      opened.close()
      return 'the replica is closed'
    }
    session = opened
    changeConsumer.pause()
    try {
      const over = Promise.race([opened.over, opened.feed.read(changeConsumer.applyEntry)])
      // The connection may end before this code waits for it. Without a handler that would be an unhandled rejection.
      over.catch(() => undefined)
      return (await join(opened)) ?? (await over)
    } catch (error) {
      // The bug costs this replica its connection, and does not affect the others.
      reportBug(error as Error)
      return `data from Redis could not be applied: ${(error as Error).message}`
    } finally {
      opened.feed.close()
      opened.close()
      session = null
    }
  }

  async function stayConnected(): Promise<void> {
    while (!isClosed) {
      const connectFailure = await connect()
      if (isClosed) return
      // A failed request explains more than the closed connection.
      const why = redisConnector.refusal() ?? connectFailure
      if (failure === null) news.emit({ kind: 'lost', failure: why })
      failure = why
      if (isReady) linkedAt = Math.max(linkedAt, leaseRenewer.answeredAt())
      isReady = false
      await sleep(retryMs, undefined, { ref: false })
    }
  }

  /** Reads the store again if an operator has repaired an entry. */
  async function rereadAfterRepair(): Promise<void> {
    if ((await recheck.recheckSome()) && isReady) await changeConsumer.reread()
  }

  function goSoloIfAlone(): void {
    // Answers do not count while this replica is joining, because it does not check yet.
    if (isReady) linkedAt = Math.max(linkedAt, leaseRenewer.answeredAt())
    if (shardOwnership.mode() === 'solo') return
    const isLearning =
      shardOwnership.mode() === 'joining' && session !== null && leaseRenewer.members().some((member) => member !== id)
    // A paused process cannot read answers, so its pauses do not count.
    const now = clock.now()
    if (now - linkedAt - pausedMs(pauses.ofProcess, linkedAt, now) <= (isLearning ? joinMs : soloAfterMs)) return
    shardOwnership.enter('solo')
    failure ??= redisConnector.refusal() ?? 'Redis does not answer'
    news.emit({ kind: 'solo', id, failure })
    leaseRenewer.goSolo()
    healthReplication.goSolo()
    files.goSolo()
    shardOwnership.gained.emit([...monitor.services.keys()])
    settle()
    // Redis may be reachable and reject every request. Then only joining again brings the changes that this replica has missed.
    session?.close()
  }

  /** Deletes the health of removed services whose lease this replica holds. */
  const stopListening = registry.changed.subscribe(({ removed }) => {
    const own = removed.filter((name) => isReady && fencingTokenOf(shardOf(name)) !== null)
    for (const name of own) void redisConnector.run(forgetHealthScript, [keys.health(name)], [])
  })

  return {
    healthReplication,
    news,
    renewed: leaseRenewer.renewed,
    replicaStatus: () => ({
      id,
      mode: shardOwnership.mode(),
      failure,
      members: leaseRenewer.members(),
      shards: leases.count(clock.now()),
      stalled: leaseRenewer.stalled(),
    }),
    async offer(file) {
      await files.offer(file)
      if (isReady) void leaseRenewer.renew()
    },
    start() {
      linkedAt = clock.now()
      void stayConnected()
      const sendHeartbeatIfReady = () => {
        if (!isReady) return
        void heartbeat()
        void rereadAfterRepair()
      }
      timers.push(setInterval(goSoloIfAlone, watchMs), setInterval(sendHeartbeatIfReady, heartbeatIntervalMs))
      return settled
    },
    async close() {
      stopListening()
      declined.close()
      for (const timer of timers) clearInterval(timer)
      const released = isReady ? leases.release() : Promise.resolve()
      await Promise.race([released, sleep(releaseMs, undefined, { ref: false })])
      isClosed = true
      isReady = false
      leaseRenewer.close()
      healthReplication.close()
      session?.feed.close()
      session?.close()
      settle()
    },
  }
}
