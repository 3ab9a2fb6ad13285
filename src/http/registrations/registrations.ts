import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import type { Limits } from '../../domain/service/limits.ts'
import { excessOf, RegistrationSettings } from '../../domain/service/registration.ts'
import { ServiceName } from '../../domain/service/service.ts'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import type { Condition, Refused } from '../../store/store.ts'
import { problemResponse, sendProblem } from '../answers/problem.ts'
import { needsToken } from '../docs.ts'
import type { Access } from '../requests/access.ts'
import { refuseBody } from '../requests/no-body.ts'
import { sendNotRegistered } from '../services/not-found.ts'
import { type DetailParts, ServiceDetail, sendDetail } from '../services/service-detail.ts'
import { NoQuery } from '../services/service-query.ts'
import { changeRefusals, logChange, sendFailure } from './change.ts'
import { readPreconditions, tagOf } from './preconditions.ts'

type Options = DetailParts & { monitor: Monitor; registry: Registry; access: Access; limits: Limits }

const params = z.object({ service: ServiceName })
const headers = z.looseObject({
  'if-match': z.string().optional().meta({
    description:
      'The `ETag` of the service when it was read, so that a later change of another client is not overwritten. `*`: only if it is registered.',
  }),
  'if-none-match': z
    .string()
    .optional()
    .meta({ description: '`*`: only if it is not registered, or its registration is expired.' }),
})
const detailAnswer = (description: string) => ({
  description,
  headers: z.object({
    etag: z.string().meta({ description: 'The version of the definition, for `If-Match`.' }),
  }),
  content: { 'application/json': { schema: ServiceDetail } },
})
const refusals = () => ({
  ...changeRefusals(),
  412: problemResponse('The service does not meet `If-Match` or `If-None-Match`; `ETag` is its present version.'),
})

const what = { created: 'service registered', replaced: 'service definition replaced' } as const

