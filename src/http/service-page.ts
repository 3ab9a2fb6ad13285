import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Monitor } from '../monitor/monitor.ts'
import type { Registry } from '../monitor/registry.ts'
import { standingOf, type WatchedService } from '../monitor/watch.ts'
import type { TimeSlice } from '../time-slices.ts'
import type { NameOrder } from './name-order.ts'
import { defaultLimit } from './paging.ts'
import { missingServices } from './registry-pending.ts'
import { reportedStatus, ServiceSummary, summarize } from './reports.ts'
import { type ServicesQuery, writeCursor } from './service-query.ts'

/** Some of the services, in the order of their names. */
export const ServicePage = z
  .object({
    services: z.array(ServiceSummary),
    next: z.string().nullable().meta({ description: 'The `cursor` of the next page; null on the last.' }),
    warnings: z
      .array(z.string())
      .meta({ description: 'That services may be missing, until the registry was read; else empty.' }),
  })
  .meta({ id: 'ServicePage' })
export type ServicePage = z.infer<typeof ServicePage>

/** To look a service up by its name and to count its targets is as much work as to look at so many. */
const workPerService = 4

/** Pages through the services. */
export type ServicePager = (query: ServicesQuery, slice: TimeSlice) => Promise<ServicePage>

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
      const watched = monitor.services.get(all[at] ?? '')
      if (watched === undefined || !isWanted(watched)) continue
      const standing = standingOf(watched, now)
      if (status?.has(reportedStatus(watched, standing.status)) === false) continue
      // There is a next page only if something is on it.
      if (services.length === limit) return { services, next: writeCursor(services.at(-1)?.service ?? ''), warnings }
      services.push(summarize(watched, clock, standing))
    }
    return { services, next: null, warnings }
  }
}

/** Whether a service is among those asked for, its status apart. Without details its targets are not looked at: they would show. */
export function chooserOf(
  { group, q }: Pick<ServicesQuery, 'group' | 'q'>,
  details = true,
): (watched: WatchedService) => boolean {
  // The `u` flag folds case by Unicode's own table, the same wherever in a word a letter stands.
  const part = q === undefined ? null : new RegExp(RegExp.escape(q), 'iu')
  return ({ service: { name, groups, targets } }) =>
    (group === undefined || groups.some((one) => group.has(one))) &&
    (part === null || part.test(name) || (details && targets.some((target) => part.test(target.name))))
}

/** The place of the first name that comes after a given one, which itself need not be there any more. */
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
