import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZodOpenApi } from 'fastify-zod-openapi'
import { z } from 'zod'
import { ReportedStatus } from '../../domain/health/status.ts'
import type { Service } from '../../domain/service/service.ts'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import { effectiveServiceStatus, type ServiceState, type TargetState } from '../../monitor/state/state.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { TimeSlices } from '../../runtime/time-slices.ts'
import { problemResponse } from '../answers/problem.ts'
import { createSnapshots } from '../answers/snapshots.ts'
import { bodyOf } from '../answers/streamed-body.ts'
import { beginFor } from '../connections/gone-client.ts'
import { unknownParameters } from '../health/health-query.ts'
import { reportedStatus } from '../health/reports.ts'
import { selectServices } from '../health/select-services.ts'
import { sendPending } from './registry-pending.ts'
import { oneOrMany } from './repeated.ts'

/** A service for Prometheus. Its documentation of HTTP service discovery calls this a target group. */
export const DiscoveredService = z
  .object({
    targets: z.array(z.string()).meta({ description: '`host:port` as checked.' }),
    labels: z.object({
      __meta_porthole_service: z.string(),
      __meta_porthole_groups: z.string().meta({
        description:
          'The groups between commas, with a comma at both ends: `.*,payments,.*` is a regex for one of them. Empty when there are none.',
      }),
      __meta_porthole_status: ReportedStatus.meta({
        description:
          "The service's status at the time of the request. Prometheus drops it after relabeling, so it costs nothing unless used. Kept as a label it starts new series at every change, and targets dropped by it leave no `up == 0` to alert on.",
      }),
      __meta_porthole_quorum: z.string().meta({ description: '`all`, `any`, a count, or a share such as `50%`.' }),
    }),
  })
  .meta({ id: 'DiscoveredService' })
export type DiscoveredService = z.infer<typeof DiscoveredService>

const Query = z.strictObject(
  { group: oneOrMany('group').optional().meta({ description: 'Only services of this group; several are allowed.' }) },
  { error: (issue) => unknownParameters(issue, 'group') },
)

/** The memory that a list of services holds for each of them, in bytes. */
const bytesPerEntry = 8

type Written = {
  readonly status: ReportedStatus
  readonly targets: readonly TargetState[]
  readonly json: string
}

type Options = { monitor: Monitor; registry: Registry; clock: Clock; slices: TimeSlices }

/**
 * Adds `GET /v1/sd`, the list of services for Prometheus's `http_sd_configs`. While services may be missing from the list the answer is 503,
 * because Prometheus keeps its last list on any answer but 200.
 */
export const discoveryRoutes: FastifyPluginAsyncZodOpenApi<Options> = async (
  app,
  { monitor, registry, clock, slices },
) => {
  app.get(
    '/v1/sd',
    {
      schema: {
        summary: 'The services and their targets, for HTTP service discovery of Prometheus',
        operationId: 'discoverServices',
        tags: ['discovery'],
        querystring: Query,
        response: {
          200: {
            description: 'Every service, or the services of the given groups; empty when there is none.',
            content: { 'application/json': { schema: z.array(DiscoveredService) } },
          },
          400: problemResponse('The query is wrong; every problem is listed.'),
          503: problemResponse(
            'The registry was not read yet, so services may be missing. Prometheus keeps the targets that it has.',
          ),
        },
      },
    },
    async (request, reply) => {
      const pending = registry.load.pending()
      if (pending !== null) return sendPending(reply, 'There is no list of services', pending)
      const { group } = request.query
      const selected = await snapshots(JSON.stringify([...(group ?? [])]), (isShared) =>
        // A shared list goes on when the client that asked first is gone, because other clients wait for it too.
        selectServices(monitor, request.query, isShared ? slices.begin() : beginFor(request, slices)),
      )
      return sendList(request, reply, selected)
    },
  )

  const snapshots = createSnapshots<readonly ServiceState[]>(registry)
  app.addHook('onClose', async () => snapshots.close())

  /** The cached JSON of each service. Definitions and lists of targets never change in place: they are replaced, so a new one is a new key. */
  const written = new WeakMap<Service, Written>()

  function sendList(request: FastifyRequest, reply: FastifyReply, selected: readonly ServiceState[]): FastifyReply {
    const held = { key: selected, bytes: selected.length * bytesPerEntry }
    const body = bodyOf(request, entriesOf(selected), selected.length, slices, held)
    return reply.type('application/json; charset=utf-8').send(body)
  }

  /** Yields the list in chunks. Leaves out services that were removed since the list was made. */
  function* entriesOf(selected: readonly ServiceState[]): Generator<string> {
    let separator = '['
    for (const state of selected) {
      if (monitor.services.get(state.service.name) !== state) continue
      yield `${separator}${entryOf(state, clock.now())}`
      separator = ','
    }
    yield separator === '[' ? '[]' : ']'
  }

  /** Returns the JSON of a service, cached until it changes. Writing 10,000 services again would block the event loop for some 20 ms. */
  function entryOf(state: ServiceState, now: number): string {
    const { service, targets } = state
    const status = reportedStatus(state, effectiveServiceStatus(state, now))
    const last = written.get(service)
    if (last?.status === status && last.targets === targets) return last.json
    const json = JSON.stringify(discover(state, status))
    written.set(service, { status, targets, json })
    return json
  }
}

function discover({ service, targets }: ServiceState, status: ReportedStatus): DiscoveredService {
  const { name, groups, quorum } = service
  return {
    targets: targets.map(({ target }) => target.name),
    labels: {
      __meta_porthole_service: name,
      __meta_porthole_groups: groups.length === 0 ? '' : `,${groups.join(',')},`,
      __meta_porthole_status: status,
      __meta_porthole_quorum: String(quorum),
    },
  }
}
