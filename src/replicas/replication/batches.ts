import { batchesOf } from '../../domain/service/batches.ts'
import type { ServiceState } from '../../monitor/state/state.ts'

/** How many services or transitions one request to the store has at most, because Redis serves no other client during the request. */
export const batch = 200
/** How many targets one request to the store has at most. */
const targetBatch = 1000

/** Returns the services of the first batch: at least one. */
export function firstBatch(services: Iterable<ServiceState>): ServiceState[] {
  const most = { services: batch, targets: targetBatch }
  const [first = []] = batchesOf(services, most, ({ targets }) => targets.length)
  return first
}
