import { Readable } from 'node:stream'
import compress from '@fastify/compress'
import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import type { Metrics } from '../metrics/metrics.ts'
import type { Access } from './access.ts'
import { needsToken, tokenRefusals } from './docs.ts'
import { oneOrMany, unknownParameters } from './health-query.ts'
import { problemResponse } from './problem.ts'

const MetricsQuery = z.strictObject(
  {
    group: oneOrMany.optional().meta({ description: 'Only services of this group; several are allowed.' }),
    service: oneOrMany.optional().meta({ description: 'Only this service; several are allowed.' }),
    exclude: oneOrMany.optional().meta({ description: 'Leave this service out; several are allowed.' }),
  },
  { error: (issue) => unknownParameters(issue, 'group, service, exclude') },
)

/** `GET /metrics`: 200 whatever the targets' health, since Prometheus throws the body of anything else away. */
export const metricsRoutes: FastifyPluginAsyncZodOpenApi<{ metrics: Metrics; access: Access }> = async (
  app,
  { metrics, access },
) => {
  // Prometheus asks for it. A page of 100,000 targets is 80 MB; the first level makes 2 MB of it, on another thread.
  await app.register(compress, { encodings: ['gzip'], zlibOptions: { level: 1 } })
  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Everything that is known, for Prometheus',
        description:
          'Without the series of targets for who may not see details. A page that is narrowed has no series of Porthole itself.',
        operationId: 'getMetrics',
        tags: ['porthole'],
        security: [{}, ...needsToken],
        querystring: MetricsQuery,
        response: {
          200: { description: 'Prometheus text format.', content: { 'text/plain': { schema: z.string() } } },
          400: problemResponse('The query is wrong; every problem is listed.'),
          ...tokenRefusals(),
        },
      },
    },
    async (request, reply) => {
      const details = access.showsDetails(request.raw)
      if (!details) {
        // Who sends a token wants the targets: without them alerts would fall silent, and nobody know why.
        if (request.headers.authorization !== undefined) return access.requireTokenForDetails(request, reply)
        reply.header('vary', 'authorization')
      }
      const { group, service, exclude } = request.query
      const page = metrics.render({ targets: details, selection: { group, service, exclude } })
      const answer: FastifyReply = reply.type(metrics.contentType)
      return answer.send(Readable.from(page, { objectMode: false }))
    },
  )
}
