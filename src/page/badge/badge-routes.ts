import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import { quote } from '../../domain/values/quote.ts'
import { problemResponse } from '../../http/answers/problem.ts'
import { once } from '../../http/health/freshness.ts'
import { unknownParameters } from '../../http/health/health-query.ts'
import { reportedStatus } from '../../http/health/reports.ts'
import type { Access } from '../../http/requests/access.ts'
import { sendNotRegistered } from '../../http/services/not-found.ts'
import { delayRetry, pendingAnswer } from '../../http/services/registry-pending.ts'
import { reportUptime, uptimeWindows } from '../../http/services/transition-reports.ts'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import { effectiveServiceStatus, type ServiceState } from '../../monitor/state/state.ts'
import type { TransitionLog } from '../../monitor/transitions/transition-log.ts'
import type { Clock } from '../../runtime/clock.ts'
import { wantsShown } from '../negotiation.ts'
import { type Badge, formatUptime, renderBadge, uptimeStatus } from './badge.ts'

/** How long clients may cache a badge, in seconds. */
const maxAgeSeconds = 10

const BadgeQuery = z.strictObject(
  {
    uptime: once(
      z.enum(uptimeWindows, {
        error: (issue) => `uptime=${quote(issue.input)}: write ${uptimeWindows.join(', ')}`,
      }),
    )
      .optional()
      .meta({ description: 'Shows the uptime of the last 24 hours, 7 days or 30 days instead of the status.' }),
  },
  { error: (issue) => unknownParameters(issue, 'uptime') },
)

const picture = (description: string) => ({ description, content: { 'image/svg+xml': { schema: z.string() } } })

type Options = {
  readonly monitor: Monitor
  readonly registry: Registry
  readonly log: TransitionLog
  readonly access: Access
  readonly clock: Clock
}

/** Serves `GET /badge/{service}.svg`: a service's status, or its uptime, as a picture for pages of other sites. A badge shows no targets. */
export const badgeRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (
  app,
  { monitor, registry, log, access, clock },
) => {
  app.get(
    '/badge/:service.svg',
    {
      schema: {
        summary: 'A badge: the status of a service, or its uptime, as a picture',
        operationId: 'getBadge',
        tags: ['page'],
        params: z.object({ service: z.string() }),
        querystring: BadgeQuery,
        response: {
          200: picture('An SVG picture. Names in ASCII need no font.'),
          400: problemResponse('The query is wrong; every problem is listed.'),
          404: {
            description: 'No such service. Clients that accept pictures get a badge that says so.',
            content: { ...problemResponse('').content, ...picture('').content },
          },
          503: {
            description: `${pendingAnswer} Clients that accept pictures get a badge.`,
            content: { ...problemResponse('').content, ...picture('').content },
          },
        },
      },
    },
    async (request, reply) => {
      const { service: name } = request.params
      const { uptime } = request.query
      const state = monitor.services.get(name)
      if (state === undefined) {
        reply.header('vary', 'accept')
        if (!wantsShown(request, 'image/svg+xml'))
          return sendNotRegistered(reply, name, registry.load, access.showsDetails(request.raw))
        if (registry.load.pending() === null)
          return sendBadge(reply.code(404), { label: name, value: 'not registered', status: 'unknown' })
        const badge: Badge = { label: name, value: 'unknown', status: 'unknown' }
        return sendBadge(delayRetry(reply.code(503)), badge)
      }
      return sendBadge(reply, uptime === undefined ? statusBadge(state) : uptimeBadge(state, uptime))
    },
  )

  function statusBadge(state: ServiceState): Badge {
    const status = reportedStatus(state, effectiveServiceStatus(state, clock.now()))
    return { label: state.service.name, value: status, status }
  }

  function uptimeBadge(state: ServiceState, wanted: string): Badge {
    const { windows } = reportUptime(state, log, clock)
    const ratio = windows.find(({ window }) => window === wanted)?.uptime ?? null
    return { label: `${state.service.name} ${wanted}`, value: formatUptime(ratio), status: uptimeStatus(ratio) }
  }
}

function sendBadge(reply: FastifyReply, badge: Badge): FastifyReply {
  return reply
    .headers({
      'cache-control': reply.getHeader('cache-control') ?? `public, max-age=${maxAgeSeconds}`,
      // Pages of other sites show badges.
      'cross-origin-resource-policy': 'cross-origin',
    })
    .type('image/svg+xml')
    .serializer((body: string) => body)
    .send(renderBadge(badge))
}
