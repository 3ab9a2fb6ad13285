import type { Clock } from '../clock.ts'
import { type Addresses, membersOf as targetsOf } from '../domain/addresses.ts'
import { createDialRules, type DialRules } from '../domain/dial-rules.ts'
import { intervalAt, staleAfterMs, unchecked } from '../domain/health.ts'
import { noPauses, type Pauses } from '../domain/pause.ts'
import type { Service } from '../domain/service.ts'
import type { Transition } from '../domain/transition.ts'
import type { Prober } from '../prober/prober.ts'
import type { TimeSlices } from '../time-slices.ts'
import { createAnnouncer } from './announcer.ts'
import { type Checked, type Checks, createChecks } from './checks.ts'
import { createGroupMembers, type GroupMembers } from './group-members.ts'
import type { Registry, RegistryChange } from './registry.ts'
import { coverAll, type Responsibility } from './responsibility.ts'
import { markPending, type Retargeted, retarget } from './retarget.ts'
import { replaceHealth } from './settle.ts'
import { createSignal, type Signal } from './signal.ts'
import type { Checker, ServiceMemory, TargetMemory, WatchedService, WatchedTarget } from './watch.ts'
import { createWatchlist, type Watchlist } from './watchlist.ts'

/** The health of every target. */
export type Monitor = Pick<Watchlist, 'targetAt' | 'memoryOf'> &
  Pick<GroupMembers, 'membersOf'> &
  Checks & {
    readonly services: ReadonlyMap<string, WatchedService>
    /** An outcome that another replica found was taken in. */
    readonly adopted: Signal<Pick<Checked, 'watched' | 'outcome'>>
    readonly transitions: Signal<Transition>
    /** Targets that are new or gone, or whose service's definition changed. */
    readonly watching: Signal<readonly WatchedTarget[]>
    /**
     * Puts other addresses in force for the names of a service. New ones are checked first; then they become its targets with what was
     * found, and those that are gone leave, all in one step. So neither makes the service read unknown.
     */
    readdress(watchedService: WatchedService, addresses: Addresses): Promise<Retargeted>
    /**
     * Takes in what another replica remembers of a service and of some of its targets, by their names. What reads otherwise than it
     * was announced is announced here, if the service is covered. `isWhole`: the other replicas remember no more of it, so none of them
     * checked a target that is missing. Where nothing was known here before, such a target was added while they checked the others.
     */
    adopt(
      watchedService: WatchedService,
      service: ServiceMemory | null,
      targets: ReadonlyMap<string, TargetMemory>,
      options?: { isWhole: boolean },
    ): void
    /** From now on this says who checks each service. */
    attribute(checkerOf: (service: string) => Checker | null): void
    /** Announces what reads otherwise than it was announced last, if the service is covered. */
    review(watchedService: WatchedService): void
    /** Returns how long the status of any service with a schedule is trusted at least without a check, in milliseconds; infinity without one. */
    leastTrustMs(): number
    /** Every target that has a schedule came to the end of at least one check. */
    sweptOnce(): boolean
  }

const defaultRules = createDialRules({})

