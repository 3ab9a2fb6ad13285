import { setTimeout as sleep } from 'node:timers/promises'
import type { ForeignWord } from '../domain/foreign-settings.ts'
import { noPauses, type Pauses, pausedMs } from '../domain/pause.ts'
import type { Transition } from '../domain/transition.ts'
import type { Loop } from '../monitor/loop.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import { createSignal, type Signal } from '../monitor/signal.ts'
import type { TransitionLog } from '../monitor/transition-log.ts'
import type { Keys } from '../redis/keys.ts'
import type { Registrations } from '../registrar/registrations.ts'
import type { RedisStore } from '../store/redis.ts'
import type { Retention } from '../store/store.ts'
import { createUnreadableEntries, type UnreadableEntries } from '../store/unreadable.ts'
import type { Assignment } from './assignment.ts'
import { followDeclinedShards } from './declined-shards.ts'
import { firstOf } from './feed.ts'
import { createFileOffers } from './file-offers.ts'
import { forgetHealthScript } from './health-script.ts'
import { beatHeart, beatMs } from './heartbeat.ts'
import { createIntake } from './intake.ts'
import { bringTogether, type JoinParts } from './join.ts'
import type { Link, Session } from './link.ts'
import { healthEntry, streamEntry } from './odd-entries.ts'
import { createRecheck } from './recheck.ts'
import { createRenewals, type Renewals } from './renewals.ts'
import { createRequests } from './requests.ts'
import { shardOf } from './shards.ts'
import type { SharedClock } from './shared-clock.ts'
import type { SharedFile } from './shared-file.ts'
import { createSharedRegistry } from './shared-registry.ts'
import { createSharing, type Sharing } from './sharing.ts'
import type { ReplicaNews, Standing } from './standing.ts'

/** How long a replica does without the store before it is solo, in milliseconds: it holds its leases for longer, so no check is left out. */
const soloAfterMs = 4000
/**
 * How long a replica that starts may take to learn what the others know, in milliseconds, as by a slow network. They check meanwhile, and
 * it is not ready.
 */
const joinMs = 30_000
/** How often a replica looks whether it has to go solo, in milliseconds. */
const watchMs = 250
/** How long until a lost connection is tried again, in milliseconds. */
const retryMs = 500
/**
 * How old a store has to be before a replica that starts takes what is in it for all there is, in milliseconds. A store that lost everything is given it
 * back by the replicas that live, which try twice a second to reach it.
 */
const giveBackMs = 3000
/** How long giving back the leases may take, in milliseconds. */
const releaseMs = 1500

/** One of several Portholes that share the work. */
export type Replica = {
  readonly sharing: Pick<Sharing, 'recorded' | 'refused'>
  readonly news: Signal<ReplicaNews>
  readonly renewed: Renewals['renewed']
  standing(): Standing
  /** This replica's configuration file was loaded now: it counts for all, until another replica loads one. Resolves once it is in force. */
  offer(file: SharedFile): Promise<void>
  /** Resolves once this replica has joined the others, or is solo. */
  start(): Promise<void>
  /** Gives back what it holds, so that others go on at once. */
  close(): Promise<void>
}

export type ReplicaParts = {
  /** Its name, which no other has; without spaces. */
  readonly id: string
  readonly link: Link
  readonly keys: Keys
  readonly store: RedisStore
  readonly clock: SharedClock
  readonly assignment: Assignment
  readonly monitor: Monitor
  readonly loop: Pick<Loop, 'overdueMs'>
  readonly log: TransitionLog
  readonly registry: Registry
  readonly registrations: Registrations
  readonly retention: Retention
  /** When this process did not run, as it is known at any time. */
  readonly pauses?: Pauses
  /** How long a service may go unchecked while it is taken over, in milliseconds. */
  readonly handoverMs: number
  /** Puts what a file defines in force. */
  readonly apply: (file: SharedFile) => Promise<void>
  /** Is told of transitions found while there was nobody to share them with. */
  readonly alone: Signal<Transition>
  /** Is told of what the store keeps and cannot be read. */
  readonly unreadable?: UnreadableEntries
}

