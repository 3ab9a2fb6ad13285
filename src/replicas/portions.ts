import { portionsOf } from '../domain/portions.ts'
import type { ServiceState } from '../monitor/watch.ts'

/** How many services or transitions one request to the store has at most, because Redis serves no other client during the request. */
export const portion = 200
/** How many targets one request to the store has at most. */
const targetPortion = 1000

/** Returns the services of the first batch: at least one. */
export function firstPortion(services: Iterable<ServiceState>): ServiceState[] {
  const most = { services: portion, targets: targetPortion }
  const [first = []] = portionsOf(services, most, ({ targets }) => targets.length)
  return first
}
