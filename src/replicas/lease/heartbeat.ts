import { type Pauses, pausedMs } from '../../domain/health/pause.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { RedisStore } from '../../store/redis/redis.ts'
import type { Stored } from '../../store/store.ts'

/** How often each replica sends a heartbeat to the store, in milliseconds. */
export const heartbeatIntervalMs = 5000

export type HeartbeatParts = {
  readonly store: Pick<RedisStore, 'heartbeatAfter' | 'shareGap'>
  readonly clock: Clock
  /** The pauses of this process. Porthole adds to the record while it runs. */
  readonly pauses: Pauses
  /** Returns how long a status is trusted at least without a check, in milliseconds. */
  readonly leastTrustMs: () => number
}

/**
 * Sends a heartbeat to the store. If no replica ran for longer than a status is trusted, because all of them were paused or gone, this also stores
 * that time as a gap. Of several replicas that return together the first one stores it, because Redis returns to each replica the heartbeat before
 * its own. There is no gap if Redis was away or other replicas went on, because those replicas checked.
 */
export async function sendHeartbeat({ store, clock, pauses, leastTrustMs }: HeartbeatParts): Promise<Stored<null>> {
  const now = clock.now()
  const before = await store.heartbeatAfter(Math.floor(clock.toEpoch(now)))
  if (!before.ok) return before
  const lastHeartbeat = before.value === null ? now : clock.fromEpoch(before.value)
  // One heartbeat may be missing, for example because the replica that was to send it has died.
  const usualMs = Math.max(2 * heartbeatIntervalMs, leastTrustMs())
  if (now - lastHeartbeat <= usualMs || pausedMs(pauses.ofProcess, lastHeartbeat, now) <= leastTrustMs()) return done
  const during = pauses.ofProcess.filter(({ to }) => to > lastHeartbeat)
  const from = Math.max(lastHeartbeat, during[0]?.from ?? lastHeartbeat)
  const to = during.at(-1)?.to ?? now
  return store.shareGap({ from: Math.floor(clock.toEpoch(from)), to: Math.floor(clock.toEpoch(to)) })
}

const done: Stored<null> = { ok: true, value: null }
