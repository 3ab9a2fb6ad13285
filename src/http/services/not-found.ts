import type { FastifyReply } from 'fastify'
import { escapeUnseen } from '../../domain/values/quote.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import type { RegistryLoad } from '../../monitor/registry/registry-load.ts'
import { sendProblem } from '../answers/problem.ts'
import { delayRetry, sendPending } from './registry-pending.ts'

/**
 * Answers a request for an unknown service with 404. Until the registry is read the answer is 503, because the registry may have the service.
 * A stored registration that cannot be read is 503 too. Without `details` the answer names neither files nor addresses.
 */
export function sendNotRegistered(
  reply: FastifyReply,
  name: string,
  registryLoad: RegistryLoad,
  details = true,
): FastifyReply {
  const why = registryLoad.pending()
  if (why !== null) return sendPending(reply, `The service ${quoteAll([name])} is not known`, why, details)
  const whyUnreadable = registryLoad.whyUnreadable(name)
  if (whyUnreadable !== null) {
    const cause = details ? `: ${whyUnreadable}` : ''
    const detail = `The service ${quoteAll([name])} is registered, and its registration cannot be read${cause}.`
    return sendProblem(delayRetry(reply), 503, detail)
  }
  return sendProblem(reply, 404, `No service is named ${quoteAll([name])}: GET /health?verbose lists all services.`)
}

/** Answers a request for a service that is gone while the log still has its transitions. */
export function sendGone(reply: FastifyReply, name: string, registryLoad: RegistryLoad): FastifyReply {
  if (registryLoad.pending() !== null || registryLoad.whyUnreadable(name) !== null)
    return sendNotRegistered(reply, name, registryLoad)
  const where = `/v1/transitions?service=${encodeURIComponent(name)}`
  return sendProblem(
    reply,
    404,
    `No service is named ${quoteAll([name])} any more: GET ${where} lists its transitions.`,
  )
}

/** Answers a request for groups without services: 404, and 503 until the registry is read, as for a service. */
export function sendNoGroup(
  reply: FastifyReply,
  names: readonly string[],
  { groups }: Registry,
  why: string | null,
  details: boolean,
): FastifyReply {
  if (why !== null) return sendPending(reply, `No service in a group named ${quoteAll(names)} is known`, why, details)
  const detail = `No service is in a group named ${quoteAll(names)}: ${listed('groups', groups.keys())}.`
  return sendProblem(reply, 404, detail)
}

function quoteAll(names: readonly string[]): string {
  return names.map((name) => escapeUnseen(JSON.stringify(name))).join(', ')
}

function listed(what: string, names: Iterable<string>): string {
  const some: string[] = []
  for (const name of names) if (some.push(name) > 20) break
  if (some.length === 0) return `there are no ${what}`
  return `the ${what} are ${quoteAll(some.slice(0, 20))}${some.length > 20 ? ' and more' : ''}`
}
