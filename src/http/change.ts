import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Stored } from '../store/store.ts'
import type { Access } from './access.ts'
import { tokenRefusals } from './docs.ts'
import { problemResponse, sendProblem } from './problem.ts'

/** What every route that changes something may answer. Anew for each route: Fastify writes into what it is given. */
export const changeRefusals = () => ({
  400: problemResponse('The request is wrong; every problem is listed.'),
  ...tokenRefusals(),
  503: problemResponse(
    'The store cannot keep the change, and says why; nothing was changed, unless the answer says otherwise.',
  ),
})

/** Answers where the store could not keep a change, or did not say whether it did. */
export function sendFailure(
  reply: FastifyReply,
  { failure, isUncertain = false }: Extract<Stored<never>, { ok: false }>,
): FastifyReply {
  const what = isUncertain
    ? 'It is not known whether that was changed: read it, or ask for the same again'
    : 'Nothing was changed, as it could not be kept'
  return sendProblem(reply.header('retry-after', '5'), 503, `${what}: ${failure}.`)
}

/** Leaves a trace of who changed what. */
export function logChange(request: FastifyRequest, access: Access, what: string, service: string): void {
  request.log.info({ service, by: access.nameOf(request.raw), from: request.ip }, what)
}
