import { setTimeout as sleep } from 'node:timers/promises'
import type { Transition } from '../domain/transition.ts'
import type { Loop } from '../monitor/loop.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import { createSignal, type Signal } from '../monitor/signal.ts'
import type { TransitionLog } from '../monitor/transition-log.ts'
import type { Keys } from '../redis/keys.ts'
import type { Registrar } from '../registrar.ts'
import type { Retention, Store } from '../store/store.ts'
import type { Assignment, Mode } from './assignment.ts'
import type { FeedEntry } from './feed.ts'
import { createFileOffers, type NewestFile } from './file-offers.ts'
import { forgetHealthScript } from './health-script.ts'
import { bringTogether, type JoinParts, loadLog } from './join.ts'
import { createLeases, type Grant } from './leases.ts'
import type { Link, Session } from './link.ts'
import type { Records } from './publication.ts'
import { createRequests } from './requests.ts'
import { shardOf } from './shards.ts'
import type { SharedClock } from './shared-clock.ts'
import type { SharedFile } from './shared-file.ts'
import { createSharedRegistry } from './shared-registry.ts'
import { createSharing, type Sharing } from './sharing.ts'

/** How long a replica does without the store before it is solo, in milliseconds: it holds its leases for longer, so no check is left out. */
const soloAfterMs = 4000
/** How often it is seen whether that is so, in milliseconds. */
const watchMs = 250
/** How long until a lost connection is tried again, in milliseconds. */
const retryMs = 500
/** How often the store is told that somebody runs, in milliseconds. */
const beatMs = 5000
/** By how much a check or a beat may be late before a replica is no longer said to work, in milliseconds. */
const lateMs = 2000
/** How long giving back the leases may take, in milliseconds. */
const releaseMs = 1500

/** How this replica stands to the others. */
export type Standing = {
  readonly id: string
  readonly mode: Mode
  /** Why it cannot reach the store now, as a sentence; null while it can. */
  readonly failure: string | null
  /** Those that are live, as it last heard. */
  readonly members: readonly string[]
  readonly shards: number
  /** Why it does not work, so that others check in its place, as a sentence; null while it does. */
  readonly idle: string | null
}

/** What the log is told. */
export type ReplicaNews =
  | { readonly kind: 'linked'; readonly id: string; readonly members: readonly string[] }
  | { readonly kind: 'solo'; readonly id: string; readonly failure: string }
  | { readonly kind: 'lost'; readonly failure: string }
  | { readonly kind: 'members'; readonly joined: readonly string[]; readonly left: readonly string[] }
  | { readonly kind: 'idle'; readonly failure: string }
  | { readonly kind: 'working' }
  | { readonly kind: 'unread'; readonly problem: string }
  | { readonly kind: 'file'; readonly own: boolean }

/** One of several Portholes that share the work. */
export type Replica = {
  readonly sharing: Pick<Sharing, 'recorded' | 'refused'>
  readonly news: Signal<ReplicaNews>
  /** Every renewal: whether it was granted, and how long that took. */
  readonly renewed: Signal<{ readonly granted: boolean; readonly elapsedMs: number }>
  standing(): Standing
  /** This replica's configuration file was loaded now: it counts for all, until another replica loads one. */
  offer(file: SharedFile): void
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
  readonly store: Store
  readonly clock: SharedClock
  readonly assignment: Assignment
  readonly monitor: Monitor
  readonly loop: Pick<Loop, 'overdueMs'>
  readonly log: TransitionLog
  readonly registry: Registry
  readonly registrar: Registrar
  readonly retention: Retention
  /** How long a service may go unchecked while it is taken over, in milliseconds. */
  readonly handoverMs: number
  /** Puts what a file defines in force. */
  readonly apply: (file: SharedFile) => void
  /** Is told of transitions found while there was nobody to share them with. */
  readonly alone: Signal<Transition>
}

