import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import type { TimeSlices } from '../../runtime/time-slices.ts'
import { problemResponse, tooManyAnswers } from '../answers/problem.ts'
import { beginFor } from '../connections/gone-client.ts'
import { reportService, ServiceReport } from '../health/reports.ts'
import { refuseBody } from '../requests/no-body.ts'
import type { NameOrder } from './name-order.ts'
import { sendNotRegistered } from './not-found.ts'
import { linkToNext } from './paging.ts'
import { pendingAnswer } from './registry-pending.ts'
import { type DetailParts, ServiceDetail, sendDetail } from './service-detail.ts'
import { createServicePager, ServicePage } from './service-list.ts'
import { NoQuery, parametersOf, ServicesQuery } from './service-query.ts'

type Options = DetailParts & { monitor: Monitor; registry: Registry; names: NameOrder; slices: TimeSlices }

const answers = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  200: { description, content: { 'application/json': { schema } } },
  400: problemResponse('The query is wrong; every problem is listed.'),
  503: tooManyAnswers(),
})
/** Returns the answers of a route for one service. Each route needs its own copy, because Fastify modifies the schema it is given. */
const answersForOne = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  ...answers(description, schema),
  404: problemResponse('No such service.'),
  503: problemResponse(pendingAnswer),
})
const params = z.object({ service: z.string() })

/** Adds the routes under `/v1/services`: the list of services, the definition of each, and checks on demand. */
export const serviceRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (app, options) => {
  const { monitor, registry, clock, names, slices } = options
  const readPage = createServicePager({ monitor, registry, names, clock })

  app.get(
    '/v1/services',
    {
      schema: {
        summary: 'The services, in the order of their names, a page at a time',
        operationId: 'listServices',
        tags: ['services'],
        querystring: ServicesQuery,
        response: answers(
          'The selected services; empty when there is none. The `Link` header leads to the next page (RFC 8288).',
          ServicePage,
        ),
      },
    },
    async (request, reply) => {
      const { query } = request
      const page = await readPage(query, beginFor(request, slices))
      if (page.next !== null) reply.header('link', linkToNext(parametersOf(query), page.next))
      return reply.header('cache-control', 'no-store').send(page)
    },
  )

  app.get(
    '/v1/services/:service',
    {
      schema: {
        summary: 'The definition of a service, every default filled in, and its status',
        operationId: 'getService',
        tags: ['services'],
        params,
        querystring: NoQuery,
        response: answersForOne('The definition can be written into the configuration as it is.', ServiceDetail),
      },
    },
    async (request, reply) => {
      const state = monitor.services.get(request.params.service)
      if (state === undefined) return sendNotRegistered(reply, request.params.service, registry.load)
      return sendDetail(reply, state, options)
    },
  )

  app.post(
    '/v1/services/:service/checks',
    {
      schema: {
        summary: 'Checks every target of a service now, and reports the outcomes',
        operationId: 'checkService',
        tags: ['services'],
        params,
        querystring: NoQuery,
        response: answersForOne(
          'The outcomes count. A target that was checked within `minAge` is not checked again.',
          ServiceReport,
        ),
      },
      onRequest: refuseBody,
    },
    async (request, reply) => {
      const name = request.params.service
      const asked = monitor.services.get(name)
      if (asked !== undefined) await monitor.refresh([asked], 0, undefined, beginFor(request, slices))
      // Looked up again, because the service can be removed while it is checked.
      const state = monitor.services.get(name)
      if (state === undefined) return sendNotRegistered(reply, name, registry.load)
      return reply.header('cache-control', 'no-store').send(reportService(state, clock))
    },
  )
}
