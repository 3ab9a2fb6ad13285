import type { ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import type { LoggedTransition } from '../domain/transition.ts'
import type { Registry, RegistryChange } from '../monitor/registry.ts'
import type { TransitionLog } from '../monitor/transition-log.ts'
import { createTimeSlices, type TimeSlices } from '../time-slices.ts'
import { type Filter, type News, registryNews, transitionNews } from './event-frames.ts'
import { type Batch, batchOf, type EventReader, openReader } from './event-reader.ts'

/** How long readers may take for the rest when the server closes, before their connections are cut. */
const closeGraceMs = 500
/** More streams than this are not open at once. */
const enoughStreams = 1000
/** Streams have this share of the connections, so that probes and scrapes always find room. */
const streamsShare = 3 / 4
/** To tell a reader of one thing is as much work as to look at so many services. */
const workPerItem = 2

/** What is told, and to whom it is yet to be told. */
type Telling = { readonly batch: Batch; readonly left: EventReader[] }

export type EventStreamParts = {
  readonly log: TransitionLog
  readonly registry: Registry
  readonly clock: Clock
  readonly slices?: TimeSlices
  /** A stream is never silent for longer. */
  readonly heartbeatMs?: number
  /** Who has left more than this untaken when there is more to write is disconnected. */
  readonly maxBufferedBytes?: number
  readonly maxStreams?: number
}

/** Everybody who reads what happens. */
export type EventStreams = {
  /** Why nobody more can read now, as a sentence; null when somebody can. */
  refusal(): string | null
  /** Starts a stream on a response whose headers are written. It ends with its connection. */
  open(response: ServerResponse, filter: Filter, lastEventId: string | undefined): void
  /** Ends every stream, and lets nobody more read. */
  endAll(): void
  /** Cuts every stream: who may still read comes back, and goes on where it was. */
  cutAll(): void
  /** Stops listening to what happens. */
  close(): void
  /** `dropped`: how many readers were disconnected because they were too slow. */
  stats(): { open: number; dropped: number }
}

/** How many event streams may be open where so many connections may be. */
export function mostStreams(maxConnections: number): number {
  return Math.max(1, Math.min(enoughStreams, Math.floor(maxConnections * streamsShare)))
}

/** Tells readers what is logged and what changes in the registry. Listens to both once, however many readers there are. */
export function createEventStreams({
  log,
  registry,
  clock,
  slices = createTimeSlices(),
  heartbeatMs = 15_000,
  maxBufferedBytes = 1024 * 1024,
  maxStreams = enoughStreams,
}: EventStreamParts): EventStreams {
  const readers = new Set<EventReader>()
  let news: News[] = []
  const tellings: Telling[] = []
  let isTelling = false
  let isClosed = false
  let dropped = 0
  let closing = false

  const groupsBefore = (name: string) => registry.former.get(name)?.groups ?? []
  // The last transition of a service comes after it is gone, and is for those who want its groups as well.
  const groupsOf = (name: string) => registry.services.get(name)?.groups ?? groupsBefore(name)
  const newsOf = (entry: LoggedTransition) => transitionNews(entry, groupsOf(entry.service), clock)

  /** Who wants a group hears also of those that left it. */
  function follow({ put, removed }: RegistryChange): void {
    const item = registryNews(
      put.map(({ name, groups }) => ({ name, groups: [...groupsBefore(name), ...groups] })),
      removed.map((name) => ({ name, groups: groupsBefore(name) })),
    )
    announce(item)
  }

  /** What happens in one turn is told at once: when much goes down, it is one write for each reader and not a thousand. */
  function announce(item: News): void {
    if (readers.size === 0) return
    news.push(item)
    if (!isTelling) void tellInSlices()
  }

  /** What was announced so far is for those who read now. */
  function seal(): void {
    if (news.length === 0) return
    tellings.push({ batch: batchOf(news), left: [...readers].reverse() })
    news = []
  }

  /** Tells the oldest of what is to be told to one reader. Returns how much work that was; null when nothing is to be told. */
  function tellOne(): number | null {
    if (tellings.length === 0) seal()
    const [telling] = tellings
    if (telling === undefined) return null
    const { batch, left } = telling
    left.pop()?.tell(batch)
    if (left.length === 0) tellings.shift()
    return batch.size * workPerItem
  }

  async function tellInSlices(): Promise<void> {
    isTelling = true
    const slice = slices.begin()
    // What happens in this turn of the event loop is told together.
    await setImmediate()
    for (let work = tellOne(); work !== null && !isClosed; work = tellOne())
      if (slice.mustYield(work)) await slice.yield()
    isTelling = false
  }

  const stopListening = [log.logged.subscribe((entry) => announce(newsOf(entry))), registry.changed.subscribe(follow)]

  return {
    refusal() {
      if (closing) return 'Porthole is about to stop.'
      return readers.size < maxStreams ? null : `${maxStreams} event streams are open, and there may be no more.`
    },
    open(response, filter, lastEventId) {
      // Whose connection is gone by now says so no more.
      if (response.destroyed) return
      // What happened before is not for the newcomer, who is told it from the log, or not at all.
      seal()
      const onSlow = () => {
        dropped++
      }
      const reader = openReader({ response, filter, lastEventId, log, newsOf, maxBufferedBytes, onSlow, slices })
      readers.add(reader)
      const heart = setInterval(reader.beat, heartbeatMs)
      response.once('close', () => {
        clearInterval(heart)
        readers.delete(reader)
      })
    },
    endAll() {
      closing = true
      while (tellOne() !== null);
      for (const reader of readers) reader.end()
      setTimeout(() => {
        for (const reader of readers) reader.cut()
      }, closeGraceMs).unref()
    },
    cutAll() {
      for (const reader of readers) reader.cut()
    },
    close() {
      for (const stop of stopListening) stop()
      isClosed = true
    },
    stats: () => ({ open: readers.size, dropped }),
  }
}
