import type { Clock } from '../clock.ts'
import type { LoggedTransition, RestoredTransitions, TransitionLog } from '../monitor/transition-log.ts'
import type { Kept } from './store.ts'

/**
 * What the log of this process is to begin with, so that it goes on where an earlier process ended. From then on nobody looked:
 * every service that was known is given a transition to unknown at that time, which no check caused. Where this process had
 * begun by then, because it had to wait for the store, what it found meanwhile is told as of that time, in one transition each.
 */
export function continueLog(
  { transitions, completeAfter, aliveAt }: Kept,
  log: Pick<TransitionLog, 'find' | 'lastId'>,
  clock: Clock,
): RestoredTransitions {
  const instantOf = createReader(clock)
  const earlier = transitions.map((kept) => ({ ...kept, at: instantOf(kept.at) }))
  const endedAt = instantOf(aliveAt ?? Number.NEGATIVE_INFINITY)
  const own = log.find({}).reverse()
  const known = lastKnown(earlier.filter(({ target }) => target === null))

  // Right before the ids of this process: readers of events were told later ones than those that were still kept.
  const lastIdBefore = (own[0]?.id ?? log.lastId() + 1) - 1
  const lastUsedId = Math.max(earlier.at(-1)?.id ?? 0, completeAfter.id, Math.floor((aliveAt ?? 0) * 1000))
  let id = Math.max(lastUsedId, lastIdBefore - known.length)
  let meanwhile = own.filter(({ at }) => at <= endedAt).length
  // Ids are to grow with time, so what came right after goes with it.
  while ((own[meanwhile]?.id ?? Number.POSITIVE_INFINITY) <= id + known.length + meanwhile) meanwhile++

  const ended = known.map(({ service, to: from }): LoggedTransition => {
    const message = 'Porthole was not running: nobody knows from here until the next check'
    return { id: ++id, service, target: null, from, to: 'unknown', at: endedAt, reason: null, message }
  })
  const found = lastKnown(own.slice(0, meanwhile)).map(
    (last): LoggedTransition => ({ ...last, id: ++id, from: 'unknown', at: endedAt }),
  )
  return {
    transitions: [...earlier, ...ended, ...found],
    completeAfter: { id: completeAfter.id, at: Math.min(clock.fromEpoch(completeAfter.at), clock.now()) },
  }
}

/** Reads kept times in their order. The wall clock may have been wrong: nothing was before what went before it, or is yet to come. */
function createReader(clock: Clock): (epochMs: number) => number {
  const now = clock.now()
  let latest = Number.NEGATIVE_INFINITY
  return (epochMs) => {
    latest = Math.max(latest, Math.min(clock.fromEpoch(epochMs), now))
    return latest
  }
}

/** The last transition of each service and target, unless it left nothing known. */
function lastKnown(transitions: readonly LoggedTransition[]): LoggedTransition[] {
  const last = new Map<string, LoggedTransition>()
  // No name has a line break in it.
  for (const transition of transitions) last.set(`${transition.service}\n${transition.target}`, transition)
  return [...last.values()].filter(({ to }) => to !== 'unknown')
}
