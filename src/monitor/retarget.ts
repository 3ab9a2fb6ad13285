import { membersOf, namesOf, noAddresses } from '../domain/addresses.ts'
import { pendingSince } from '../domain/pending.ts'
import type { WatchedService, WatchedTarget } from './watch.ts'
import type { Watchlist } from './watchlist.ts'

/** The targets that joined a service, and those that left it. */
export type Retargeted = { readonly joined: readonly WatchedTarget[]; readonly left: readonly WatchedTarget[] }

/**
 * Sets the targets of a service to those that its definition and its addresses give. Targets that stay keep their state. `newcomers` are
 * targets that exist already, and that join if they are wanted. A target without state is pending from `now` on, if another target of the
 * service was checked.
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

/** Marks each target of `joined` that was never checked as pending, if another target of the service was checked. */
export function markPending({ targets }: WatchedService, joined: readonly WatchedTarget[], now: number): void {
  const isNew = ({ lastEndedAt, health }: WatchedTarget) => lastEndedAt === null && health.since === null
  if (joined.length === 0 || targets.every(({ lastEndedAt }) => lastEndedAt === null)) return
  for (const watched of joined) if (isNew(watched)) watched.health = pendingSince(now)
}