/** Adds `PUT` and `DELETE /v1/services/{service}`, which register and deregister services at run time. */
export const registrationRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (app, options) => {
  const { monitor, registry, registrar, access, limits, placeOf } = options

  app.put(
    '/v1/services/:service',
    {
      bodyLimit: limits.bodyBytes,
      schema: {
        summary: 'Registers a service, or replaces its definition',
        description:
          'The body is a service as in the configuration file, with `ttl` and `expireAfter`. The same body again only restarts its `ttl`. Fields that are left out follow the `defaults` of the file. A service that is not registered again within its `ttl` is expired: it is down, and after `expireAfter` (default `10m`) it is deregistered. A drain outlives the registration.',
        operationId: 'putService',
        tags: ['services'],
        security: needsToken,
        params,
        querystring: NoQuery,
        headers,
        body: RegistrationSettings,
        response: {
          200: detailAnswer('The service was registered before.'),
          201: detailAnswer(
            'The service was not registered before; or it was expired, and `If-None-Match` asks for a new one.',
          ),
          ...refusals(),
          409: problemResponse(
            'The configuration defines the service. Or there are `limits.services` services, none of them expired. Or its stored registration cannot be read, and only `If-Match: *` replaces it.',
          ),
          413: problemResponse('The body is larger than `limits.bodyBytes`.'),
          415: problemResponse('The body is not `application/json`.'),
        },
      },
      onRequest: access.requireToken,
    },
    async (request, reply) => {
      const { service: name } = request.params
      if (isWritten(name)) return sendWritten(reply, name)
      const excess = excessOf(name, request.body, limits)
      if (excess.length > 0) return sendProblem(reply, 400, excess.map(({ detail }) => detail).join('; '), excess)
      const condition = readPreconditions(request.headers)
      if (typeof condition === 'string') return sendProblem(reply, 400, condition)
      // Until the registry is read, Porthole does not know how many services there are, nor whether the file of another replica defines this one.
      const pending = registry.load.pending()
      if (pending !== null) return sendFailure(reply, { ok: false, failure: pending })
      const full = registrar.refusalOf(name)
      if (full !== null) return sendProblem(reply, 409, `No more services: ${full}.`)
      const stored = await registrar.put(name, request.body, condition)
      if (!stored.ok) return sendFailure(reply, stored)
      if (!stored.value.done) return sendRefused(reply, name, condition, stored.value)
      const { registered, change } = stored.value
      // A renewal changes nothing, so the log does not report it.
      if (change !== 'none') logChange(request, access, what[change], name)
      // By now the configuration may define the service, or another client may have deregistered it.
      const state = monitor.services.get(name)
      if (state === undefined) return sendNotRegistered(reply, name, registry.load)
      return sendDetail(reply.code(change === 'created' ? 201 : 200), state, options, registered)
    },
  )

  app.delete(
    '/v1/services/:service',
    {
      schema: {
        summary: 'Deregisters a service',
        operationId: 'deleteService',
        tags: ['services'],
        security: needsToken,
        params,
        querystring: NoQuery,
        headers,
        response: {
          204: { description: 'The service is gone, and so are its series. Its transitions can still be read.' },
          ...refusals(),
          404: problemResponse('No such service.'),
          409: problemResponse(
            'The configuration defines the service; or its registration cannot be read, and only `If-Match: *` removes it.',
          ),
        },
      },
      onRequest: [access.requireToken, refuseBody],
    },
    async (request, reply) => {
      const { service: name } = request.params
      if (isWritten(name)) return sendWritten(reply, name)
      const condition = readPreconditions(request.headers)
      if (typeof condition === 'string') return sendProblem(reply, 400, condition)
      const pending = registry.load.pending()
      if (pending !== null) return sendFailure(reply, { ok: false, failure: pending })
      const stored = await registrar.remove(name, condition)
      if (!stored.ok) return sendFailure(reply, stored)
      if (stored.value.done) {
        logChange(request, access, 'service deregistered', name)
        return reply.code(204).send()
      }
      const { revision, isUnreadable = false } = stored.value
      if (!isUnreadable && revision === null && condition.ifMatch === undefined)
        return sendNotRegistered(reply, name, registry.load)
      return sendRefused(reply, name, condition, stored.value)
    },
  )

  function sendRefused(reply: FastifyReply, name: string, condition: Condition, refused: Refused): FastifyReply {
    if (!refused.isUnreadable) return sendMismatch(reply, name, condition, refused.revision)
    const status = condition.ifMatch === undefined && condition.ifNoneMatch === undefined ? 409 : 412
    const why = registry.load.whyUnreadable(name) ?? 'it is not a registration'
    const detail = `The store has a registration of ${JSON.stringify(name)} that cannot be read (${why}), so it was not changed: send If-Match: * to give it up.`
    return sendProblem(reply, status, detail)
  }

  function isWritten(name: string): boolean {
    return monitor.services.get(name)?.service.origin === 'file'
  }

  function sendWritten(reply: FastifyReply, name: string): FastifyReply {
    const place = placeOf(name)
    const where = place === null ? 'in the configuration' : `at ${place}`
    return sendProblem(reply, 409, `The service ${JSON.stringify(name)} is defined ${where}: change it there.`)
  }
}

function sendMismatch(reply: FastifyReply, name: string, condition: Condition, revision: number | null): FastifyReply {
  const service = JSON.stringify(name)
  if (revision === null)
    return sendProblem(reply, 412, `No service ${service} is registered, and If-Match asks for one.`)
  reply.header('etag', tagOf(revision))
  const detail = condition.ifNoneMatch
    ? `The service ${service} is registered already, as ${tagOf(revision)}, and If-None-Match: * asks for one that is not.`
    : `The service ${service} is ${tagOf(revision)} now, which If-Match does not name: read it again, and change that.`
  return sendProblem(reply, 412, detail)
}
