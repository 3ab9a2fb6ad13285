import type { Clock } from '../clock.ts'
import type { Transition } from '../domain/transition.ts'
import type { Monitor } from '../monitor/monitor.ts'
import { createSignal, type Signal } from '../monitor/signal.ts'
import type { TargetMemory, WatchedService, WatchedTarget } from '../monitor/watch.ts'
import type { Assignment } from './assignment.ts'
import { readService, readTarget, writeService, writeTarget } from './memory.ts'
import type { MemoryRecord, Published, Records, Update, Verdict } from './publication.ts'
import { shardOf } from './shards.ts'

/** How long outcomes are gathered before they are published, in milliseconds. */
const gatherMs = 100
/** How many services are published, or read, at once: Redis serves nobody else meanwhile. */
const portion = 200

/** How many transitions of one service wait at most, while there is nobody to tell. */
const mostFound = 100

/** What is kept of one service, by field: a target's name, or empty for the service itself. */
export type KeptHealth = ReadonlyMap<string, { readonly version: number; readonly memory: unknown }>

/** How this replica's memory of a service stands to what all replicas share. */
type ServiceLink = {
  /** The version of the shared memory that this one's goes on from; 0: there is none. */
  version: number
  /** This replica knows more than it has published. */
  isAhead: boolean
  /** What it found and has not published. */
  found: Transition[]
  gone: Set<string>
  /** What others know is to be taken even where this one's is newer: its own was refused. */
  mustAdopt: boolean
}
type TargetLink = { version: number; isAhead: boolean; isAsked: boolean }

/** The health of all targets, the same on every replica: what is found here is published, what others found is taken in. */
export type Sharing = {
  /** Transitions that were found here and that count. */
  readonly recorded: Signal<Transition>
  /** Reads what others remember of all services. False when it could not. */
  readAll(): Promise<boolean>
  /** Takes in an entry of the stream. */
  take(entry: number, replica: string, records: Records): void
  /** These shards may be checked from now on. */
  gain(shards: readonly number[]): void
  /** Publishes what there is now. */
  flush(): Promise<void>
  /** From now on there is nobody to share with: what was not published is told here. */
  goSolo(): void
  /** How often updates were refused, by why. */
  refused(): Readonly<Record<Exclude<Verdict, 'taken'>, number>>
  close(): void
}

export type SharingParts = {
  readonly id: string
  readonly monitor: Monitor
  readonly clock: Clock
  readonly assignment: Assignment
  /** Is told of transitions found here while there is nobody to share them with. */
  readonly alone: Signal<Transition>
  /** The token of a shard that is held; null when it is not. */
  readonly tokenOf: (shard: number) => number | null
  /** Null when there is no answer; it may have been taken all the same. */
  readonly publish: (updates: readonly Update[]) => Promise<Published | null>
  /** Null when there is no answer. */
  readonly read: (services: readonly string[]) => Promise<readonly KeptHealth[] | null>
}

