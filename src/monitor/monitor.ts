import { intervalAt, neverChecked, staleAfterMs } from '../domain/health/health.ts'
import { noPauses, type Pauses } from '../domain/health/pause.ts'
import type { Transition } from '../domain/health/transition.ts'
import type { Service } from '../domain/service/service.ts'
import { type Addresses, membersOf as targetsOf } from '../domain/target/addresses.ts'
import { createDialRules, type DialRules } from '../domain/target/dial-rules.ts'
import type { Prober } from '../prober/prober.ts'
import type { Clock } from '../runtime/clock.ts'
import type { TimeSlices } from '../runtime/time-slices.ts'
import { markPending, syncTargets, type TargetChanges } from './discovery/sync-targets.ts'
import { createEmitter, type Emitter } from './emitter.ts'
import { type Ownership, ownAll } from './ownership.ts'
import { createGroupMembers, type GroupMembers } from './registry/group-members.ts'
import type { Registry, RegistryChange } from './registry/registry.ts'
import { type Checked, type Checks, createChecks } from './scheduling/checks.ts'
import { replaceHealth } from './state/apply-outcome.ts'
import type { Checker, ServiceSnapshot, ServiceState, TargetSnapshot, TargetState } from './state/state.ts'
import { createStateStore, type StateStore } from './state/state-store.ts'
import { createTransitionEmitter } from './transitions/transition-emitter.ts'

/** The health of every target, and the checks that find it. */
export type Monitor = Pick<StateStore, 'targetAt' | 'chunkAt'> &
  Pick<GroupMembers, 'membersOf'> &
  Checks & {
    readonly services: ReadonlyMap<string, ServiceState>
    /** Emits after an outcome of another replica was applied. */
    readonly adopted: Emitter<Pick<Checked, 'state' | 'outcome'>>
    readonly transitions: Emitter<Transition>
    /** Emits targets that are new or gone, and all targets of a service with a changed definition. */
    readonly targetsChanged: Emitter<readonly TargetState[]>
    /**
     * Applies new addresses to the names of a service. New ones are checked first. Then they become targets, together with their outcomes,
     * and addresses that are gone leave in the same step. So neither change makes the service unknown.
     */
    applyAddresses(serviceState: ServiceState, addresses: Addresses): Promise<TargetChanges>
    /**
     * Applies the state that another replica has of a service and of some of its targets, by name. Emits, if this replica owns the service,
     * a transition for each status that differs from the last emitted one. `isWhole` says that the other replicas have no more state of the
     * service, so none of them checked a target that is missing. If this replica had no outcome of the service, such a target becomes
     * pending, because it was added while the other replicas checked the others.
     */
    adopt(
      serviceState: ServiceState,
      service: ServiceSnapshot | null,
      targets: ReadonlyMap<string, TargetSnapshot>,
      options?: { isWhole: boolean },
    ): void
    /** Sets the function that returns which replica checks a service. */
    attribute(checkerOf: (service: string) => Checker | null): void
    /** Emits a transition for each status of a service that differs from the last emitted one, if this replica owns the service. */
    detectTransitions(serviceState: ServiceState): void
    /** Returns the shortest time for which a scheduled service trusts its status without a check, in milliseconds; infinity if none is scheduled. */
    leastTrustMs(): number
    /** Returns whether every scheduled target has ended at least one check. */
    sweptOnce(): boolean
  }

const defaultRules = createDialRules({})