export function createReplica(parts: ReplicaParts): Replica {
  const { id, link, keys, store, clock, assignment, monitor, loop, log, registry, registrations, alone } = parts
  const { pauses = noPauses, unreadable = createUnreadableEntries() } = parts
  const news = createSignal<ReplicaNews>()
  const onForeign = (word: ForeignWord) => news.emit({ kind: 'foreign', word })
  const requests = createRequests({ id, link, keys, clock, retention: parts.retention, unreadable })
  const sharedRegistry = createSharedRegistry({ registrations, registry })
  const files = createFileOffers({
    link,
    keys,
    clock,
    handoverMs: parts.handoverMs,
    known: registry.services,
    apply: parts.apply,
    onChange: (own) => news.emit({ kind: 'file', own }),
    onSettled: noteRead,
    onProblem: (problem) => news.emit({ kind: 'unread', problem }),
    onForeign,
    unreadable,
  })
  const renewals = createRenewals({
    id,
    clock,
    requests,
    files,
    assignment,
    monitor,
    loop,
    news,
    isReady: () => isReady,
    declines: () => declined.list(),
    onGain: (shards) => sharing.gain(shards),
    onYield: () => sharing.flush(),
  })
  const declined = followDeclinedShards(registry, () => {
    if (isReady) void renewals.renew()
  })
  const { leases } = renewals
  assignment.follow(leases)
  const tokenOf = (shard: number) => leases.tokenOf(shard, clock.now())
  const { publish, readHealth: read } = requests
  const onFenced = () => void renewals.renew()
  const sharing = createSharing({
    monitor,
    clock,
    assignment,
    alone,
    tokenOf,
    publish,
    read,
    onFenced,
    onUnreadable: (service, field) => unreadable.note('health', healthEntry(keys.health(service), field)),
    onForeign,
  })
  const startedAt = clock.now()
  const beat = () => beatHeart({ store, clock, pauses, leastTrustMs: monitor.leastTrustMs })
  const joinParts: JoinParts = { id, link, keys, store, clock, log, sharedRegistry, startedAt, beat, unreadable }
  const intake = createIntake({
    id,
    joinParts,
    log,
    sharing,
    onMembers: () => void renewals.renew(),
    onBroken: (error) => {
      reportBug(error)
      session?.close()
    },
    onUnreadable: (entry, why) => unreadable.note('stream', streamEntry(keys.stream, entry, why)),
    onForeign,
    onTaken: noteTaken,
  })
  const recheck = createRecheck({ link, keys, unreadable, sharedRegistry })
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>()

  /** What others know is known here. */
  let isReady = false
  let failure: string | null = 'it has not joined the other replicas yet'
  /** From when on the store has what the replicas know: an instant of the clock. */
  let wholeFrom = Number.POSITIVE_INFINITY
  /** When this replica last was one of the others: an instant of the clock. */
  let linkedAt = startedAt
  let session: Session | null = null
  let isClosed = false
  const timers: NodeJS.Timeout[] = []

  /** Everything up to this entry of the stream is known here. */
  function noteTaken(entry: number): void {
    leases.caughtUp(entry)
    link.advance(entry)
  }

  /** The file that counts is in force: with the registrations that were read before, that is the registry. */
  function noteRead(): void {
    if (isReady && clock.now() >= wholeFrom) registry.load.finish()
  }

  /** What comes from the store is checked before it is used, so an exception there is a bug. */
  function reportBug({ stack }: Error): void {
    news.emit({ kind: 'unread', problem: `what the store said could not be taken in, which is a bug: ${stack}` })
  }

  /** Learns what the others know, and becomes one of them. A string says why it could not. */
  async function join({ feed }: Session): Promise<string | null> {
    // Not a member yet, as it has to know first what others found; but it hears who they are, and what time it is.
    const askedAt = clock.now()
    await leases.renew()
    const grant = leases.last()
    if (grant === null || renewals.answeredAt() < askedAt)
      return link.refusal() ?? 'the store did not say who else there is'
    const isFirst = assignment.mode() === 'joining'
    const isAlone = grant.members.every((member) => member === id)
    const together = await bringTogether(joinParts, { isAlone, isFirst, newsAfter: intake.lastShared() })
    if (!together.ok) return together.failure
    const oldest = await link.send(['XRANGE', keys.stream, '-', '+', 'COUNT', '1'])
    if (!oldest.ok) return oldest.failure
    wholeFrom = Math.min(clock.fromEpoch(firstOf(oldest.value)), clock.now()) + giveBackMs
    if (!(await sharing.readAll())) return link.refusal() ?? 'what is known of the targets could not be read'

    const wasLinked = assignment.mode() === 'linked'
    isReady = true
    // The last renewal was before all that was read.
    linkedAt = clock.now()
    failure = null
    intake.release()
    assignment.enter('linked')
    if (!intake.isHolding()) noteTaken(feed.position())
    await renewals.renew()
    void sharing.flush()
    if (!wasLinked) news.emit({ kind: 'linked', id, members: renewals.members() })
    settle()
    return null
  }

  /** Connects, joins, and stays until that is over. Returns why it is. */
  async function connect(): Promise<string> {
    const opened = await link.open()
    if (typeof opened === 'string') return opened
    if (isClosed) {
      opened.close()
      return 'it is closed'
    }
    session = opened
    intake.hold()
    try {
      const over = Promise.race([opened.over, opened.feed.read(intake.take)])
      // It may be over before it is waited for.
      over.catch(() => undefined)
      return (await join(opened)) ?? (await over)
    } catch (error) {
      // It costs this replica its connection, and the others nothing.
      reportBug(error as Error)
      return `what the store said could not be taken in: ${(error as Error).message}`
    } finally {
      opened.feed.close()
      opened.close()
      session = null
    }
  }

  async function stayConnected(): Promise<void> {
    while (!isClosed) {
      const told = await connect()
      if (isClosed) return
      // That the connection was given up says less than why.
      const why = link.refusal() ?? told
      if (failure === null) news.emit({ kind: 'lost', failure: why })
      failure = why
      if (isReady) linkedAt = Math.max(linkedAt, renewals.answeredAt())
      isReady = false
      await sleep(retryMs, undefined, { ref: false })
    }
  }

  /** Reads the store anew where somebody mended what could not be read. */
  async function lookAgain(): Promise<void> {
    if ((await recheck.look()) && isReady) await intake.reread()
  }

  function goSoloIfAlone(): void {
    // While it is still joining, that it is answered is not enough: it does not check yet.
    if (isReady) linkedAt = Math.max(linkedAt, renewals.answeredAt())
    if (assignment.mode() === 'solo') return
    const isLearning =
      assignment.mode() === 'joining' && session !== null && renewals.members().some((member) => member !== id)
    // While this process did not run it could not read an answer.
    const now = clock.now()
    if (now - linkedAt - pausedMs(pauses.ofProcess, linkedAt, now) <= (isLearning ? joinMs : soloAfterMs)) return
    assignment.enter('solo')
    failure ??= link.refusal() ?? 'the store does not answer'
    news.emit({ kind: 'solo', id, failure })
    renewals.goSolo()
    sharing.goSolo()
    files.goSolo()
    assignment.gained.emit([...monitor.services.keys()])
    settle()
    // It may be there and refuse all that is asked: only who comes anew learns what was missed meanwhile.
    session?.close()
  }

  /** What is remembered of services that the file has no longer goes with them. */
  const stopListening = registry.changed.subscribe(({ removed }) => {
    const own = removed.filter((name) => isReady && tokenOf(shardOf(name)) !== null)
    for (const name of own) void link.run(forgetHealthScript, [keys.health(name)], [])
  })

  return {
    sharing,
    news,
    renewed: renewals.renewed,
    standing: () => ({
      id,
      mode: assignment.mode(),
      failure,
      members: renewals.members(),
      shards: leases.count(clock.now()),
      idle: renewals.idle(),
    }),
    async offer(file) {
      await files.offer(file)
      if (isReady) void renewals.renew()
    },
    start() {
      linkedAt = clock.now()
      void stayConnected()
      const beatIfReady = () => {
        if (!isReady) return
        void beat()
        void lookAgain()
      }
      timers.push(setInterval(goSoloIfAlone, watchMs), setInterval(beatIfReady, beatMs))
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
      renewals.close()
      sharing.close()
      session?.feed.close()
      session?.close()
      settle()
    },
  }
}
