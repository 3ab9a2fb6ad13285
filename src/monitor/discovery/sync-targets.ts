import { pendingSince } from '../../domain/health/pending.ts'
import { membersOf, namesOf, noAddresses } from '../../domain/target/addresses.ts'
import type { ServiceState, TargetState } from '../state/state.ts'
import type { StateStore } from '../state/state-store.ts'

/** The targets that joined a service, and those that left it. */
export type TargetChanges = { readonly joined: readonly TargetState[]; readonly left: readonly TargetState[] }

/**
 * Sets the targets of a service to those that its definition and its addresses give. Targets that stay keep their state. `joiningTargets` are
 * targets that exist already, and that join if they are wanted. A target without state is pending from `now` on, if another target of the
 * service was checked.
 */
export function syncTargets(
  serviceState: ServiceState,
  stateStore: StateStore,
  now: number,
  joiningTargets: readonly TargetState[] = [],
): TargetChanges {
  const { service, targets } = serviceState
  if (namesOf(service).length === 0) serviceState.addresses = noAddresses
  const before = new Set(targets)
  const known = new Map([...joiningTargets, ...targets].map((state) => [state.target.name, state]))
  serviceState.targets = membersOf(service, serviceState.addresses).map((target) => {
    const state = known.get(target.name) ?? stateStore.addTarget(target, serviceState)
    state.target = target
    return state
  })
  const joined = serviceState.targets.filter((state) => !before.has(state))
  markPending(serviceState, joined, now)
  serviceState.revision++
  serviceState.statusCounts = null
  const after = new Set(serviceState.targets)
  const left = targets.filter((state) => !after.has(state))
  for (const state of left) state.retired = true
  return { joined, left }
}

/** Marks each target of `joined` that was never checked as pending, if another target of the service was checked. */
export function markPending({ targets }: ServiceState, joined: readonly TargetState[], now: number): void {
  const isNew = ({ lastEndedAt, health }: TargetState) => lastEndedAt === null && health.since === null
  if (joined.length === 0 || targets.every(({ lastEndedAt }) => lastEndedAt === null)) return
  for (const state of joined) if (isNew(state)) state.health = pendingSince(now)
}
