import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { TimeSlices } from '../time-slices.ts'
import type { Held } from './answer-caps.ts'
import { holdWhileSent } from './long-answers.ts'

/** What tells of no more targets than this is put together at once: some milliseconds of work. */
const fewTargets = 200
/** So much of a longer body is sent at once, in characters. */
const lengthAtOnce = 64 * 1024
/** To write so many characters is as much work as to look at a service. */
const lengthPerWork = 100

/**
 * A body for Fastify to send, which tells of so many targets: as text where they are few, else as a stream that puts it together as it is
 * taken. Of that nothing is made for who asks for the headers alone. `held` is what the pieces are made of.
 */
export function bodyOf(
  { method }: Pick<FastifyRequest, 'method'>,
  pieces: Iterable<string>,
  targets: number,
  slices: TimeSlices,
  held?: Held,
): string | Readable {
  if (targets <= fewTargets) return [...pieces].join('')
  const body = Readable.from(method === 'HEAD' ? [] : inSlices(pieces, slices), { objectMode: false })
  return held === undefined ? body : holdWhileSent(body, held)
}

async function* inSlices(pieces: Iterable<string>, slices: TimeSlices): AsyncGenerator<string> {
  const slice = slices.begin()
  let text = ''
  for (const piece of pieces) {
    text += piece
    if (text.length >= lengthAtOnce) {
      yield text
      text = ''
    }
    if (slice.mustYield(1 + piece.length / lengthPerWork)) await slice.yield()
  }
  if (text !== '') yield text
}
