import { explainExpiry } from '../domain/lifetime.ts'
import type { Service } from '../domain/service.ts'
import { type ReportedCounts, type ReportedStatus, worstFirst } from '../domain/status.ts'

/** The worst status that any has; `up` where there is nothing. Drained ones are not at fault. */
export function worstOf(counts: Readonly<ReportedCounts>): ReportedStatus {
  return worstFirst.find((status) => status !== 'draining' && counts[status] > 0) ?? 'up'
}

/** What the page of all services looks like: where services may be missing, nothing that is known makes it `up`. */
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

/** How it stands, in one line that is true: what is not up comes first. `isPart`: services may be missing. */
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

/** A clause as a sentence of its own. */
export function sentenceOf(clause: string): string {
  return `${clause.charAt(0).toUpperCase()}${clause.slice(1)}.`
}

/** The same for a title, where there is little room. */
export function titleOf(counts: Readonly<ReportedCounts>, isPart = false): string {
  const first = worstFirst.find((status) => counts[status] > 0)
  if (isPart && (first === undefined || first === 'up')) return 'Services may be missing'
  return first === undefined || first === 'up' ? 'All up' : `${counts[first]} ${first}`
}

/** Says that a service's registration expired; null while it did not. Sentences are for clients that may see details. */
export function tellExpiry({ expiredTtlMs }: Service, details: boolean): string | null {
  if (expiredTtlMs === null) return null
  return details ? explainExpiry(expiredTtlMs) : 'its registration has expired'
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const

/** How long something took or is ago, in one unit, such as `12 s` or `3 d`: rounded down, since what is shown is not older than that. */
export function formatAge(ms: number): string {
  for (const [unit, unitMs] of units) if (ms >= unitMs) return `${Math.floor(ms / unitMs)} ${unit}`
  return '0 s'
}

/** A latency with the digits that matter: `0.08 ms`, `12 ms`, `1.2 s`. */
export function formatLatency(ms: number): string {
  // The digits are chosen by what it is rounded to.
  if (ms >= 999.5) return `${(ms / 1000).toFixed(1)} s`
  return `${ms >= 99.95 ? ms.toFixed(0) : ms >= 9.995 ? ms.toFixed(1) : ms.toFixed(2)} ms`
}
