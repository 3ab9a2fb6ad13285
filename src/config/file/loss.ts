import { setImmediate } from 'node:timers/promises'
import type { Service } from '../../domain/service/service.ts'
import { formatDuration } from '../../domain/values/duration.ts'

/**
 * How long, in milliseconds, a file that was written in place has to stay the same if it lacks a tenth or more of the services in force. Such a
 * file is probably half written.
 */
export const lossSettleMs = 5000
const suspiciousShare = 0.1

/** The number of services that are compared in one turn of the event loop: about 4 ms of work. */
const mostAtOnce = 20_000

/** Returns a sentence about a file that lacks too many of the services in force to be used at once; null if it has enough. */
export async function describeLoss(
  file: string,
  servicesInForce: ReadonlyMap<string, Service>,
  next: readonly Service[],
): Promise<string | null> {
  const names = new Set<string>()
  for (const { name } of next) {
    names.add(name)
    if (names.size % mostAtOnce === 0) await setImmediate()
  }
  let looked = 0
  let total = 0
  let gone = 0
  for (const { name, origin } of servicesInForce.values()) {
    looked++
    if (looked % mostAtOnce === 0) await setImmediate()
    if (origin !== 'file') continue
    total++
    if (!names.has(name)) gone++
  }
  if (gone === 0 || gone < total * suspiciousShare) return null
  return `${file} was written in place and ${gone} of ${total} services are not in it: it is used once it stays the same for ${formatDuration(lossSettleMs)}, or on SIGHUP`
}
