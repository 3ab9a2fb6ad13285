import type { FastifyRequest } from 'fastify'
import type { TimeSlice, TimeSlices } from '../time-slices.ts'

/** Begins a loop for a request. It ends by `loopAbandoned` soon after the client has closed its connection, which `answerError` expects. */
export function beginFor({ raw: { socket } }: Pick<FastifyRequest, 'raw'>, slices: TimeSlices): TimeSlice {
  return slices.begin(() => socket.destroyed)
}
