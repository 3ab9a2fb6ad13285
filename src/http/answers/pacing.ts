import type { ServerResponse } from 'node:http'
import { finished, type Writable } from 'node:stream'
import type { Gzip } from 'node:zlib'
import type { TimeSlice } from '../../runtime/time-slices.ts'

/** How fast a client has to read an answer, in milliseconds. */
export type Pace = {
  /** How long a client may take to read the next chunk of 128 kB. */
  readonly chunkMs: number
  /** How long a client may take to read the whole answer. Otherwise a client that reads 2 kB a second would hold an answer of 24 MB for three hours. */
  readonly wholeMs: number
}

/** The default pace. By default Prometheus gives up a scrape after 10 s, and few operators raise that to a minute. */
export const defaultPace: Pace = { chunkMs: 60_000, wholeMs: 300_000 }

/** How the sending of an answer ended: sent whole; the client closed the connection; the client was too slow; or building the answer failed. */
export type Ending = { readonly is: 'sent' | 'gone' | 'cut off' } | { readonly is: 'failed'; readonly error: unknown }

/** How many bytes one unit of work sends. */
const bytesPerWork = 256

/**
 * Sends chunks as fast as the client reads them. Requests a chunk only after the socket took the one before, because a chunk may reuse the memory of
 * the last. Fastify would read ahead, so this bypasses it. Resolves when everything is sent, or when nothing more will be; in that case it destroys
 * the connection. The headers must be written already. Compresses with `zip` where one is given. `slice` makes the loop yield, because a client on
 * this machine reads everything at once.
 */
export async function sendPaced(
  response: ServerResponse,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { chunkMs, wholeMs, slice, zip = null }: Pace & { readonly slice: TimeSlice; readonly zip?: Gzip | null },
): Promise<Ending> {
  // Detects a client that goes away. With zlib in between, no callback of a write reports that.
  const { promise: over, resolve: end } = Promise.withResolvers<Ending>()
  finished(response, (error) => end({ is: error ? 'gone' : 'sent' }))
  zip?.once('error', (error) => end({ is: 'failed', error })).pipe(response)
  const sink = zip ?? response
  const cutOff = () => end({ is: 'cut off' })
  let patience = setTimeout(cutOff, chunkMs)
  const whole = setTimeout(cutOff, wholeMs)
  try {
    for await (const chunk of chunks) {
      const ending = await Promise.race([writeChunk(sink, chunk), over])
      if (ending !== 'taken') return await over
      clearTimeout(patience)
      patience = setTimeout(cutOff, chunkMs)
      if (slice.mustYield(chunk.length / bytesPerWork)) await slice.yield()
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

/** Resolves when the sink has taken a chunk. Its memory may then be reused. Resolves with null when the sink accepts no more bytes. */
function writeChunk(sink: Writable, chunk: Uint8Array): Promise<'taken' | null> {
  return new Promise((resolve) => {
    sink.write(chunk, (error) => resolve(error ? null : 'taken'))
  })
}
