import type { Condition } from './store.ts'

/** Whether a change may be made to what has this revision; null: there is nothing of that name. What is expired counts as absent. */
export function conditionHolds(
  { ifMatch, ifNoneMatch }: Condition,
  revision: number | null,
  isExpired = false,
): boolean {
  if (ifNoneMatch !== undefined && revision !== null && !isExpired) return false
  if (ifMatch === undefined) return true
  return revision !== null && (ifMatch === '*' || ifMatch.includes(revision))
}
