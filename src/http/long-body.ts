import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'

/** A body of no more pieces than this is put together at once: some milliseconds of work. */
const fewPieces = 200
/** So much of a longer one is put together before whatever else waits gets its turn of the event loop, in characters. */
const lengthAtOnce = 64 * 1024

/**
 * A body for Fastify to send, of about so many pieces: as text where they are few, else as a stream that puts them together as they are
 * taken. Of that nothing is made for who asks for the headers alone.
 */
export function bodyOf(
  { method }: Pick<FastifyRequest, 'method'>,
  pieces: Iterable<string>,
  count: number,
): string | Readable {
  if (count <= fewPieces) return [...pieces].join('')
  return Readable.from(method === 'HEAD' ? [] : inTurns(pieces), { objectMode: false })
}

async function* inTurns(pieces: Iterable<string>): AsyncGenerator<string> {
  let text = ''
  for (const piece of pieces) {
    text += piece
    if (text.length < lengthAtOnce) continue
    yield text
    text = ''
    await setImmediate()
  }
  if (text !== '') yield text
}
