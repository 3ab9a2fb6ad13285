import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Stored } from '../../store/store.ts'
import { problemResponse, sendProblem } from '../answers/problem.ts'
import { tokenRefusals } from '../docs.ts'
import type { Access } from '../requests/access.ts'

/** Returns the refusals of a route that changes something. Each route needs its own copy, because Fastify modifies the schema it is given. */
export const changeRefusals = () => ({
  400: problemResponse('The request is wrong; every problem is listed.'),
  ...tokenRefusals(),
  503: problemResponse(
    'The store cannot save the change; `detail` says why. Nothing was changed, unless `detail` says otherwise.',
  ),
})

/** Answers 503 when the store could not save a change, or did not say whether it did. */
export function sendFailure(
  reply: FastifyReply,
  { failure, isUncertain = false }: Extract<Stored<never>, { ok: false }>,
): FastifyReply {
  const what = isUncertain
    ? 'Porthole does not know whether that was changed: read it, or send the request again'
    : 'Nothing was changed, because it could not be saved'
  return sendProblem(reply.header('retry-after', '5'), 503, `${what}: ${failure}.`)
}

/** Logs a change of a service, with the name of the token and the address of the client. */
export function logChange(request: FastifyRequest, access: Access, what: string, service: string): void {
  request.log.info({ service, by: access.nameOf(request.raw), from: request.ip }, what)
}
