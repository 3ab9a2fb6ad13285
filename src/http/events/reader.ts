import type { ServerResponse } from 'node:http'
import type { LoggedTransition } from '../../domain/health/transition.ts'
import type { TransitionLog } from '../../monitor/transitions/transition-log.ts'
import type { TimeSlices } from '../../runtime/time-slices.ts'
import { type Filter, frame, type News, selectsAll } from './frames.ts'

/** The events since the last batch, the oldest first. */
export type Batch = {
  readonly news: readonly News[]
  /** How many services the events are about. A service with several events counts several times. */
  readonly size: number
  /** Returns all events as one buffer. Readers that want everything share these bytes. */
  whole(): Buffer
}

/** Returns a batch of events that are sent together. The bytes for readers of everything are built once. */
export function batchOf(news: readonly News[]): Batch {
  let whole: Buffer | undefined
  return {
    news,
    size: news.reduce((sum, { size }) => sum + size, 0),
    whole() {
      whole ??= Buffer.concat(news.flatMap(({ frameFor }) => frameFor({}) ?? []))
      return whole
    },
  }
}

/** A client that reads an event stream. */
export type EventReader = {
  send(batch: Batch): void
  /** Sends a heartbeat, which shows the reader and proxies that the stream is alive. */
  heartbeat(): void
  end(): void
  /** Closes the connection without waiting until the reader has read all bytes. */
  cut(): void
}

/** How many transitions one batch of a replay has. The reader has to read one batch before the next is written. */
const transitionsPerBatch = 200
/** The units of work that replaying one transition takes. */
const workPerMissed = 4
/** How long a reader waits before it connects again, in milliseconds. */
const retryMs = 2000

/**
 * Starts a stream on a response whose headers are written. Transitions logged after `lastEventId` are replayed, and later
 * events follow, none missing and none twice. Without an id the stream starts now. A replay is as fast as its reader.
 * When more than `maxBufferedBytes` wait for the socket, the connection is destroyed and `onSlow` is called once. The
 * reader then connects again with its last id.
 */
export function openReader(parts: {
  response: ServerResponse
  filter: Filter
  lastEventId: string | undefined
  log: TransitionLog
  newsOf: (entry: LoggedTransition) => News
  maxBufferedBytes: number
  onSlow: () => void
  slices: TimeSlices
}): EventReader {
  const { response, filter, lastEventId, log, newsOf, maxBufferedBytes, onSlow, slices } = parts
  /** The id of the last transition that was handled: sent, or left out by the filter. */
  let seenId = log.lastId()
  /** The last id that the reader received. With a filter it falls behind `seenId`, until a heartbeat carries the newer id. */
  let sentId = seenId
  let replaying = false

  /** Writes bytes. Returns false when the reader has to catch up first, or is gone. */
  function write(bytes: Buffer | string): boolean {
    if (response.destroyed || response.writableEnded) return false
    // Checked before the write. A reader that has read everything so far is not slow, even if this write is large.
    if (response.writableLength > maxBufferedBytes) {
      response.destroy()
      onSlow()
      return false
    }
    return response.write(bytes)
  }

  /** Writes the events of a batch that pass the filter. Returns false when the reader has to catch up first, or is gone. */
  function writeBatch({ news, whole }: Batch): boolean {
    const frames: Buffer[] = []
    for (const { id, frameFor } of news) {
      const bytes = frameFor(filter)
      if (bytes === null) continue
      frames.push(bytes)
      if (id !== null) sentId = id
    }
    if (frames.length === 0) return true
    return write(selectsAll(filter) && frames.length === news.length ? whole() : Buffer.concat(frames))
  }

  /** Replays from the last id that was handled. Transitions that are logged during the replay are read from the log too. */
  async function replay(): Promise<void> {
    replaying = true
    const slice = slices.begin()
    while (!response.destroyed) {
      const missed = log.after(seenId, transitionsPerBatch)
      if (missed === null) {
        reset()
        break
      }
      const newest = missed.at(-1)
      if (newest === undefined) break
      seenId = newest.id
      if (!writeBatch(batchOf(missed.map(newsOf)))) {
        response.once('drain', () => void replay())
        return
      }
      if (slice.mustYield(missed.length * workPerMissed)) await slice.yield()
    }
    replaying = false
  }

  /** Tells the reader that the log no longer has some of the transitions that it missed, or does not know its id. */
  function reset(): void {
    seenId = log.lastId()
    sentId = seenId
    write(frame('reset', {}, seenId))
  }

  function resume(id: number | null): void {
    write(`retry: ${retryMs}\n\n`)
    if (id === null || id > seenId) {
      reset()
      return
    }
    seenId = id
    sentId = id
    void replay()
  }

  // The stream starts with an id, so that a reader that loses the connection before the first event misses nothing either.
  if (lastEventId === undefined) write(`retry: ${retryMs}\nid: ${seenId}\n\n`)
  else resume(readId(lastEventId))

  return {
    send(batch) {
      const fresh = batch.news.filter(({ id }) => id === null || (!replaying && id > seenId))
      for (const { id } of fresh) seenId = Math.max(seenId, id ?? seenId)
      writeBatch(fresh.length === batch.news.length ? batch : batchOf(fresh))
    },
    heartbeat() {
      // Bytes that wait for the reader already show that the stream is alive.
      if (response.writableLength > 0 && response.writableLength <= maxBufferedBytes) return
      // An id without data moves the reader's last id, and dispatches no event (WHATWG HTML §9.2.6).
      write(seenId > sentId ? `id: ${seenId}\n\n` : ':\n\n')
      sentId = seenId
    },
    end: () => void response.end(),
    cut: () => void response.destroy(),
  }
}

/** Returns the id of a transition; null for a text that cannot be one. */
function readId(text: string): number | null {
  return /^\d{1,15}$|^[1-8]\d{15}$/.test(text) ? Number(text) : null
}
