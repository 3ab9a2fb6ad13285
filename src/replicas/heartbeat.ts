import type { Clock } from '../clock.ts'
import { type Pauses, pausedMs } from '../domain/pause.ts'
import type { RedisStore } from '../store/redis.ts'
import type { Stored } from '../store/store.ts'

/** How often the store is told that some replica runs, in milliseconds. */
export const beatMs = 5000

export type HeartbeatParts = {
  readonly store: Pick<RedisStore, 'beatAfter' | 'shareAbsence'>
  readonly clock: Clock
  /** When this process did not run, as it is known at any time. */
  readonly pauses: Pauses
  /** How long a status is trusted at least without a check, in milliseconds. */
  readonly leastTrustMs: () => number
}

/**
 * Tells the store that this replica runs. Where no replica did for longer than a status is trusted, because all of them were paused
 * or gone, that time is kept as an absence. Of several replicas that come back together the first keeps it: Redis gives each the beat
 * that came before its own. Where Redis was away, or others went on, no absence follows: those checked.
 */
export async function beatHeart({ store, clock, pauses, leastTrustMs }: HeartbeatParts): Promise<Stored<null>> {
  const now = clock.now()
  const before = await store.beatAfter(Math.floor(clock.toEpoch(now)))
  if (!before.ok) return before
  const lastBeat = before.value === null ? now : clock.fromEpoch(before.value)
  // One beat may be missing, as when the replica that was to tell it has died.
  const usualMs = Math.max(2 * beatMs, leastTrustMs())
  if (now - lastBeat <= usualMs || pausedMs(pauses.ofProcess, lastBeat, now) <= leastTrustMs()) return done
  const during = pauses.ofProcess.filter(({ to }) => to > lastBeat)
  const from = Math.max(lastBeat, during[0]?.from ?? lastBeat)
  const to = during.at(-1)?.to ?? now
  return store.shareAbsence({ from: Math.floor(clock.toEpoch(from)), to: Math.floor(clock.toEpoch(to)) })
}

const done: Stored<null> = { ok: true, value: null }
