import { formatDuration } from '../values/duration.ts'
import type { RegistrationSettings } from './registration.ts'

/** How long an expired registration stays if it has no `expireAfter`, in milliseconds: longer than an alert takes to fire. */
export const defaultExpireAfterMs = 600_000

/** The lifetime of a registration. Times are instants of one clock, in milliseconds. */
export type Lifetime = {
  /** When its `ttl` ends, or ended if the registration is expired; null: never. */
  readonly expiresAt: number | null
  readonly isExpired: boolean
  /** When the next step is due: to expire it, or to deregister it if it is expired. Null: never. */
  readonly dueAt: number | null
}

/** The step that is due for a registration at the end of its time. */
export type Step = 'expire' | 'deregister'

type Times = Pick<RegistrationSettings, 'ttl' | 'expireAfter'>

/** Returns the lifetime of a registration that a client sent at `now`. */
export function renewedLifetime({ ttl }: Times, now: number): Lifetime {
  const expiresAt = ttl === undefined ? null : now + ttl
  return { expiresAt, isExpired: false, dueAt: expiresAt }
}

/**
 * Returns the lifetime of a registration that expired at `expiredAt`. Its `expireAfter` counts from `now`, when this process notices it,
 * because no alert can fire while Porthole is down.
 */
export function expiredLifetime(times: Times, expiredAt: number, now: number): Lifetime {
  return { expiresAt: Math.min(expiredAt, now), isExpired: true, dueAt: now + expireAfterMs(times) }
}

/** Returns the step that is due at `now`; null when none is. With an `expireAfter` of 0 a registration is deregistered when its `ttl` ends. */
export function dueStep({ isExpired, dueAt }: Lifetime, times: Times, now: number): Step | null {
  if (dueAt === null || now < dueAt) return null
  return isExpired || expireAfterMs(times) === 0 ? 'deregister' : 'expire'
}

/** Returns how long a registration stays after it expired, in milliseconds. */
export function expireAfterMs({ expireAfter }: Times): number {
  return expireAfter ?? defaultExpireAfterMs
}

/** Returns one sentence for people on why a service with an expired registration is down. `ttlMs` is in milliseconds. */
export function explainExpiry(ttlMs: number): string {
  return `its registration was not renewed within its ttl of ${formatDuration(ttlMs)}: the program that registered it is gone or cannot reach Porthole`
}
