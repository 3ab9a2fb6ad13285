import type { LoggedTransition } from '../../domain/health/transition.ts'
import type { LastKnown } from '../state/last-known.ts'
import type { PreviousRun } from './previous-run.ts'

/**
 * Merges the log of the previous process with the entries that this process logged before that log could be read. While both processes ran,
 * their entries overlap. Each service and target whose status this process found changed then gets one transition, dated at the end of the
 * previous process.
 */
export function mergeLogs(
  { transitions, endedAt }: PreviousRun,
  lastEarlierId: number,
  own: readonly LoggedTransition[],
  lastKnown: LastKnown,
): LoggedTransition[] {
  let overlap = own.filter(({ at }) => at <= endedAt).length
  // Ids must grow with time, so an entry whose id is too small joins the overlap.
  while ((own[overlap]?.id ?? Number.POSITIVE_INFINITY) <= lastEarlierId + overlap) overlap++

  for (const transition of transitions) lastKnown.note(transition)
  let id = lastEarlierId
  const found = lastOfEach(own.slice(0, overlap)).flatMap((last) => {
    const linked = lastKnown.link<LoggedTransition>({ ...last, from: 'unknown', at: endedAt })
    return linked === null || linked.from === linked.to ? [] : { ...linked, id: ++id }
  })
  const since = own.slice(overlap).flatMap((transition) => lastKnown.link(transition) ?? [])
  return [...transitions, ...found, ...since]
}

/** Returns the last transition of each service and target. */
function lastOfEach(transitions: readonly LoggedTransition[]): LoggedTransition[] {
  const last = new Map<string, LoggedTransition>()
  // No name contains a line break.
  for (const transition of transitions) last.set(`${transition.service}\n${transition.target}`, transition)
  return [...last.values()]
}
