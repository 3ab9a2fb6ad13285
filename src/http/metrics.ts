import type { OutgoingHttpHeaders } from 'node:http'
import { finished, type Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { createGzip } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import Negotiator from 'negotiator'
import { z } from 'zod'
import type { Metrics } from '../metrics/metrics.ts'
import { loopAbandoned, type TimeSlices } from '../time-slices.ts'
import type { Access } from './access.ts'
import { needsToken, tokenRefusals } from './docs.ts'
import { beginFor } from './gone-client.ts'
import { unknownParameters } from './health-query.ts'
import { problemResponse, sendProblem } from './problem.ts'
import { oneOrMany } from './repeated.ts'

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
  metrics: Pick<Metrics, 'contentType' | 'render'>
  access: Pick<Access, 'showsDetails' | 'requireTokenForDetails'>
  /** How many scrapes may be under way at once: each holds the labels of all that it tells of, which are 10 MB of 100,000 targets. */
  maxScrapes?: number
  /**
   * Who has not taken the next 128 kB of a page after so long is cut off, in milliseconds. Prometheus gives a scrape up after 10 s unless it is told otherwise,
   * and hardly anybody has it wait for a minute.
   */
  patienceMs?: number
}

/** `GET /metrics`: 200 whatever the targets' health, since Prometheus throws the body of anything else away. */
export const metricsRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (
  app,
  { metrics, access, slices, maxScrapes = 50, patienceMs = 60_000 },
) => {
  let scrapes = 0

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
          503: problemResponse('Too many scrapes are under way; `Retry-After` says when to try again.'),
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
      if (scrapes >= maxScrapes) {
        const refusal = `${maxScrapes} scrapes are under way, and there may be no more.`
        return sendProblem(reply.header('retry-after', '5'), 503, refusal)
      }
      const slice = beginFor(request, slices)
      const render = () => metrics.render({ targets: details, selection, slice })
      scrapes++
      try {
        await stream(request, reply.type(metrics.contentType), render, patienceMs)
      } finally {
        scrapes--
      }
      return reply
    },
  )
}

/** A page of 100,000 targets is 80 MB; the first level makes 6 MB of it. */
const gzipLevel = 1

/** So long a page is sent before whatever else waits gets its turn of the event loop, in milliseconds: a reader on this machine takes it all at once. */
const turnMs = 5

/**
 * Sends a page as fast as it is taken, past Fastify, which would read ahead: a piece is written over by the next. Resolves once all of it is
 * sent, or nothing more will be.
 */
async function stream(
  request: FastifyRequest,
  reply: FastifyReply,
  render: () => AsyncIterable<Buffer>,
  patienceMs: number,
): Promise<void> {
  const isZipped = new Negotiator(request).encoding(['gzip', 'identity']) === 'gzip'
  const isRead = request.method !== 'HEAD'
  // Before the answer is past Fastify, which tells of what throws until then.
  const zip = isZipped && isRead ? createGzip({ level: gzipLevel }) : null
  const headers = { ...reply.getHeaders(), ...(isZipped ? { 'content-encoding': 'gzip' } : {}) }
  const vary = [reply.getHeader('vary'), 'accept-encoding'].filter((one) => one !== undefined).join(', ')
  const { raw } = reply.hijack()
  raw.writeHead(200, { ...headers, vary } as OutgoingHttpHeaders)
  if (!isRead) {
    raw.end()
    return
  }
  // Who goes away in the middle takes no more: nobody waits for that, as zlib would.
  const { promise: over, resolve: end } = Promise.withResolvers<false>()
  finished(raw, () => end(false))
  const fail = (error: unknown) => {
    // What is sent already cannot be taken back: the page ends in the middle, and Prometheus throws it away.
    request.log.error({ err: error, reqId: request.id }, 'a scrape failed')
    end(false)
  }
  zip?.once('error', fail).pipe(raw)
  const sink = zip ?? raw
  const giveUp = () => {
    request.log.warn({ reqId: request.id, patienceMs }, 'a scrape is cut off: hardly anything of it is taken')
    end(false)
  }
  let patience = setTimeout(giveUp, patienceMs)
  try {
    let turnEndsAt = performance.now() + turnMs
    for await (const piece of render()) {
      if (!(await Promise.race([isTaken(sink, piece), over]))) return
      clearTimeout(patience)
      patience = setTimeout(giveUp, patienceMs)
      if (performance.now() < turnEndsAt) continue
      await setImmediate()
      turnEndsAt = performance.now() + turnMs
    }
    sink.end()
    await over
  } catch (error) {
    if (error !== loopAbandoned) fail(error)
  } finally {
    clearTimeout(patience)
    zip?.destroy()
    if (!raw.writableFinished) raw.destroy()
  }
}

/** Resolves once a piece is taken, and may be written over; with false when nobody takes it any more. */
function isTaken(sink: Writable, piece: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    sink.write(piece, (error) => resolve(!error))
  })
}
