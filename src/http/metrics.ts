import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import type { Metrics } from '../metrics/metrics.ts'
import type { TimeSlices } from '../runtime/time-slices.ts'
import type { LongAnswers } from './answers/long-answers.ts'
import { problemResponse } from './answers/problem.ts'
import { beginFor } from './connections/gone-client.ts'
import { needsToken, tokenRefusals } from './docs.ts'
import { unknownParameters } from './health/health-query.ts'
import type { Access } from './requests/access.ts'
import { oneOrMany } from './services/repeated.ts'

const MetricsQuery = z.strictObject(
  {
    group: oneOrMany('group').optional().meta({ description: 'Only services of this group; several are allowed.' }),
    service: oneOrMany('service').optional().meta({ description: 'Only this service; several are allowed.' }),
    exclude: oneOrMany('exclude').optional().meta({ description: 'Leave this service out; several are allowed.' }),
  },
  { error: (issue) => unknownParameters(issue, 'group, service, exclude') },
)

type Options = {
  slices: TimeSlices
  metrics: Pick<Metrics, 'contentType' | 'render' | 'heldBytes'>
  access: Pick<Access, 'showsDetails' | 'requireTokenForDetails'>
  answers: Pick<LongAnswers, 'stream'>
}

/** Adds `GET /metrics`. The answer is 200 even when targets are down, because Prometheus discards the body of any other answer. */
export const metricsRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (
  app,
  { metrics, access, slices, answers },
) => {
  app.get(
    '/metrics',
    {
      schema: {
        summary: 'All metrics, for Prometheus',
        description:
          'Callers that may not see details get no series of targets. A narrowed page has no series of Porthole itself.',
        operationId: 'getMetrics',
        tags: ['porthole'],
        security: [{}, ...needsToken],
        querystring: MetricsQuery,
        response: {
          200: { description: 'Prometheus text format.', content: { 'text/plain': { schema: z.string() } } },
          400: problemResponse('The query is wrong; every problem is listed.'),
          ...tokenRefusals(),
          503: problemResponse('Too many scrapes are under way; `Retry-After` says when to ask again.'),
        },
      },
    },
    async (request, reply) => {
      const details = access.showsDetails(request.raw)
      if (!details) {
        // A client that sends a wrong token wants the series of targets. Without them its alerts would fall silent, so the answer is an error.
        if (request.headers.authorization !== undefined) return access.requireTokenForDetails(request, reply)
        reply.header('vary', 'authorization')
      }
      const { group, service, exclude } = request.query
      const slice = beginFor(request, slices)
      const page = metrics.render({ targets: details, selection: { group, service, exclude }, slice })
      const isNarrowed = (group ?? service ?? exclude) !== undefined
      await answers.stream(request, reply.type(metrics.contentType), page, isNarrowed ? 0 : metrics.heldBytes())
      return reply
    },
  )
}
