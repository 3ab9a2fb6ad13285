import type { ServerResponse } from 'node:http'
import { finished, type Writable } from 'node:stream'
import type { Gzip } from 'node:zlib'
import type { TimeSlice } from '../time-slices.ts'

/** How fast a client has to take an answer, in milliseconds. */
export type Pace = {
  /** How long a client may take for the next piece of 128 kB. */
  readonly pieceMs: number
  /** How long a client may take for the whole answer. Without this a client that takes 2 kB a second would hold an answer of 24 MB for three hours. */
  readonly wholeMs: number
}

/** Prometheus gives a scrape up after 10 s unless it is told otherwise, and hardly anybody has it wait for a minute. */
export const defaultPace: Pace = { pieceMs: 60_000, wholeMs: 300_000 }

/** How the sending of an answer ended: whole; the client closed the connection; the client was too slow; or making the answer failed. */
export type Ending = { readonly is: 'sent' | 'gone' | 'cut off' } | { readonly is: 'failed'; readonly error: unknown }

/** To send so many bytes is as much work as to look at a service. */
const bytesPerWork = 256

/**
 * Sends pieces as fast as the client takes them, past Fastify, which would read ahead: a piece may be written over by the next. Asks for a
 * piece only when the client has taken the one before. Resolves once all is sent, or nothing more will be; then the connection is
 * destroyed unless all was sent. The headers must be written already. Compresses with `zip` where one is given. `slice` is the answer's share of the
 * event loop: a client on this machine takes everything at once.
 */
export async function sendPaced(
  response: ServerResponse,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { pieceMs, wholeMs, slice, zip = null }: Pace & { readonly slice: TimeSlice; readonly zip?: Gzip | null },
): Promise<Ending> {
  // A client that goes away takes no more, and no callback says so where zlib is in between.
  const { promise: over, resolve: end } = Promise.withResolvers<Ending>()
  finished(response, (error) => end({ is: error ? 'gone' : 'sent' }))
  zip?.once('error', (error) => end({ is: 'failed', error })).pipe(response)
  const sink = zip ?? response
  const cutOff = () => end({ is: 'cut off' })
  let patience = setTimeout(cutOff, pieceMs)
  const whole = setTimeout(cutOff, wholeMs)
  try {
    for await (const piece of pieces) {
      const ending = await Promise.race([writePiece(sink, piece), over])
      if (ending !== 'taken') return await over
      clearTimeout(patience)
      patience = setTimeout(cutOff, pieceMs)
      if (slice.mustYield(piece.length / bytesPerWork)) await slice.yield()
    }
    sink.end()
    return await over
  } catch (error) {
    return { is: 'failed', error }
  } finally {
    clearTimeout(patience)
    clearTimeout(whole)
    zip?.destroy()
    if (!response.writableFinished) response.destroy()
  }
}

/** Resolves once a piece is taken, and may be written over; with null when the sink takes nothing any more. */
function writePiece(sink: Writable, piece: Uint8Array): Promise<'taken' | null> {
  return new Promise((resolve) => {
    sink.write(piece, (error) => resolve(error ? null : 'taken'))
  })
}
