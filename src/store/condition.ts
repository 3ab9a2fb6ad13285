import type { Condition } from './store.ts'

/**
 * Returns whether a condition holds for a registration of this revision; null means that there is none. An expired registration counts as absent
 * for `ifNoneMatch`.
 */
export function conditionHolds(
  { ifMatch, ifNoneMatch }: Condition,
  revision: number | null,
  isExpired = false,
): boolean {
  if (ifNoneMatch !== undefined && revision !== null && !isExpired) return false
  if (ifMatch === undefined) return true
  return revision !== null && (ifMatch === '*' || ifMatch.includes(revision))
}
