import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import type { TransitionLog } from '../../monitor/transitions/transition-log.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { TimeSlice, TimeSlices } from '../../runtime/time-slices.ts'
import { problemResponse, sendProblem, tooManyAnswers } from '../answers/problem.ts'
import { beginFor } from '../connections/gone-client.ts'
import { isoTime } from '../health/reports.ts'
import { sendGone, sendNotRegistered } from './not-found.ts'
import { defaultLimit, linkToNext } from './paging.ts'
import { pendingAnswer } from './registry-pending.ts'
import { NoQuery } from './service-query.ts'
import { instantOf, ServiceTransitionQuery, TransitionQuery } from './transition-query.ts'
import { reportGap, reportTransition, reportUptime, TransitionPage, UptimeReport } from './transition-reports.ts'

const pageAnswer = 'A page of transitions. The `Link` header leads to the next one (RFC 8288).'
const json = <Report extends z.ZodType>(description: string, Report: Report) => ({
  description,
  content: { 'application/json': { schema: Report } },
})
// Each route needs its own copy. Otherwise the document leaves a shared response empty for the second route.
const wrongQuery = () => problemResponse('The query is wrong; every problem is listed.')
const notRegistered = () => ({
  404: problemResponse('No such service.'),
  503: problemResponse(pendingAnswer),
})
const params = z.object({ service: z.string() })

type Options = { monitor: Monitor; registry: Registry; log: TransitionLog; clock: Clock; slices: TimeSlices }

/** Adds the routes for the transitions of all services and of one service, and for the uptime of a service. */
export const transitionRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (
  app,
  { monitor, registry, log, clock, slices },
) => {
  app.get(
    '/v1/transitions',
    {
      schema: {
        summary: 'Changes of status, the newest first',
        operationId: 'listTransitions',
        tags: ['transitions'],
        querystring: TransitionQuery,
        response: { 200: json(pageAnswer, TransitionPage), 400: wrongQuery(), 503: tooManyAnswers() },
      },
    },
    async (request, reply) => sendPage(reply, request.query, request.query.service, beginFor(request, slices)),
  )

  app.get(
    '/v1/services/:service/transitions',
    {
      schema: {
        summary: "A service's changes of status and its targets', the newest first",
        operationId: 'listServiceTransitions',
        tags: ['transitions'],
        params,
        querystring: ServiceTransitionQuery,
        response: { 200: json(pageAnswer, TransitionPage), 400: wrongQuery(), ...notRegistered() },
      },
    },
    async (request, reply) => {
      const { service } = request.params
      if (!monitor.services.has(service)) return sendNotFoundService(reply, service)
      return sendPage(reply, request.query, service, beginFor(request, slices))
    },
  )

  app.get(
    '/v1/services/:service/uptime',
    {
      schema: {
        summary: 'How long a service was up in the last 24 hours, 7 days and 30 days',
        description:
          'Between two checks the status that the first of them found counts. Where a service is only checked when asked, that may be long.',
        operationId: 'getServiceUptime',
        tags: ['transitions'],
        params,
        querystring: NoQuery,
        response: { 200: json('Its uptime.', UptimeReport), 400: wrongQuery(), ...notRegistered() },
      },
    },
    async ({ params: { service } }, reply) => {
      const state = monitor.services.get(service)
      if (state === undefined) return sendNotFoundService(reply, service)
      return reply.header('cache-control', 'no-store').send(reportUptime(state, log, clock))
    },
  )

  /** Answers for an unknown service. If the log has transitions of it, the answer says so. */
  function sendNotFoundService(reply: FastifyReply, service: string): FastifyReply {
    return log.find({ service, limit: 1 }).length > 0
      ? sendGone(reply, service, registry.load)
      : sendNotRegistered(reply, service, registry.load)
  }

  async function sendPage(
    reply: FastifyReply,
    query: TransitionQuery,
    service: string | undefined,
    slice: TimeSlice,
  ): Promise<FastifyReply> {
    const now = clock.now()
    const from = query.from && instantOf(query.from, now, clock)
    const to = query.to && instantOf(query.to, now, clock)
    if (from !== undefined && to !== undefined && from > to)
      return sendProblem(reply, 400, 'from lies after to: swap them. A duration such as 24h means that long ago.')
    const { limit = defaultLimit, cursor: before } = query
    // One transition more than the page shows tells whether there is a next page.
    const found = await log.findInSlices({ service, from, to, before, limit: limit + 1 }, slice)
    const transitions = found.slice(0, limit).map((transition) => reportTransition(transition, clock))
    const gaps = log
      .gaps()
      .filter((gap) => gap.to >= (from ?? gap.to) && gap.from < (to ?? Number.POSITIVE_INFINITY))
      .slice(-limit)
      .reverse()
      .map((gap) => reportGap(gap, clock))
    const next = found.length > limit ? (transitions.at(-1)?.id ?? null) : null
    if (next !== null) {
      // Written as a time, because a duration would count back from the later request.
      const fixedFrom = from === undefined ? undefined : isoTime(from, clock)
      const parameters = [
        ['service', query.service],
        ['from', fixedFrom],
        ['limit', query.limit],
      ] as const
      reply.header('link', linkToNext(parameters, next))
    }
    return reply
      .header('cache-control', 'no-store')
      .send({ transitions, next, completeSince: isoTime(log.completeSince(), clock), gaps })
  }
}
