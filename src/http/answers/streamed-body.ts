import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { TimeSlices } from '../../runtime/time-slices.ts'
import type { Held } from './answer-caps.ts'
import { holdWhileSent } from './long-answers.ts'

/** A body about this many targets or fewer is built at once, which takes some milliseconds. */
const fewTargets = 200
/** The length of a chunk of a longer body, in characters. */
const lengthAtOnce = 64 * 1024
/** How many characters one unit of work writes. */
const lengthPerWork = 100

/**
 * Returns the body of an answer about a number of targets. The body is a text for 200 targets or fewer. Otherwise it is a stream that
 * builds chunks as the client reads them. The stream is empty for HEAD. `held` is the memory that the chunks are made from.
 */
export function bodyOf(
  { method }: Pick<FastifyRequest, 'method'>,
  chunks: Iterable<string>,
  targets: number,
  slices: TimeSlices,
  held?: Held,
): string | Readable {
  if (targets <= fewTargets) return [...chunks].join('')
  const body = Readable.from(method === 'HEAD' ? [] : inSlices(chunks, slices), { objectMode: false })
  return held === undefined ? body : holdWhileSent(body, held)
}

async function* inSlices(chunks: Iterable<string>, slices: TimeSlices): AsyncGenerator<string> {
  const slice = slices.begin()
  let text = ''
  for (const chunk of chunks) {
    text += chunk
    if (text.length >= lengthAtOnce) {
      yield text
      text = ''
    }
    if (slice.mustYield(1 + chunk.length / lengthPerWork)) await slice.yield()
  }
  if (text !== '') yield text
}
