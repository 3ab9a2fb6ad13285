import { noPauses, type Pauses } from '../domain/health/pause.ts'
import { dueStep, type Step } from '../domain/service/lifetime.ts'
import type { Limits } from '../domain/service/limits.ts'
import type { PolicyDefaults } from '../domain/service/policy.ts'
import { type RegistrationSettings, writeRegistration } from '../domain/service/registration.ts'
import type { Registry } from '../monitor/registry/registry.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Condition, Put, Removed, Store, Stored } from '../store/store.ts'
import { createUnreadableEntries, type UnreadableEntries } from '../store/unreadable.ts'
import { createRegistrations, expiryOf, type Registered, type Registrations } from './registrations.ts'

/** The most drains of names without a service. */
export const mostAbsentDrains = 10_000

/**
 * The result of a put. It has the registration, which may be an existing one with the same definition, and the kind of the change. If the
 * condition did not hold, it has the revision that the condition found.
 */
export type Registering =
  | { readonly done: true; readonly registered: Registered; readonly change: 'created' | 'replaced' | 'none' }
  | Extract<Put, { done: false }>

/**
 * Registers and drains services at run time, for clients of this replica. A change that it confirms is first in the store, and then in force. If
 * other replicas share the store, the store announces every change to all replicas in the order of the changes. Only that announcement puts a
 * change in force here.
 */
export type Registrar = {
  readonly registrations: Registrations
  /** Registers a service, or replaces its definition. A failure of the store is a sentence; then no change was made here. */
  put(name: string, settings: RegistrationSettings, condition: Condition): Promise<Stored<Registering>>
  /** Deregisters a service and ends its drain. */
  remove(name: string, condition: Condition): Promise<Stored<Removed>>
  /** Drains a service, or ends its drain. */
  setDrained(name: string, drained: boolean): Promise<Stored<null>>
  /** Returns why no service of a new name may be registered now, as a sentence; null if it may. */
  refusalOf(name: string): string | null
}

/** How long until the store is asked again whether a time to live has ended, in milliseconds. */
const retryMs = 5000

