import type { OutgoingHttpHeaders } from 'node:http'
import type { Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { createGzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import Negotiator from 'negotiator'
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
      const selection = { group, service, exclude }
      await stream(request, reply.type(metrics.contentType), () => metrics.render({ targets: details, selection }))
      return reply
    },
  )
}

/** A page of 100,000 targets is 80 MB; the first level makes 6 MB of it. */
const gzipLevel = 1

/** So long a page is sent before whatever else waits gets its turn of the event loop, in milliseconds: a reader on this machine takes it all at once. */
const turnMs = 5

/** Sends a page as fast as it is taken, past Fastify, which would read ahead: a piece is written over by the next. */
async function stream(
  request: FastifyRequest,
  reply: FastifyReply,
  render: () => AsyncIterable<Buffer>,
): Promise<void> {
  const isZipped = new Negotiator(request).encoding(['gzip', 'identity']) === 'gzip'
  const headers = { ...reply.getHeaders(), ...(isZipped ? { 'content-encoding': 'gzip' } : {}) }
  const vary = [reply.getHeader('vary'), 'accept-encoding'].filter((one) => one !== undefined).join(', ')
  const { raw } = reply.hijack()
  raw.writeHead(200, { ...headers, vary } as OutgoingHttpHeaders)
  if (request.method === 'HEAD') {
    raw.end()
    return
  }
  const zip = isZipped ? createGzip({ level: gzipLevel }) : null
  zip?.pipe(raw)
  // Who goes away in the middle takes no more: nobody waits for that, as zlib would.
  const gone = new Promise<false>((resolve) => {
    raw.once('close', () => {
      zip?.destroy()
      resolve(false)
    })
  })
  try {
    let turnEndsAt = performance.now() + turnMs
    for await (const piece of render()) {
      if (!(await Promise.race([isTaken(zip ?? raw, piece), gone]))) {
        raw.destroy()
        return
      }
      if (performance.now() < turnEndsAt) continue
      await setImmediate()
      turnEndsAt = performance.now() + turnMs
    }
    ;(zip ?? raw).end()
  } catch (error) {
    // What is sent already cannot be taken back: the page ends in the middle, and Prometheus throws it away.
    request.log.error({ err: error, reqId: request.id }, 'a scrape failed')
    raw.destroy()
  }
}

/** Resolves once a piece is taken, and may be written over; with false when nobody takes it any more. */
function isTaken(sink: Writable, piece: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    sink.write(piece, (error) => resolve(!error))
  })
}
