import { setImmediate } from 'node:timers/promises'
import type { Clock } from './clock.ts'
import { formatDuration } from './domain/duration.ts'
import type { Limits } from './domain/limits.ts'
import type { PolicyDefaults } from './domain/policy.ts'
import { quote } from './domain/quote.ts'
import { type RegistrationSettings, readRegistration, writeRegistration } from './domain/registration.ts'
import { buildService, type Service } from './domain/service.ts'
import { createExpiries } from './expiries.ts'
import type { Registry } from './monitor/registry.ts'
import type { Condition, Put, Registration, Removed, Store, Stored } from './store/store.ts'

/** A service registered over HTTP. */
export type Registered = {
  readonly registration: Registration
  readonly settings: RegistrationSettings
  /** What it makes together with the defaults. */
  service: Service
  /** When it is deregistered unless it is registered again, an instant of the clock in milliseconds; null: never. */
  expiresAt: number | null
}

/** What came of a put: the registration that was made or found to be the same, and whether it is new; or the revision that the condition found instead. */
export type Registering =
  | { readonly done: true; readonly registered: Registered; readonly change: 'created' | 'replaced' | 'none' }
  | Extract<Put, { done: false }>

/**
 * Registers and drains services at run time. What it confirms is in the store, and then in the registry. Where others share the
 * store, it tells everybody of every change in the order in which they were made: only then is a change put in force here.
 */
export type Registrar = {
  /** The registration of that name, also while the file hides it. */
  find(name: string): Registered | undefined
  put(name: string, settings: RegistrationSettings, condition: Condition): Promise<Stored<Registering>>
  remove(name: string, condition: Condition): Promise<Stored<Removed>>
  setDrained(name: string, drained: boolean): Promise<Stored<null>>
  /** Why no service of a new name may be registered now, as a sentence; null when it may. */
  refusalOf(name: string): string | null
  /** Puts what a store keeps in force, and deregisters what it has no longer. Returns what cannot be read, as sentences; it stays in the store. */
  restore(registrations: readonly Registration[], drained: readonly string[]): string[]
  /** Puts what somebody else registered in force. Returns why it cannot be read, as a sentence; null when it can. */
  adopt(registration: Registration): string | null
  /** Somebody else registered the same again: its time counts anew. */
  renew(name: string): void
  /** Somebody else deregistered it, or its time ended: a sentence says which. */
  forget(name: string, cause: string): void
  /** Puts other defaults in force, which hold for what registrations leave out: at once for who registers from now on, some at a time for those there are. */
  setDefaults(defaults: PolicyDefaults): Promise<void>
  /** Deregisters what was not registered again in time; returns when to look again, null when nothing expires. */
  expireDue(): number | null
  close(): void
}

/** How many registrations are given other defaults in one turn of the event loop: with all that follows, some 5 ms of work. */
const perTurn = 100
/** How long until the store is asked again whether a time to live has ended, in milliseconds. */
const retryMs = 5000

/** Why a registration is gone whose time to live ended. */
export function expiryOf({ settings }: Registered): string {
  return `deregistered: not registered again within its ttl of ${formatDuration(settings.ttl ?? 0)}`
}

