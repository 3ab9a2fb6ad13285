import type { Clock } from '../clock.ts'
import type { LoggedTransition, RestoredTransitions } from '../monitor/transition-log.ts'
import type { Kept } from './store.ts'

/**
 * What a store kept of an earlier process, for the log of this one. Between the two nobody looked: every service that was not
 * unknown when Porthole last ran is given a transition to unknown at that time, which no check caused.
 */
export function bridge({ transitions, completeAfter, aliveAt }: Kept, clock: Clock): RestoredTransitions {
  const restored: LoggedTransition[] = transitions.map((kept) => ({ ...kept, at: clock.fromEpoch(kept.at) }))
  const complete = { id: completeAfter.id, at: clock.fromEpoch(completeAfter.at) }
  if (aliveAt === null) return { transitions: restored, completeAfter: complete }
  const last = new Map<string, LoggedTransition>()
  for (const transition of restored) if (transition.target === null) last.set(transition.service, transition)
  const stoppedAt = Math.max(clock.fromEpoch(aliveAt), restored.at(-1)?.at ?? Number.NEGATIVE_INFINITY)
  let id = Math.max(restored.at(-1)?.id ?? 0, aliveAt * 1000)
  const message = 'Porthole was not running: nobody knows from here until the next check'
  const stops = [...last.values()]
    .filter(({ to }) => to !== 'unknown')
    .map(({ service, to: from }) => ({
      id: ++id,
      service,
      target: null,
      from,
      to: 'unknown' as const,
      at: stoppedAt,
      reason: null,
      message,
    }))
  return { transitions: [...restored, ...stops], completeAfter: complete }
}