/** Creates the registrar. With `isShared` it only asks the store: the announcement of the store puts the change in force. */
export function createRegistrar({
  registry,
  store,
  clock,
  limits,
  isShared = false,
  defaults = {},
  pauses = noPauses,
  unreadable = createUnreadableEntries(),
}: {
  registry: Registry
  store: Store
  clock: Clock
  limits: Limits
  /** Whether other replicas share the store. */
  isShared?: boolean
  defaults?: PolicyDefaults
  /** The pauses of this process, as known at any time. */
  pauses?: Pauses
  /** The entries of the store that cannot be read. */
  unreadable?: UnreadableEntries
}): Registrar {
  const registrations = createRegistrations({
    registry,
    store,
    clock,
    defaults,
    onDue: startDueStep,
    pauses,
    unreadable,
  })
  /** The names of the puts that wait for the store, each with their number. */
  const pendingPuts = new Map<string, number>()

  /** Counts all services and the new ones that wait for the store, without this one. */
  function countOthers(name: string): number {
    const arriving = [...pendingPuts.keys()].filter((one) => one !== name && !registry.services.has(one))
    return registry.services.size + arriving.length
  }

  /** Puts a registration into the store. Until the store answers, the registration does not expire; otherwise it could be confirmed and gone. */
  async function ask(name: string, settings: RegistrationSettings, condition: Condition): Promise<Stored<Put>> {
    pendingPuts.set(name, (pendingPuts.get(name) ?? 0) + 1)
    const stored = await store.put(name, writeRegistration(settings), condition, settings.ttl)
    const others = (pendingPuts.get(name) ?? 0) - 1
    if (others > 0) pendingPuts.set(name, others)
    else pendingPuts.delete(name)
    return stored
  }

  function startDueStep(name: string): void {
    const entry = registrations.find(name)
    if (entry === undefined || pendingPuts.has(name)) return
    const step = dueStep(entry.lifetime, entry.settings, clock.now())
    if (step === null) registrations.schedule(name)
    else void runStep(step, entry)
  }

  async function runStep(step: Step, entry: Registered): Promise<void> {
    const { name, revision } = entry.registration
    const answer = store.expire(name, revision, step)
    // If the store fails, the registration comes back at the next start, for its ttl.
    if (!isShared && step === 'expire') registrations.expire(name, revision, clock.toEpoch(clock.now()))
    else if (!isShared) registrations.forget(name, expiryOf(entry))
    const stored = await answer
    // Another replica may have registered it again, or the store may be away. In both cases this process must not expire or remove it.
    const isRefused = !stored.ok || !stored.value.done
    if (isShared && isRefused && registrations.find(name) === entry) registrations.schedule(name, clock.now() + retryMs)
  }

  /** Returns the expired registrations that may be deregistered to make room. A registration whose renewal waits for the store is not among them. */
  function removableExpired(): Registered[] {
    return registrations.expired().filter(({ registration }) => !pendingPuts.has(registration.name))
  }

  /** Deregisters expired services, the longest expired first, while there are more services than the limit. */
  async function makeRoom(): Promise<void> {
    if (registry.services.size <= limits.services) return
    for (const entry of removableExpired()) {
      if (registry.services.size <= limits.services) return
      await runStep('deregister', entry)
    }
  }

  /**
   * Returns whether the store has a registration of this name that cannot be read and that the change does not give up with `If-Match`. Its
   * definition is unknown, so it is not replaced by default.
   */
  function isProtected(name: string, { ifMatch }: Condition): boolean {
    return ifMatch === undefined && unreadable.whyRegistration(name) !== null
  }

  async function setDrained(name: string, drained: boolean): Promise<Stored<null>> {
    const stored = await store.setDrained(name, drained)
    if (stored.ok && !isShared) registry.setDrained([name], drained)
    return stored
  }

  registry.changed.subscribe(({ removed }) => {
    if (!removed.some((name) => registry.drained.has(name))) return
    for (const name of excessDrains(registry.drained, registry.services)) void setDrained(name, false)
  })

  return {
    registrations,
    refusalOf(name) {
      if (registry.services.has(name) || registry.services.size + pendingPuts.size < limits.services) return null
      if (countOthers(name) - removableExpired().length < limits.services) return null
      return `there are ${registry.services.size} services, and limits.services allows no more: deregister some, or raise it`
    },
    async put(name, settings, condition) {
      if (isProtected(name, condition)) return { ok: true, value: { done: false, revision: null, isUnreadable: true } }
      const stored = await ask(name, settings, condition)
      const held = registrations.find(name)
      if (!stored.ok) {
        // The service registered again in time, so a failing store must not deregister it.
        registrations.renew(name)
        return stored
      }
      const { value } = stored
      if (!value.done) {
        // Its time to live may have ended while the store was asked.
        registrations.schedule(name)
        return { ok: true, value }
      }
      const { registration, change } = value
      if (held?.registration.revision === registration.revision) {
        registrations.renew(name)
        return { ok: true, value: { done: true, registered: held, change } }
      }
      const registered = registrations.build(registration, settings)
      if (!isShared) registrations.put(registered)
      if (change === 'created') await makeRoom()
      return { ok: true, value: { done: true, registered, change } }
    },
    async remove(name, condition) {
      if (isProtected(name, condition)) return { ok: true, value: { done: false, revision: null, isUnreadable: true } }
      const stored = await store.remove(name, condition)
      if (stored.ok && stored.value.done && !isShared) registrations.deregister(name, 'deregistered')
      return stored
    },
    setDrained,
  }
}

/**
 * Returns the drains to end: of the names without a service, the oldest beyond `most`. `drained` has the oldest first. A drain outlives the
 * registration that expired under it. Without a bound, drains would pile up for names that never come back.
 */
function excessDrains(
  drained: ReadonlySet<string>,
  services: { has(name: string): boolean },
  most = mostAbsentDrains,
): string[] {
  if (drained.size <= most) return []
  const absent = [...drained].filter((name) => !services.has(name))
  return absent.slice(0, Math.max(0, absent.length - most))
}