export function createRegistrar({
  registry,
  store,
  clock,
  limits,
  isShared = false,
  defaults: firstDefaults = {},
}: {
  registry: Registry
  store: Store
  clock: Clock
  limits: Limits
  /** Whether others share the store. */
  isShared?: boolean
  defaults?: PolicyDefaults
}): Registrar {
  const registered = new Map<string, Registered>()
  const expiries = createExpiries({ clock, end: expire })
  let defaults = firstDefaults
  /** What the store is being asked to put, and how many ask. */
  const asked = new Map<string, number>()

  function hold(entry: Registered): void {
    registered.set(entry.registration.name, entry)
    renew(entry)
  }

  function enter(registration: Registration, settings: RegistrationSettings): Registered {
    return { registration, settings, service: build(registration.name, settings), expiresAt: null }
  }

  function adopt(registration: Registration): string | null {
    const settings = readRegistration(registration.definition)
    if (typeof settings === 'string')
      return `the registration of ${quote(registration.name)} cannot be read: ${settings}`
    hold(enter(registration, settings))
    return null
  }

  /** From now on its time counts anew. */
  function renew(entry: Registered): void {
    const { ttl } = entry.settings
    entry.expiresAt = ttl === undefined ? null : clock.now() + ttl
    awaitExpiry(entry)
  }

  function awaitExpiry({ registration: { name }, expiresAt }: Registered): void {
    expiries.set(name, expiresAt)
  }

  function forget(name: string, cause: string): void {
    const wasHidden = registry.services.get(name)?.origin === 'file'
    const wasDrained = registry.drained.has(name)
    registered.delete(name)
    expiries.set(name, null)
    registry.deregister(name, cause)
    if (!wasHidden) registry.setDrained([name], false)
    // The store forgot this with the registration, but it is the file's service that is drained.
    else if (wasDrained) void store.setDrained(name, true)
  }

  function build(name: string, settings: RegistrationSettings): Service {
    return buildService(name, settings, defaults, 'http')
  }

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

  function expire(name: string): void {
    const entry = registered.get(name)
    if (entry === undefined || asked.has(name)) return
    const expired = store.expire(name, entry.registration.revision)
    if (isShared) void lookAgain(name, expired)
    // Should the store not be able to, it comes back with the next start, for its ttl.
    else forget(name, expiryOf(entry))
  }

  /** It may have been registered again elsewhere, or the store be away: then it is not for us to say that it is gone. */
  async function lookAgain(name: string, expired: Promise<Stored<Removed>>): Promise<void> {
    const stored = await expired
    if (stored.ok && stored.value.done) return
    if (registered.get(name)?.settings.ttl !== undefined) expiries.set(name, clock.now() + retryMs)
  }

  return {
    find: (name) => registered.get(name),
    refusalOf(name) {
      if (registry.services.has(name) || registry.services.size + asked.size < limits.services) return null
      if (countOthers(name) < limits.services) return null
      return `there are ${registry.services.size} services, and limits.services allows no more: deregister some, or raise it`
    },
    async put(name, settings, condition) {
      const stored = await ask(name, settings, condition)
      const held = registered.get(name)
      if (!stored.ok) {
        // That the store fails is no reason to deregister who registers again in time.
        if (held !== undefined) renew(held)
        return stored
      }
      const { value } = stored
      if (!value.done) {
        if (held !== undefined) awaitExpiry(held)
        return { ok: true, value }
      }
      const { registration, change } = value
      if (held?.registration.revision === registration.revision) {
        renew(held)
        return { ok: true, value: { done: true, registered: held, change } }
      }
      const entry = enter(registration, settings)
      if (!isShared) {
        hold(entry)
        registry.register([entry.service])
      }
      return { ok: true, value: { done: true, registered: entry, change } }
    },
    async remove(name, condition) {
      const stored = await store.remove(name, condition)
      if (stored.ok && stored.value.done && !isShared) forget(name, 'deregistered')
      return stored
    },
    async setDrained(name, drained) {
      const stored = await store.setDrained(name, drained)
      if (stored.ok && !isShared) registry.setDrained([name], drained)
      return stored
    },
    restore(registrations, drained) {
      const kept = new Map(registrations.map((registration) => [registration.name, registration]))
      const gone = [...registered.keys()].filter((name) => !kept.has(name))
      for (const name of gone) forget(name, 'deregistered')
      const changed = registrations.filter(
        ({ name, revision }) => registered.get(name)?.registration.revision !== revision,
      )
      const unread = changed.flatMap((registration) => adopt(registration) ?? [])
      const keptDrained = new Set(drained)
      const undrained = [...registry.drained].filter((name) => !keptDrained.has(name))
      registry.setDrained(undrained, false)
      registry.setDrained(drained, true)
      registry.register([...registered.values()].map(({ service }) => service))
      return unread
    },
    adopt(registration) {
      const problem = adopt(registration)
      const entry = registered.get(registration.name)
      if (entry !== undefined) registry.register([entry.service])
      return problem
    },
    renew(name) {
      const entry = registered.get(name)
      if (entry !== undefined) renew(entry)
    },
    forget,
    async setDefaults(next) {
      defaults = next
      let services: Service[] = []
      for (const entry of registered.values()) {
        entry.service = build(entry.registration.name, entry.settings)
        services.push(entry.service)
        if (services.length < perTurn) continue
        registry.register(services)
        services = []
        // Who is deregistered meanwhile does not come up any more.
        await setImmediate()
      }
      registry.register(services)
    },
    expireDue: expiries.runDue,
    close: expiries.close,
  }
}
