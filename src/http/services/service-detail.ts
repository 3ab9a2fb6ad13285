import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { warningsOf } from '../../domain/service/policy-advice.ts'
import { defineService, ServiceDefinition } from '../../domain/service/service-definition.ts'
import type { DialRules } from '../../domain/target/dial-rules.ts'
import { currentStatusOf, type ServiceState } from '../../monitor/state/state.ts'
import type { Registrar } from '../../registrar/registrar.ts'
import type { Registered } from '../../registrar/registrations.ts'
import type { Clock } from '../../runtime/clock.ts'
import { isoTime, ServiceReport, summarize, whyExpired } from '../health/reports.ts'
import { tagOf } from '../registrations/preconditions.ts'

const { service, status, reason, message, since, checkedAt } = ServiceReport.shape

/** The definition of a service, and its current status. */
export const ServiceDetail = z
  .object({
    service,
    status,
    reason,
    message,
    since,
    checkedAt,
    origin: z.enum(['file', 'http']).meta({
      description:
        'The origin of its definition: `file` is the configuration or the command line, and is changed there; `http` can be changed here.',
    }),
    definedAt: z.string().nullable().meta({ description: 'Where the configuration defines it; null for `http`.' }),
    expiresAt: z.string().meta({ format: 'date-time' }).nullable().meta({
      description:
        'When its `ttl` ends. It expires then, unless it is registered again. In the past while it is expired; null without a `ttl`.',
    }),
    warnings: z.array(z.string()).meta({ description: 'Settings that work but may surprise; one sentence each.' }),
    definition: ServiceDefinition,
  })
  .meta({ id: 'ServiceDetail' })
export type ServiceDetail = z.infer<typeof ServiceDetail>

/** The parts that the detail of a service is read from. */
export type DetailParts = {
  readonly registrar: Registrar
  readonly clock: Clock
  /** Returns where the configuration defines a service, for use in a sentence; null where it does not. */
  readonly placeOf: (name: string) => string | null
  readonly dialRules: () => DialRules
}

/**
 * Answers with the detail of a service, and with its entity tag if it can be changed here. `found` is the version to show. A client
 * that changed a service is shown its own version, because it would otherwise mistake a later change for its own.
 */
export function sendDetail(
  reply: FastifyReply,
  state: ServiceState,
  { registrar, clock, placeOf, dialRules }: DetailParts,
  found: Registered | undefined = registrar.registrations.find(state.service.name),
): FastifyReply {
  const { name, origin } = state.service
  const registered = origin === 'http' ? found : undefined
  const defined = registered?.service ?? state.service
  const { service, status, reason, since, checkedAt } = summarize(state, clock, currentStatusOf(state, clock.now()))
  const detail: ServiceDetail = {
    service,
    status,
    reason,
    message: whyExpired(state.service),
    since,
    checkedAt,
    origin,
    definedAt: origin === 'file' ? placeOf(name) : null,
    expiresAt: isoTime(registered?.lifetime.expiresAt ?? null, clock),
    warnings: origin === 'http' ? warningsOf(defined, dialRules(), registered?.settings) : [],
    definition: defineService(defined, registered?.settings),
  }
  if (registered !== undefined) reply.header('etag', tagOf(registered.registration.revision))
  return reply.header('cache-control', 'no-store').send(detail)
}
