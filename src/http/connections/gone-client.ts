import type { FastifyRequest } from 'fastify'
import type { TimeSlice, TimeSlices } from '../../runtime/time-slices.ts'

/** Begins a loop for a request. Soon after the client closes its connection, the loop throws `loopAbandoned`, which `answerError` expects. */
export function beginFor({ raw: { socket } }: Pick<FastifyRequest, 'raw'>, slices: TimeSlices): TimeSlice {
  return slices.begin(() => socket.destroyed)
}
