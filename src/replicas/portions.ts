import { portionsOf } from '../domain/portions.ts'
import type { WatchedService } from '../monitor/watch.ts'

/** How many names or transitions go to the store at once: it serves nobody else meanwhile. */
export const portion = 200
/** How many targets, likewise. */
const targetPortion = 1000

/** The first of these services that go to the store at once; one at least. */
export function firstPortion(services: Iterable<WatchedService>): WatchedService[] {
  const most = { services: portion, targets: targetPortion }
  const [first = []] = portionsOf(services, most, ({ targets }) => targets.length)
  return first
}
