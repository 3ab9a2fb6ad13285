import { type ReportedCounts, type ReportedStatus, worstFirst } from '../../domain/health/status.ts'
import { explainExpiry } from '../../domain/service/lifetime.ts'
import type { Service } from '../../domain/service/service.ts'

/** Returns the worst status that any service has; `up` where there are no services. Drained services do not count as a fault. */
export function worstOf(counts: Readonly<ReportedCounts>): ReportedStatus {
  return worstFirst.find((status) => status !== 'draining' && counts[status] > 0) ?? 'up'
}

/** Returns the status that the page of all services shows. While services may be missing (`pending`), it is `down` or `unknown`. */
export function statusOfPage({
  counts,
  pending,
}: {
  counts: Readonly<ReportedCounts>
  pending: string | null
}): ReportedStatus {
  const worst = worstOf(counts)
  return pending === null || worst === 'down' ? worst : 'unknown'
}

/** Writes the headline, such as `2 of 14 services down, 1 unknown`. The worst status comes first. `isPart`: services may be missing. */
export function headlineOf(counts: Readonly<ReportedCounts>, isPart = false): string {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const services = total === 1 ? 'service' : 'services'
  if (total === 0) return isPart ? 'No services known yet' : 'No services yet'
  if (counts.up === total && isPart) return `${total} ${services} up, others may be missing`
  if (counts.up === total) return total === 1 ? 'The one service is up' : `All ${total} services up`
  const [first, ...others] = worstFirst.filter((status) => counts[status] > 0 && status !== 'up')
  if (first === 'draining') return `${counts.up} of ${total} ${services} up, ${counts.draining} draining`
  const rest = others.map((status) => `, ${counts[status]} ${status}`).join('')
  return `${counts[first ?? 'down']} of ${total} ${services} ${first}${rest}`
}

/** Makes a sentence of a clause: a capital letter at its start, a full stop at its end. */
export function sentenceOf(clause: string): string {
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`
}

/** Writes the title of the page, such as `2 down`. A browser tab has little room, so it names the worst status alone. */
export function titleOf(counts: Readonly<ReportedCounts>, isPart = false): string {
  const first = worstFirst.find((status) => counts[status] > 0)
  if (isPart && (first === undefined || first === 'up')) return 'Services may be missing'
  return first === undefined || first === 'up' ? 'All up' : `${counts[first]} ${first}`
}

/** Says that a service's registration expired, and with `details` why; null while it did not. */
export function describeExpiry({ expiredTtlMs }: Service, details: boolean): string | null {
  if (expiredTtlMs === null) return null
  return details ? explainExpiry(expiredTtlMs) : 'its registration has expired'
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const

/** Formats a duration in one unit, such as `12 s` or `3 d`. Rounds down, so that nothing looks older than it is. */
export function formatAge(ms: number): string {
  for (const [unit, unitMs] of units) if (ms >= unitMs) return `${Math.floor(ms / unitMs)} ${unit}`
  return '0 s'
}

/** Formats a latency with about three digits: `0.08 ms`, `12.3 ms`, `1.2 s`. */
export function formatLatency(ms: number): string {
  // The limits are those of the rounded value. Otherwise 9.996 ms would be written as `10.00 ms`.
  if (ms >= 999.5) return `${(ms / 1000).toFixed(1)} s`
  return `${ms >= 99.95 ? ms.toFixed(0) : ms >= 9.995 ? ms.toFixed(1) : ms.toFixed(2)} ms`
}
