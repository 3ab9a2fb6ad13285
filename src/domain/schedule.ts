/** Where in its interval a target is checked, from 0 up to 1: a hash of its name, so the same after a restart and on every replica. */
export function phaseOf(name: string): number {
  // FNV-1a, then MurmurHash3's 32-bit finaliser: FNV alone leaves names that differ in the last letter close together.
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000
}

/**
 * The first beat after an instant. Beats lie at `(n + phase) × interval` of the epoch, so they never drift.
 * All in milliseconds since the epoch.
 */
export function nextBeat(afterMs: number, phase: number, intervalMs: number): number {
  const offset = phase * intervalMs
  const beat = (Math.floor((afterMs - offset) / intervalMs) + 1) * intervalMs + offset
  // A beat rounds to what a double holds of the epoch, and can then fall on the very instant it should follow.
  return beat > afterMs ? beat : beat + intervalMs
}
