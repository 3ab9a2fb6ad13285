import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import type { ReportedStatus } from '../../domain/health/status.ts'
import { membersNeeded, type Quorum, unreachableQuorum } from '../../domain/service/quorum.ts'
import { show } from '../../domain/values/quote.ts'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import type { ServiceState } from '../../monitor/state/state.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { TimeSlice, TimeSlices } from '../../runtime/time-slices.ts'
import { problemResponse, sendProblem } from '../answers/problem.ts'
import { bodyOf } from '../answers/streamed-body.ts'
import { beginFor } from '../connections/gone-client.ts'
import type { Access } from '../requests/access.ts'
import { sendNoGroup, sendNotRegistered } from '../services/not-found.ts'
import { missingServices } from '../services/registry-pending.ts'
import { type Freshness, freshnessHeaders, readFreshness } from './freshness.ts'
import { healthHeaders, passes, statusCodeOf } from './health-answer.ts'
import { HealthJson } from './health-json.ts'
import { ServiceQuery, SetQuery } from './health-query.ts'
import type { RenderService } from './report-cache.ts'
import { reportService, ServiceReport } from './reports.ts'
import { type MediaType, preferredType, renderService, renderSet } from './representation.ts'
import { oldestCheckOf, ownQuorum, selectServices } from './select-services.ts'
import { type Listed, SetReport, summarizeSet } from './set-reports.ts'
import { createSetStatusCache } from './set-status-cache.ts'

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
    503: {
      description:
        '`down`, `unknown` or `draining`; a problem where the name is unknown and the registry was not read yet.',
      content: { ...content, ...problemResponse('').content },
    },
    504: problemResponse('The request says `only-if-cached`, and nothing fresh enough is known.'),
  }
}

type Options = {
  monitor: Monitor
  registry: Registry
  access: Access
  clock: Clock
  render: RenderService
  slices: TimeSlices
  /** Returns why this replica cannot work with the others, as a sentence. Null while it can, or where Porthole runs alone. */
  whySolo?: () => string | null
}

/** The memory that the status of a set holds for each listed service, in bytes. */
const bytesPerListed = 64

/** A health answer before its media type is chosen. */
type Answer = {
  readonly status: ReportedStatus
  readonly degradedCode: '200' | '503' | undefined
  readonly checkedAt: number | null
  readonly details: boolean
  readonly body: (type: MediaType, passes: boolean) => string | Buffer | Readable
}

/** Adds `GET /health` and `GET /health/{service}`, which report the health of services as a status code and a body. */
export const healthRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (
  app,
  { monitor, registry, access, clock, render, slices, whySolo = () => null },
) => {
  const exists = (state: ServiceState) => monitor.services.get(state.service.name) === state
  const setStatusOf = createSetStatusCache({ clock, exists, slices })

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
      const unknown = [...(query.group ?? [])].filter((name) => !registry.groups.has(name))
      const details = access.showsDetails(request.raw)
      // Read before the services are selected, because services that the registry adds during the checks are not among them.
      const pending = registry.load.pending()
      if (unknown.length > 0) return sendNoGroup(reply, unknown, registry, pending, details)
      const slice = beginFor(request, slices)
      const asked = await selectServices(monitor, query, slice)
      const quorum = query.quorum ?? ownQuorum(registry, query.group) ?? 'all'
      // An empty selection is no mistake of the caller, because services come and go. Nor is a group whose own quorum needs more services than it has.
      if (pending === null && isUnreachable(quorum, asked) && (query.quorum ?? query.exclude) !== undefined) {
        return sendProblem(reply, 400, unreachableQuorum(quorum, asked.length, 'service'))
      }
      const freshness = readFreshness(request.headers['cache-control'], query.maxAge)
      const selected = await freshen(asked, freshness, query.wait, slice)
      if (selected === null) return sendProblem(reply, 504, nothingCached)
      const warnings = [...(pending === null ? (query.exclude ?? []) : [])]
        .filter((name) => !registry.services.has(name))
        .map((name) => `exclude=${show(name)}: there is no such service`)
      if (pending === null && isUnreachable(quorum, selected))
        warnings.push(unreachableQuorum(quorum, selected.length, 'service'))
      const { group, exclude, verbose = false } = query
      const name = JSON.stringify([group && [...group], exclude && [...exclude], verbose, pending === null])
      const found = await setStatusOf(selected, { name, verbose, isFresh: selected !== asked, slice })
      const { listed, longestName, checkedAt, targetsListed } = found
      const missing = pending === null ? null : missingServices(pending, details)
      const summary = summarizeSet(found, { quorum, warnings, missing, whySolo: details ? whySolo() : null })
      return answer(request, reply, {
        status: summary.status,
        degradedCode: query.degraded,
        checkedAt,
        details,
        body: (type, passes) =>
          bodyOf(
            request,
            renderSet({ summary, listed, longestName, reports: reportsOf(listed, details) }, type, passes),
            targetsListed,
            slices,
            { key: found, bytes: listed.length * bytesPerListed },
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
      const name = request.params.service
      const asked = monitor.services.get(name)
      if (asked === undefined) return sendNotRegistered(reply, name, registry.load, access.showsDetails(request.raw))
      const freshness = readFreshness(request.headers['cache-control'], request.query.maxAge)
      const fresh = await freshen([asked], freshness, request.query.wait, beginFor(request, slices))
      if (fresh === null) return sendProblem(reply, 504, nothingCached)
      const [state] = fresh
      if (state === undefined) return sendNotRegistered(reply, name, registry.load, access.showsDetails(request.raw))
      const { report, json, checkedAt, details } = render(state, access.showsDetails(request.raw))
      return answer(request, reply, {
        status: report.status,
        degradedCode: request.query.degraded,
        checkedAt,
        details,
        body: (type, passes) => (type === 'application/json' ? json : renderService(report, type, passes)),
      })
    },
  )

  /** Yields the reports of the services that still exist. Where there are many, some may be removed while others are sent. */
  function* reportsOf(listed: readonly Listed[], details: boolean): Generator<ServiceReport> {
    for (const { state } of listed) {
      if (exists(state)) yield reportService(state, clock, { details })
    }
  }

  const nothingCached = 'Nothing fresh enough is known, and only-if-cached forbids a check.'

  /**
   * Checks the services whose last check is older than the caller allows. Returns the services that still exist after the checks.
   * Returns null when a check is too old and the caller forbids another.
   */
  async function freshen(
    asked: readonly ServiceState[],
    { maxAgeMs, onlyIfCached }: Freshness,
    waitMs: number | undefined,
    slice: TimeSlice,
  ): Promise<readonly ServiceState[] | null> {
    if (!onlyIfCached)
      return (await monitor.refresh(asked, maxAgeMs, waitMs, slice)) ? lookUpAgain(asked, slice) : asked
    const oldest = await oldestCheckOf(asked, slice)
    return oldest !== null && clock.now() - oldest <= (maxAgeMs ?? Number.POSITIVE_INFINITY) ? asked : null
  }

  /** Looks the services up again by name. The state of a removed service reads as never checked, and its name may now be that of another service. */
  async function lookUpAgain(asked: readonly ServiceState[], slice: TimeSlice): Promise<ServiceState[]> {
    const found: ServiceState[] = []
    for (const { service } of asked) {
      if (slice.mustYield()) await slice.yield()
      const state = monitor.services.get(service.name)
      if (state !== undefined) found.push(state)
    }
    return found
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

/** Returns whether there are services, but too few for the quorum. */
function isUnreachable(quorum: Quorum, { length }: readonly ServiceState[]): boolean {
  return length > 0 && membersNeeded(quorum, length) > length
}