export function createReplica(parts: ReplicaParts): Replica {
  const { id, link, keys, store, clock, assignment, monitor, loop, log, registry, registrar } = parts
  const news = createSignal<ReplicaNews>()
  const renewed = createSignal<{ granted: boolean; elapsedMs: number }>()
  const requests = createRequests({ id, link, keys, clock, retention: parts.retention })
  const sharedRegistry = createSharedRegistry({ registrar, registry })
  const files = createFileOffers({
    link,
    keys,
    clock,
    handoverMs: parts.handoverMs,
    apply: parts.apply,
    onChange: (own) => news.emit({ kind: 'file', own }),
    onProblem: (problem) => news.emit({ kind: 'unread', problem }),
  })
  const leases = createLeases({
    id,
    clock,
    ask,
    // Once linked it goes on holding what it holds while it comes back to a store that was away for a moment.
    isWorking: () => (isReady || assignment.mode() === 'linked') && idle() === null,
    onGain: (shards) => sharing.gain(shards),
    onYield: () => sharing.flush(),
  })
  const sharing = createSharing({
    id,
    monitor,
    clock,
    assignment,
    alone: parts.alone,
    tokenOf: (shard) => leases.tokenOf(shard, clock.now()),
    publish: requests.publish,
    read: requests.readHealth,
  })
  assignment.follow(leases)
  const startedAt = clock.now()
  const joinParts: JoinParts = { id, link, keys, store, clock, log, sharedRegistry, startedAt }
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>()

  /** What others know is known here. */
  let isReady = false
  let failure: string | null = 'it has not joined yet'
  let answeredAt = startedAt
  let newest: NewestFile | null = null
  let members: readonly string[] = []
  let told: string | null = null
  /** The owners of all shards, as last noted. */
  let attributed = ''
  /** The newest transition that all know. */
  let lastShared = Number.POSITIVE_INFINITY
  /** What the others say while this replica is still joining. */
  let backlog: FeedEntry[] | null = null
  let renewing: Promise<void> | null = null
  let renewTimer: NodeJS.Timeout | undefined
  let isAskedAgain = false
  let session: Session | null = null
  let isClosed = false
  const timers: NodeJS.Timeout[] = []

  /** Why this replica does not work: proof of life is work done. */
  function idle(): string | null {
    if (monitor.overdueMs() > lateMs) return 'the prober is stuck: a check has not ended long after its deadline'
    if (loop.overdueMs() > lateMs) return 'checks are not started when they are due: this process is starved'
    return null
  }

  async function ask(renewal: Parameters<typeof requests.renew>[0]): Promise<Grant | null> {
    const sentAt = clock.now()
    const answer = await requests.renew(renewal, files.own())
    renewed.emit({ granted: answer !== null, elapsedMs: clock.now() - sentAt })
    if (answer === null) return null
    answeredAt = sentAt
    newest = answer.file
    tellMembers(answer.grant.members)
    attribute(answer.grant)
    return answer.grant
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

  function tellMembers(now: readonly string[]): void {
    const joined = now.filter((member) => member !== id && !members.includes(member))
    const left = members.filter((member) => member !== id && !now.includes(member))
    members = now
    if (isReady && joined.length + left.length > 0) news.emit({ kind: 'members', joined, left })
  }

  function tellIdle(): void {
    const why = idle()
    if (why === told) return
    news.emit(why === null ? { kind: 'working' } : { kind: 'idle', failure: why })
    told = why
  }

  /** Renews until the store has nothing new to say; who asks meanwhile is served by one more. */
  function renew(): Promise<void> {
    isAskedAgain = true
    renewing ??= renewWhileAsked().finally(() => {
      renewing = null
    })
    return renewing
  }

  async function renewWhileAsked(): Promise<void> {
    clearTimeout(renewTimer)
    let at = Number.POSITIVE_INFINITY
    while (isAskedAgain && !isClosed) {
      isAskedAgain = false
      tellIdle()
      at = await leases.renew()
      if (newest !== null && isReady) await files.follow(newest)
      isAskedAgain ||= at <= clock.now()
    }
    if (isClosed || at === Number.POSITIVE_INFINITY) return
    clearTimeout(renewTimer)
    renewTimer = setTimeout(() => void renew(), Math.max(0, at - clock.now()))
  }

  function take(entry: FeedEntry): void {
    if (backlog !== null) {
      backlog.push(entry)
      return
    }
    const { number, fields } = entry
    const kind = fields.get('kind') ?? ''
    if (kind === 'members') void renew()
    else if (kind === 'health') takeHealth(number, fields)
    else if (kind === 'log') void reloadLog()
    else {
      const problem = sharedRegistry.take(kind, fields)
      if (problem !== null) news.emit({ kind: 'unread', problem })
    }
    leases.caughtUp(number)
    link.advance(number)
  }

  /** Another replica gave the store what it remembers of what happened. Meanwhile nothing is added to that. */
  async function reloadLog(): Promise<void> {
    const during = session
    backlog = []
    const loaded = await loadLog(joinParts, { isAlone: false, isFirst: false, newsAfter: lastShared })
    if (session !== during) return
    if (loaded.ok) lastShared = log.lastId()
    for (const entry of takeBacklog()) take(entry)
  }

  function takeHealth(number: number, fields: ReadonlyMap<string, string>): void {
    const parse = (field: string) => JSON.parse(fields.get(field) ?? '[]')
    sharing.take(number, fields.get('replica') ?? '', parse('records') as Records)
    const transitions = parse('transitions') as { id: number; at: number }[]
    log.add(
      transitions.map((one) => ({ ...one, at: clock.fromEpoch(one.at) }) as Parameters<typeof log.add>[0][number]),
    )
    lastShared = log.lastId()
  }

  /** Learns what the others know, and becomes one of them. A string says why it could not. */
  async function join(): Promise<string | null> {
    isReady = false
    // Not a member yet, as it has to know first what others found; but it hears who they are, and what time it is.
    const askedAt = clock.now()
    await leases.renew()
    const grant = leases.last()
    if (grant === null || answeredAt < askedAt) return 'the store did not say who else there is'
    const isFirst = assignment.mode() === 'joining'
    const isAlone = grant.members.every((member) => member === id)
    const together = await bringTogether(joinParts, { isAlone, isFirst, newsAfter: lastShared })
    if (!together.ok) return together.failure
    for (const problem of together.value) news.emit({ kind: 'unread', problem })
    lastShared = log.lastId()
    if (!(await sharing.readAll())) return 'what is known of the targets could not be read'
    isReady = true
    failure = null
    for (const entry of takeBacklog()) take(entry)
    const wasLinked = assignment.mode() === 'linked'
    assignment.enter('linked')
    const position = session?.feed.position() ?? 0
    leases.caughtUp(position)
    link.advance(position)
    await renew()
    void sharing.flush()
    if (!wasLinked) news.emit({ kind: 'linked', id, members })
    settle()
    return null
  }

  function takeBacklog(): FeedEntry[] {
    const waiting = backlog ?? []
    backlog = null
    return waiting
  }

  async function connect(): Promise<string> {
    const opened = await link.open()
    if (typeof opened === 'string') return opened
    session = opened
    backlog = []
    const reading = opened.feed.read(take)
    const over = Promise.race([opened.over, reading])
    const why = (await join()) ?? (await over)
    opened.feed.close()
    opened.close()
    session = null
    return why
  }

  async function stayConnected(): Promise<void> {
    while (!isClosed) {
      const why = await connect()
      if (isClosed) return
      if (failure === null) news.emit({ kind: 'lost', failure: why })
      failure = why
      isReady = false
      await sleep(retryMs, undefined, { ref: false })
    }
  }

  function goSoloIfAlone(): void {
    if (assignment.mode() === 'solo' || clock.now() - answeredAt <= soloAfterMs) return
    assignment.enter('solo')
    news.emit({ kind: 'solo', id, failure: failure ?? 'the store does not answer' })
    attributed = ''
    monitor.attribute(() => ({ replica: id, solo: true }))
    sharing.goSolo()
    files.goSolo()
    assignment.gained.emit([...monitor.services.keys()])
    settle()
  }

  /** What is remembered of services that the file has no longer goes with them. */
  const stopListening = registry.changed.subscribe(({ removed }) => {
    if (assignment.mode() !== 'linked') return
    for (const name of removed)
      if (leases.tokenOf(shardOf(name), clock.now()) !== null)
        void link.run(forgetHealthScript, [keys.health(name)], [])
  })

  return {
    sharing,
    news,
    renewed,
    standing: () => ({
      id,
      mode: assignment.mode(),
      failure,
      members,
      shards: leases.count(clock.now()),
      idle: idle(),
    }),
    offer(file) {
      files.offer(file)
      if (isReady) void renew()
    },
    start() {
      answeredAt = clock.now()
      void stayConnected()
      timers.push(setInterval(goSoloIfAlone, watchMs))
      timers.push(
        setInterval(() => {
          if (isReady) void store.beat(Math.floor(clock.toEpoch(clock.now())))
        }, beatMs),
      )
      return settled
    },
    async close() {
      stopListening()
      for (const timer of timers) clearInterval(timer)
      const released = isReady ? leases.release() : Promise.resolve()
      await Promise.race([released, sleep(releaseMs, undefined, { ref: false })])
      isClosed = true
      isReady = false
      clearTimeout(renewTimer)
      sharing.close()
      session?.feed.close()
      session?.close()
      settle()
    },
  }
}
