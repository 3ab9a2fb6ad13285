import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import type { Registrar } from '../../registrar/registrar.ts'
import { problemResponse } from '../answers/problem.ts'
import { needsToken } from '../docs.ts'
import type { Access } from '../requests/access.ts'
import { refuseBody } from '../requests/no-body.ts'
import { sendNotRegistered } from '../services/not-found.ts'
import { NoQuery } from '../services/service-query.ts'
import { changeRefusals, logChange, sendFailure } from './change.ts'

const routes = [
  {
    method: 'PUT',
    drained: true,
    operationId: 'drainService',
    summary: 'Takes a service out of service',
    description:
      'A drained service answers 503 `draining` on its health route, whatever the status of its targets. Groups leave it out of their quorum. Porthole still checks it. It stays drained after a restart. Services of the configuration can be drained too.',
    what: 'service drained',
    done: 'The service is drained, whether or not it was before.',
  },
  {
    method: 'DELETE',
    drained: false,
    operationId: 'undrainService',
    summary: 'Puts a drained service back into service',
    description:
      'From now on its targets decide its status again. A drain outlives a registration that expired, so a drain can be ended for a service that is gone.',
    what: 'service no longer drained',
    done: 'The service is not drained, whether or not it was before.',
  },
] as const

type Options = { monitor: Monitor; registry: Registry; registrar: Registrar; access: Access }

/** Adds `PUT` and `DELETE /v1/services/{service}/drain`, which begin and end planned work that must raise no alert. */
export const drainRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (
  app,
  { monitor, registry, registrar, access },
) => {
  for (const { method, drained, what, done, ...described } of routes) {
    app.route({
      method,
      url: '/v1/services/:service/drain',
      schema: {
        ...described,
        tags: ['services'],
        security: needsToken,
        params: z.object({ service: z.string() }),
        querystring: NoQuery,
        response: {
          204: { description: done },
          ...changeRefusals(),
          404: problemResponse('No such service.'),
        },
      },
      onRequest: [access.requireToken, refuseBody],
      handler: async (request, reply) => {
        const { service: name } = request.params
        const exists = monitor.services.has(name) || (!drained && registry.drained.has(name))
        if (!exists) return sendNotRegistered(reply, name, registry.load)
        const stored = await registrar.setDrained(name, drained)
        if (!stored.ok) return sendFailure(reply, stored)
        logChange(request, access, what, name)
        return reply.code(204).send()
      },
    })
  }
}
