import type { LoggedTransition } from '../domain/transition.ts'
import type { EarlierLog } from './earlier-log.ts'
import type { LastKnown } from './last-known.ts'

/**
 * The log of an earlier process, gone on with by what this one logged before it could read it. Where the earlier one still ran
 * by then, what this one found meanwhile is told as of its end, in one transition each.
 */
export function continueLog(
  { transitions, endedAt }: EarlierLog,
  lastEarlierId: number,
  own: readonly LoggedTransition[],
  lastKnown: LastKnown,
): LoggedTransition[] {
  let meanwhile = own.filter(({ at }) => at <= endedAt).length
  // Ids are to grow with time, so what came right after goes with it.
  while ((own[meanwhile]?.id ?? Number.POSITIVE_INFINITY) <= lastEarlierId + meanwhile) meanwhile++

  for (const transition of transitions) lastKnown.note(transition)
  let id = lastEarlierId
  const found = lastOfEach(own.slice(0, meanwhile)).flatMap((last) => {
    const linked = lastKnown.link<LoggedTransition>({ ...last, from: 'unknown', at: endedAt })
    return linked === null || linked.from === linked.to ? [] : { ...linked, id: ++id }
  })
  const since = own.slice(meanwhile).flatMap((transition) => lastKnown.link(transition) ?? [])
  return [...transitions, ...found, ...since]
}

/** The last transition of each service and target. */
function lastOfEach(transitions: readonly LoggedTransition[]): LoggedTransition[] {
  const last = new Map<string, LoggedTransition>()
  // No name has a line break in it.
  for (const transition of transitions) last.set(`${transition.service}\n${transition.target}`, transition)
  return [...last.values()]
}