/** Watches what the registry holds, now and from now on. `maxInFlight` bounds the checks under way at once; the others wait, those asked for in front. */
export function createMonitor(parts: {
  registry: Registry
  prober: Prober
  clock: Clock
  maxInFlight: number
  /** What may be dialled now for services that are registered over HTTP. */
  dialRules?: () => DialRules
  responsibility?: Responsibility
  /** When checks could confirm nothing, as it is known at any time. */
  pauses?: Pauses
  /** What loops over many services share the event loop by. */
  slices?: TimeSlices
}): Monitor {
  const { registry, prober, clock, dialRules = () => defaultRules, responsibility = coverAll() } = parts
  const { pauses = noPauses } = parts
  const services = new Map<string, WatchedService>()
  const watchlist = createWatchlist(pauses)
  const groups = createGroupMembers()
  const adopted = createSignal<Pick<Checked, 'watched' | 'outcome'>>()
  const watching = createSignal<readonly WatchedTarget[]>()
  const announcer = createAnnouncer({ clock, responsibility })
  const { maxInFlight, slices } = parts
  const checks = createChecks({ prober, clock, maxInFlight, dialRules, responsibility, announcer, pauses, slices })
  let checkerOf: (service: string) => Checker | null = () => null

  const covers = ({ service }: WatchedService) => responsibility.covers(service.name)

  function follow({ put, removed, cause }: RegistryChange): void {
    const leaving = removed.flatMap((name) => services.get(name) ?? [])
    const gone = leaving.flatMap(({ targets, joining }) => [...targets, ...joining])
    retire(gone)
    for (const watchedService of leaving) groups.move(watchedService, watchedService.service.groups, [])
    for (const name of removed) services.delete(name)
    for (const watchedService of leaving) announcer.bidFarewell(watchedService, cause)
    tell([...gone, ...put.flatMap(define)])
    for (const watchedService of leaving) watchlist.dropService(watchedService)
  }

  /** Says who is watched anew, otherwise or no longer; these are then gone for good. */
  function tell(changed: readonly WatchedTarget[]): void {
    if (changed.length > 0) watching.emit(changed)
    for (const watched of changed) if (watched.retired) watchlist.dropTarget(watched)
  }

  /** Health outlives a change of definition for as long as the target stays the same. Returns the targets to follow. */
  function define(service: Service): readonly WatchedTarget[] {
    const watchedService = services.get(service.name) ?? watchlist.addService(service)
    services.set(service.name, watchedService)
    groups.move(watchedService, watchedService.service.groups, service.groups)
    watchedService.service = service
    watchedService.drained = registry.drained.has(service.name)
    watchedService.checkedBy = checkerOf(service.name)
    const { left } = retarget(watchedService, watchlist, clock.now())
    announcer.reviewService(watchedService)
    return [...left, ...watchedService.targets]
  }

  function adopt(
    watchedService: WatchedService,
    service: ServiceMemory | null,
    targets: ReadonlyMap<string, TargetMemory>,
    { isWhole } = { isWhole: false },
  ): void {
    const isNews = watchedService.targets.every(({ lastEndedAt }) => lastEndedAt === null)
    if (service !== null) {
      Object.assign(watchedService, service)
      const { joined, left } = retarget(watchedService, watchlist, clock.now())
      tell([...left, ...joined])
    }
    for (const watched of watchedService.targets) {
      const memory = targets.get(watched.target.name)
      if (memory === undefined) continue
      const { lastOutcome } = watched.health
      const { health, ...counters } = memory
      Object.assign(watched, counters)
      replaceHealth(watched, health)
      const { lastOutcome: outcome } = health
      if (outcome !== null && outcome.endedAt !== lastOutcome?.endedAt) adopted.emit({ watched, outcome })
    }
    if (isWhole && isNews) markPending(watchedService, watchedService.targets, clock.now())
    watchedService.revision++
    announcer.reviewAll(watchedService)
  }

  async function readdress(watchedService: WatchedService, addresses: Addresses): Promise<Retargeted> {
    const known = new Set(watchedService.targets.map(({ target }) => target.name))
    const joining = targetsOf(watchedService.service, addresses)
      .filter(({ name }) => !known.has(name))
      .map((target) => watchlist.addTarget(target, watchedService))
    watchedService.joining = joining
    await Promise.all(joining.map(checks.check))
    watchedService.joining = []
    const isGone = services.get(watchedService.service.name) !== watchedService
    // Checks end without an outcome when Porthole stops: what is known then is the last that is known.
    if (isGone || !covers(watchedService) || joining.some(({ health }) => health.lastOutcome === null)) {
      if (!isGone) dismiss(joining)
      return { joined: [], left: [] }
    }
    watchedService.addresses = addresses
    const { joined, left } = retarget(watchedService, watchlist, clock.now(), joining)
    dismiss(joining.filter((watched) => !watchedService.targets.includes(watched)))
    announcer.reviewService(watchedService)
    tell([...left, ...joined])
    return { joined, left }
  }

  /** What never joined its service was never told of. */
  function dismiss(unwanted: readonly WatchedTarget[]): void {
    retire(unwanted)
    for (const watched of unwanted) watchlist.dropTarget(watched)
  }

  registry.changed.subscribe(follow)
  follow({ put: [...registry.services.values()], removed: [], cause: '' })

  let sweeping: IterableIterator<WatchedService> | undefined
  /** The first of those that were not swept when that was last looked at. */
  let unswept: WatchedService | undefined

  return {
    targetAt: watchlist.targetAt,
    memoryOf: watchlist.memoryOf,
    membersOf: groups.membersOf,
    ...checks,
    services,
    adopted,
    transitions: announcer.transitions,
    watching,
    readdress,
    adopt,
    attribute(next) {
      checkerOf = next
      for (const watchedService of services.values()) {
        const { checkedBy, service } = watchedService
        const checker = checkerOf(service.name)
        if (checkedBy?.replica === checker?.replica && checkedBy?.solo === checker?.solo) continue
        watchedService.checkedBy = checker
        watchedService.revision++
      }
    },
    review: announcer.reviewAll,
    leastTrustMs() {
      let least = Number.POSITIVE_INFINITY
      for (const { service } of services.values())
        if (service.policy.intervalMs !== null) least = Math.min(least, staleAfterMs(unchecked, service.policy))
      return least
    },
    sweptOnce() {
      // A probe asks again and again until it is so, so each service is looked at once: it goes on at the first that was not swept.
      sweeping ??= services.values()
      for (unswept ??= sweeping.next().value; unswept !== undefined; unswept = sweeping.next().value) {
        const { service, targets } = unswept
        if (services.get(service.name) !== unswept || intervalAt('intervalMs', service.policy) === null) continue
        if (targets.some((watched) => watched.health.lastOutcome === null)) return false
      }
      return true
    },
  }
}

/** What still comes in for these targets is dropped from now on. */
function retire(targets: readonly WatchedTarget[]): void {
  for (const watched of targets) watched.retired = true
}
