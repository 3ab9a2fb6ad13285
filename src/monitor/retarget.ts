import { membersOf, namesOf, noAddresses } from '../domain/addresses.ts'
import { pendingSince } from '../domain/pending.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'
import type { Watchlist } from './watchlist.ts'

/** Who became a target of a service, and who is one no longer. */
export type Retargeted = { readonly joined: readonly WatchedTarget[]; readonly left: readonly WatchedTarget[] }

/**
 * Gives a service the targets that its definition and its addresses make. Those it had before keep what is remembered of
 * them; `newcomers` are watched already, and join if they are wanted. A target that nothing is known of is pending from `now` on if
 * another of the targets was checked.
 */
export function retarget(
  watchedService: WatchedService,
  watchlist: Watchlist,
  now: number,
  newcomers: readonly WatchedTarget[] = [],
): Retargeted {
  const { service, targets } = watchedService
  if (namesOf(service).length === 0) watchedService.addresses = noAddresses
  const before = new Set(targets)
  const known = new Map([...newcomers, ...targets].map((watched) => [watched.target.name, watched]))
  watchedService.targets = membersOf(service, watchedService.addresses).map((target) => {
    const watched = known.get(target.name) ?? watchlist.addTarget(target, watchedService)
    watched.target = target
    return watched
  })
  const joined = watchedService.targets.filter((watched) => !before.has(watched))
  markPending(watchedService, joined, now)
  watchedService.revision++
  watchedService.tally = null
  const after = new Set(watchedService.targets)
  const left = targets.filter((watched) => !after.has(watched))
  for (const watched of left) watched.retired = true
  return { joined, left }
}

/** Makes those of `joined` pending that were never checked, if another target of the service was. */
export function markPending({ targets }: WatchedService, joined: readonly WatchedTarget[], now: number): void {
  const isNew = ({ lastEndedAt, health }: WatchedTarget) => lastEndedAt === null && health.since === null
  if (joined.length === 0 || targets.every(({ lastEndedAt }) => lastEndedAt === null)) return
  for (const watched of joined) if (isNew(watched)) watched.health = pendingSince(now)
}
