/**
 * Returns the phase of a target: the point in its interval at which it is checked, from 0 up to 1. The phase is a hash of the name, so that
 * every replica computes the same one, also after a restart.
 */
export function phaseOf(name: string): number {
  // FNV-1a, then the 32-bit finaliser of MurmurHash3, because FNV alone gives names that differ in the last letter nearly the same phase.
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000
}

/**
 * Returns the time of the first scheduled check after `afterMs`. Checks are due at `(n + phase) × interval` since the epoch, so they never
 * drift. Times are in milliseconds since the epoch.
 */
export function nextScheduled(afterMs: number, phase: number, intervalMs: number): number {
  const offset = phase * intervalMs
  const instant = (Math.floor((afterMs - offset) / intervalMs) + 1) * intervalMs + offset
  // The result is rounded to a double, so it can equal the instant that it should follow.
  return instant > afterMs ? instant : instant + intervalMs
}
