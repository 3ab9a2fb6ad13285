import { formatDuration } from './duration.ts'
import type { RegistrationSettings } from './registration.ts'

/** How long an expired registration stays where it does not say: longer than an alert takes to fire. Milliseconds. */
export const defaultExpireAfterMs = 600_000

/** How long a registration lives. Times are instants of one clock, in milliseconds. */
export type Lifetime = {
  /** When its `ttl` ends, or ended if it is expired; null: never. */
  readonly expiresAt: number | null
  readonly isExpired: boolean
  /** When it is to be expired, or deregistered if it is expired; null: never. */
  readonly dueAt: number | null
}

/** What becomes of a registration whose time came. */
export type Step = 'expire' | 'deregister'

type Times = Pick<RegistrationSettings, 'ttl' | 'expireAfter'>

/** Returns the lifetime of a registration that its program sent just now. */
export function renewedLifetime({ ttl }: Times, now: number): Lifetime {
  const expiresAt = ttl === undefined ? null : now + ttl
  return { expiresAt, isExpired: false, dueAt: expiresAt }
}

/**
 * Returns the lifetime of a registration that expired at `expiredAt`. Its `expireAfter` counts from `now`, when this process
 * learns of it: while Porthole is down no alert can fire.
 */
export function expiredLifetime(times: Times, expiredAt: number, now: number): Lifetime {
  return { expiresAt: Math.min(expiredAt, now), isExpired: true, dueAt: now + expireAfterMs(times) }
}

/** Returns the step that is due; null: none yet. With an `expireAfter` of 0 a registration is deregistered when its `ttl` ends. */
export function dueStep({ isExpired, dueAt }: Lifetime, times: Times, now: number): Step | null {
  if (dueAt === null || now < dueAt) return null
  return isExpired || expireAfterMs(times) === 0 ? 'deregister' : 'expire'
}

/** Returns how long a registration stays once it is expired, in milliseconds. */
export function expireAfterMs({ expireAfter }: Times): number {
  return expireAfter ?? defaultExpireAfterMs
}

/** Says for people why a service is down whose registration expired. `ttlMs` in milliseconds. */
export function explainExpiry(ttlMs: number): string {
  return `its registration was not renewed within its ttl of ${formatDuration(ttlMs)}: the program that registered it is gone or cannot reach Porthole`
}
