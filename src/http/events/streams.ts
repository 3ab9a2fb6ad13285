import type { ServerResponse } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import type { LoggedTransition } from '../../domain/health/transition.ts'
import type { Registry, RegistryChange } from '../../monitor/registry/registry.ts'
import type { TransitionLog } from '../../monitor/transitions/transition-log.ts'
import type { Clock } from '../../runtime/clock.ts'
import { createTimeSlices, type TimeSlices } from '../../runtime/time-slices.ts'
import { type Filter, type News, registryNews, transitionNews } from './frames.ts'
import { type Batch, batchOf, type EventReader, openReader } from './reader.ts'

/** How long readers may take for the rest when the server closes, in milliseconds. After that their connections are cut. */
const closeGraceMs = 500
/** The most streams that are open at once. */
const enoughStreams = 1000
/** The share of the connections that streams may use. The rest stays free for probes and scrapes. */
const streamsShare = 3 / 4
/** The units of work that sending one reader one event takes. */
const workPerItem = 2

/** A batch of events, and the readers that have yet to receive it. */
type Delivery = { readonly batch: Batch; readonly left: EventReader[] }

/** The sources and limits of event streams. */
export type EventStreamParts = {
  readonly log: TransitionLog
  readonly registry: Registry
  readonly clock: Clock
  readonly slices?: TimeSlices
  /** The longest silence of a stream, in milliseconds. */
  readonly heartbeatMs?: number
  /** A reader is disconnected when more bytes than this wait for it and another event arrives. */
  readonly maxBufferedBytes?: number
  readonly maxStreams?: number
}

/** All open event streams. */
export type EventStreams = {
  /** Returns why no further stream can open now, as a sentence; null when one can. */
  refusal(): string | null
  /** Starts a stream on a response whose headers are written. The stream ends with its connection. */
  open(response: ServerResponse, filter: Filter, lastEventId: string | undefined): void
  /** Ends every stream, and refuses new ones. */
  endAll(): void
  /** Cuts every stream. Clients that may still read connect again, and go on after their last id. */
  cutAll(): void
  /** Stops listening to the log and the registry. */
  close(): void
  /** Returns how many streams are open. `dropped` is how many readers were disconnected because they were too slow. */
  stats(): { open: number; dropped: number }
}

/** Returns how many event streams may be open for a maximum of open connections. */
export function mostStreams(maxConnections: number): number {
  return Math.max(1, Math.min(enoughStreams, Math.floor(maxConnections * streamsShare)))
}

/** Creates the streams of logged transitions and changes of the registry. One listener to each serves all readers. */
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
  const deliveries: Delivery[] = []
  let isSending = false
  let isClosed = false
  let dropped = 0
  let closing = false

  const groupsBefore = (name: string) => registry.former.get(name)?.groups ?? []
  // The last transition of a service is logged after the service is gone, and readers of its groups receive it too.
  const groupsOf = (name: string) => registry.services.get(name)?.groups ?? groupsBefore(name)
  const newsOf = (entry: LoggedTransition) => transitionNews(entry, groupsOf(entry.service), clock)

  /** Announces a change of the registry. Readers of a group also hear of services that left the group. */
  function announceChange({ put, removed }: RegistryChange): void {
    const item = registryNews(
      put.map(({ name, groups }) => ({ name, groups: [...groupsBefore(name), ...groups] })),
      removed.map((name) => ({ name, groups: groupsBefore(name) })),
    )
    announce(item)
  }

  /**
   * Queues an event. Events of one turn of the event loop are sent together. So a thousand services that go down at once are one write for each
   * reader, and not a thousand.
   */
  function announce(item: News): void {
    if (readers.size === 0) return
    news.push(item)
    if (!isSending) void sendInSlices()
  }

  /** Makes a batch of the queued events, for the readers that are connected now. */
  function queueBatch(): void {
    if (news.length === 0) return
    deliveries.push({ batch: batchOf(news), left: [...readers].reverse() })
    news = []
  }

  /** Sends the oldest batch to one reader. Returns the units of work that took; null when no batch is left. */
  function sendNext(): number | null {
    if (deliveries.length === 0) queueBatch()
    const [delivery] = deliveries
    if (delivery === undefined) return null
    const { batch, left } = delivery
    left.pop()?.send(batch)
    if (left.length === 0) deliveries.shift()
    return batch.size * workPerItem
  }

  async function sendInSlices(): Promise<void> {
    isSending = true
    const slice = slices.begin()
    // Wait for the rest of the events of this turn of the event loop.
    await setImmediate()
    for (let work = sendNext(); work !== null && !isClosed; work = sendNext())
      if (slice.mustYield(work)) await slice.yield()
    isSending = false
  }

  const stopListening = [
    log.logged.subscribe((entry) => announce(newsOf(entry))),
    registry.changed.subscribe(announceChange),
  ]

  return {
    refusal() {
      if (closing) return 'Porthole is about to stop.'
      return readers.size < maxStreams ? null : `${maxStreams} event streams are open, which is the maximum.`
    },
    open(response, filter, lastEventId) {
      // No `close` event follows for a connection that is already gone.
      if (response.destroyed) return
      // Earlier events are not for the new reader, which reads them from the log if it asks for them.
      queueBatch()
      const onSlow = () => {
        dropped++
      }
      const reader = openReader({ response, filter, lastEventId, log, newsOf, maxBufferedBytes, onSlow, slices })
      readers.add(reader)
      const heart = setInterval(reader.heartbeat, heartbeatMs)
      response.once('close', () => {
        clearInterval(heart)
        readers.delete(reader)
      })
    },
    endAll() {
      closing = true
      while (sendNext() !== null);
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