/** Creates a monitor of all services in the registry, now and later. `maxInFlight` bounds the checks under way at once. Checks for callers go first. */
export function createMonitor(parts: {
  registry: Registry
  prober: Prober
  clock: Clock
  maxInFlight: number
  /** Returns the dial rules that apply now to services registered over HTTP. */
  dialRules?: () => DialRules
  ownership?: Ownership
  /** The pauses in which checks could confirm nothing, up to date at any time. */
  pauses?: Pauses
  /** Shares the event loop among loops over many services. */
  slices?: TimeSlices
}): Monitor {
  const { registry, prober, clock, dialRules = () => defaultRules, ownership = ownAll() } = parts
  const { pauses = noPauses } = parts
  const services = new Map<string, ServiceState>()
  const stateStore = createStateStore(pauses)
  const groups = createGroupMembers()
  const adopted = createEmitter<Pick<Checked, 'state' | 'outcome'>>()
  const targetsChanged = createEmitter<readonly TargetState[]>()
  const transitionEmitter = createTransitionEmitter({ clock, ownership })
  const { maxInFlight, slices } = parts
  const checks = createChecks({
    prober,
    clock,
    maxInFlight,
    dialRules,
    ownership,
    transitionEmitter,
    pauses,
    slices,
  })
  let checkerOf: (service: string) => Checker | null = () => null

  const owns = ({ service }: ServiceState) => ownership.owns(service.name)

  function applyRegistryChange({ put, removed, cause }: RegistryChange): void {
    const leaving = removed.flatMap((name) => services.get(name) ?? [])
    const gone = leaving.flatMap(({ targets, joining }) => [...targets, ...joining])
    retire(gone)
    for (const serviceState of leaving) groups.move(serviceState, serviceState.service.groups, [])
    for (const name of removed) services.delete(name)
    for (const serviceState of leaving) transitionEmitter.emitRemoval(serviceState, cause)
    emitTargetsChanged([...gone, ...put.flatMap(define)])
    for (const serviceState of leaving) stateStore.dropService(serviceState)
  }

  /** Emits the targets that are new, changed or gone, and then drops those that are gone. */
  function emitTargetsChanged(changed: readonly TargetState[]): void {
    if (changed.length > 0) targetsChanged.emit(changed)
    for (const state of changed) if (state.retired) stateStore.dropTarget(state)
  }

  /** Applies the definition of a service. A target that stays the same keeps its health. Returns the targets that stayed, joined or left. */
  function define(service: Service): readonly TargetState[] {
    const serviceState = services.get(service.name) ?? stateStore.addService(service)
    services.set(service.name, serviceState)
    groups.move(serviceState, serviceState.service.groups, service.groups)
    serviceState.service = service
    serviceState.drained = registry.drained.has(service.name)
    serviceState.checkedBy = checkerOf(service.name)
    const { left } = syncTargets(serviceState, stateStore, clock.now())
    transitionEmitter.emitForService(serviceState)
    return [...left, ...serviceState.targets]
  }

  function adopt(
    serviceState: ServiceState,
    service: ServiceSnapshot | null,
    targets: ReadonlyMap<string, TargetSnapshot>,
    { isWhole } = { isWhole: false },
  ): void {
    const isNews = serviceState.targets.every(({ lastEndedAt }) => lastEndedAt === null)
    if (service !== null) {
      Object.assign(serviceState, service)
      const { joined, left } = syncTargets(serviceState, stateStore, clock.now())
      emitTargetsChanged([...left, ...joined])
    }
    for (const state of serviceState.targets) {
      const snapshot = targets.get(state.target.name)
      if (snapshot === undefined) continue
      const { lastOutcome } = state.health
      const { health, ...counters } = snapshot
      Object.assign(state, counters)
      replaceHealth(state, health)
      const { lastOutcome: outcome } = health
      if (outcome !== null && outcome.endedAt !== lastOutcome?.endedAt) adopted.emit({ state, outcome })
    }
    if (isWhole && isNews) markPending(serviceState, serviceState.targets, clock.now())
    serviceState.revision++
    transitionEmitter.emitForServiceAndTargets(serviceState)
  }

  async function applyAddresses(serviceState: ServiceState, addresses: Addresses): Promise<TargetChanges> {
    const known = new Set(serviceState.targets.map(({ target }) => target.name))
    const joining = targetsOf(serviceState.service, addresses)
      .filter(({ name }) => !known.has(name))
      .map((target) => stateStore.addTarget(target, serviceState))
    serviceState.joining = joining
    await Promise.all(joining.map(checks.check))
    serviceState.joining = []
    const isGone = services.get(serviceState.service.name) !== serviceState
    // When Porthole stops, checks end without an outcome. Then keep the last known addresses.
    if (isGone || !owns(serviceState) || joining.some(({ health }) => health.lastOutcome === null)) {
      if (!isGone) dismiss(joining)
      return { joined: [], left: [] }
    }
    serviceState.addresses = addresses
    const { joined, left } = syncTargets(serviceState, stateStore, clock.now(), joining)
    dismiss(joining.filter((state) => !serviceState.targets.includes(state)))
    transitionEmitter.emitForService(serviceState)
    emitTargetsChanged([...left, ...joined])
    return { joined, left }
  }

  /** Drops targets that never joined their service. No event reported them, so no event reports their end. */
  function dismiss(unwanted: readonly TargetState[]): void {
    retire(unwanted)
    for (const state of unwanted) stateStore.dropTarget(state)
  }

  registry.changed.subscribe(applyRegistryChange)
  applyRegistryChange({ put: [...registry.services.values()], removed: [], cause: '' })

  let sweeping: IterableIterator<ServiceState> | undefined
  /** The first service that had a target without a check when a probe last asked. */
  let unswept: ServiceState | undefined

  return {
    targetAt: stateStore.targetAt,
    chunkAt: stateStore.chunkAt,
    membersOf: groups.membersOf,
    ...checks,
    services,
    adopted,
    transitions: transitionEmitter.transitions,
    targetsChanged,
    applyAddresses,
    adopt,
    attribute(next) {
      checkerOf = next
      for (const serviceState of services.values()) {
        const { checkedBy, service } = serviceState
        const checker = checkerOf(service.name)
        if (checkedBy?.replica === checker?.replica && checkedBy?.solo === checker?.solo) continue
        serviceState.checkedBy = checker
        serviceState.revision++
      }
    },
    detectTransitions: transitionEmitter.emitForServiceAndTargets,
    leastTrustMs() {
      let least = Number.POSITIVE_INFINITY
      for (const { service } of services.values())
        if (service.policy.intervalMs !== null) least = Math.min(least, staleAfterMs(neverChecked, service.policy))
      return least
    },
    sweptOnce() {
      // Probes call this again and again until it is true. Continue at the first service that was not done, so that each one is visited once.
      sweeping ??= services.values()
      for (unswept ??= sweeping.next().value; unswept !== undefined; unswept = sweeping.next().value) {
        const { service, targets } = unswept
        if (services.get(service.name) !== unswept || intervalAt('intervalMs', service.policy) === null) continue
        if (targets.some((state) => state.health.lastOutcome === null)) return false
      }
      return true
    },
  }
}

/** Marks targets as gone. Outcomes that still arrive for them are dropped. */
function retire(targets: readonly TargetState[]): void {
  for (const state of targets) state.retired = true
}
