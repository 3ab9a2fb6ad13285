import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'

/** What tells of no more targets than this is put together at once: some milliseconds of work. */
const fewTargets = 200
/** So much of a longer body is put together before whatever else waits gets its turn of the event loop: so many characters, or pieces, which may be empty. */
const lengthAtOnce = 64 * 1024
const piecesAtOnce = 200

/**
 * A body for Fastify to send, which tells of so many targets: as text where they are few, else as a stream that puts it together as it is
 * taken. Of that nothing is made for who asks for the headers alone.
 */
export function bodyOf(
  { method }: Pick<FastifyRequest, 'method'>,
  pieces: Iterable<string>,
  targets: number,
): string | Readable {
  if (targets <= fewTargets) return [...pieces].join('')
  return Readable.from(method === 'HEAD' ? [] : inTurns(pieces), { objectMode: false })
}

async function* inTurns(pieces: Iterable<string>): AsyncGenerator<string> {
  let text = ''
  let made = 0
  for (const piece of pieces) {
    text += piece
    made++
    if (text.length < lengthAtOnce && made < piecesAtOnce) continue
    if (text !== '') yield text
    text = ''
    made = 0
    await setImmediate()
  }
  if (text !== '') yield text
}
