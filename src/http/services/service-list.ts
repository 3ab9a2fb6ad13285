import { z } from 'zod'
import type { Monitor } from '../../monitor/monitor.ts'
import type { Registry } from '../../monitor/registry/registry.ts'
import { currentStatusOf, type ServiceState } from '../../monitor/state/state.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { TimeSlice } from '../../runtime/time-slices.ts'
import { reportedStatus, ServiceSummary, summarize } from '../health/reports.ts'
import type { NameOrder } from './name-order.ts'
import { defaultLimit } from './paging.ts'
import { missingServices } from './registry-pending.ts'
import { type ServicesQuery, writeCursor } from './service-query.ts'

/** A page of services, in the order of their names. */
export const ServicePage = z
  .object({
    services: z.array(ServiceSummary),
    next: z.string().nullable().meta({ description: 'The `cursor` of the next page; null on the last.' }),
    warnings: z
      .array(z.string())
      .meta({ description: 'A sentence that services may be missing, until the registry is read; otherwise empty.' }),
  })
  .meta({ id: 'ServicePage' })
export type ServicePage = z.infer<typeof ServicePage>

/** The units of work that looking up a service by name and counting its targets takes. */
const workPerService = 4

/** Returns one page of the services that a query selects. */
export type ServicePager = (query: ServicesQuery, slice: TimeSlice) => Promise<ServicePage>

/** Creates the pager of the list of services. */
export function createServicePager(parts: {
  monitor: Monitor
  registry: Registry
  names: NameOrder
  clock: Clock
}): ServicePager {
  const { monitor, registry, names, clock } = parts
  return async ({ limit = defaultLimit, cursor, status, ...wanted }, slice) => {
    const all = await names.read()
    const now = clock.now()
    const isWanted = chooserOf(wanted)
    const pending = registry.load.pending()
    const warnings = pending === null ? [] : [missingServices(pending, true)]
    const services: ServiceSummary[] = []
    for (let at = cursor === undefined ? 0 : placeAfter(all, cursor); at < all.length; at++) {
      if (slice.mustYield(workPerService)) await slice.yield()
      const state = monitor.services.get(all[at] ?? '')
      if (state === undefined || !isWanted(state)) continue
      const current = currentStatusOf(state, now)
      if (status?.has(reportedStatus(state, current.status)) === false) continue
      // There is a next page only if at least one more service belongs on it.
      if (services.length === limit) return { services, next: writeCursor(services.at(-1)?.service ?? ''), warnings }
      services.push(summarize(state, clock, current))
    }
    return { services, next: null, warnings }
  }
}

/** Returns a filter by group and text. Without details it does not search targets, because the result would reveal their names. */
export function chooserOf(
  { group, q }: Pick<ServicesQuery, 'group' | 'q'>,
  details = true,
): (state: ServiceState) => boolean {
  // The `u` flag folds case by Unicode's table, which does not depend on the position of a letter in a word.
  const part = q === undefined ? null : new RegExp(RegExp.escape(q), 'iu')
  return ({ service: { name, groups, targets } }) =>
    (group === undefined || groups.some((one) => group.has(one))) &&
    (part === null || part.test(name) || (details && targets.some((target) => part.test(target.name))))
}

/** Returns the index of the first name after a given one. The given name need not exist any more. */
function placeAfter(names: readonly string[], name: string): number {
  let low = 0
  let high = names.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((names[middle] ?? '') > name) high = middle
    else low = middle + 1
  }
  return low
}
