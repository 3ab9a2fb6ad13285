import type { ServerResponse } from 'node:http'
import type { LoggedTransition } from '../domain/transition.ts'
import type { TransitionLog } from '../monitor/transition-log.ts'
import type { TimeSlices } from '../time-slices.ts'
import { type Filter, frame, type News, wantsAll } from './event-frames.ts'

/** What happened since the last time, the oldest first. */
export type Batch = {
  readonly news: readonly News[]
  /** How many services it is about, or more. */
  readonly size: number
  /** All of it as one; readers who want everything share these bytes. */
  whole(): Buffer
}

/** News that are told together. What is the same for all is put together once. */
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

/** One reader of the event stream. */
export type EventReader = {
  tell(batch: Batch): void
  /** Shows the reader, and whatever stands between, that the stream is alive. */
  beat(): void
  end(): void
  /** Ends it without waiting for the reader to take what was written. */
  cut(): void
}

/** How many transitions are replayed before the reader has to have taken them. */
const portion = 200
/** To replay a transition is as much work as to look at so many services. */
const workPerMissed = 4
/** How long a reader waits before it connects again. */
const retryMs = 2000

/**
 * Starts a stream on a response whose headers are written, in one step: what was logged after `lastEventId` is replayed,
 * and what is told from now on follows, with nothing missing and nothing twice. Without an id the stream starts now.
 * A replay is as fast as its reader. `onSlow` is called once, when more than `maxBufferedBytes` were written that the
 * socket has not taken: the connection is then destroyed, and the reader comes back with its last id.
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
  /** Up to here nothing is left to tell. */
  let seenId = log.lastId()
  /** The last id the reader was given. With a filter it falls behind, until a heartbeat says how far the stream has come. */
  let toldId = seenId
  let replaying = false

  /** Returns false when there is more than enough to take. */
  function write(bytes: Buffer | string): boolean {
    if (response.destroyed || response.writableEnded) return false
    // Looked at before and not after: who took everything is not slow, however much happens at once.
    if (response.writableLength > maxBufferedBytes) {
      response.destroy()
      onSlow()
      return false
    }
    return response.write(bytes)
  }

  /** Writes what this reader wants to hear; false when there is more than enough to take. */
  function writeBatch({ news, whole }: Batch): boolean {
    const frames: Buffer[] = []
    for (const { id, frameFor } of news) {
      const bytes = frameFor(filter)
      if (bytes === null) continue
      frames.push(bytes)
      if (id !== null) toldId = id
    }
    if (frames.length === 0) return true
    return write(wantsAll(filter) && frames.length === news.length ? whole() : Buffer.concat(frames))
  }

  /** Replays from where the reader is; what happens meanwhile is found in the log as well. */
  async function replay(): Promise<void> {
    replaying = true
    const slice = slices.begin()
    while (!response.destroyed) {
      const missed = log.after(seenId, portion)
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

  /** Some of what the reader missed is forgotten. */
  function reset(): void {
    seenId = log.lastId()
    toldId = seenId
    write(frame('reset', {}, seenId))
  }

  function resume(id: number | null): void {
    write(`retry: ${retryMs}\n\n`)
    if (id === null || id > seenId) {
      reset()
      return
    }
    seenId = id
    toldId = id
    void replay()
  }

  // With an id from the start, who loses the connection before anything happens misses nothing either.
  if (lastEventId === undefined) write(`retry: ${retryMs}\nid: ${seenId}\n\n`)
  else resume(readId(lastEventId))

  return {
    tell(batch) {
      const fresh = batch.news.filter(({ id }) => id === null || (!replaying && id > seenId))
      for (const { id } of fresh) seenId = Math.max(seenId, id ?? seenId)
      writeBatch(fresh.length === batch.news.length ? batch : batchOf(fresh))
    },
    beat() {
      // What waits to be taken shows as much.
      if (response.writableLength > 0 && response.writableLength <= maxBufferedBytes) return
      // An id without data moves the reader's last id and is no event to it (WHATWG HTML §9.2.6).
      write(seenId > toldId ? `id: ${seenId}\n\n` : ':\n\n')
      toldId = seenId
    },
    end: () => void response.end(),
    cut: () => void response.destroy(),
  }
}

/** The id of a transition; null for what cannot be one. */
function readId(text: string): number | null {
  return /^\d{1,15}$|^[1-8]\d{15}$/.test(text) ? Number(text) : null
}