export function createSharing({
  id,
  monitor,
  clock,
  assignment,
  alone,
  tokenOf,
  publish,
  read,
}: SharingParts): Sharing {
  const recorded = createSignal<Transition>()
  const told = new WeakSet<Transition>()
  const services = new WeakMap<WatchedService, ServiceLink>()
  const targets = new WeakMap<WatchedTarget, TargetLink>()
  /** Of services that are gone. */
  const farewells: Transition[] = []
  const dirty = new Set<WatchedService>()
  const unread = new Set<WatchedService>()
  const refused = { overtaken: 0, fenced: 0 }
  let gathering: NodeJS.Timeout | undefined
  let publishing = Promise.resolve()
  let reading: Promise<boolean> | null = null

  function linkOf(service: WatchedService): ServiceLink {
    const fresh = (): ServiceLink => ({ version: 0, isAhead: false, found: [], gone: new Set(), mustAdopt: false })
    return entry(services, service, fresh)
  }

  function targetLinkOf(target: WatchedTarget): TargetLink {
    const fresh = (): TargetLink => ({ version: 0, isAhead: false, isAsked: false })
    return entry(targets, target, fresh)
  }

  const isWatched = (service: WatchedService) => monitor.services.get(service.service.name) === service
  const isLinked = () => assignment.mode() === 'linked'

  function mark(service: WatchedService, isUrgent: boolean): void {
    dirty.add(service)
    schedule(isUrgent)
  }

  function schedule(isUrgent: boolean): void {
    if (!isLinked()) return
    if (isUrgent) {
      clearTimeout(gathering)
      gathering = setTimeout(flush, 0)
    }
    gathering ??= setTimeout(flush, gatherMs)
  }

  function tell(transition: Transition): void {
    if (told.has(transition)) return
    told.add(transition)
    recorded.emit(transition)
  }

  function tellAlone(transition: Transition): void {
    alone.emit(transition)
    tell(transition)
  }

  function noteTransition(transition: Transition): void {
    if (assignment.mode() === 'solo') tellAlone(transition)
    const service = monitor.services.get(transition.service)
    if (service === undefined) {
      if (!isLinked() || tokenOf(shardOf(transition.service)) === null) return
      farewells.push(transition)
      schedule(true)
      return
    }
    const link = linkOf(service)
    link.isAhead = true
    link.found.push(transition)
    if (link.found.length > mostFound) link.found.shift()
    const target = service.targets.find(({ target }) => target.name === transition.target)
    if (target !== undefined) targetLinkOf(target).isAhead = true
    mark(service, true)
  }

  function follow(changed: readonly WatchedTarget[]): void {
    for (const watched of changed) {
      const { watchedService } = watched
      if (!isWatched(watchedService)) {
        forget(watchedService)
        continue
      }
      if (watched.retired) linkOf(watchedService).gone.add(watched.target.name)
      // Its addresses, or its targets, are others now.
      linkOf(watchedService).isAhead = true
      mark(watchedService, false)
      if (!assignment.isRead(watchedService.service.name)) unread.add(watchedService)
    }
    if (isLinked() && unread.size > 0) void readDue()
  }

  function forget(service: WatchedService): void {
    dirty.delete(service)
    unread.delete(service)
    if (!monitor.services.has(service.service.name)) assignment.setRead(service.service.name, false)
  }

  /** What there is to publish of a service; null when it is not this replica's to say. */
  function updateOf(service: WatchedService): Update | null {
    const { name } = service.service
    const link = linkOf(service)
    const shard = shardOf(name)
    const token = assignment.covers(name) ? tokenOf(shard) : null
    const records: MemoryRecord[] = []
    if (token !== null && link.isAhead) {
      link.isAhead = false
      records.push({ field: '', base: link.version, memory: writeService(service, clock) })
    }
    for (const watched of service.targets) {
      const target = targetLinkOf(watched)
      if (!target.isAhead || (token === null && !target.isAsked)) continue
      target.isAhead = false
      target.isAsked = false
      records.push({ field: watched.target.name, base: target.version, memory: writeTarget(watched, clock) })
    }
    const transitions = token === null ? [] : link.found.splice(0)
    const names = new Set(service.targets.map(({ target }) => target.name))
    const gone = token === null ? [] : [...link.gone].filter((target) => !names.has(target))
    if (token !== null) link.gone.clear()
    if (records.length + transitions.length + gone.length === 0) return null
    return { service: name, shard, token, records, gone, transitions }
  }

  function farewellUpdates(): Update[] {
    return farewells.splice(0).flatMap((transition) => {
      const shard = shardOf(transition.service)
      const token = tokenOf(shard)
      const { service } = transition
      return token === null ? [] : [{ service, shard, token, records: [], gone: [], transitions: [transition] }]
    })
  }

  /** What was not taken, since nothing came back, is to be published again. */
  function takeBack({ service: name, records, gone, transitions }: Update): void {
    const service = monitor.services.get(name)
    if (service === undefined) {
      farewells.push(...transitions)
      return
    }
    const link = linkOf(service)
    link.found.unshift(...transitions)
    for (const target of gone) link.gone.add(target)
    for (const { field } of records) {
      if (field === '') link.isAhead = true
      const watched = service.targets.find(({ target }) => target.name === field)
      if (watched !== undefined) Object.assign(targetLinkOf(watched), { isAhead: true, isAsked: true })
    }
    dirty.add(service)
  }

  function settle({ service: name, records, transitions }: Update, verdict: Verdict, version: number): void {
    if (verdict === 'taken') for (const transition of transitions) tell(transition)
    else refused[verdict]++
    const service = monitor.services.get(name)
    if (service === undefined) return
    if (verdict === 'taken') advance(service, new Set(records.map(({ field }) => field)), version)
    else readAnew(service)
  }

  /** Notes the version that these fields have now. */
  function advance(service: WatchedService, fields: ReadonlySet<string>, version: number): void {
    const link = linkOf(service)
    if (fields.has('')) link.version = Math.max(link.version, version)
    for (const watched of service.targets) {
      const target = targetLinkOf(watched)
      if (fields.has(watched.target.name)) target.version = Math.max(target.version, version)
    }
  }

  /** What was refused here, and all that came of it, gives way to what others know. */
  function readAnew(service: WatchedService): void {
    const link = linkOf(service)
    link.mustAdopt = true
    link.found = []
    assignment.setRead(service.service.name, false)
    unread.add(service)
    void readDue()
  }

  async function publishDue(): Promise<void> {
    // What comes in meanwhile is gathered for the next time.
    const due = [...dirty]
    while (isLinked() && due.length + farewells.length > 0) {
      const chosen = due.splice(0, portion)
      for (const service of chosen) dirty.delete(service)
      const updates = [...chosen.filter(isWatched).flatMap((service) => updateOf(service) ?? []), ...farewellUpdates()]
      if (updates.length === 0) continue
      const published = await publish(updates)
      if (published === null) {
        for (const update of updates) takeBack(update)
        gathering ??= setTimeout(flush, gatherMs)
        return
      }
      for (const [index, update] of updates.entries())
        settle(update, published.verdicts[index] ?? 'fenced', published.version)
    }
  }

  function flush(): Promise<void> {
    clearTimeout(gathering)
    gathering = undefined
    publishing = publishing.then(publishDue)
    return publishing
  }

  async function readPortions(): Promise<boolean> {
    while (unread.size > 0) {
      const chosen = [...unread].slice(0, portion)
      for (const service of chosen) unread.delete(service)
      const kept = await read(chosen.map(({ service }) => service.name))
      if (kept === null) {
        for (const service of chosen) if (isWatched(service)) unread.add(service)
        return false
      }
      for (const [index, service] of chosen.entries())
        if (isWatched(service)) adoptKept(service, kept[index] ?? new Map())
      gainServices(chosen.filter(isWatched))
    }
    return true
  }

  function readDue(): Promise<boolean> {
    reading ??= readPortions().finally(() => {
      reading = null
    })
    return reading
  }

  /** Takes in what is kept of a service, but for what this replica found out since. */
  function adoptKept(service: WatchedService, kept: KeptHealth): void {
    const link = linkOf(service)
    const { mustAdopt } = link
    const own = kept.get('')
    // Somebody else has told of it since, or told the store what was lost.
    const isOvertaken = (own?.version ?? 0) !== link.version
    if (isOvertaken) link.found = []
    const memory = own !== undefined && (isOvertaken || mustAdopt) ? readService(own.memory, clock) : null
    if (memory !== null) link.isAhead = false
    else if (own === undefined) link.isAhead = service.announced !== 'unknown'
    link.version = own?.version ?? 0
    link.mustAdopt = false

    const before = new Map(service.targets.map((watched) => [watched.target.name, watched]))
    const adopted = new Map<string, TargetMemory>()
    for (const [name, { memory }] of kept) {
      if (name === '') continue
      const found = readTarget(memory, clock)
      if (found !== null && (mustAdopt || !isNewer(before.get(name), found))) adopted.set(name, found)
    }
    monitor.adopt(service, memory, adopted)
    for (const watched of service.targets) {
      const { name } = watched.target
      const target = targetLinkOf(watched)
      target.version = kept.get(name)?.version ?? 0
      target.isAhead = !adopted.has(name) && watched.health.lastOutcome !== null
      target.isAsked = target.isAhead && service.service.policy.intervalMs === null
    }
    assignment.setRead(service.service.name, true)
    dirty.add(service)
  }

  function gainServices(chosen: readonly WatchedService[]): void {
    const covered = chosen.filter(({ service }) => assignment.covers(service.name))
    for (const service of covered) {
      monitor.review(service)
      mark(service, false)
    }
    if (covered.length > 0) assignment.gained.emit(covered.map(({ service }) => service.name))
  }

  const stopListening = [
    monitor.checked.subscribe(({ watched, lateMs }) => {
      const target = targetLinkOf(watched)
      target.isAhead = true
      const isAsked = lateMs === null
      if (isAsked) target.isAsked = true
      mark(watched.watchedService, isAsked)
    }),
    monitor.transitions.subscribe(noteTransition),
    monitor.watching.subscribe(follow),
  ]

  return {
    recorded,
    async readAll() {
      for (const service of monitor.services.values()) {
        assignment.setRead(service.service.name, false)
        unread.add(service)
      }
      // One that is under way may have begun before.
      await reading
      return readDue()
    },
    take(entry, replica, records) {
      for (const [name, fields] of records) {
        const service = monitor.services.get(name)
        if (service === undefined) continue
        if (replica === id) advance(service, new Set(fields.map(([field]) => field)), entry)
        else takeRecords(service, entry, fields)
      }
    },
    gain(shards) {
      const gained = new Set(shards)
      gainServices([...monitor.services.values()].filter(({ service }) => gained.has(shardOf(service.name))))
    },
    flush,
    goSolo() {
      for (const service of monitor.services.values()) {
        for (const transition of linkOf(service).found) tellAlone(transition)
      }
    },
    refused: () => refused,
    close() {
      for (const stop of stopListening) stop()
      clearTimeout(gathering)
    },
  }

  function takeRecords(service: WatchedService, entry: number, fields: readonly (readonly [string, unknown])[]): void {
    const link = linkOf(service)
    const isTold = link.found.length > 0
    let memory = null
    const adopted = new Map<string, TargetMemory>()
    for (const [field, written] of fields) {
      if (field !== '') {
        const found = readTarget(written, clock)
        if (found !== null) adopted.set(field, found)
      } else if (entry > link.version) {
        memory = readService(written, clock)
        link.isAhead = false
      }
    }
    const known = new Map(service.targets.map((watched) => [watched.target.name, targetLinkOf(watched)]))
    for (const name of [...adopted.keys()]) if ((known.get(name)?.version ?? 0) >= entry) adopted.delete(name)
    const isContested = isTold || [...adopted.keys()].some((name) => known.get(name)?.isAhead)
    link.found = []
    for (const name of adopted.keys()) Object.assign(known.get(name) ?? {}, { isAhead: false, isAsked: false })
    const names = new Set(fields.map(([field]) => field))
    advance(service, names, entry)
    monitor.adopt(service, memory, adopted)
    // Again, as the addresses that were taken in may have brought new targets.
    advance(service, names, entry)
    // What this replica found at the same time does not count, nor what it made of it.
    if (isContested && assignment.covers(service.service.name)) readAnew(service)
  }
}

/** Whether this replica checked a target after what is remembered elsewhere. */
function isNewer(watched: WatchedTarget | undefined, found: TargetMemory): boolean {
  const own = watched?.health.lastOutcome?.endedAt ?? Number.NEGATIVE_INFINITY
  return own > (found.health.lastOutcome?.endedAt ?? Number.NEGATIVE_INFINITY)
}

function entry<Key extends WeakKey, Value>(map: WeakMap<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
