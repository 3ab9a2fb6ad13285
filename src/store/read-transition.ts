import { reasonOf } from '../domain/check/outcome.ts'
import { Status } from '../domain/health/status.ts'
import { isServiceName } from '../domain/service/service.ts'
import { parseTarget } from '../domain/target/target.ts'
import { isEpochMs, isPositive } from '../domain/values/stored-values.ts'
import type { StoredTransition } from './store.ts'

/**
 * Reads a stored transition. Returns a clause if it cannot be read. Words of a newer version are accepted: an unknown status becomes `unknown`,
 * and an unknown reason `other`. `latest` is the largest time that is accepted, in milliseconds since the epoch. A log takes no transition whose
 * id is below one that it has, so an id far in the future would end the log.
 */
export function readTransition(value: unknown, latest = Number.POSITIVE_INFINITY): StoredTransition | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is no transition'
  const { id, service, target, from, to, at, reason, message } = value as Record<string, unknown>
  if (!isPositive(id) || id / 1000 > latest) return 'its id is no number of microseconds since the epoch'
  if (!isEpochMs(at) || at > latest) return 'its time is no number of milliseconds since the epoch'
  if (typeof service !== 'string' || !isServiceName(service)) return 'its service has no name that a service can have'
  if (target !== null && (typeof target !== 'string' || typeof parseTarget(target) === 'string'))
    return 'its target is no host:port'
  if (typeof from !== 'string' || typeof to !== 'string') return 'its status is no word'
  if (reason !== null && typeof reason !== 'string') return 'its reason is no word'
  if (typeof message !== 'string') return 'its message is no text'
  return {
    id,
    service,
    target,
    from: statusOf(from),
    to: statusOf(to),
    at,
    reason: reason === null ? null : reasonOf(reason),
    message,
  }
}

function statusOf(word: string): Status {
  return Status.options.find((status) => status === word) ?? 'unknown'
}
