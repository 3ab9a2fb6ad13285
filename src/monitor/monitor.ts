import type { Clock } from '../clock.ts'
import { type Addresses, membersOf } from '../domain/addresses.ts'
import { createDialRules, type DialRules } from '../domain/dial-rules.ts'
import { isTooOld, statusAt } from '../domain/health.ts'
import type { Outcome } from '../domain/outcome.ts'
import type { Service } from '../domain/service.ts'
import type { Transition } from '../domain/transition.ts'
import type { Prober } from '../prober/prober.ts'
import type { Registry, RegistryChange } from './registry.ts'
import { coverAll, type Responsibility } from './responsibility.ts'
import { type Retargeted, retarget } from './retarget.ts'
import { farewell, replaceHealth, review, reviewService, settle } from './settle.ts'
import { createSignal, type Signal } from './signal.ts'
import { createTurns } from './turns.ts'
import type { Check, Checker, ServiceMemory, TargetMemory, WatchedService, WatchedTarget } from './watch.ts'
import { createWatchlist, type Watchlist } from './watchlist.ts'

/** One check came to its end. `lateMs` is how long after its beat it began; null when it was asked for. */
export type Checked = { readonly watched: WatchedTarget; readonly outcome: Outcome; readonly lateMs: number | null }

/** The health of every target. */
export type Monitor = Pick<Watchlist, 'targetAt' | 'memoryOf'> & {
  readonly services: ReadonlyMap<string, WatchedService>
  readonly checked: Signal<Checked>
  /** An outcome that another replica found was taken in. */
  readonly adopted: Signal<Pick<Checked, 'watched' | 'outcome'>>
  readonly transitions: Signal<Transition>
  /** Targets that are new or gone, or whose service's definition changed. */
  readonly watching: Signal<readonly WatchedTarget[]>
  /** Checks because a beat came, at the instant `due`. A beat that finds the target's last check still under way is skipped. */
  beat(watched: WatchedTarget, due: number): void
  /** Checks because somebody asks, or joins the check under way. Resolves when its outcome counts. */
  check(watched: WatchedTarget): Promise<void>
  /**
   * Checks what is older than `maxAgeMs` and waits for it, `waitMs` at most. A null age: on-demand services by their
   * own maxAge, others not at all. Returns null when nothing needs a check.
   */
  refresh(services: readonly WatchedService[], maxAgeMs: number | null, waitMs?: number): Promise<void> | null
  /**
   * Puts other addresses in force for the names of a service. New ones are checked first; then they become its targets with what was
   * found, and those that are gone leave, all in one step. So neither makes the service read unknown.
   */
  readdress(watchedService: WatchedService, addresses: Addresses): Promise<Retargeted>
  /**
   * Takes in what another replica remembers of a service and of some of its targets, by their names. What reads otherwise than it
   * was announced is announced here, if the service is covered.
   */
  adopt(watchedService: WatchedService, service: ServiceMemory | null, targets: ReadonlyMap<string, TargetMemory>): void
  /** From now on this says who checks each service. */
  attribute(checkerOf: (service: string) => Checker | null): void
  /** Announces what reads otherwise than it was announced last, if the service is covered. */
  review(watchedService: WatchedService): void
  /** Every target that has a schedule came to the end of at least one check. */
  sweptOnce(): boolean
  stats(): { inFlight: number; waiting: number; skippedBeats: number; proberRestarts: number }
  /** How much longer a check has been under way than any may take, in milliseconds: a prober that works keeps it at 0. */
  overdueMs(): number
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
}): Monitor {
  const { registry, prober, clock, dialRules = () => defaultRules, responsibility = coverAll() } = parts
  const services = new Map<string, WatchedService>()
  const watchlist = createWatchlist()
  const checked = createSignal<Checked>()
  const adopted = createSignal<Pick<Checked, 'watched' | 'outcome'>>()
  const transitions = createSignal<Transition>()
  const watching = createSignal<readonly WatchedTarget[]>()
  const turns = createTurns({ prober, maxInFlight: parts.maxInFlight, dialRules, take })
  let skippedBeats = 0
  let checkerOf: (service: string) => Checker | null = () => null

  const covers = ({ service }: WatchedService) => responsibility.covers(service.name)

  function take(check: Check, outcome: Outcome): void {
    const { watched, due } = check
    const isCovered = covers(watched.watchedService)
    // It is for another replica by now, which may have checked since.
    if (due !== null && !isCovered) return
    if (isOvertaken(check, outcome)) return
    settle(watched, outcome)
    if (isCovered) announce(review(watched, clock.now()))
    checked.emit({ watched, outcome, lateMs: due === null ? null : Math.max(0, outcome.startedAt - due) })
  }

  function announce(changes: readonly Transition[]): void {
    for (const transition of changes) transitions.emit(transition)
  }

  function follow({ put, removed, cause }: RegistryChange): void {
    const leaving = removed.flatMap((name) => services.get(name) ?? [])
    const gone = leaving.flatMap(({ targets, joining }) => [...targets, ...joining])
    retire(gone)
    for (const name of removed) services.delete(name)
    const now = clock.now()
    announce(leaving.map((watchedService) => farewell(watchedService, cause, now)))
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
    watchedService.service = service
    watchedService.drained = registry.drained.has(service.name)
    watchedService.checkedBy = checkerOf(service.name)
    const { left } = retarget(watchedService, watchlist)
    reviewCovered(watchedService)
    return [...left, ...watchedService.targets]
  }

  function reviewCovered(watchedService: WatchedService): void {
    if (covers(watchedService)) announce(reviewService(watchedService, clock.now()))
  }

  function adopt(
    watchedService: WatchedService,
    service: ServiceMemory | null,
    targets: ReadonlyMap<string, TargetMemory>,
  ): void {
    if (service !== null) {
      Object.assign(watchedService, service)
      const { joined, left } = retarget(watchedService, watchlist)
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
    watchedService.revision++
    reviewAll(watchedService)
  }

  function reviewAll(watchedService: WatchedService): void {
    if (!covers(watchedService)) return
    for (const watched of watchedService.targets) announce(review(watched, clock.now()))
    reviewCovered(watchedService)
  }

  async function readdress(watchedService: WatchedService, addresses: Addresses): Promise<Retargeted> {
    const known = new Set(watchedService.targets.map(({ target }) => target.name))
    const joining = membersOf(watchedService.service, addresses)
      .filter(({ name }) => !known.has(name))
      .map((target) => watchlist.addTarget(target, watchedService))
    watchedService.joining = joining
    await Promise.all(joining.map(check))
    watchedService.joining = []
    const isGone = services.get(watchedService.service.name) !== watchedService
    // Checks end without an outcome when Porthole stops: what is known then is the last that is known.
    if (isGone || !covers(watchedService) || joining.some(({ health }) => health.lastOutcome === null)) {
      if (!isGone) dismiss(joining)
      return { joined: [], left: [] }
    }
    watchedService.addresses = addresses
    const { joined, left } = retarget(watchedService, watchlist, joining)
    dismiss(joining.filter((watched) => !watchedService.targets.includes(watched)))
    reviewCovered(watchedService)
    tell([...left, ...joined])
    return { joined, left }
  }

  /** What never joined its service was never told of. */
  function dismiss(unwanted: readonly WatchedTarget[]): void {
    retire(unwanted)
    for (const watched of unwanted) watchlist.dropTarget(watched)
  }

  function beat(watched: WatchedTarget, due: number): void {
    if (watched.check === null) {
      turns.begin(watched, due)
      return
    }
    skippedBeats++
    const now = clock.now()
    // Nearly always it reads as it was announced: where much more is due than can be done, that is most of what happens.
    if (statusAt(watched.health, watched.watchedService.service.policy, now).status === watched.announced) return
    if (covers(watched.watchedService)) announce(review(watched, now))
  }

  function check(watched: WatchedTarget): Promise<void> {
    // Nobody would ever call back.
    if (watched.retired) return Promise.resolve()
    const check = turns.ask(watched)
    return new Promise((ended) => {
      check.callers ??= []
      check.callers.push(ended)
    })
  }

  registry.changed.subscribe(follow)
  follow({ put: [...registry.services.values()], removed: [], cause: '' })

  return {
    targetAt: watchlist.targetAt,
    memoryOf: watchlist.memoryOf,
    services,
    checked,
    adopted,
    transitions,
    watching,
    beat,
    check,
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
    review: reviewAll,
    refresh(wanted, maxAgeMs, waitMs) {
      const now = clock.now()
      const old: WatchedTarget[] = []
      for (const { service, targets } of wanted) {
        for (const watched of targets) if (isTooOld(watched.health, service.policy, maxAgeMs, now)) old.push(watched)
      }
      if (old.length === 0) return null
      const checks = Promise.all(old.map(check))
      return waitMs === undefined ? checks.then(() => undefined) : atMost(waitMs, checks)
    },
    sweptOnce() {
      for (const { service, targets } of services.values()) {
        if (service.policy.intervalMs === null) continue
        if (targets.some((watched) => watched.health.lastOutcome === null)) return false
      }
      return true
    },
    stats: () => ({
      ...turns.stats(),
      skippedBeats,
      proberRestarts: prober.restarts(),
    }),
    overdueMs: () => turns.overdueMs(clock.now()),
  }
}

/**
 * Whether another replica's check of the same target ended while this one was under way: of two that ran side by side one counts,
 * or a moment of silence that two people asked about would be two failures in a row.
 */
function isOvertaken({ watched, known }: Check, { startedAt }: Outcome): boolean {
  const { lastEndedAt } = watched
  return lastEndedAt !== null && lastEndedAt !== known && lastEndedAt > startedAt
}

/** What still comes in for these targets is dropped from now on. */
function retire(targets: readonly WatchedTarget[]): void {
  for (const watched of targets) watched.retired = true
}

/** Waits for something, but no longer than that. */
async function atMost(ms: number, something: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([something, patience])
  clearTimeout(timer)
}
