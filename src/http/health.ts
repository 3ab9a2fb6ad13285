import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { membersNeeded, unreachableQuorum } from '../domain/quorum.ts'
import type { ReportedStatus } from '../domain/status.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import type { WatchedService } from '../monitor/watch.ts'
import type { Access } from './access.ts'
import { choose, oldestCheckOf, ownQuorum } from './chosen.ts'
import { type Freshness, freshnessHeaders, readFreshness } from './freshness.ts'
import { healthHeaders, passes, statusCodeOf } from './health-answer.ts'
import { HealthJson } from './health-json.ts'
import { ServiceQuery, SetQuery } from './health-query.ts'
import { bodyOf } from './long-body.ts'
import { sendNoGroup, sendNotRegistered } from './missing.ts'
import { problemResponse, sendProblem } from './problem.ts'
import type { RenderService } from './rendered.ts'
import { reportService, ServiceReport } from './reports.ts'
import { type MediaType, preferredType, renderService, renderSet } from './representation.ts'
import { type Listed, SetReport, summarizeSet, surveySet } from './set-reports.ts'

const answers = <Report extends z.ZodType>(Report: Report) => {
  const content = {
    'application/json': { schema: Report },
    'application/health+json': { schema: HealthJson },
    'text/plain': { schema: z.string() },
  }
  return {
    200: { description: '`up` or `degraded`.', content },
    400: problemResponse('The query is wrong; every problem is listed.'),
    404: problemResponse('No such service or group.'),
    503: { description: '`down`, `unknown` or `draining`.', content },
    504: problemResponse('`only-if-cached` was asked, and nothing fresh enough is known.'),
  }
}

type Options = { monitor: Monitor; registry: Registry; access: Access; clock: Clock; render: RenderService }

/** What to answer with, whatever the media type. */
type Answer = {
  readonly status: ReportedStatus
  readonly degradedCode: '200' | '503' | undefined
  readonly checkedAt: number | null
  readonly details: boolean
  readonly body: (type: MediaType, passes: boolean) => string | Readable
}

/** `GET /health` and `GET /health/{service}`: what is known of services, as a status code and a report. */
export const healthRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (
  app,
  { monitor, registry, access, clock, render },
) => {
  app.get(
    '/health',
    {
      schema: {
        summary: 'The health of all services, or of a chosen set',
        operationId: 'getHealth',
        tags: ['health'],
        querystring: SetQuery,
        headers: freshnessHeaders,
        response: answers(SetReport),
      },
    },
    async (request, reply) => {
      const { query } = request
      const unknown = (query.group ?? []).filter((name) => !registry.groups.has(name))
      if (unknown.length > 0) return sendNoGroup(reply, unknown, registry)
      const chosen = choose(monitor, registry, query)
      const quorum = query.quorum ?? ownQuorum(registry, query.group) ?? 'all'
      const isUnreachable = membersNeeded(quorum, chosen.length) > chosen.length
      // Nothing chosen is no mistake of the caller's: services come and go. Nor is a group's own quorum of too few services.
      if (isUnreachable && chosen.length > 0 && (query.quorum ?? query.exclude) !== undefined) {
        return sendProblem(reply, 400, unreachableQuorum(quorum, chosen.length, 'service'))
      }
      const freshness = readFreshness(request.headers['cache-control'], query.maxAge)
      if (!(await freshen(chosen, freshness, query.wait))) return sendProblem(reply, 504, nothingCached)
      const warnings = (query.exclude ?? [])
        .filter((name) => !registry.services.has(name))
        .map((name) => `exclude=${name}: there is no such service`)
      if (isUnreachable && chosen.length > 0) warnings.push(unreachableQuorum(quorum, chosen.length, 'service'))
      const details = access.showsDetails(request.raw)
      const survey = await surveySet(chosen, { verbose: query.verbose ?? false, clock })
      const { listed, checkedAt } = survey
      const summary = summarizeSet(survey, { quorum, warnings })
      return answer(request, reply, {
        status: summary.status,
        degradedCode: query.degraded,
        checkedAt,
        details,
        body: (type, passes) =>
          bodyOf(
            request,
            renderSet({ summary, listed, reports: reportsOf(listed, details) }, type, passes),
            listed.length,
          ),
      })
    },
  )

  app.get(
    '/health/:service',
    {
      schema: {
        summary: 'The health of one service, its targets, their reasons and sentences',
        operationId: 'getServiceHealth',
        tags: ['health'],
        params: z.object({ service: z.string() }),
        querystring: ServiceQuery,
        headers: freshnessHeaders,
        response: answers(ServiceReport),
      },
    },
    async (request, reply) => {
      const watched = monitor.services.get(request.params.service)
      if (watched === undefined) {
        return sendNotRegistered(reply, request.params.service)
      }
      const freshness = readFreshness(request.headers['cache-control'], request.query.maxAge)
      if (!(await freshen([watched], freshness, request.query.wait))) return sendProblem(reply, 504, nothingCached)
      const { report, json, checkedAt, details } = render(watched, access.showsDetails(request.raw))
      return answer(request, reply, {
        status: report.status,
        degradedCode: request.query.degraded,
        checkedAt,
        details,
        body: (type, passes) => (type === 'application/json' ? json : renderService(report, type, passes)),
      })
    },
  )

  /** The reports of those that are still there: where they are many, some may go while others are sent. */
  function* reportsOf(listed: readonly Listed[], details: boolean): Generator<ServiceReport> {
    for (const { watched } of listed) {
      if (monitor.services.get(watched.service.name) === watched) yield reportService(watched, clock, { details })
    }
  }

  const nothingCached = 'Nothing fresh enough is known, and only-if-cached forbids a check.'

  /** Checks what is older than the caller wants. False when it is, and the caller forbids a check. */
  function freshen(
    chosen: readonly WatchedService[],
    { maxAgeMs, onlyIfCached }: Freshness,
    waitMs: number | undefined,
  ): boolean | Promise<boolean> {
    if (!onlyIfCached) return monitor.refresh(chosen, maxAgeMs, waitMs)?.then(() => true) ?? true
    const oldest = oldestCheckOf(chosen)
    return oldest !== null && clock.now() - oldest <= (maxAgeMs ?? Number.POSITIVE_INFINITY)
  }

  function answer(
    request: FastifyRequest,
    reply: FastifyReply,
    { status, degradedCode, checkedAt, details, body }: Answer,
  ): FastifyReply {
    const type = preferredType(request.headers.accept)
    return reply
      .code(statusCodeOf(status, degradedCode))
      .headers(healthHeaders(type, checkedAt, clock.now(), details))
      .send(body(type, passes(status, degradedCode)))
  }
}
