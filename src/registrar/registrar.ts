import type { Clock } from '../clock.ts'
import { dueStep, type Step } from '../domain/lifetime.ts'
import type { Limits } from '../domain/limits.ts'
import { noPauses, type Pauses } from '../domain/pause.ts'
import type { PolicyDefaults } from '../domain/policy.ts'
import { type RegistrationSettings, writeRegistration } from '../domain/registration.ts'
import type { Registry } from '../monitor/registry.ts'
import type { Condition, Put, Removed, Store, Stored } from '../store/store.ts'
import { createUnreadableEntries, type UnreadableEntries } from '../store/unreadable.ts'
import { excessDrains } from './absent-drains.ts'
import { createRegistrations, expiryOf, type Registered, type Registrations } from './registrations.ts'

/** What came of a put: the registration that was made or found to be the same, and whether it is new; or the revision that the condition found instead. */
export type Registering =
  | { readonly done: true; readonly registered: Registered; readonly change: 'created' | 'replaced' | 'none' }
  | Extract<Put, { done: false }>

/**
 * Registers and drains services at run time for who asks for it here. What it confirms is in the store, and then in force. Where others
 * share the store, it tells everybody of every change in the order in which they were made: only then is a change put in force here.
 */
export type Registrar = {
  readonly registrations: Registrations
  put(name: string, settings: RegistrationSettings, condition: Condition): Promise<Stored<Registering>>
  remove(name: string, condition: Condition): Promise<Stored<Removed>>
  setDrained(name: string, drained: boolean): Promise<Stored<null>>
  /** Why no service of a new name may be registered now, as a sentence; null when it may. */
  refusalOf(name: string): string | null
}

/** How long until the store is asked again whether a time to live has ended, in milliseconds. */
const retryMs = 5000

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
  /** Whether others share the store. */
  isShared?: boolean
  defaults?: PolicyDefaults
  /** When this process did not run, as it is known at any time. */
  pauses?: Pauses
  /** The entries of the store that cannot be read. */
  unreadable?: UnreadableEntries
}): Registrar {
  const registrations = createRegistrations({ registry, store, clock, defaults, onDue: takeStep, pauses, unreadable })
  /** What the store is being asked to put, and how many ask. */
  const asked = new Map<string, number>()

  /** Services there are, and those that the store is asked for, this one apart. */
  function countOthers(name: string): number {
    const arriving = [...asked.keys()].filter((one) => one !== name && !registry.services.has(one))
    return registry.services.size + arriving.length
  }

  /** Asks the store; until it answers, what it is asked for does not expire, or it would be confirmed and gone. */
  async function ask(name: string, settings: RegistrationSettings, condition: Condition): Promise<Stored<Put>> {
    asked.set(name, (asked.get(name) ?? 0) + 1)
    const stored = await store.put(name, writeRegistration(settings), condition, settings.ttl)
    const others = (asked.get(name) ?? 0) - 1
    if (others > 0) asked.set(name, others)
    else asked.delete(name)
    return stored
  }

  function takeStep(name: string): void {
    const entry = registrations.find(name)
    if (entry === undefined || asked.has(name)) return
    const step = dueStep(entry.lifetime, entry.settings, clock.now())
    if (step === null) registrations.schedule(name)
    else void carryOut(step, entry)
  }

  async function carryOut(step: Step, entry: Registered): Promise<void> {
    const { name, revision } = entry.registration
    const answer = store.expire(name, revision, step)
    // Should the store not be able to, it comes back with the next start, for its ttl.
    if (!isShared && step === 'expire') registrations.expire(name, revision, clock.toEpoch(clock.now()))
    else if (!isShared) registrations.forget(name, expiryOf(entry))
    const stored = await answer
    // It may have been registered again elsewhere, or the store be away: then this process may not say that it is expired or gone.
    const isRefused = !stored.ok || !stored.value.done
    if (isShared && isRefused && registrations.find(name) === entry) registrations.schedule(name, clock.now() + retryMs)
  }

  /** Returns what may be deregistered to make room: not what the store is asked to register again. */
  function dispensable(): Registered[] {
    return registrations.expired().filter(({ registration }) => !asked.has(registration.name))
  }

  /** Deregisters expired services, the longest expired first, for as long as there are more services than the limit. */
  async function makeRoom(): Promise<void> {
    if (registry.services.size <= limits.services) return
    for (const entry of dispensable()) {
      if (registry.services.size <= limits.services) return
      await carryOut('deregister', entry)
    }
  }

  /** Whether the store has a registration of this name that cannot be read, and the change does not say that it may go: it may hold anything. */
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
      if (registry.services.has(name) || registry.services.size + asked.size < limits.services) return null
      if (countOthers(name) - dispensable().length < limits.services) return null
      return `there are ${registry.services.size} services, and limits.services allows no more: deregister some, or raise it`
    },
    async put(name, settings, condition) {
      if (isProtected(name, condition)) return { ok: true, value: { done: false, revision: null, isUnreadable: true } }
      const stored = await ask(name, settings, condition)
      const held = registrations.find(name)
      if (!stored.ok) {
        // That the store fails is no reason to deregister who registers again in time.
        registrations.renew(name)
        return stored
      }
      const { value } = stored
      if (!value.done) {
        // Its time may have come while the store was asked.
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
